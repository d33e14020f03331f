//! A git clone with a bare repository as its remote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use f9::{AsyncSyncFileBackend as _, GitConfig, GitSyncFileBackend};
use tokio::sync::OnceCell;

use super::{Arc, AsyncFileBackend, Fixture, TempDir, async_trait, leftovers};

/// A copy of a clone and its remote. The originals are created once, so opening a copy starts no process.
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

/// Opens the clone in `dir`, and creates it if it does not exist.
async fn open_in(dir: &Path) -> GitSyncFileBackend {
    let remote = dir.join("remote").to_str().unwrap().to_owned();
    GitSyncFileBackend::open(GitConfig::new(remote, dir.join("tree"))).await.unwrap()
}

/// The files of an empty remote and its clone. The content of a directory is `None`.
struct Prepared {
    /// The directory in which they were created.
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
        let status = Command::new("git").args(init).arg(dir.path().join("remote")).status();
        assert!(status.unwrap().success());
        drop(open_in(dir.path()).await);
        let mut files = Vec::new();
        add_files(dir.path(), Path::new(""), &mut files);
        Self { dir: dir.path().to_str().unwrap().to_owned(), files }
    }

    /// Writes the files to `dir`, and replaces the path of the remote in their contents.
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

/// Adds all files below a directory. A directory comes before its entries. The backend makes its links again.
fn add_files(root: &Path, directory: &Path, files: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = directory.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.push((path.clone(), None));
            add_files(root, &path, files);
        } else if !entry.file_type().unwrap().is_symlink() {
            files.push((path, Some(fs::read(entry.path()).unwrap())));
        }
    }
}

#[async_trait]
impl Fixture for Clone {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    /// Commits what was written.
    async fn make_version(&self) {
        let clone = open_in(self.0.path()).await;
        clone.push("A version").await.unwrap();
    }

    async fn leftovers(&self) -> Vec<String> {
        leftovers(&self.0.path().join("tree"))
    }
}

#[tokio::test]
async fn a_copied_clone_syncs_with_the_copied_remote() {
    use f9::prelude::*;

    let copy = Clone::new();
    drop(copy.open().await);
    let clone = open_in(copy.0.path()).await;
    assert_eq!(clone.processes_started(), 0);
    clone.create("a", "x").await.unwrap();
    clone.sync("Add").await.unwrap();
    assert!(copy.0.path().join("remote/refs/heads/main").exists());
}
