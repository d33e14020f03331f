//! Checks for processes and files that an operation leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clock::HANGS;

/// Waits until a condition is true.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until no process works in or below `dir`. A process that got a signal needs a moment to end.
pub(crate) async fn until_no_process_in(dir: &Path) {
    until("the end of all processes", || processes_in(dir).is_empty()).await;
}

/// Returns the names of the processes that work in or below `dir`.
fn processes_in(dir: &Path) -> Vec<String> {
    let works_there = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(dir))
    };
    let name = |process: PathBuf| fs::read_to_string(process.join("comm")).unwrap_or_default();
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.filter(works_there).map(name).collect()
}

/// Returns every directory, file and link in and below `dir`, with its content.
pub(crate) fn everything_in(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let content = if kind.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if kind.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        found.insert(path, content);
    }
    found
}
