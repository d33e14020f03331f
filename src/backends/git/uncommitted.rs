//! Finds the changed paths that have uncommitted content.

use std::collections::BTreeSet;

use super::command::Git;
use super::parse::{self, Change, RawPath};
use crate::core::error::Result;

/// Returns each path of `changes` if the working tree or the index differs from the commit `from` at the path, above it or below it.
/// Files with the flag assume-unchanged or skip-worktree count as different.
pub(super) async fn uncommitted_paths(
    git: &Git,
    from: &str,
    changes: &[Change],
) -> Result<Vec<RawPath>> {
    let in_tree = ["ls-files", "-z", "--others", "--modified"];
    let in_index = ["diff-index", "--cached", "--name-only", "--no-renames", "-z", from];
    let flags = ["ls-files", "-v", "-z"];
    let mut found = parse::paths(&git.local(in_tree).stdout().await?);
    found.extend(parse::paths(&git.local(in_index).stdout().await?));
    found.extend(parse::flagged_paths(&git.local(flags).stdout().await?));
    let found: BTreeSet<RawPath> = found.into_iter().map(without_slash).collect();
    let is_uncommitted = |path: &&RawPath| {
        let below = RawPath([&*path.0, b"/"].concat());
        found.contains(*path)
            || path.parents().any(|above| found.contains(above))
            || found.range::<RawPath, _>(&below..).next().is_some_and(|next| next.is_below(path))
    };
    Ok(changes.iter().map(|change| &change.path).filter(is_uncommitted).cloned().collect())
}

/// Git lists a repository within the tree as a directory.
fn without_slash(mut path: RawPath) -> RawPath {
    if path.0.ends_with(b"/") {
        path.0.pop();
    }
    path
}
