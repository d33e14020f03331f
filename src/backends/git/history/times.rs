//! The times of the first and last commit of each file and directory, collected in one walk over the commits.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::entries::{self, CHANGES, Change, Entry, HEAD, Head};
use super::unix_time;
use crate::backends::git::command::Git;
use crate::backends::git::parse::Oid;
use crate::core::error::Result;

/// The path of a file or directory, or the id of a commit.
type Name = Box<[u8]>;

/// The times of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct FileTimes {
    /// The author date of the first commit.
    pub(in crate::backends::git) created: SystemTime,
    /// The author date of the last commit.
    pub(in crate::backends::git) modified: SystemTime,
}

/// The dates of a commit, in Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dates {
    authored: i64,
    committed: i64,
}

/// The first and the last commit of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: Dates,
    last: Dates,
}

/// The times of every path in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::backends::git) struct Times {
    files: HashMap<Name, Span>,
    directories: HashMap<Name, Span>,
}

impl Times {
    /// Returns the times of the file at `path`, including its earlier names.
    pub(in crate::backends::git) fn of_file(&self, path: &str) -> Option<FileTimes> {
        self.files.get(path.as_bytes()).map(Span::times)
    }

    /// Returns the times of everything below the directory `path`. The root is the empty path.
    pub(in crate::backends::git) fn of_directory(&self, path: &str) -> Option<FileTimes> {
        self.directories.get(path.as_bytes()).map(Span::times)
    }

    /// Adds the times of newer commits.
    pub(super) fn extend(&mut self, newer: Walk) {
        // If a branch was merged that had forked off before, some of the new commits are older than some of the known ones.
        let all_newer = newer.pending.len() == 1;
        // All are removed before any is inserted, because the old name of one file may be the new name of another.
        let known = newer
            .names
            .into_iter()
            .filter_map(|(name, later)| self.files.remove(&name).zip(Some(later)));
        let moved: Vec<_> = known.filter_map(|(span, later)| Some((later?, span))).collect();
        join(&mut self.files, moved, false);
        join(&mut self.files, newer.times.files, all_newer);
        join(&mut self.directories, newer.times.directories, all_newer);
    }
}

fn join(
    known: &mut HashMap<Name, Span>,
    others: impl IntoIterator<Item = (Name, Span)>,
    all_newer: bool,
) {
    for (name, other) in others {
        known
            .entry(name)
            .and_modify(|span| {
                if all_newer || other.last.committed >= span.last.committed {
                    span.last = other.last;
                }
                if !all_newer && other.first.committed < span.first.committed {
                    span.first = other.first;
                }
            })
            .or_insert(other);
    }
}

impl Span {
    fn times(&self) -> FileTimes {
        FileTimes {
            created: unix_time(self.first.authored),
            modified: unix_time(self.last.authored),
        }
    }
}

/// A walk over commits from the newest to the oldest, where every commit follows all of its children.
///
/// After a rename, older commits of the old name count for the new name. Older commits of the new name belong to another file, but only
/// in the ancestors of the rename; the walk may next visit a parallel branch that renamed the same file in the same way. So the new name
/// is dropped when only one branch is left.
#[derive(Debug, Default)]
pub(super) struct Walk {
    times: Times,
    /// For names that belong to another file in older commits: the current name of that file. `None` if it no longer exists.
    names: HashMap<Name, Option<Name>>,
    /// The names to drop when only one branch is left.
    new_names: HashSet<Name>,
    /// The commits to be visited. At the end, those where the walk stopped.
    pending: HashSet<Name>,
    now: Dates,
}

/// Walks over `commits`, a head or a range `A..B`.
pub(super) async fn walk(git: &Git, commits: &str) -> Result<Walk> {
    let format = format!("--format={HEAD}");
    let arguments = ["log", "--date-order", &format].into_iter().chain(CHANGES);
    let printed = git.local(arguments.chain([commits, "--"])).stream()?;
    let mut walk = Walk::default();
    entries::for_each(printed, 0, |entry| {
        walk.take(entry);
        ControlFlow::Continue(())
    })
    .await?;
    walk.drop_new_names();
    Ok(walk)
}

impl Walk {
    /// Whether the commits are descendants of `earlier`, apart from merged branches.
    pub(super) fn continues(&self, earlier: &Oid) -> bool {
        self.pending.contains(earlier.as_str().as_bytes())
    }

    pub(super) fn into_times(self) -> Times {
        self.times
    }

    fn take(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Commit(head, _) => self.commit(head),
            Entry::Change(change) => self.change(change),
        }
    }

    fn commit(&mut self, head: Head<'_>) {
        self.drop_new_names();
        self.pending.remove(head.id.as_bytes());
        self.pending.extend(head.parents().map(|parent| parent.as_bytes().into()));
        self.now = Dates { authored: head.authored, committed: head.committed };
    }

    fn drop_new_names(&mut self) {
        if self.pending.len() <= 1 {
            self.names.extend(self.new_names.drain().map(|name| (name, None)));
        }
    }

    fn change(&mut self, change: Change<'_>) {
        let path = change.path();
        let name = match self.names.get(path) {
            Some(later) => later.as_deref(),
            None => Some(path),
        };
        if let Some(name) = name {
            record(&mut self.times.files, name, self.now);
        }
        let name: Option<Name> = name.map(Into::into);
        self.record_directories(path);
        for before in change.names_before().filter(|before| *before != path) {
            self.record_directories(before);
            self.new_names.remove(before);
            self.names.insert(before.into(), name.clone());
            // Other parents of a merge may have the file under the new name already.
            if !change.is_of_merge() {
                self.new_names.insert(path.into());
            }
        }
    }

    fn record_directories(&mut self, path: &[u8]) {
        let mut path = path;
        while !path.is_empty() {
            path = &path[..path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
            record(&mut self.times.directories, path, self.now);
        }
    }
}

fn record(spans: &mut HashMap<Name, Span>, name: &[u8], now: Dates) {
    if let Some(span) = spans.get_mut(name) {
        span.first = now;
    } else {
        spans.insert(name.into(), Span { first: now, last: now });
    }
}

#[cfg(test)]
impl Times {
    /// Returns the times of a path that may not be UTF-8.
    pub(super) fn of_bytes(&self, path: &[u8], directory: bool) -> Option<FileTimes> {
        let spans = if directory { &self.directories } else { &self.files };
        spans.get(path).map(Span::times)
    }

    pub(super) fn sorted(&self) -> Vec<String> {
        let line = |(name, span): (&Name, &Span)| format!("{} {span:?}", name.escape_ascii());
        let mut lines: Vec<_> = self.files.iter().chain(&self.directories).map(line).collect();
        lines.sort();
        lines
    }
}
