//! Lists the versions of a file: the commits that changed it, each with the state of the file after it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::entries::{self, Entry, HEAD, STATES};
use super::revisions::{DETAIL_COUNT, DETAILS, Revision};
use crate::backends::git::command::Git;
use crate::backends::git::parse::{Oid, SUBMODULE};
use crate::core::error::Result;
use crate::core::path::FilePath;

/// A commit that changed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct Version {
    pub(in crate::backends::git) revision: Revision,
    /// The mode and the blob of the file after the commit; `None` if the commit deleted it.
    pub(in crate::backends::git) file: Option<(u32, Oid)>,
}

/// Returns the commits that changed the file at `path`, newest first, up to the first one for which `is_last` returns true. Follows the
/// file through renames as [`log`](super::log) does. Empty if there never was a file. Submodules are not files.
///
/// # Errors
///
/// The failures of `git log`.
///
/// # Cancel safety
///
/// Dropping the future ends the process.
pub(in crate::backends::git) async fn versions(
    git: &Git,
    head: &Oid,
    path: &FilePath,
    mut is_last: impl FnMut(&Version) -> bool + Send,
) -> Result<Vec<Version>> {
    let format = format!("--format={HEAD}{DETAILS}");
    let arguments = ["log", "--encoding=UTF-8", &format].into_iter().chain(STATES);
    let arguments = arguments.chain(["--follow", head.as_str(), "--", path.as_str()]);
    let printed = git.local(arguments).stream()?;
    let mut names = HashSet::from([path.as_bytes().to_vec()]);
    let (mut found, mut current) = (Vec::new(), None);
    entries::for_each(printed, DETAIL_COUNT, |entry| {
        let change = match entry {
            Entry::Commit(head, fields) => {
                current = Some(Revision::new(head, fields, path));
                return ControlFlow::Continue(());
            }
            Entry::Change(change) => change,
        };
        // If the path is or was a directory, git also lists the files below it.
        if !names.contains(change.path()) {
            return ControlFlow::Continue(());
        }
        names.extend(change.names_before().map(<[u8]>::to_vec));
        let state = change.state();
        let Some(mut revision) = current.take() else { return ControlFlow::Continue(()) };
        if state.as_ref().is_some_and(|(mode, _)| *mode == SUBMODULE) {
            return ControlFlow::Continue(());
        }
        revision.path = FilePath::found(String::from_utf8_lossy(change.path()).into_owned());
        found.push(Version { revision, file: state.filter(|(mode, _)| *mode != 0) });
        match found.last() {
            Some(version) if is_last(version) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })
    .await?;
    Ok(found)
}
