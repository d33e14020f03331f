//! `std::fs` on the calling thread: the bare loop, with one buffer that is used again.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::Files;
use crate::Result;
use crate::content::{PIECE, Sink};

#[derive(Clone)]
pub struct StdFs {
    root: Arc<PathBuf>,
    /// Writes to a temporary beside the file, then renames it.
    renames: bool,
}

pub fn open(root: &Path, renames: bool) -> StdFs {
    StdFs { root: Arc::new(root.to_owned()), renames }
}

impl StdFs {
    fn write(&self, path: &str, pieces: impl Iterator<Item = Bytes>) -> Result<()> {
        let path = self.root.join(path);
        let temporary = self.renames.then(|| path.with_added_extension("tmp"));
        let mut file = File::create(temporary.as_ref().unwrap_or(&path))?;
        for piece in pieces {
            file.write_all(&piece)?;
        }
        drop(file);
        if let Some(temporary) = temporary {
            fs::rename(temporary, path)?;
        }
        Ok(())
    }
}

impl Files for StdFs {
    type Content = Vec<u8>;

    async fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(fs::read(self.root.join(path))?)
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(fs::metadata(self.root.join(path))?.len())
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        self.write(path, std::iter::once(data))
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut file = File::open(self.root.join(path))?;
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                read => sink.take(&buffer[..read]),
            }
        }
    }

    async fn stream_write(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Bytes> + Clone + Send + Sync + 'static,
    ) -> Result<()> {
        self.write(path, pieces)
    }
}
