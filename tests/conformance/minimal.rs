//! A backend that implements only the required methods, so that the cases test the provided ones.

use f9::*;

use super::{Arc, Fixture, async_trait};

#[derive(Clone, Debug, Default)]
pub(super) struct Minimal {
    files: MemoryFileBackend,
    without: Option<Capability>,
}

impl Minimal {
    /// A store without conditional writes, appends and empty directories.
    pub(super) fn limited() -> Self {
        Self { without: Some(Capability::ConditionalWrite), ..Self::default() }
    }

    /// Refuses a call that has an etag on a store without conditional writes.
    fn check(&self, has_etags: bool, verb: &'static str, path: &str) -> Result<()> {
        if !has_etags || self.capabilities().has(Capability::ConditionalWrite) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Unsupported);
        Err(error.with_operation(verb).with_path(path))
    }
}

fn is_if_match(mode: &WriteMode) -> bool {
    matches!(mode, WriteMode::IfMatch(_))
}

#[async_trait]
impl Fixture for Minimal {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl AsyncFileBackend for Minimal {
    fn capabilities(&self) -> Capabilities {
        let all = self.files.capabilities()
            - Capabilities::of(&[
                Capability::Sessions,
                Capability::SetInfo,
                Capability::Links,
                Capability::Versions,
                Capability::Watch,
                Capability::Resumable,
                Capability::PrivateViews,
            ]);
        match self.without {
            Some(without) => all
                .without(without)
                .without(Capability::Append)
                .without(Capability::EmptyDirectories)
                .without(Capability::PersistentDirectories),
            None => all,
        }
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let has_etags = is_if_match(&options.mode) || options.condition.has_etags();
        self.check(has_etags, "write", path)?;
        if options.mode == WriteMode::Append && !self.capabilities().has(Capability::Append) {
            let error = Error::new(ErrorKind::Unsupported);
            return Err(error.with_operation("append to").with_path(path));
        }
        self.files.stream_write_with(path, data, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let is_new = match self.files.info(path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            found => found.map(|_| false)?,
        };
        if is_new && !self.capabilities().has(Capability::EmptyDirectories) {
            let error = Error::new(ErrorKind::Unsupported);
            return Err(error.with_operation("create directory").with_path(path));
        }
        self.files.create_dir_with(path, options).await
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        self.check(options.condition.has_etags(), "read", path)?;
        self.files.open_with(path, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.check(options.condition.has_etags(), "delete", path)?;
        self.files.delete_with(path, options).await
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.files.info_with(path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.files.list_with(prefix, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        let has_etags = options.source.has_etags() || options.target.has_etags();
        self.check(has_etags || is_if_match(&options.mode), "rename", from)?;
        self.files.rename_with(from, to, options).await
    }
}
