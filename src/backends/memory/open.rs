//! Opening a memory backend.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::MemoryFileBackend;
use super::config::MemoryConfig;
use crate::core::error::Result;

impl MemoryFileBackend {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the store with this name. All backends with this name share it. It exists until the process ends.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static NAMED: LazyLock<Mutex<HashMap<String, MemoryFileBackend>>> =
            LazyLock::new(Mutex::default);
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.entry(name.to_owned()).or_default().clone()
    }

    /// Opens the store that `config` describes.
    ///
    /// # Errors
    ///
    /// None. It returns a `Result` like the `open` of the other backends.
    #[expect(clippy::unused_async, reason = "every backend opens in this form")]
    pub async fn open(config: MemoryConfig) -> Result<Self> {
        Ok(config.name.as_deref().map_or_else(Self::new, Self::named))
    }
}
