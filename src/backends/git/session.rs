//! Sessions, and what is pulled and pushed without being asked for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, WeakShared};

use super::Shared;
use crate::{Error, ErrorKind, Result, SessionHandle};

/// A pull that many wait for.
#[derive(Default)]
pub(super) struct Refresh {
    /// It belongs to those who wait: when none does any more, it ends, and lets go of the repository.
    under_way: Option<WeakShared<BoxFuture<'static, Result<()>>>>,
    /// When the last one that succeeded began.
    last: Option<Instant>,
}

impl Shared {
    /// Pulls before a read, if that is wanted. A read that finds a pull under way waits for that one.
    pub(super) async fn pull_before(self: &Arc<Self>) -> Result<()> {
        if !self.automatic.pull || self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let pull = {
            let mut refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = |last: Instant| last.elapsed() < self.automatic.max_staleness;
            if refresh.last.is_some_and(is_fresh) {
                return Ok(());
            }
            let under_way = refresh.under_way.as_ref().and_then(WeakShared::upgrade);
            under_way.filter(|pull| pull.peek().is_none()).unwrap_or_else(|| {
                let shared = Arc::clone(self);
                let pull = async move { shared.automatic_pull().await }.boxed().shared();
                refresh.under_way = pull.downgrade();
                pull
            })
        };
        pull.await
    }

    /// Pulls; conflicts are in the report, and keep nobody from reading the local content.
    async fn automatic_pull(self: &Arc<Self>) -> Result<()> {
        let began = Instant::now();
        match self.pull().await {
            Err(error) if error.kind() != ErrorKind::Conflict => {
                Err(of_the_remote(error).with_operation("pull").with_backend(super::NAME))
            }
            _ => {
                let mut refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
                refresh.last = Some(began);
                Ok(())
            }
        }
    }

    /// Publishes after a write, if that is wanted.
    pub(super) async fn push_after(self: &Arc<Self>, verb: &str, path: &str) -> Result<()> {
        if !self.automatic.push || self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let message = format!("{verb} {path}").replace('\0', " ");
        self.push(&message).await.map_err(|error| {
            let error = of_the_remote(error);
            let reason = error.message().unwrap_or_else(|| error.kind().description()).to_owned();
            error
                .with_operation("publish")
                .with_message(format!("it is done here, and goes with the next push: {reason}"))
        })
    }

    /// Waits for exclusive use, and pulls if this is no session within another.
    pub(super) async fn open_session(self: &Arc<Self>, timeout: Duration) -> Result<Session> {
        let locks = Arc::clone(&self.repository.locks);
        let other_processes = |left| async move { locks.session_file(left).await.map(Some) };
        let guard = self.repository.locks.session.lock(timeout, other_processes).await?;
        let is_outermost = self.sessions.fetch_add(1, Ordering::AcqRel) == 0;
        let session = Session { counted: Counted(Arc::clone(self)), is_outermost, guard };
        if is_outermost && self.automatic.pull {
            self.automatic_pull().await?;
        }
        Ok(session)
    }
}

/// The error of a verb on a file whose pull or push has failed: that there is no remote must not read as if there were no file.
fn of_the_remote(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        error.with_kind(ErrorKind::Unreachable)
    } else {
        error
    }
}

/// Exclusive use of the repository.
pub(super) struct Session {
    counted: Counted,
    is_outermost: bool,
    guard: crate::lock::SessionGuard,
}

/// A session that is open: meanwhile nothing is pulled or pushed without being asked for.
struct Counted(Arc<Shared>);

#[async_trait]
impl SessionHandle for Session {
    async fn finish(self: Box<Self>) -> Result<()> {
        let Self { counted, is_outermost, guard } = *self;
        let shared = Arc::clone(&counted.0);
        // First: what others write from now on they publish themselves, and what they wrote before goes with this push.
        drop(counted);
        if is_outermost && shared.automatic.push {
            shared.push("Changes of a session").await.map_err(|error: Error| {
                error.with_operation("publish a session").with_backend(super::NAME)
            })?;
        }
        drop(guard);
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}
