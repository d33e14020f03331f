//! Lists the commits that changed a path.

use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::entries::{self, CHANGES, Entry, HEAD, Head};
use super::unix_time;
use crate::backends::git::command::Git;
use crate::backends::git::parse::Oid;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;

/// A commit that changed a path.
///
/// Times are serialized as RFC 3339 in UTC. A year that RFC 3339 cannot express becomes the nearest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Revision {
    /// The id of the commit.
    pub id: String,
    /// The path of the file in that commit. Bytes that are not UTF-8 become replacement characters.
    pub path: FilePath,
    /// The name of the author.
    pub author_name: String,
    /// The email address of the author.
    pub author_email: String,
    /// The author date.
    #[serde(serialize_with = "rfc3339")]
    pub authored_at: SystemTime,
    /// The committer date.
    #[serde(serialize_with = "rfc3339")]
    pub committed_at: SystemTime,
    /// The whole message, without trailing line breaks.
    pub message: String,
}

/// The format of what follows the first field of a commit, and the number of its fields.
pub(super) const DETAILS: &str = "%x00%an%x00%ae%x00%B";
pub(super) const DETAIL_COUNT: usize = 3;

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&crate::core::rfc3339::nearest(*time))
}

impl Revision {
    /// `fields` are the author's name and email address, and the message.
    pub(super) fn new(head: Head<'_>, fields: &[u8], path: &FilePath) -> Self {
        let mut fields = fields.split(|&byte| byte == 0).map(String::from_utf8_lossy);
        let mut next = || fields.next().unwrap_or_default();
        Self {
            id: head.id.to_owned(),
            path: path.clone(),
            author_name: next().into_owned(),
            author_email: next().into_owned(),
            authored_at: unix_time(head.authored),
            committed_at: unix_time(head.committed),
            message: next().trim_end_matches('\n').to_owned(),
        }
    }
}

/// Returns the last `limit` commits that changed `path` or something below it, newest first. Follows a file through renames. For
/// the root, returns all commits.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if no commit ever contained `path`.
///
/// # Cancel safety
///
/// Dropping the future ends the process.
pub(in crate::backends::git) async fn log(
    git: &Git,
    head: Option<&Oid>,
    path: &FilePath,
    limit: Option<usize>,
) -> Result<Vec<Revision>> {
    let mut log = Log { path, limit, found: Vec::new(), current: None, is_file: None };
    if let Some(head) = head {
        let format = format!("--format={HEAD}{DETAILS}");
        let mut arguments = vec!["log", "--encoding=UTF-8", "-z", &format];
        if path.is_root() {
            arguments.push(head.as_str());
        } else {
            arguments.extend(CHANGES);
            arguments.extend(["--follow", head.as_str(), "--", path.as_str()]);
        }
        let printed = git.local(arguments).stream()?;
        entries::for_each(printed, DETAIL_COUNT, |entry| log.take(entry)).await?;
        log.finish();
    }
    let Log { mut found, .. } = log;
    if found.is_empty() && !path.is_root() {
        return Err(Error::new(ErrorKind::NotFound).with_path(path.as_str()));
    }
    found.truncate(limit.unwrap_or(usize::MAX));
    Ok(found)
}

struct Log<'a> {
    path: &'a FilePath,
    limit: Option<usize>,
    found: Vec<Revision>,
    /// The commit that was read last; `None` after its first change. Git also lists merges that did not change the path.
    current: Option<Revision>,
    /// Whether the path is a file, which may have other names in older commits. `None` before the first change.
    is_file: Option<bool>,
}

impl Log<'_> {
    fn take(&mut self, entry: Entry<'_>) -> ControlFlow<()> {
        match entry {
            Entry::Commit(head, fields) => {
                self.finish();
                self.current = Some(Revision::new(head, fields, self.path));
            }
            Entry::Change(change) => {
                let is_file = *self.is_file.get_or_insert(change.path() == self.path.as_bytes());
                self.found.extend(self.current.take().map(|mut revision| {
                    if is_file {
                        let path = String::from_utf8_lossy(change.path());
                        revision.path = FilePath::found(path.into_owned());
                    }
                    revision
                }));
            }
        }
        // Reads at least one commit, to check that the path exists.
        match self.limit {
            Some(limit) if self.found.len() >= limit.max(1) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn finish(&mut self) {
        // The log of the root lists no changes.
        let commit = self.current.take().filter(|_| self.path.is_root());
        self.found.extend(commit);
    }
}
