//! How a local backend is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{LocalFileBackend, NAME, Shared, session};
use crate::fs::{NewFile, Reserved, Root, sweep};
use crate::{DEFAULT_CHUNK_SIZE, Error, ErrorKind, Result, offload};

/// What a finished write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// A crash of the process: readers and later processes see the old or the new file, never a mix. A power loss may lose
    /// what was written in the last seconds.
    #[default]
    Atomic,
    /// Also a power loss: the file, its name and every directory made on the way are on stable storage before the write is
    /// acknowledged; so are deletions and renames.
    Synced,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Atomic => "atomic",
            Self::Synced => "synced",
        })
    }
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "atomic" => Ok(Self::Atomic),
            "synced" => Ok(Self::Synced),
            _ => Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("`{text}` is no durability, known are atomic, synced"))),
        }
    }
}

/// Settings of a [`LocalFileBackend`], from [`LocalFileBackend::builder`].
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
#[must_use = "nothing is opened before `open`"]
pub struct LocalFileBackendBuilder {
    root: PathBuf,
    create_root: bool,
    sweep: bool,
    durability: Durability,
    permissions: Option<u32>,
    chunk_size: usize,
    reserved: Reserved,
}

impl LocalFileBackendBuilder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            create_root: true,
            sweep: true,
            durability: Durability::default(),
            permissions: None,
            chunk_size: DEFAULT_CHUNK_SIZE,
            reserved: Reserved::default(),
        }
    }

    /// Sets whether a missing root directory is made, with those above it. It is by default; else it is
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn create_root(mut self, create_root: bool) -> Self {
        self.create_root = create_root;
        self
    }

    /// Sets what a finished write survives.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the permission bits of new files, whatever the umask; what the umask leaves of `0o666` by default. A file that is
    /// replaced keeps its own.
    pub fn permissions(mut self, bits: u32) -> Self {
        self.permissions = Some(bits);
        self
    }

    /// Sets the size of the chunks of streams, in bytes; [`DEFAULT_CHUNK_SIZE`] by default.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = bytes;
        self
    }

    /// Sets whether opening removes the temporaries of dead processes. It does by default, which reads the names of the whole tree,
    /// about 50 ms for 100,000 files; turn it off for a store that is huge or slow to list, such as a whole file system.
    pub fn sweep(mut self, sweep: bool) -> Self {
        self.sweep = sweep;
        self
    }

    /// Reserves also the names of segments that `also` tells: they are hidden and refused like those that f9 keeps for itself, and no
    /// sweep goes there.
    #[cfg(any(test, feature = "git"))]
    pub(crate) fn reserving(mut self, also: fn(&str) -> bool) -> Self {
        self.reserved = Reserved::also(also);
        self
    }

    /// Opens the backend.
    ///
    /// # Errors
    ///
    /// [`NotADirectory`](ErrorKind::NotADirectory) if the root is a file, [`NotFound`](ErrorKind::NotFound) if it is missing and
    /// not to be made, [`InvalidInput`](ErrorKind::InvalidInput) for a chunk size of zero or permissions beyond `0o7777`.
    pub async fn open(self) -> Result<LocalFileBackend> {
        let path = self.root.clone();
        let opened = match self.check() {
            Ok(()) => offload::run(move || self.open_here()).await,
            Err(error) => Err(error),
        };
        opened.map_err(|error| named(error, &path))
    }

    fn check(&self) -> Result<()> {
        let invalid = |message| Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        if self.chunk_size == 0 {
            return invalid("the chunk size is zero");
        }
        if self.permissions.is_some_and(|bits| bits > 0o7777) {
            return invalid("the permissions have bits beyond 0o7777");
        }
        if self.root.as_os_str().is_empty() {
            return invalid("the root is an empty path");
        }
        if self.root.as_os_str().as_encoded_bytes().contains(&0) {
            return invalid("the root holds a NUL");
        }
        Ok(())
    }

    fn open_here(self) -> Result<LocalFileBackend> {
        let path = std::path::absolute(&self.root)?;
        let sync = self.durability == Durability::Synced;
        if self.create_root {
            Root::make(&path, sync)?;
        }
        let root = Root::open(&path, self.reserved)?;
        if self.sweep {
            sweep(&root)?;
        }
        let session = session::of_root(root.id()?);
        let new_file = NewFile { sync, permissions: self.permissions };
        let chunk_size = self.chunk_size;
        let shared = Shared { root, path, new_file, chunk_size, session };
        Ok(LocalFileBackend { shared: Arc::new(shared) })
    }
}

fn named(error: Error, path: &Path) -> Error {
    error.with_operation("open").with_path(path.to_string_lossy()).with_backend(NAME)
}
