//! Watching for the changes of other programs.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use f9::prelude::*;
use f9::{Change, ChangeStream, ErrorKind, FilePath, LocalFileBackend, WatchOptions};
use futures::StreamExt as _;
use rustix::fs::{CWD, RenameFlags};

use crate::store::Store;

/// Only a watch that loses a change takes this long.
const LIMIT: Duration = Duration::from_secs(120);

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn created(text: &str) -> Change {
    Change::Created(path(text))
}

fn removed(text: &str) -> Change {
    Change::Removed(path(text))
}

fn renamed(from: &str, to: &str) -> Change {
    Change::Renamed { from: path(from), to: path(to) }
}

struct Watched {
    store: Store,
    changes: ChangeStream<'static>,
}

impl Watched {
    async fn start(store: Store) -> Self {
        let changes = store.backend.watch("").await.unwrap();
        Self { store, changes }
    }

    async fn next(&mut self) -> Option<f9::Result<Change>> {
        tokio::time::timeout(LIMIT, self.changes.next()).await.expect("a change was lost")
    }

    /// Returns all changes until now.
    async fn seen(&mut self) -> Vec<Change> {
        let mut seen = Vec::new();
        fs::write(self.on_disk("last"), "").unwrap();
        while seen.last() != Some(&created("last")) {
            seen.push(self.next().await.unwrap().unwrap());
        }
        seen.pop();
        fs::remove_file(self.on_disk("last")).unwrap();
        assert_eq!(self.next().await.unwrap().unwrap(), removed("last"));
        seen
    }

    fn on_disk(&self, path: &str) -> std::path::PathBuf {
        self.store.on_disk(path)
    }
}

fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| change.path().clone());
    changes
}

#[tokio::test]
async fn writes_in_place_and_changes_of_metadata_are_reported() {
    let store = Store::new().await;
    for file in ["a", "b", "c"] {
        fs::write(store.on_disk(file), "x").unwrap();
    }
    let mut watched = Watched::start(store).await;
    OpenOptions::new().append(true).open(watched.on_disk("a")).unwrap().write_all(b"y").unwrap();
    File::create(watched.on_disk("b")).unwrap();
    fs::set_permissions(watched.on_disk("c"), fs::Permissions::from_mode(0o600)).unwrap();
    let expected = ["a", "b", "c"].map(|file| Change::Modified(path(file)));
    assert_eq!(sorted(watched.seen().await), expected);
    fs::write(watched.on_disk("d"), "x").unwrap();
    // Reading is no change.
    fs::read(watched.on_disk("a")).unwrap();
    assert_eq!(watched.seen().await, [created("d")]);
}

#[tokio::test]
async fn a_file_that_is_kept_open_is_reported_before_it_is_closed() {
    let mut watched = Watched::start(Store::new().await).await;
    let mut file = File::create(watched.on_disk("log")).unwrap();
    assert_eq!(watched.seen().await, [created("log")]);
    file.write_all(b"line").unwrap();
    assert_eq!(watched.seen().await, [Change::Modified(path("log"))]);
}

#[tokio::test]
async fn the_temporary_file_of_an_editor_is_not_reported() {
    let store = Store::new().await;
    fs::write(store.on_disk("a"), "x").unwrap();
    let mut watched = Watched::start(store).await;
    for target in ["a", "b"] {
        fs::write(watched.on_disk("draft~"), "new").unwrap();
        fs::rename(watched.on_disk("draft~"), watched.on_disk(target)).unwrap();
    }
    assert_eq!(sorted(watched.seen().await), [Change::Modified(path("a")), created("b")]);
}

#[tokio::test]
async fn moves_into_and_out_of_the_root_are_creations_and_removals() {
    let store = Store::new().await;
    fs::create_dir(store.on_disk("dir")).unwrap();
    fs::write(store.on_disk("file"), "x").unwrap();
    fs::write(store.on_disk("dir/file"), "x").unwrap();
    let mut watched = Watched::start(store).await;
    let outside = watched.store.outside.clone();
    fs::rename(watched.on_disk("file"), outside.join("file")).unwrap();
    fs::rename(watched.on_disk("dir"), outside.join("moved")).unwrap();
    assert_eq!(sorted(watched.seen().await), [removed("dir"), removed("file")]);
    // What happens outside is not reported.
    fs::write(outside.join("moved/file"), "new").unwrap();
    assert_eq!(watched.seen().await, []);
    fs::rename(outside.join("moved"), watched.on_disk("back")).unwrap();
    fs::rename(outside.join("secret"), watched.on_disk("secret")).unwrap();
    let expected = [created("back"), created("back/file"), created("secret")];
    assert_eq!(sorted(watched.seen().await), expected);
    fs::write(watched.on_disk("back/file"), "new").unwrap();
    assert_eq!(watched.seen().await, [Change::Modified(path("back/file"))]);
}

#[tokio::test]
async fn directories_that_change_places_are_still_watched() {
    let store = Store::new().await;
    for dir in ["a/deep", "b/deep"] {
        fs::create_dir_all(store.on_disk(dir)).unwrap();
    }
    let mut watched = Watched::start(store).await;
    let (a, b) = (watched.on_disk("a"), watched.on_disk("b"));
    rustix::fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
    watched.seen().await;
    for file in ["a/deep/file", "b/deep/file"] {
        fs::write(watched.on_disk(file), "x").unwrap();
        assert_eq!(watched.seen().await, [created(file)]);
    }
}

#[tokio::test]
async fn files_that_change_places_are_both_reported() {
    let store = Store::new().await;
    for file in ["a", "b"] {
        fs::write(store.on_disk(file), file).unwrap();
    }
    let mut watched = Watched::start(store).await;
    let (a, b) = (watched.on_disk("a"), watched.on_disk("b"));
    rustix::fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
    let seen = watched.seen().await;
    assert_eq!(seen[..2], [renamed("a", "b"), renamed("b", "a")]);
    assert_eq!(sorted(seen[2..].to_vec()), [Change::Modified(path("a")), created("b")]);
}

#[tokio::test]
async fn a_directory_is_watched_after_several_renames() {
    let store = Store::new().await;
    fs::create_dir_all(store.on_disk("a/deep")).unwrap();
    let mut watched = Watched::start(store).await;
    fs::create_dir(watched.on_disk("other")).unwrap();
    for (from, to) in [("a", "b"), ("b", "other/c"), ("other", "d"), ("d/c", "e")] {
        fs::rename(watched.on_disk(from), watched.on_disk(to)).unwrap();
    }
    fs::create_dir(watched.on_disk("a")).unwrap();
    watched.seen().await;
    for file in ["e/deep/file", "d/file", "a/file"] {
        fs::write(watched.on_disk(file), "x").unwrap();
        assert_eq!(watched.seen().await, [created(file)]);
    }
}

#[tokio::test]
async fn a_link_is_reported_and_not_followed() {
    let store = Store::new().await;
    let outside = store.outside.clone();
    let mut watched = Watched::start(store).await;
    symlink(outside.join("dir"), watched.on_disk("link")).unwrap();
    fs::write(outside.join("dir/new"), "x").unwrap();
    assert_eq!(watched.seen().await, [created("link")]);
}

/// Another process keeps replacing a directory by a link that leads out.
#[tokio::test]
async fn a_link_that_is_swapped_in_leads_nowhere() {
    let store = Store::new().await;
    let outside = store.outside.clone();
    let mut watched = Watched::start(store).await;
    let (dir, link) = (watched.on_disk("dir"), watched.on_disk("link"));
    for _ in 0..200 {
        fs::create_dir(&dir).unwrap();
        symlink(&outside, &link).unwrap();
        rustix::fs::renameat_with(CWD, &link, CWD, &dir, RenameFlags::EXCHANGE).unwrap();
        fs::write(outside.join("dir/secret"), "new").unwrap();
        fs::remove_file(&dir).unwrap();
        fs::remove_dir(&link).unwrap();
    }
    let secret = |change: &Change| change.path().as_str().contains("secret");
    let seen = watched.seen().await;
    assert!(!seen.iter().any(secret), "{seen:?}");
}

#[tokio::test]
async fn a_watch_of_a_directory_behind_a_link_has_the_paths_of_the_caller() {
    let store = Store::new().await;
    fs::create_dir_all(store.on_disk("real/dir")).unwrap();
    symlink("real", store.on_disk("link")).unwrap();
    symlink("../outside", store.on_disk("out")).unwrap();
    let error = store.backend.watch("out").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PathEscapesRoot);
    let mut changes = store.backend.watch("link/dir").await.unwrap();
    fs::write(store.on_disk("real/dir/file"), "x").unwrap();
    let mut next = async || tokio::time::timeout(LIMIT, changes.next()).await.unwrap();
    assert_eq!(next().await.unwrap().unwrap(), created("link/dir/file"));
    fs::rename(store.on_disk("real"), store.outside.join("real")).unwrap();
    assert_eq!(next().await.unwrap().unwrap(), removed("link/dir"));
    assert!(next().await.is_none());
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_a_rescan_of_its_directory() {
    let store = Store::new().await;
    fs::create_dir(store.on_disk("dir")).unwrap();
    let mut watched = Watched::start(store).await;
    let name = Path::new(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(watched.on_disk("dir").join(name), "x").unwrap();
    assert_eq!(watched.seen().await, [Change::Rescan(path("dir"))]);
    fs::rename(watched.on_disk("dir").join(name), watched.on_disk("dir/a")).unwrap();
    let expected = [Change::Rescan(path("dir")), created("dir/a")];
    assert_eq!(sorted(watched.seen().await), expected);
    fs::rename(watched.on_disk("dir/a"), watched.on_disk("dir").join(name)).unwrap();
    let expected = [Change::Rescan(path("dir")), removed("dir/a")];
    assert_eq!(sorted(watched.seen().await), expected);
}

#[tokio::test]
async fn a_removed_root_ends_the_watch_with_an_error() {
    let mut watched = Watched::start(Store::new().await).await;
    fs::remove_dir_all(watched.on_disk("")).unwrap();
    let error = watched.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::RootGone, Some("watch")));
    assert!(watched.next().await.is_none());
}

#[tokio::test]
async fn ten_thousand_files_are_all_reported() {
    let store = Store::new().await;
    let outside = store.outside.join("many");
    let files: BTreeSet<_> = (0..10_000).map(|i| format!("{}/{}", i % 100, i)).collect();
    for file in &files {
        fs::create_dir_all(outside.join(file).parent().unwrap()).unwrap();
        fs::write(outside.join(file), "").unwrap();
    }
    let mut watched = Watched::start(store).await;
    fs::rename(outside, watched.on_disk("many")).unwrap();
    let mut expected: BTreeSet<_> =
        files.iter().map(|file| path(&format!("many/{file}"))).collect();
    while !expected.is_empty() {
        match watched.next().await.unwrap().unwrap() {
            Change::Created(path) => expected.remove(&path),
            change => panic!("{change:?}"),
        };
    }
}

#[tokio::test]
async fn changes_while_nobody_reads_are_reported_or_are_a_rescan() {
    let store = Store::new().await;
    let mut changes = store.backend.watch("").await.unwrap();
    // More than the queue of the kernel holds.
    for i in 0..20_000 {
        fs::write(store.on_disk(&i.to_string()), "").unwrap();
    }
    let mut seen = 0;
    while seen < 20_000 {
        match tokio::time::timeout(LIMIT, changes.next()).await.unwrap().unwrap().unwrap() {
            Change::Rescan(path) => {
                assert!(path.is_root());
                break;
            }
            _ => seen += 1,
        }
    }
    fs::create_dir(store.on_disk("dir")).unwrap();
    fs::write(store.on_disk("dir/file"), "").unwrap();
    let last = created("dir/file");
    while tokio::time::timeout(LIMIT, changes.next()).await.unwrap().unwrap().unwrap() != last {}
}

#[test]
fn a_watch_without_a_runtime_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let watch = async {
        let files = LocalFileBackend::new(dir.path()).await?;
        files.watch_with("", WatchOptions::default()).await.map(drop)
    };
    let error = futures::executor::block_on(watch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
}
