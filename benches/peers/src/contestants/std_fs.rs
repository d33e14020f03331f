//! `std::fs` on the calling thread, in a direct loop with one reused buffer.

use std::fs::{self, DirEntry, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{Files, Listed};
use crate::Result;
use crate::content::{PIECE, Pieces, Sink};

#[derive(Clone)]
pub struct StdFs {
    root: Arc<PathBuf>,
    /// Writes to a temporary file in the same directory and renames it.
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

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        self.write(path, pieces)
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        list(&self.root)
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        rust_files(&self.root)
    }
}

pub fn list(root: &Path) -> Result<Vec<Listed>> {
    let mut files = Vec::new();
    walk(root, "", &mut |path, entry| {
        let metadata = entry.metadata()?;
        files.push(Listed { path, size: metadata.len(), modified: metadata.modified()? });
        Ok(())
    })?;
    files.sort_unstable();
    Ok(files)
}

pub fn rust_files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(root, "", &mut |path, _| {
        if path.ends_with(".rs") {
            found.push(path);
        }
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// Calls `visit` for every file below `dir` with its path, which begins with `prefix`.
fn walk(
    dir: &Path,
    prefix: &str,
    visit: &mut impl FnMut(String, DirEntry) -> Result<()>,
) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a name is not UTF-8")?;
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), visit)?;
        } else {
            visit(path, entry)?;
        }
    }
    Ok(())
}
