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
impl Fixture for Minimal {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl AsyncFileBackend for Minimal {
    fn capabilities(&self) -> Capabilities {
        let all = self.files.capabilities().without(Capability::Sessions);
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
        self.check(etag_of(&options.mode), "write", path)?;
        self.files.stream_write_with(path, data, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let is_new = !self.files.exists(path).await?;
        if is_new && !self.capabilities().has(Capability::EmptyDirectories) {
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

    async fn update_bytes(
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

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.files.list_with(prefix, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.check(etag_of(&options.mode), "rename", from)?;
        self.files.rename_with(from, to, options).await
    }
}
