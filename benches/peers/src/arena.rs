//! The temporary directory on the measured file system, and the sizes of the works.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::clock::{Start, Took};
use crate::content::Pieces;
use crate::contestants;
use crate::drive::Contestant;

/// The sizes of the works.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub rounds: usize,
    pub memory_rounds: usize,
    pub small_files: usize,
    pub hashed_files: usize,
    /// Files that are written or deleted in one call.
    pub bulk_files: usize,
    /// The same where each file is synced.
    pub synced_files: usize,
    /// Files of a directory of which a part is listed.
    pub listed_files: usize,
    pub stream_bytes: u64,
    pub memory_bytes: u64,
    /// Directories of 50 files each.
    pub directories: usize,
    pub git_files: usize,
    pub git_commits: usize,
    /// Files created, read and deleted in a vector store.
    pub openai_files: usize,
    /// Files in a listed vector store.
    pub openai_listed: usize,
    /// Files in a vector store with a cached index.
    pub openai_known: usize,
    pub openai_rounds: usize,
    /// Fewer rounds, because the Python original takes a minute for one.
    pub openai_list_rounds: usize,
}

impl Sizes {
    pub const FULL: Self = Self {
        rounds: 15,
        memory_rounds: 3,
        small_files: 2000,
        hashed_files: 10_000,
        bulk_files: 10_000,
        synced_files: 2000,
        listed_files: 1_000_000,
        stream_bytes: 1 << 30,
        memory_bytes: 4 << 30,
        directories: 2000,
        git_files: 10_000,
        git_commits: 2000,
        openai_files: 1000,
        openai_listed: 10_000,
        openai_known: 100_000,
        openai_rounds: 3,
        openai_list_rounds: 1,
    };

    pub const QUICK: Self = Self {
        rounds: 5,
        memory_rounds: 1,
        small_files: 500,
        hashed_files: 2000,
        bulk_files: 1000,
        synced_files: 200,
        listed_files: 20_000,
        stream_bytes: 128 << 20,
        memory_bytes: 256 << 20,
        directories: 200,
        git_files: 1000,
        git_commits: 200,
        openai_files: 100,
        openai_listed: 300,
        openai_known: 10_000,
        openai_rounds: 1,
        openai_list_rounds: 1,
    };
}

/// Returns a runtime with two threads, as in a small container, so that results do not depend on the number of processors.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

pub struct Arena {
    dir: TempDir,
    pub runtime: Arc<Runtime>,
    pub sizes: Sizes,
}

impl Arena {
    pub fn new(below: &Path, sizes: Sizes) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("f9-peers-").tempdir_in(below)?;
        Ok(Self { dir, runtime: Arc::new(runtime()?), sizes })
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Runs the work on a thread of the runtime, as a service would, and not on the calling thread.
    pub fn timed<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
    ) -> Result<(Took, T)>
    where
        T: Send + 'static,
        E: Into<crate::Error>,
    {
        let timed = async {
            let start = Start::now();
            let done = work.await.map_err(Into::into)?;
            Ok((start.took(), done))
        };
        self.runtime.block_on(self.runtime.spawn(timed))?
    }

    /// Creates a directory for one work.
    pub fn folder(&self, work: &str) -> Result<Folder> {
        let root = self.root().join(work);
        fs::create_dir(&root)?;
        Ok(Folder { contestants: contestants::all(&root, &self.runtime)?, root })
    }
}

/// A directory with all contestants.
pub struct Folder {
    pub root: PathBuf,
    pub contestants: Vec<Box<dyn Contestant>>,
}

impl Folder {
    /// Creates `paths` with the same content, and their parent directories.
    pub fn fill(&self, paths: &[String], content: &[u8]) -> Result<()> {
        for path in paths {
            self.make_parent(path)?;
            fs::write(self.root.join(path), content)?;
        }
        self.settle()
    }

    pub fn make_parent(&self, path: &str) -> Result<()> {
        if let Some(parent) = self.root.join(path).parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(())
    }

    pub fn write_large(&self, path: &str, pieces: Pieces) -> Result<()> {
        let mut file = File::create(self.root.join(path))?;
        for piece in pieces {
            file.write_all(&piece)?;
        }
        self.settle()
    }

    /// Syncs the file system, so that no contestant pays for the writes of another.
    pub fn settle(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.root)?)?)
    }
}

/// Returns `count` paths below `top`, 100 in each directory.
pub fn small_paths(top: &str, count: usize) -> Arc<[String]> {
    (0..count).map(|n| format!("{top}/{:02}/{n:04}.bin", n / 100)).collect()
}
