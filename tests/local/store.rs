//! A backend on its own directory, next to a directory that it must not reach.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use f9::prelude::*;
use f9::{ErrorKind, LocalFileBackend, Result};
use tempfile::TempDir;

pub(crate) struct Store {
    pub(crate) backend: LocalFileBackend,
    pub(crate) root: PathBuf,
    pub(crate) outside: PathBuf,
    _dir: TempDir,
}

impl Store {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(outside.join("dir")).unwrap();
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::write(outside.join("dir/secret"), "secret").unwrap();
        let backend = LocalFileBackend::new(&root).await.unwrap();
        Self { backend, root, outside, _dir: dir }
    }

    /// Returns the path of `path` on disk.
    pub(crate) fn on_disk(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns all entries below the outside directory.
    pub(crate) fn outside_contents(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        contents(&self.outside)
    }
}

/// Returns every path below `dir`, with the content of files. Does not follow links.
pub(crate) fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let (path, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
            if kind.is_dir() {
                waiting.push(path.clone());
            }
            let content = kind.is_file().then(|| fs::read(&path).unwrap());
            found.insert(path, content);
        }
    }
    found
}

/// Returns the error kind of every verb at `path`, with the name of the verb. Writes overwrite.
pub(crate) async fn every_verb(
    backend: &LocalFileBackend,
    path: &str,
) -> Vec<(&'static str, Option<ErrorKind>)> {
    use f9::{
        ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions,
        InfoOptions, LinkMode, RenameOptions, UpdateOptions, WriteOptions,
    };
    fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| {
            assert!(error.path().is_some() && error.operation().is_some(), "{error:?}");
            error.kind()
        })
    }
    backend.create_with("every-verb", "x", CreateOptions::overwrite()).await.unwrap();
    let data = || futures::stream::iter([Result::Ok("x".into())]);
    let follow = InfoOptions::default().with_links(LinkMode::Follow);
    vec![
        ("read", kind(backend.read(path).await)),
        ("stream_read", kind(backend.stream_read(path).await)),
        ("info", kind(backend.info_with(path, follow).await)),
        ("list", kind(backend.list(path).await)),
        ("checksum", kind(backend.checksum(path, ChecksumAlgorithm::Sha256).await)),
        ("copy from", kind(backend.copy(path, "copied").await)),
        ("create", kind(backend.create_with(path, "x", CreateOptions::overwrite()).await)),
        ("update", kind(backend.update(path, "x").await)),
        ("append", kind(backend.update_with(path, "x", UpdateOptions::append()).await)),
        (
            "stream_write",
            kind(
                backend.stream_write_with(path, Box::pin(data()), WriteOptions::overwrite()).await,
            ),
        ),
        ("create_dir", kind(backend.create_dir_with(path, CreateDirOptions::overwrite()).await)),
        ("copy to", kind(backend.copy_with("every-verb", path, CopyOptions::overwrite()).await)),
        (
            "rename to",
            kind(backend.rename_with("every-verb", path, RenameOptions::overwrite()).await),
        ),
        ("delete", kind(backend.delete_with(path, DeleteOptions::recursive()).await)),
    ]
}
