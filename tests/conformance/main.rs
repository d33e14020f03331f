//! Runs the conformance suite on every backend. To add one, write a fixture and a line with `every_case!`.

#![allow(clippy::unwrap_used, reason = "a test fails if its store cannot be opened")]

#[cfg(feature = "git")]
mod git;
mod minimal;
#[cfg(feature = "object-store")]
mod object;
#[cfg(feature = "openai")]
mod openai;

use std::sync::Arc;

use async_trait::async_trait;
use f9::testing::{FacadeBackend, Fixture, Scale, every_case};
use f9::{AsyncFileBackend, Durability, LocalFileBackend, MemoryConfig, MemoryFileBackend};
use tempfile::TempDir;

every_case!(memory, Memory::default());
every_case!(memory_with_versions, Memory::with_versions());
every_case!(local_atomic, Local::new(Durability::Atomic));
every_case!(local_synced, Local::new(Durability::Synced));
every_case!(memory_through_the_facade, Facade(Memory::default()));
every_case!(memory_with_versions_through_the_facade, Facade(Memory::with_versions()));
every_case!(local_atomic_through_the_facade, Facade(Local::new(Durability::Atomic)));
every_case!(local_synced_through_the_facade, Facade(Local::new(Durability::Synced)));
#[cfg(feature = "git")]
every_case!(git_clone, git::Clone::new());
#[cfg(feature = "git")]
every_case!(git_clone_through_the_facade, Facade(git::Clone::new()));
#[cfg(feature = "object-store")]
every_case!(s3, object::Bucket::new());
#[cfg(feature = "object-store")]
every_case!(s3_with_versions, object::Bucket::versioned().with_prefix("tenants/7"));
#[cfg(feature = "object-store")]
every_case!(s3_through_the_facade, Facade(object::Bucket::new()));
#[cfg(feature = "openai")]
every_case!(openai_strict, openai::VectorStore::strict());
#[cfg(feature = "openai")]
every_case!(openai_lenient, openai::VectorStore::lenient().cached());
#[cfg(feature = "openai")]
every_case!(openai_strict_through_the_facade, Facade(openai::VectorStore::strict().cached()));
#[cfg(feature = "openai")]
every_case!(openai_worst, openai::VectorStore::worst());
#[cfg(feature = "openai")]
every_case!(openai_lenient_through_the_facade, Facade(openai::VectorStore::lenient().cached()));
every_case!(provided_methods, minimal::Minimal::default());
every_case!(few_capabilities, minimal::Minimal::limited());

#[derive(Default)]
struct Memory(MemoryFileBackend);

impl Memory {
    fn with_versions() -> Self {
        let config = MemoryConfig::default().with_versions();
        Self(futures::executor::block_on(MemoryFileBackend::open(config)).unwrap())
    }
}

#[async_trait]
impl Fixture for Memory {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(self.0.clone())
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(Arc::new(self.0.clone()))
    }
}

/// A directory that is removed with the fixture.
struct Local {
    dir: TempDir,
    durability: Durability,
}

impl Local {
    fn new(durability: Durability) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), durability }
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let builder = LocalFileBackend::builder(self.dir.path()).durability(self.durability);
        Arc::new(builder.open().await.unwrap())
    }
}

#[async_trait]
impl Fixture for Local {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    async fn leftovers(&self) -> Vec<String> {
        leftovers(self.dir.path())
    }

    /// A synced write takes milliseconds, and the full scale already tests the atomic one.
    fn scale(&self) -> Scale {
        match self.durability {
            Durability::Synced => Scale::Small,
            _ => Scale::Full,
        }
    }
}

/// Returns the internal files of f9 below a directory, except for the lock file of sessions and the directories for uploads and services.
fn leftovers(dir: &std::path::Path) -> Vec<String> {
    let (mut leftovers, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        // A deletion in the background may have removed the directory.
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_hidden_file = !is_dir && entry.path().iter().any(|name| name == ".f9");
            let is_reserved = f9::is_reserved_name(&name) && name != ".f9";
            if is_hidden_file || is_reserved && name != ".backend.lock" {
                leftovers.push(name);
            }
            if is_dir {
                pending.push(entry.path());
            }
        }
    }
    leftovers
}

/// A store behind the blocking facade.
struct Facade<F>(F);

#[async_trait]
impl<F: Fixture> Fixture for Facade<F> {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(FacadeBackend::new(self.0.backend().await).unwrap())
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        let second = self.0.second_handle().await?;
        Some(Arc::new(FacadeBackend::new(second).unwrap()))
    }

    async fn make_version(&self) {
        self.0.make_version().await;
    }

    async fn leftovers(&self) -> Vec<String> {
        self.0.leftovers().await
    }

    fn is_cancellable(&self) -> bool {
        false
    }

    fn scale(&self) -> Scale {
        self.0.scale()
    }
}
