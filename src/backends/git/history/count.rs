//! Counts commits, and the files that they changed.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::entries::{self, Entry, HEAD};
use crate::backends::git::command::Git;
use crate::backends::git::parse::Oid;
use crate::core::error::Result;

/// Returns the number of commits that are ancestors of `after` and not of `before`, and the number of files that they changed. The files
/// of merges do not count: the merged commits changed them.
///
/// # Errors
///
/// The failures of `git log`.
pub(in crate::backends::git) async fn count(
    git: &Git,
    before: Option<&Oid>,
    after: &Oid,
) -> Result<(u64, u64)> {
    let format = format!("--format={HEAD}");
    let range = before.map_or_else(|| after.to_string(), |before| format!("{before}..{after}"));
    let log = ["log", &format, "-z", "--root", "--no-renames", "--name-status", &range, "--"];
    let printed = git.local(log).stream()?;
    let (mut commits, mut files) = (0, HashSet::new());
    entries::for_each(printed, 0, |entry| {
        match entry {
            Entry::Commit(..) => commits += 1,
            Entry::Change(change) => {
                files.insert(change.path().to_vec());
            }
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok((commits, files.len() as u64))
}
