//! What the commits tell: when each file came to be and when it last changed, who changed it, and what it was before.

mod content;
mod entries;
mod revisions;
#[cfg(test)]
mod tests;
mod times;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

pub(super) use self::content::read_at;
pub use self::revisions::Revision;
pub(super) use self::revisions::log;
pub(super) use self::times::Times;
use super::command::Git;
use super::output::Oid;
use crate::Result;

/// The times of all files, kept for the last head that somebody asked about.
#[derive(Default)]
pub(super) struct History {
    cached: Mutex<Option<(Oid, Arc<Times>)>>,
}

impl History {
    /// The times of all that `head` and its ancestors hold.
    ///
    /// A head that continues the one asked about before costs a walk over the commits between them, another one a walk over all.
    /// Who asks meanwhile waits for that walk.
    ///
    /// # Errors
    ///
    /// What keeps git from walking.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the walk; who asks next begins it anew.
    pub(super) async fn times(&self, git: &Git, head: &Oid) -> Result<Arc<Times>> {
        let mut cached = self.cached.lock().await;
        if let Some((known, times)) = &mut *cached {
            if known == head {
                return Ok(Arc::clone(times));
            }
            // It fails where the head known before has been rewritten and cleaned up since.
            let newer = times::walk(git, &format!("{known}..{head}")).await;
            if let Some(newer) = newer.ok().filter(|newer| newer.continues(known)) {
                Arc::make_mut(times).extend(newer);
                *known = head.clone();
                return Ok(Arc::clone(times));
            }
        }
        let times = Arc::new(times::walk(git, head.as_str()).await?.into_times());
        *cached = Some((head.clone(), Arc::clone(&times)));
        Ok(times)
    }
}

/// The time that is `seconds` after 1970.
fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}
