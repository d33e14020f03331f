//! Trees deeper than any path that a system call accepts.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use f9::prelude::*;
use f9::{DeleteOptions, ListOptions, LocalFileBackend};
use futures::StreamExt as _;
use futures::executor::block_on;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use crate::child::{self, ChildTest};
use crate::dead::names_of_the_dead;
use crate::run_size::plain_or_all;

/// Creates a tree of `depth` directories, with the temporary file of a dead process at the bottom.
fn create_tree(root: &Path, name: &str, dead: &str, depth: usize) {
    let mode = Mode::from_raw_mode(0o777);
    let mut dir: OwnedFd = File::open(root).unwrap().into();
    for _ in 0..depth {
        mkdirat(&dir, name, mode).unwrap();
        dir = openat(&dir, name, OFlags::DIRECTORY, mode).unwrap();
    }
    mkdirat(&dir, "bottom", mode).unwrap();
    drop(openat(&dir, dead, OFlags::CREATE | OFlags::RDWR, mode).unwrap());
}

/// Returns a depth whose path is longer than any system call accepts.
fn depth() -> usize {
    plain_or_all(1000, 3000)
}

#[test]
fn a_deep_tree_can_be_swept_listed_searched_and_deleted() {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    let dead = names_of_the_dead(2);
    create_tree(&root, "deep", &dead[0], depth());
    fs::write(root.join("deep/file"), "x").unwrap();
    let backend = block_on(LocalFileBackend::new(&root)).unwrap();
    let entries = block_on(backend.list_with("", ListOptions::recursive())).unwrap();
    let entries: Vec<_> = block_on(entries.map(Result::unwrap).collect());
    assert_eq!(entries.len(), depth() + 2);
    assert!(entries.iter().any(|entry| entry.path.name() == Some("bottom")));
    assert_eq!(block_on(backend.glob("**/bottom")).unwrap().len(), 1);
    let found = Command::new("find").arg(&root).args(["-name", ".f9tmp-*"]).output().unwrap();
    assert_eq!(
        (found.stdout, found.status.success()),
        (Vec::new(), true),
        "a temporary file was not swept"
    );
    block_on(backend.delete_with("deep", DeleteOptions::recursive())).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    // Opening sweeps the tree that a killed deletion leaves.
    create_tree(&root, &dead[1], &dead[0], depth());
    block_on(LocalFileBackend::new(&root)).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

/// The limit of 256 open files is a quarter of the default.
#[test]
fn a_deep_tree_needs_few_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]);
    limited.arg(std::env::current_exe().unwrap());
    let name = "deep_trees::a_deep_tree_can_be_swept_listed_searched_and_deleted";
    ChildTest::start_by(limited, name, dir.path(), "").finish();
}
