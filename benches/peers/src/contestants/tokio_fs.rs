//! `tokio::fs`, with a trip to the blocking pool for each call.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Files, Listed, std_fs};
use crate::Result;
use crate::content::{PIECE, Pieces, Sink};

#[derive(Clone)]
pub struct TokioFs(Arc<PathBuf>);

pub fn open(root: &Path) -> TokioFs {
    TokioFs(Arc::new(root.to_owned()))
}

impl Files for TokioFs {
    type Content = Vec<u8>;

    async fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(fs::read(self.0.join(path)).await?)
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(fs::metadata(self.0.join(path)).await?.len())
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        Ok(fs::write(self.0.join(path), data).await?)
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut file = File::open(self.0.join(path)).await?;
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer).await? {
                0 => return Ok(()),
                read => sink.take(&buffer[..read]),
            }
        }
    }

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        let mut file = File::create(self.0.join(path)).await?;
        for piece in pieces {
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        Ok(())
    }

    /// In one trip to the pool. One trip per entry would be unrealistically slow.
    async fn list(&self) -> Result<Vec<Listed>> {
        in_pool(&self.0, std_fs::list).await
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        in_pool(&self.0, std_fs::rust_files).await
    }
}

async fn in_pool<T: Send + 'static>(
    root: &Arc<PathBuf>,
    walk: fn(&Path) -> Result<T>,
) -> Result<T> {
    let root = Arc::clone(root);
    #[expect(clippy::disallowed_methods, reason = "users of tokio do this")]
    tokio::task::spawn_blocking(move || walk(&root)).await?
}
