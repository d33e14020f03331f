//! The conformance suite over every store of the crate. A new one is a fixture and a line with `every_case!`.

#![allow(clippy::unwrap_used, reason = "a store that cannot be opened fails the test")]

use std::sync::Arc;

use async_trait::async_trait;
use f9::testing::{Fixture, Scale, ThroughFacade, every_case};
use f9::{AsyncFileBackend, Durability, LocalFileBackend, MemoryFileBackend};
use tempfile::TempDir;

every_case!(memory, Memory::default());
every_case!(local_atomic, Local::new(Durability::Atomic));
every_case!(local_synced, Local::new(Durability::Synced));
every_case!(memory_through_the_facade, Dressed(Memory::default()));
every_case!(local_atomic_through_the_facade, Dressed(Local::new(Durability::Atomic)));
every_case!(local_synced_through_the_facade, Dressed(Local::new(Durability::Synced)));
#[cfg(feature = "git")]
every_case!(git_clone, git::Clone::new());
#[cfg(feature = "git")]
every_case!(git_clone_through_the_facade, Dressed(git::Clone::new()));
#[cfg(feature = "openai")]
every_case!(openai_strict, openai::VectorStore::strict());
#[cfg(feature = "openai")]
every_case!(openai_lenient, openai::VectorStore::lenient().cached());
#[cfg(feature = "openai")]
every_case!(openai_strict_through_the_facade, Dressed(openai::VectorStore::strict().cached()));
#[cfg(feature = "openai")]
every_case!(openai_lenient_through_the_facade, Dressed(openai::VectorStore::lenient().cached()));
every_case!(provided_methods, provided::Few::default());
every_case!(few_capabilities, provided::Few::unconditional());

#[derive(Default)]
struct Memory(MemoryFileBackend);

#[async_trait]
impl Fixture for Memory {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(self.0.clone())
    }

    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(Arc::new(self.0.clone()))
    }
}

/// A folder of its own, gone with the fixture.
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

    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    async fn litter(&self) -> Vec<String> {
        litter(self.dir.path())
    }

    /// A change that is synced takes some milliseconds, and is otherwise one that is not.
    fn scale(&self) -> Scale {
        match self.durability {
            Durability::Synced => Scale::Small,
            _ => Scale::Full,
        }
    }
}

/// The names below a directory that f9 keeps for itself, but for the file that sessions lock.
fn litter(dir: &std::path::Path) -> Vec<String> {
    let (mut litter, mut waiting) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = waiting.pop() {
        // A directory that is being deleted may be gone by now.
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if f9::is_reserved_name(&name) && name != ".backend.lock" {
                litter.push(name);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            }
        }
    }
    litter
}

/// A working tree with a bare repository as its remote.
#[cfg(feature = "git")]
mod git {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use f9::{GitConfig, GitSyncFileBackend};
    use tokio::sync::OnceCell;

    use super::{Arc, AsyncFileBackend, Fixture, TempDir, async_trait, litter};

    /// A copy of a clone and its remote that are made once: opening it starts no process.
    pub(super) struct Clone(TempDir);

    impl Clone {
        pub(super) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        async fn open(&self) -> Arc<dyn AsyncFileBackend> {
            if !self.0.path().join("tree").exists() {
                Prepared::get().await.copy_to(self.0.path());
            }
            Arc::new(open_in(self.0.path()).await)
        }
    }

    /// Opens the clone in `dir`, which is made if it is not there.
    async fn open_in(dir: &Path) -> GitSyncFileBackend {
        let remote = dir.join("remote").to_str().unwrap().to_owned();
        GitSyncFileBackend::open(GitConfig::new(remote, dir.join("tree"))).await.unwrap()
    }

    /// The files of an empty remote and its clone; a directory has no content.
    struct Prepared {
        /// Where they were made.
        dir: String,
        files: Vec<(PathBuf, Option<Vec<u8>>)>,
    }

    impl Prepared {
        async fn get() -> &'static Self {
            static PREPARED: OnceCell<Prepared> = OnceCell::const_new();
            PREPARED.get_or_init(Self::new).await
        }

        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let init = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
            let made = Command::new("git").args(init).arg(dir.path().join("remote")).status();
            assert!(made.unwrap().success());
            drop(open_in(dir.path()).await);
            let mut files = Vec::new();
            add_files(dir.path(), Path::new(""), &mut files);
            Self { dir: dir.path().to_str().unwrap().to_owned(), files }
        }

        /// Lays the files out in `dir`, with the place of the remote changed where it is named.
        fn copy_to(&self, dir: &Path) {
            for (path, content) in &self.files {
                let path = dir.join(path);
                match content.as_deref().map(|content| (str::from_utf8(content), content)) {
                    None => fs::create_dir(path),
                    Some((Ok(text), _)) => {
                        fs::write(path, text.replace(&self.dir, dir.to_str().unwrap()))
                    }
                    Some((Err(_), content)) => fs::write(path, content),
                }
                .unwrap();
            }
        }
    }

    /// Adds what is below a directory, each directory before what it holds.
    fn add_files(root: &Path, directory: &Path, files: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                files.push((path.clone(), None));
                add_files(root, &path, files);
            } else {
                files.push((path, Some(fs::read(entry.path()).unwrap())));
            }
        }
    }

    #[async_trait]
    impl Fixture for Clone {
        async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
            self.open().await
        }

        async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
            Some(self.open().await)
        }

        async fn litter(&self) -> Vec<String> {
            litter(&self.0.path().join("tree"))
        }
    }

    /// The copy works with its own remote.
    #[tokio::test]
    async fn a_copy_is_a_clone_of_the_copied_remote() {
        use f9::prelude::*;

        let copy = Clone::new();
        drop(copy.open().await);
        let clone = open_in(copy.0.path()).await;
        assert_eq!(clone.processes_started(), 0);
        clone.create("a", "x").await.unwrap();
        clone.sync("Add").await.unwrap();
        assert!(copy.0.path().join("remote/refs/heads/main").exists());
    }
}

/// A vector store of the simulator, which is gone with it.
#[cfg(feature = "openai")]
mod openai {
    use std::time::Duration;

    use f9::OpenAIVectorStoreFileBackend;
    use f9::testing::OpenAISimulator;

    use super::{Arc, AsyncFileBackend, Fixture, Scale, async_trait};

    pub(super) struct VectorStore {
        simulator: OpenAISimulator,
        cache_ttl: Duration,
    }

    impl VectorStore {
        /// One that is looked at before each operation.
        pub(super) fn strict() -> Self {
            Self { simulator: OpenAISimulator::start(), cache_ttl: Duration::ZERO }
        }

        /// One that gives files back.
        pub(super) fn lenient() -> Self {
            Self { simulator: OpenAISimulator::lenient(), cache_ttl: Duration::ZERO }
        }

        /// What is known of it is believed for a minute.
        pub(super) fn cached(self) -> Self {
            Self { cache_ttl: Duration::from_secs(60), ..self }
        }

        async fn open(&self) -> Arc<dyn AsyncFileBackend> {
            let config = self.simulator.config().with_cache_ttl(self.cache_ttl);
            Arc::new(OpenAIVectorStoreFileBackend::open(config).await.unwrap())
        }
    }

    #[async_trait]
    impl Fixture for VectorStore {
        async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
            self.open().await
        }

        async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
            Some(self.open().await)
        }

        async fn litter(&self) -> Vec<String> {
            let unattached = self.simulator.files().into_iter().filter(|file| !file.attached);
            unattached.map(|file| file.filename).collect()
        }

        /// What is not cached is looked at before each operation: that takes a request for each hundred entries.
        fn scale(&self) -> Scale {
            Scale::Small
        }
    }
}

/// A store as synchronous code uses it.
struct Dressed<F>(F);

#[async_trait]
impl<F: Fixture> Fixture for Dressed<F> {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(ThroughFacade::new(self.0.backend().await).unwrap())
    }

    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        let second = self.0.second().await?;
        Some(Arc::new(ThroughFacade::new(second).unwrap()))
    }

    async fn litter(&self) -> Vec<String> {
        self.0.litter().await
    }

    fn is_cancellable(&self) -> bool {
        false
    }

    fn scale(&self) -> Scale {
        self.0.scale()
    }
}

/// A store that implements what is required and nothing else, so that the provided methods keep the promises too.
mod provided {
    use f9::*;

    use super::{Arc, Fixture, async_trait};

    #[derive(Clone, Debug, Default)]
    pub(super) struct Few {
        files: MemoryFileBackend,
        without: Option<Capability>,
    }

    impl Few {
        /// A store without conditional writes, appending and directories of their own.
        pub(super) fn unconditional() -> Self {
            Self { without: Some(Capability::ConditionalWrite), ..Self::default() }
        }

        fn check(&self, etag: Option<&Etag>, verb: &'static str, path: &str) -> Result<()> {
            if etag.is_none() || self.capabilities().has(Capability::ConditionalWrite) {
                return Ok(());
            }
            let error = Error::new(ErrorKind::Unsupported);
            Err(error.with_operation(verb).with_path(path))
        }
    }

    fn etag_of(mode: &WriteMode) -> Option<&Etag> {
        match mode {
            WriteMode::IfMatch(etag) => Some(etag),
            _ => None,
        }
    }

    #[async_trait]
    impl Fixture for Few {
        async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
            Arc::new(self.clone())
        }
    }

    #[async_trait]
    impl AsyncFileBackend for Few {
        fn capabilities(&self) -> Capabilities {
            let all = self.files.capabilities().without(Capability::Sessions);
            match self.without {
                Some(without) => all
                    .without(without)
                    .without(Capability::Append)
                    .without(Capability::EmptyDirectories)
                    .without(Capability::LastingDirectories),
                None => all,
            }
        }

        async fn stream_write_with(
            &self,
            path: &str,
            data: ByteStream<'_>,
            options: WriteOptions,
        ) -> Result<FileInfo> {
            self.check(etag_of(&options.mode), "write", path)?;
            self.files.stream_write_with(path, data, options).await
        }

        async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
            let makes = !self.files.exists(path).await?;
            if makes && !self.capabilities().has(Capability::EmptyDirectories) {
                let error = Error::new(ErrorKind::Unsupported);
                return Err(error.with_operation("create directory").with_path(path));
            }
            self.files.create_dir_with(path, options).await
        }

        async fn stream_read_with(
            &self,
            path: &str,
            options: ReadOptions,
        ) -> Result<ByteStream<'static>> {
            self.files.stream_read_with(path, options).await
        }

        async fn update_with(
            &self,
            path: &str,
            data: Bytes,
            options: UpdateOptions,
        ) -> Result<FileInfo> {
            self.check(options.if_match.as_ref(), "update", path)?;
            let appends = options.mode == UpdateMode::Append;
            if appends && !self.capabilities().has(Capability::Append) {
                let error = Error::new(ErrorKind::Unsupported);
                return Err(error.with_operation("append to").with_path(path));
            }
            self.files.update_with(path, data, options).await
        }

        async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
            self.files.delete_with(path, options).await
        }

        async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
            self.files.info_with(path, options).await
        }

        async fn list_with(
            &self,
            prefix: &str,
            options: ListOptions,
        ) -> Result<InfoStream<'static>> {
            self.files.list_with(prefix, options).await
        }

        async fn rename_with(
            &self,
            from: &str,
            to: &str,
            options: RenameOptions,
        ) -> Result<FileInfo> {
            self.check(etag_of(&options.mode), "rename", from)?;
            self.files.rename_with(from, to, options).await
        }
    }
}
