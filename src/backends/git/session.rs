//! Sessions, and automatic pulls and pushes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::WeakShared;

use super::config::OnUnreachable;
use super::error::NAME;
use super::report::Recorder;
use super::shared::Shared;
use super::sync::check_message;
use crate::backend::SessionHandle;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::SessionOptions;
use crate::sys::lock::SessionGuard;

/// How long reads do not try an unreachable remote again.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

impl Shared {
    /// Pulls before a read, if this is configured. Concurrent reads share one pull.
    pub(super) async fn pull_before_read(self: &Arc<Self>) -> Result<()> {
        if !self.auto_sync.pull || self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let pull = {
            let mut auto_pull = self.auto_pull.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = |start: Instant| start.elapsed() < self.auto_sync.max_staleness;
            let is_later = |time: Instant| time > Instant::now();
            if auto_pull.last_start.is_some_and(is_fresh)
                || auto_pull.next_try.is_some_and(is_later)
            {
                return Ok(());
            }
            let running = auto_pull.running.as_ref().and_then(WeakShared::upgrade);
            running.filter(|pull| pull.peek().is_none()).unwrap_or_else(|| {
                let shared = Arc::clone(self);
                let pull = async move { shared.pull_automatically().await }.boxed().shared();
                auto_pull.running = pull.downgrade();
                pull
            })
        };
        pull.await
    }

    /// Pulls. Conflicts are not an error here: they are in the report, and reads return the local content. Neither is a commit that git
    /// accepts nowhere: nobody could read until it is replaced. Neither is a remote that cannot be reached, if the working tree may be
    /// read without it.
    async fn pull_automatically(self: &Arc<Self>) -> Result<()> {
        let start = Instant::now();
        let pulled = self.pull(None, &Recorder::without_report()).await;
        let mut auto_pull = self.auto_pull.lock().unwrap_or_else(PoisonError::into_inner);
        auto_pull.next_try = None;
        match pulled {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidData) => {}
            Err(error) => {
                let is_unreachable =
                    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout);
                if is_unreachable && self.auto_sync.on_unreachable == OnUnreachable::Serve {
                    let pause = self.auto_sync.max_staleness.max(RETRY_PAUSE);
                    auto_pull.next_try = Instant::now().checked_add(pause);
                    return Ok(());
                }
                return Err(remote_failure(error).with_operation("pull").with_backend(NAME));
            }
            Ok(()) => {}
        }
        auto_pull.last_start = Some(start);
        Ok(())
    }

    /// Pushes after a write, if this is configured.
    pub(super) async fn push_after_write(self: &Arc<Self>, verb: &str, path: &str) -> Result<()> {
        if !self.auto_sync.push || self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let message = format!("{verb} {path}").replace('\0', " ");
        self.push(Some(&message), &Recorder::without_report()).await.map_err(|error| {
            let error = remote_failure(error);
            let reason = error.message().unwrap_or_else(|| error.kind().description()).to_owned();
            error
                .with_operation("publish")
                .with_message(format!("saved locally; will be pushed next time: {reason}"))
                .with_applied()
        })
    }

    /// Opens a session. Pulls if this is configured and the session is not nested in another.
    pub(super) async fn open_session(self: &Arc<Self>, options: SessionOptions) -> Result<Session> {
        let SessionOptions { timeout, message } = options;
        check_message(message.as_deref().unwrap_or_default())?;
        let locks = Arc::clone(&self.repository.locks);
        let lock_file = |left| async move { locks.session_file(left).await.map(Some) };
        let guard = self.repository.locks.session.lock(timeout, lock_file).await?;
        let is_outermost = self.sessions.fetch_add(1, Ordering::AcqRel) == 0;
        let open = OpenSession(Arc::clone(self));
        let session = Session { open, is_outermost, message, guard };
        if is_outermost && self.auto_sync.pull {
            self.pull_automatically().await?;
        }
        Ok(session)
    }
}

/// Converts the error of a pull or push into an error of the verb that caused it. A missing remote must not look like a missing file.
fn remote_failure(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        error.with_kind(ErrorKind::Unreachable)
    } else {
        error
    }
}

/// Exclusive use of the repository.
pub(super) struct Session {
    open: OpenSession,
    is_outermost: bool,
    /// The message of the commit at its end.
    message: Option<String>,
    guard: SessionGuard,
}

/// Counts an open session. While a session is open, nothing is pulled or pushed automatically.
struct OpenSession(Arc<Shared>);

#[async_trait]
impl SessionHandle for Session {
    async fn finish(self: Box<Self>) -> Result<()> {
        let Self { open, is_outermost, message, guard } = *self;
        let shared = Arc::clone(&open.0);
        // Before the push, so that no write is lost: later writes push themselves, and earlier ones are part of this push.
        drop(open);
        if is_outermost && shared.auto_sync.push {
            let message = message.as_deref().unwrap_or("Changes of a session");
            let recorder = Recorder::without_report();
            // What was written in the session is saved, so to repeat the whole session would write it twice.
            shared.push(Some(message), &recorder).await.map_err(|error: Error| {
                error.with_operation("publish a session").with_backend(NAME).with_applied()
            })?;
        }
        drop(guard);
        Ok(())
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}
