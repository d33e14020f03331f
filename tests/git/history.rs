//! Reads the history of a repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli;

/// Returns the commit of a working tree's branch; empty if there is none.
pub(crate) fn head(root: &Path) -> String {
    let named = fs::read_to_string(root.join(".git/refs/heads/main"));
    named.map_or_else(|_| String::new(), |named| named.trim_end().to_owned())
}

/// Returns the content of every file in `revision` and its ancestors.
pub(crate) fn reachable_contents(repository: &Path, revision: &str) -> BTreeSet<Vec<u8>> {
    let objects = cli::run(repository, ["rev-list", "--objects", "--no-object-names", revision]);
    let asked = objects + "\n";
    let printed =
        cli::succeed(cli::git(repository).args(["cat-file", "--batch"]), asked.as_bytes());
    let mut contents = BTreeSet::new();
    let mut rest = &printed[..];
    // Each object is `<id> <type> <size>`, a line feed, the content, and a line feed.
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let header = std::str::from_utf8(&rest[..end]).unwrap();
        let [_, kind, size] = header.split(' ').collect::<Vec<_>>()[..] else { panic!("{header}") };
        let (object, after) = rest[end + 1..].split_at(size.parse().unwrap());
        if kind == "blob" {
            contents.insert(object.to_vec());
        }
        rest = &after[1..];
    }
    contents
}
