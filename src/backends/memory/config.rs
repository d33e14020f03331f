//! The settings of a memory backend.

use serde::{Deserialize, Serialize};

/// The settings of a [`MemoryFileBackend`](crate::MemoryFileBackend).
///
/// In JSON, every field is optional, and an unknown field is an error that lists the known ones.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::{MemoryConfig, MemoryFileBackend};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: MemoryConfig = serde_json::from_str(r#"{"name": "notes"}"#)?;
/// assert_eq!(config, MemoryConfig::default().with_name("notes"));
/// let backend = MemoryFileBackend::open(config).await?;
/// backend.create("a.txt", "hello").await?;
/// assert_eq!(MemoryFileBackend::named("notes").read("a.txt").await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The name of a store that lives as long as the process and that all backends of this name share. Without a name, the store is
    /// new and empty.
    pub name: Option<String>,
    /// Keeps the old content of files as [versions](crate::AsyncFileBackend::list_versions_with), until the store is dropped. A
    /// [named](Self::name) store keeps versions if the first backend of this name asked for it.
    pub keep_versions: bool,
}

impl MemoryConfig {
    /// Sets the name of the store.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Keeps the old content of files as versions.
    #[must_use]
    pub fn with_versions(mut self) -> Self {
        self.keep_versions = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_optional_and_an_unknown_field_is_an_error() {
        assert_eq!(serde_json::from_str::<MemoryConfig>("{}").unwrap(), MemoryConfig::default());
        let named = MemoryConfig::default().with_name("a").with_versions();
        let json = serde_json::to_string(&named).unwrap();
        assert_eq!(serde_json::from_str::<MemoryConfig>(&json).unwrap(), named);
        let error = serde_json::from_str::<MemoryConfig>(r#"{"nam": "a"}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `nam`, expected `name` or `keep_versions`"),
            "{error}"
        );
    }
}
