//! The commits that touched a path.

use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::entries::{self, CHANGES, Entry, HEAD, Head};
use super::time;
use crate::backends::git::command::Git;
use crate::backends::git::output::Oid;
use crate::{Error, ErrorKind, FilePath, Result};

/// A commit that touched a path.
///
/// Serialised, times are RFC 3339 in UTC, the nearest one where that cannot tell the year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Revision {
    /// The name of the commit.
    pub id: String,
    /// What the file was called in that commit, with a replacement character for what is no UTF-8.
    pub path: FilePath,
    /// Who wrote it.
    pub author_name: String,
    /// The address of who wrote it.
    pub author_email: String,
    /// When it was written.
    #[serde(serialize_with = "rfc3339")]
    pub authored_at: SystemTime,
    /// When it was put where it stands in the history.
    #[serde(serialize_with = "rfc3339")]
    pub committed_at: SystemTime,
    /// The whole message, without the line ends after it.
    pub message: String,
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&crate::info::rfc3339::nearest(*time))
}

impl Revision {
    /// `fields`: the author's name and address and the message.
    fn new(head: Head<'_>, fields: &[u8], path: &FilePath) -> Self {
        let mut fields = fields.split(|&byte| byte == 0).map(String::from_utf8_lossy);
        let mut next = || fields.next().unwrap_or_default();
        Self {
            id: head.id.to_owned(),
            path: path.clone(),
            author_name: next().into_owned(),
            author_email: next().into_owned(),
            authored_at: time(head.authored),
            committed_at: time(head.committed),
            message: next().trim_end_matches('\n').to_owned(),
        }
    }
}

/// The last `limit` commits that touched `path` or something below it, the newest first. A file is followed through its names; the
/// root has all commits.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if no commit ever held `path`.
///
/// # Cancel safety
///
/// Dropping the future ends the process and leaves nothing behind.
pub(in crate::backends::git) async fn log(
    git: &Git,
    head: Option<&Oid>,
    path: &FilePath,
    limit: Option<usize>,
) -> Result<Vec<Revision>> {
    let mut gathered = Gathered { path, limit, found: Vec::new(), current: None, followed: None };
    if let Some(head) = head {
        let format = format!("--format={HEAD}%x00%an%x00%ae%x00%B");
        let mut arguments = vec!["log", "--encoding=UTF-8", "-z", &format];
        if path.is_root() {
            arguments.push(head.as_str());
        } else {
            arguments.extend(CHANGES);
            arguments.extend(["--follow", head.as_str(), "--", path.as_str()]);
        }
        let printed = git.local(arguments).stream()?;
        entries::each(printed, 3, |entry| gathered.take(entry)).await?;
        gathered.finish();
    }
    let Gathered { mut found, .. } = gathered;
    if found.is_empty() && !path.is_root() {
        return Err(Error::new(ErrorKind::NotFound).with_path(path.as_str()));
    }
    found.truncate(limit.unwrap_or(usize::MAX));
    Ok(found)
}

struct Gathered<'a> {
    path: &'a FilePath,
    limit: Option<usize>,
    found: Vec<Revision>,
    /// The last commit seen, whose changes are not known yet: git also tells of merges that did not touch the path.
    current: Option<Revision>,
    /// Whether the path is a file's, which has other names in older commits.
    followed: Option<bool>,
}

impl Gathered<'_> {
    fn take(&mut self, entry: Entry<'_>) -> ControlFlow<()> {
        match entry {
            Entry::Commit(head, fields) => {
                self.finish();
                self.current = Some(Revision::new(head, fields, self.path));
            }
            Entry::Change(change) => {
                let followed = *self.followed.get_or_insert(change.path() == self.path.as_bytes());
                self.found.extend(self.current.take().map(|mut revision| {
                    if followed {
                        let path = String::from_utf8_lossy(change.path());
                        revision.path = FilePath::found(path.into_owned());
                    }
                    revision
                }));
            }
        }
        // One at least tells that the path is known.
        match self.limit {
            Some(limit) if self.found.len() >= limit.max(1) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn finish(&mut self) {
        let unconditional = self.current.take().filter(|_| self.path.is_root());
        self.found.extend(unconditional);
    }
}
