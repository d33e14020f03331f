//! Opening a memory backend.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::config::MemoryConfig;
use super::error::CONTEXT;
use super::tree::Tree;
use super::{MemoryFileBackend, Shared};
use crate::core::error::{Error, ErrorKind, Result};

impl MemoryFileBackend {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the store with this name. All backends with this name share it. It exists until the process ends.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::named_or(name, Self::default)
    }

    /// Returns the store with this name, which `new` creates if there is none.
    fn named_or(name: &str, new: impl FnOnce() -> Self) -> Self {
        static NAMED: LazyLock<Mutex<HashMap<String, MemoryFileBackend>>> =
            LazyLock::new(Mutex::default);
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.entry(name.to_owned()).or_insert_with(new).clone()
    }

    fn with_versions() -> Self {
        let shared = Shared { tree: Mutex::new(Tree::with_versions()), ..Shared::default() };
        Self { shared: Arc::new(shared), view: None }
    }

    /// Opens the store that `config` describes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if a store of this name exists and keeps no versions, but the configuration asks for them.
    #[expect(clippy::unused_async, reason = "every backend opens in this form")]
    pub async fn open(config: MemoryConfig) -> Result<Self> {
        let new = if config.keep_versions { Self::with_versions } else { Self::new };
        let Some(name) = config.name else { return Ok(new()) };
        let store = Self::named_or(&name, new);
        if config.keep_versions && !store.tree().keeps_versions() {
            let error = Error::new(ErrorKind::InvalidInput)
                .with_subject(name)
                .with_message("the store exists and keeps no versions");
            return Err(CONTEXT.operation("open")(error));
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{AsyncFileBackend as _, Capability};

    #[tokio::test]
    async fn the_first_backend_of_a_name_decides_about_versions() {
        let keeping = MemoryConfig::default().with_name("open-versions").with_versions();
        let store = MemoryFileBackend::open(keeping.clone()).await.unwrap();
        assert!(store.capabilities().has(Capability::Versions));
        for again in [keeping, MemoryConfig::default().with_name("open-versions")] {
            let again = MemoryFileBackend::open(again).await.unwrap();
            assert!(again.capabilities().has(Capability::Versions));
        }
        let plain = MemoryFileBackend::named("open-plain");
        assert!(!plain.capabilities().has(Capability::Versions));
        let keeping = MemoryConfig::default().with_name("open-plain").with_versions();
        let error = MemoryFileBackend::open(keeping).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!plain.capabilities().has(Capability::Versions));
    }
}
