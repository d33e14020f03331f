//! Push.
//!
//! Local changes are committed first. Then the push waits for its turn: pushes of one user on one machine to the same branch run one
//! after the other. If two ran at the same time, the remote would reject one, which would have to fetch and merge again. A push that
//! cannot get a turn goes on without one. At worst it is overtaken.
//!
//! Pushes of other machines take no turns. After a push is overtaken, it pauses, fetches, merges and immediately pushes again, which
//! leaves others little time to overtake it once more. Only the time limit ends these attempts, not their number.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::locks::Operation;
use super::parse::{Oid, Pushed};
use super::report::Recorder;
use super::shared::Shared;
use super::sync::{GONE, check_message};
use super::turn::Turn;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::TimeLeft;
use crate::sys::{pool, random};

/// The longest pause after the first time that a push is overtaken. It doubles up to [`MAX_PAUSE`]. A pause is a random part of it, so
/// that clients that were overtaken together do not collide again.
const PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The number of pushes of one process between two runs of `git gc --auto`.
const PUSHES_PER_GC: u64 = 256;

/// The outcome of an attempt to publish.
enum Attempt {
    /// Everything is at the remote. With the commit that was pushed, if one was.
    Published(Option<Oid>),
    /// Another push came first. This is the reply of the remote.
    Overtaken(String),
}

impl Shared {
    /// Pushes. Without a message, the commit says what it changes.
    pub(super) async fn push(
        self: &Arc<Self>,
        message: Option<&str>,
        recorder: &Recorder,
    ) -> Result<()> {
        check_message(message.unwrap_or_default())?;
        let left = TimeLeft::new(self.repository.push_timeout);
        let operation = self.begin().await?;
        if self.repository.pending_merge().await?.is_some() {
            // Completes the merge if all conflicts are resolved, and fails otherwise. This comes before the commit, because a file that
            // was resolved and changed afterwards would be in conflict again if the change were committed first.
            let theirs = self.repository.tracking().await?.ok_or(ErrorKind::Internal)?;
            self.integrate(&operation, None, &theirs, message, recorder).await?;
        }
        self.commit(&operation, message, Vec::new()).await?;
        let number = self.saves.fetch_add(1, Ordering::AcqRel) + 1;
        if self.is_published().await? {
            return Ok(());
        }
        // While this waits for its turn, other tasks commit, and the next push takes their commits along.
        drop(operation);
        let Some(_pushing) = self.pushing.acquire(1, left).await else {
            return Err(late("other tasks of this process are still pushing"));
        };
        if self.published.load(Ordering::Acquire) >= number {
            return Ok(());
        }
        let turn = self.repository.turn(left).await?;
        let pushed = self.publish(&turn, left, message, recorder).await;
        turn.end(pushed.as_ref().ok().and_then(Option::as_ref)).await;
        pushed.map(drop)
    }

    /// Tries to publish until the time is over. Returns the commit that was pushed.
    async fn publish(
        self: &Arc<Self>,
        turn: &Turn,
        left: TimeLeft,
        message: Option<&str>,
        recorder: &Recorder,
    ) -> Result<Option<Oid>> {
        let mut operation = self.begin().await?;
        let before = self.repository.tracking().await?;
        if turn.is_news(before.as_ref()).await {
            // Another push of this machine came first, so this one would be rejected.
            self.fetch_and_integrate(&operation, before, message, recorder).await?;
        }
        let mut longest = PAUSE;
        loop {
            let reply = match self.attempt(&operation, recorder).await? {
                Attempt::Published(commit) => return Ok(commit),
                Attempt::Overtaken(reply) => reply,
            };
            if left.get().is_zero() {
                return Err(late(&format!(
                    "others kept pushing; last reply from the remote: {reply}"
                )));
            }
            // Others may use the working tree meanwhile.
            drop(operation);
            pool::pause(longest.mul_f64(random::fraction()).min(left.get())).await;
            longest = MAX_PAUSE.min(longest * 2);
            operation = self.begin().await?;
            let before = self.repository.tracking().await?;
            self.fetch_and_integrate(&operation, before, message, recorder).await?;
        }
    }

    async fn attempt(&self, operation: &Operation, recorder: &Recorder) -> Result<Attempt> {
        let repository = &self.repository;
        // All these saves are part of the commit that is read next.
        let saves = self.saves.load(Ordering::Acquire);
        let (head, tracking) = (repository.head().await?, repository.tracking().await?);
        let Some(head) = head else { return Ok(Attempt::Published(None)) };
        if self.is_published().await? {
            self.published.fetch_max(saves, Ordering::AcqRel);
            return Ok(Attempt::Published(None));
        }
        match repository.push(operation, recorder.meter()).await? {
            Pushed::Done => {
                self.published.fetch_max(saves, Ordering::AcqRel);
                self.gc_sometimes();
                let start = self.after_push().await.map_err(Error::with_applied)?;
                recorder.sent(tracking.as_ref().or(start.as_ref()), &head);
                Ok(Attempt::Published(Some(head)))
            }
            Pushed::Overtaken(reply) => Ok(Attempt::Overtaken(reply)),
            Pushed::NameTaken(other) => Err(Error::new(ErrorKind::InvalidOperation).with_message(
                format!(
                    "branch `{}` cannot be created at the remote beside its branch `{other}`; use another name, or rename that one",
                    repository.branch
                ),
            )),
            Pushed::Refused(reason) => Err(Error::new(ErrorKind::PermissionDenied)
                .with_message(format!("the remote refused the push: {reason}"))),
            Pushed::NotStored(reason) => Err(Error::new(ErrorKind::Remote)
                .with_message(format!("the remote could not store the push: {reason}"))),
        }
    }

    /// Whether the remote has all commits, as of the last fetch or push.
    async fn is_published(&self) -> Result<bool> {
        let (head, tracking) = (self.repository.head().await?, self.repository.tracking().await?);
        Ok(head == tracking && self.repository.note::<()>(GONE).await?.is_none())
    }

    /// Removes the notes that a push settles, and returns the commit at which the branch started.
    async fn after_push(&self) -> Result<Option<Oid>> {
        self.repository.remove_note(GONE).await?;
        self.finish_merge().await?;
        self.repository.start().await
    }

    /// Packs the objects of many commits in the background, after some pushes. Removes no object: those of a pending merge are not
    /// reachable from any ref.
    fn gc_sometimes(&self) {
        let pushes = self.pushes.fetch_add(1, Ordering::Relaxed) + 1;
        if !pushes.is_multiple_of(PUSHES_PER_GC) {
            return;
        }
        let repository = Arc::clone(&self.repository);
        drop(tokio::spawn(async move {
            let gc =
                ["-c", "gc.auto=6700", "-c", "gc.pruneExpire=never", "gc", "--auto", "--quiet"];
            // A failure is harmless: the next run tries again.
            drop(repository.git.local(gc).output().await);
        }));
    }
}

/// The error of a push whose time is over.
pub(super) fn late(reason: &str) -> Error {
    Error::new(ErrorKind::Contention)
        .with_message(format!("saved locally; will be pushed next time: {reason}"))
}
