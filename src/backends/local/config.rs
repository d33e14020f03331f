//! The settings of a local backend.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::names::names;
use crate::core::options::setters;
use crate::core::stream::DEFAULT_CHUNK_SIZE;

/// What a finished write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// A crash of the process. Readers and later processes see the old file or the new file, and never a mix. A power loss may lose
    /// the writes of the last seconds.
    #[default]
    Atomic,
    /// Also a power loss. The file, its name and all new parent directories are on stable storage before a write returns. The same
    /// holds for deletions and renames.
    Synced,
}

names!(Durability, "durability" { Atomic = "atomic", Synced = "synced" });

/// The settings of a [`LocalFileBackend`](crate::LocalFileBackend).
///
/// In JSON, only `root` is required. An unknown field is an error that lists the known ones. Invalid settings are reported when the
/// backend opens.
///
/// # Examples
///
/// ```
/// use f9::{Durability, LocalConfig, LocalFileBackend};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # std::env::set_current_dir(&dir)?;
/// let config: LocalConfig = serde_json::from_str(r#"{"root": "notes", "durability": "synced"}"#)?;
/// assert_eq!(config, LocalConfig::new("notes").with_durability(Durability::Synced));
/// let backend = LocalFileBackend::open(config).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The root directory.
    pub root: PathBuf,
    /// Whether a missing root is created with its parents, as by default. Otherwise it is
    /// [`NotFound`](crate::ErrorKind::NotFound).
    #[serde(default = "yes")]
    pub create_root: bool,
    /// Whether opening removes the temporary files of dead processes, as by default. This reads the names of the whole tree, about
    /// 50 ms for 100,000 files. Turn it off for a huge or slow root, such as a whole file system.
    #[serde(default = "yes")]
    pub sweep: bool,
    /// What a finished write survives.
    #[serde(default)]
    pub durability: Durability,
    /// The permission bits of new files, independent of the umask; `0o666` without the bits of the umask if `None`. A replaced file keeps
    /// its permissions. An ACL that a new file inherits from its directory stays, limited by the bits of the group. In JSON, a decimal
    /// number such as 416 for `0o640`.
    #[serde(default)]
    pub permissions: Option<u32>,
    /// The size of the chunks of streams, in bytes; [`DEFAULT_CHUNK_SIZE`] by default.
    #[serde(default = "default_chunk_size")]
    pub chunk_size: usize,
}

fn yes() -> bool {
    true
}

fn default_chunk_size() -> usize {
    DEFAULT_CHUNK_SIZE
}

impl LocalConfig {
    /// Creates the default settings for the directory at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            create_root: true,
            sweep: true,
            durability: Durability::default(),
            permissions: None,
            chunk_size: DEFAULT_CHUNK_SIZE,
        }
    }
}

setters!(LocalConfig {
    /// Sets whether a missing root is created with its parents.
    with_create_root(create_root: bool) => create_root;
    /// Sets whether opening removes the temporary files of dead processes.
    with_sweep(sweep: bool) => sweep;
    /// Sets what a finished write survives.
    with_durability(durability: Durability) => durability;
    /// Sets the permission bits of new files.
    with_permissions(permissions: u32) => Some(permissions);
    /// Sets the size of the chunks of streams, in bytes.
    with_chunk_size(chunk_size: usize) => chunk_size;
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_needs_only_the_root_and_refuses_unknown_fields() {
        let config: LocalConfig = serde_json::from_str(r#"{"root": "a"}"#).unwrap();
        assert_eq!(config, LocalConfig::new("a"));
        let error = serde_json::from_str::<LocalConfig>("{}").unwrap_err().to_string();
        assert!(error.contains("missing field `root`"), "{error}");
        let json = r#"{"root": "a", "rot": 1}"#;
        let error = serde_json::from_str::<LocalConfig>(json).unwrap_err().to_string();
        assert!(error.contains("unknown field `rot`, expected one of `root`,"), "{error}");
    }

    #[test]
    fn every_setting_reads_back_from_json() {
        let config = LocalConfig::new("a")
            .with_create_root(false)
            .with_sweep(false)
            .with_durability(Durability::Synced)
            .with_permissions(0o640)
            .with_chunk_size(7);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<LocalConfig>(&json).unwrap(), config);
    }

    #[test]
    fn a_wrong_durability_gives_an_error_that_lists_the_right_ones() {
        let expected = "unknown durability `none` (expected `atomic` or `synced`)";
        assert_eq!("none".parse::<Durability>().unwrap_err().message(), Some(expected));
        let json = r#"{"root": "a", "durability": "none"}"#;
        let error = serde_json::from_str::<LocalConfig>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        for durability in Durability::ALL {
            assert_eq!(durability.name().parse::<Durability>().unwrap(), *durability);
        }
    }
}
