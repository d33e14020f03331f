//! Opening a local backend.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::{Durability, LocalConfig};
use super::{LocalFileBackend, NAME, Shared, session};
use crate::backend::{Limits, StoreIdentity};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::fs::{Naming, NewFile, Reserved, Root, sweep};
use crate::sys::pool;

impl LocalFileBackend {
    /// Opens the directory at `root` with the default settings, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub async fn new(root: impl Into<PathBuf>) -> Result<Self> {
        Self::open(LocalConfig::new(root)).await
    }

    /// Opens the directory that `config` describes.
    ///
    /// # Errors
    ///
    /// [`NotADirectory`](ErrorKind::NotADirectory) if the root is a file. [`NotFound`](ErrorKind::NotFound) if it is missing and must
    /// not be created. [`InvalidInput`](ErrorKind::InvalidInput) for a chunk size of zero, permissions above `0o7777`, or an invalid
    /// root.
    pub async fn open(config: LocalConfig) -> Result<Self> {
        open(config, Reserved::default()).await
    }

    /// Returns a builder with the default settings for the directory at `root`.
    pub fn builder(root: impl Into<PathBuf>) -> LocalFileBackendBuilder {
        let config = LocalConfig::new(root);
        LocalFileBackendBuilder { config, reserved: Reserved::default() }
    }
}

/// A [`LocalConfig`] as a chain of calls, from [`LocalFileBackend::builder`].
///
/// # Examples
///
/// ```
/// use f9::{Durability, LocalFileBackend};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("notes");
/// let backend = LocalFileBackend::builder(path)
///     .durability(Durability::Synced)
///     .permissions(0o640)
///     .open()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the backend is opened by `open`"]
pub struct LocalFileBackendBuilder {
    config: LocalConfig,
    reserved: Reserved,
}

impl LocalFileBackendBuilder {
    /// Sets [`LocalConfig::create_root`].
    pub fn create_root(mut self, create_root: bool) -> Self {
        self.config.create_root = create_root;
        self
    }

    /// Sets [`LocalConfig::durability`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// Sets [`LocalConfig::permissions`].
    pub fn permissions(mut self, bits: u32) -> Self {
        self.config.permissions = Some(bits);
        self
    }

    /// Sets [`LocalConfig::chunk_size`].
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.config.chunk_size = bytes;
        self
    }

    /// Sets [`LocalConfig::sweep`].
    pub fn sweep(mut self, sweep: bool) -> Self {
        self.config.sweep = sweep;
        self
    }

    /// Also reserves the names of segments for which `is_reserved` returns true. They are hidden and refused like the names of f9,
    /// and sweeps skip them.
    #[cfg(any(test, feature = "git"))]
    pub(crate) fn reserving(mut self, is_reserved: fn(&str) -> bool) -> Self {
        self.reserved = Reserved::also(is_reserved);
        self
    }

    /// Opens the backend.
    ///
    /// # Errors
    ///
    /// Those of [`LocalFileBackend::open`].
    pub async fn open(self) -> Result<LocalFileBackend> {
        open(self.config, self.reserved).await
    }
}

impl From<LocalFileBackendBuilder> for LocalConfig {
    fn from(builder: LocalFileBackendBuilder) -> Self {
        builder.config
    }
}

async fn open(config: LocalConfig, reserved: Reserved) -> Result<LocalFileBackend> {
    let root = config.root.to_string_lossy().into_owned();
    let opened = match check(&config) {
        Ok(()) => pool::run(move || open_root(&config, reserved)).await,
        Err(error) => Err(error),
    };
    opened.map_err(|error| error.with_operation("open").with_path(root).with_backend(NAME))
}

fn check(config: &LocalConfig) -> Result<()> {
    let invalid = |message| Err(Error::new(ErrorKind::InvalidInput).with_message(message));
    if config.chunk_size == 0 {
        return invalid("the chunk size must be greater than zero");
    }
    if config.permissions.is_some_and(|bits| bits > 0o7777) {
        return invalid("the permissions must not be above 0o7777");
    }
    if config.root.as_os_str().is_empty() {
        return invalid("the root must not be an empty path");
    }
    if config.root.as_os_str().as_encoded_bytes().contains(&0) {
        return invalid("the root contains a NUL byte");
    }
    Ok(())
}

fn open_root(config: &LocalConfig, reserved: Reserved) -> Result<LocalFileBackend> {
    let path = std::path::absolute(&config.root)?;
    let sync = config.durability == Durability::Synced;
    if config.create_root {
        Root::create(&path, sync)?;
    }
    let root = Root::open(&path, reserved)?;
    if config.sweep {
        sweep(&root)?;
    }
    let id = root.id()?;
    let session = session::lock_of_root(id);
    let (limits, identity) = (limits_of(&root), identity_of(id));
    let naming = Naming::default();
    let new_file = NewFile { sync, permissions: config.permissions, naming, in_place: false };
    let shared =
        Shared { root, path, new_file, chunk_size: config.chunk_size, session, limits, identity };
    Ok(LocalFileBackend { shared: Arc::new(shared) })
}

fn limits_of(root: &Root) -> Limits {
    let mut limits = Limits::default();
    if let Some(bytes) = root.name_bytes() {
        limits.name_bytes = limits.name_bytes.min(bytes);
    }
    limits.path_bytes = root.path_bytes();
    if !root.keeps_metadata() {
        limits.user_metadata_bytes = 0;
    }
    limits
}

fn identity_of((major, minor, inode): (u32, u32, u64)) -> StoreIdentity {
    let device = u64::from(major) << 32 | u64::from(minor);
    StoreIdentity::new(format!("local:{device:x}:{inode:x}"))
}
