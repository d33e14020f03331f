//! The contestants: f9, its peers, and direct calls as the lower bound.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::Result;
use crate::content::{Algorithm, Pieces, Sink};
use crate::drive::{Contestant, Driven};

pub mod f9_async;
mod f9_blocking;
pub mod object_store_local;
mod opendal_fs;
mod std_fs;
mod tokio_fs;

/// The verbs of a contestant. The provided methods do what a user would do if a library lacks the verb.
pub trait Files: Clone + Send + Sync + 'static {
    type Content: AsRef<[u8]> + Send;

    fn read(&self, path: &str) -> impl Future<Output = Result<Self::Content>> + Send;

    /// Returns the size of a file.
    fn info(&self, path: &str) -> impl Future<Output = Result<u64>> + Send;

    /// Creates a file in an existing directory.
    fn create(&self, path: &str, data: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Replaces a file.
    fn overwrite(&self, path: &str, data: Bytes) -> impl Future<Output = Result<()>> + Send {
        self.create(path, data)
    }

    fn stream_read(&self, path: &str, sink: &mut Sink) -> impl Future<Output = Result<()>> + Send;

    /// Creates a file from a stream of pieces.
    fn stream_write(&self, path: &str, pieces: Pieces) -> impl Future<Output = Result<()>> + Send;

    /// Returns all files, sorted by path.
    fn list(&self) -> impl Future<Output = Result<Vec<Listed>>> + Send;

    /// Returns the paths of all files that end in `.rs`, sorted.
    fn rust_files(&self) -> impl Future<Output = Result<Vec<String>>> + Send;

    fn checksum(
        &self,
        path: &str,
        algorithm: Algorithm,
    ) -> impl Future<Output = Result<String>> + Send {
        async move {
            let mut sink = Sink::hashing(algorithm);
            self.stream_read(path, &mut sink).await?;
            Ok(sink.into_hex())
        }
    }

    /// Returns the SHA-256 digests of files, in the order of `paths`.
    fn checksum_many(&self, paths: &[String]) -> impl Future<Output = Result<Vec<String>>> + Send {
        async move {
            let mut digests = Vec::new();
            for path in paths {
                let mut sink = Sink::hashing(Algorithm::Sha256);
                sink.take(self.read(path).await?.as_ref());
                digests.push(sink.into_hex());
            }
            Ok(digests)
        }
    }
}

/// A file in a listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub path: String,
    pub size: u64,
    pub modified: SystemTime,
}

/// The role of a contestant in the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The subject of the targets.
    F9,
    /// A library for async code.
    Peer,
    /// Direct calls, without the guarantees of a library.
    Bare,
    /// Another contestant with a different way of writing.
    Writer,
}

/// The name of a contestant in the tables, and the way it writes.
#[derive(Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    pub role: Role,
    pub writes: &'static str,
}

impl Profile {
    pub fn bare(name: &'static str) -> Self {
        Self { name, role: Role::Bare, writes: "" }
    }
}

/// Returns all contestants with `root` as their directory.
pub fn all(root: &Path, runtime: &Arc<Runtime>) -> Result<Vec<Box<dyn Contestant>>> {
    use Role::{Bare, F9, Peer, Writer};
    let on = || Some(Arc::clone(runtime));
    let atomic_dir = Some(root.with_extension("atomic"));
    let (object_store, opendal) = (object_store_local::open, opendal_fs::open);
    Ok(vec![
        driven(f9_async::open(root, false)?, on(), "f9", F9, "atomic"),
        driven(f9_blocking::open(root)?, None, "f9::blocking", F9, "atomic"),
        driven(object_store(root, false)?, on(), "object_store", Peer, "atomic"),
        driven(opendal(root, None)?, on(), "OpenDAL", Peer, "in place, file synced"),
        driven(tokio_fs::open(root), on(), "tokio::fs", Bare, "in place"),
        driven(std_fs::open(root, false), None, "std::fs", Bare, "in place"),
        driven(std_fs::open(root, true), None, "std::fs, renamed", Writer, "atomic"),
        driven(f9_async::open(root, true)?, on(), "f9 Synced", Writer, "atomic, all synced"),
        driven(object_store(root, true)?, on(), "object_store fsync", Writer, "atomic, all synced"),
        driven(opendal(root, atomic_dir)?, on(), "OpenDAL atomic", Writer, "atomic, file synced"),
    ])
}

/// Returns `std::fs` called in a task, which an async program must not do.
pub fn std_in_a_task(root: &Path, runtime: &Arc<Runtime>) -> Box<dyn Contestant> {
    let on = Some(Arc::clone(runtime));
    driven(std_fs::open(root, false), on, "std::fs in the task", Role::Bare, "")
}

fn driven(
    files: impl Files,
    runtime: Option<Arc<Runtime>>,
    name: &'static str,
    role: Role,
    writes: &'static str,
) -> Box<dyn Contestant> {
    Box::new(Driven { files, runtime, profile: Profile { name, role, writes } })
}
