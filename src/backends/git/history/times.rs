//! When each file and directory was first and last touched, gathered in one walk over the commits.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::entries::{self, CHANGES, Change, Entry, HEAD, Head};
use super::time;
use crate::Result;
use crate::backends::git::command::Git;
use crate::backends::git::output::Oid;

/// The path of a file or directory, or the name of a commit.
type Name = Box<[u8]>;

/// What the commits tell about one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct Known {
    /// When the first commit that touched it was written.
    pub(in crate::backends::git) created: SystemTime,
    /// When the last one was.
    pub(in crate::backends::git) modified: SystemTime,
}

/// The dates of a commit, in seconds after 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moment {
    authored: i64,
    committed: i64,
}

/// The first and the last commit that touched something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: Moment,
    last: Moment,
}

/// When each path was touched that any commit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::backends::git) struct Times {
    files: HashMap<Name, Span>,
    directories: HashMap<Name, Span>,
}

impl Times {
    /// When the file at `path` was touched, also under the names that it had before.
    pub(in crate::backends::git) fn of(&self, path: &str) -> Option<Known> {
        self.files.get(path.as_bytes()).map(Span::known)
    }

    /// When anything below the directory `path` was touched; the root is the empty path.
    pub(in crate::backends::git) fn of_directory(&self, path: &str) -> Option<Known> {
        self.directories.get(path.as_bytes()).map(Span::known)
    }

    /// Takes in what commits tell that continue those known so far.
    pub(super) fn extend(&mut self, newer: Walk) {
        // Where a branch came in that had left before, some of the new commits are older than some of the known.
        let newer_in_all = newer.ahead.len() == 1;
        // All are taken away before any is put back: the name that a file left may be another's new one.
        let known = newer
            .names
            .into_iter()
            .filter_map(|(name, later)| self.files.remove(&name).zip(Some(later)));
        let moved: Vec<_> = known.filter_map(|(span, later)| Some((later?, span))).collect();
        join(&mut self.files, moved, false);
        join(&mut self.files, newer.times.files, newer_in_all);
        join(&mut self.directories, newer.times.directories, newer_in_all);
    }
}

fn join(
    known: &mut HashMap<Name, Span>,
    others: impl IntoIterator<Item = (Name, Span)>,
    newer_in_all: bool,
) {
    for (name, other) in others {
        known
            .entry(name)
            .and_modify(|span| {
                if newer_in_all || other.last.committed >= span.last.committed {
                    span.last = other.last;
                }
                if !newer_in_all && other.first.committed < span.first.committed {
                    span.first = other.first;
                }
            })
            .or_insert(other);
    }
}

impl Span {
    fn known(&self) -> Known {
        Known { created: time(self.first.authored), modified: time(self.last.authored) }
    }
}

/// A walk over commits from the newest to the oldest, none before all of its children.
///
/// A rename says that what happened to a file before, under the name that it had then, belongs to the name that it has now. And
/// that what happened to the new name before was another file's; but this holds for the ancestors of that commit alone, while the
/// walk may next come to one of a branch beside, that has renamed the same file in the same way. So the new name is not forgotten
/// until no branch but one is left.
#[derive(Debug, Default)]
pub(super) struct Walk {
    times: Times,
    /// What the file of this name is called now, for names that mean something else in older commits. `None`: it is no more.
    names: HashMap<Name, Option<Name>>,
    /// The names to be forgotten.
    taken: HashSet<Name>,
    /// Commits that are still to come, and in the end those where the walk was told to stop.
    ahead: HashSet<Name>,
    now: Moment,
}

/// Walks over `commits`: a head, or `A..B`.
pub(super) async fn walk(git: &Git, commits: &str) -> Result<Walk> {
    let format = format!("--format={HEAD}");
    let arguments = ["log", "--date-order", &format].into_iter().chain(CHANGES);
    let printed = git.local(arguments.chain([commits, "--"])).stream()?;
    let mut walk = Walk::default();
    entries::each(printed, 0, |entry| {
        walk.take(entry);
        ControlFlow::Continue(())
    })
    .await?;
    walk.forget_taken();
    Ok(walk)
}

impl Walk {
    /// Whether the commits are descendants of `known`, apart from branches that came in.
    pub(super) fn continues(&self, known: &Oid) -> bool {
        self.ahead.contains(known.as_str().as_bytes())
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
        self.forget_taken();
        self.ahead.remove(head.id.as_bytes());
        self.ahead.extend(head.parents().map(|parent| parent.as_bytes().into()));
        self.now = Moment { authored: head.authored, committed: head.committed };
    }

    fn forget_taken(&mut self) {
        if self.ahead.len() <= 1 {
            self.names.extend(self.taken.drain().map(|name| (name, None)));
        }
    }

    fn change(&mut self, change: Change<'_>) {
        let path = change.path();
        let name = match self.names.get(path) {
            Some(later) => later.as_deref(),
            None => Some(path),
        };
        if let Some(name) = name {
            touch(&mut self.times.files, name, self.now);
        }
        let name: Option<Name> = name.map(Into::into);
        self.touch_directories(path);
        for before in change.names_before().filter(|before| *before != path) {
            self.touch_directories(before);
            self.taken.remove(before);
            self.names.insert(before.into(), name.clone());
            // Other parents of a merge may have had it under the new name.
            if !change.is_merged() {
                self.taken.insert(path.into());
            }
        }
    }

    fn touch_directories(&mut self, path: &[u8]) {
        let mut path = path;
        while !path.is_empty() {
            path = &path[..path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
            touch(&mut self.times.directories, path, self.now);
        }
    }
}

fn touch(spans: &mut HashMap<Name, Span>, name: &[u8], now: Moment) {
    if let Some(span) = spans.get_mut(name) {
        span.first = now;
    } else {
        spans.insert(name.into(), Span { first: now, last: now });
    }
}

#[cfg(test)]
impl Times {
    /// Of names that are no text, too.
    pub(super) fn of_bytes(&self, path: &[u8], directory: bool) -> Option<Known> {
        let spans = if directory { &self.directories } else { &self.files };
        spans.get(path).map(Span::known)
    }

    pub(super) fn sorted(&self) -> Vec<String> {
        let line = |(name, span): (&Name, &Span)| format!("{} {span:?}", name.escape_ascii());
        let mut lines: Vec<_> = self.files.iter().chain(&self.directories).map(line).collect();
        lines.sort();
        lines
    }
}
