//! OpenDAL's `services-fs`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::TryStreamExt as _;
use opendal::Operator;
use opendal::services::Fs;

use super::{Files, Listed};
use crate::Result;
use crate::content::{Pieces, Sink};

pub fn open(root: &Path, atomic_write_dir: Option<PathBuf>) -> Result<Operator> {
    let mut service = Fs::default().root(&root.to_string_lossy());
    if let Some(dir) = atomic_write_dir {
        service = service.atomic_write_dir(&dir.to_string_lossy());
    }
    Ok(Operator::new(service)?)
}

impl Files for Operator {
    type Content = Bytes;

    async fn read(&self, path: &str) -> Result<Bytes> {
        Ok(Operator::read(self, path).await?.to_bytes())
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(self.stat(path).await?.content_length())
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        self.write(path, data).await?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut buffers = self.reader(path).await?.into_stream(..).await?;
        while let Some(buffer) = buffers.try_next().await? {
            buffer.into_iter().for_each(|chunk| sink.take(&chunk));
        }
        Ok(())
    }

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        let mut writer = self.writer(path).await?;
        for piece in pieces {
            writer.write(piece).await?;
        }
        writer.close().await?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let mut entries = self.lister_with("").recursive(true).await?;
        let mut files = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            let (path, metadata) = entry.into_parts();
            if metadata.is_file() {
                let modified = metadata.last_modified().ok_or("a time is missing")?.into();
                files.push(Listed { path, size: metadata.content_length(), modified });
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        let mut entries = self.lister_with("").recursive(true).await?;
        let mut found = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            if entry.path().ends_with(".rs") {
                found.push(entry.into_parts().0);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}
