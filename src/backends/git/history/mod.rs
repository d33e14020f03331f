//! The history: the times, authors and earlier versions of files, as git's commits record them.

mod content;
mod count;
mod entries;
mod revisions;
#[cfg(test)]
mod tests;
mod times;
mod versions;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

pub(super) use self::content::read_at;
pub(super) use self::count::count;
pub use self::revisions::Revision;
pub(super) use self::revisions::log;
pub(super) use self::times::Times;
pub(super) use self::versions::{Version, versions};
use super::command::Git;
use super::parse::Oid;
use crate::core::error::Result;

/// A cache of the times of all files at one head.
#[derive(Default)]
pub(super) struct History {
    cached: Mutex<Option<(Oid, Arc<Times>)>>,
}

impl History {
    /// Returns the times of all files in `head` and its ancestors.
    ///
    /// If `head` is a descendant of the cached head, this walks over the commits between them, otherwise over all commits. Concurrent
    /// calls wait for the walk.
    ///
    /// # Errors
    ///
    /// The failures of `git log`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the walk. The next call starts it again.
    pub(super) async fn times(&self, git: &Git, head: &Oid) -> Result<Arc<Times>> {
        let mut cached = self.cached.lock().await;
        if let Some((cached_head, times)) = &mut *cached {
            if cached_head == head {
                return Ok(Arc::clone(times));
            }
            // This fails if the cached head was rewritten and garbage-collected.
            let newer = times::walk(git, &format!("{cached_head}..{head}")).await;
            if let Some(newer) = newer.ok().filter(|newer| newer.continues(cached_head)) {
                Arc::make_mut(times).extend(newer);
                *cached_head = head.clone();
                return Ok(Arc::clone(times));
            }
        }
        let times = Arc::new(times::walk(git, head.as_str()).await?.into_times());
        *cached = Some((head.clone(), Arc::clone(&times)));
        Ok(times)
    }
}

/// Converts a Unix time. A time that does not fit is 1970.
fn unix_time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}
