//! Sessions: a lease object that its holder renews.
//!
//! Clocks of different machines are never compared: who waits takes a lease over when it has not changed for its time to live by the clock
//! of the waiter.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::bucket::Condition;
use super::lease::{Lease, Place, Record};
use super::store::Store;
use crate::backend::{SessionHandle, SyncSession};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::SessionOptions;
use crate::sys::lock::{SessionGuard, TimeLeft};
use crate::sys::{pool, random};

/// The waits between two looks at a lease of somebody else.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LATER_LOOKS: Duration = Duration::from_secs(1);

impl Store {
    pub(super) async fn open_session(&self, options: &SessionOptions) -> Result<SyncSession> {
        if !(self.abilities.put.absent && self.abilities.put.etag) {
            return Err(SyncSession::unsupported());
        }
        let (shared, left) = (&self.shared, TimeLeft::new(options.timeout));
        loop {
            let mut taken = None;
            let guard = shared.session.lock(left.get(), async |left| {
                taken = Some(self.take_lease(left).await?);
                Ok(None)
            });
            let guard = guard.await?;
            let lease = match taken {
                Some(taken) => taken.keep().inspect(|lease| {
                    let known = &shared.lease;
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(lease);
                }),
                // A session within a session of the same task.
                None => self.lease().filter(|lease| lease.share()),
            };
            if let Some(lease) = lease {
                return Ok(SyncSession::new(LeaseGuard { parts: Some((lease, guard)) }));
            }
            // The outer session is just ending.
            drop(guard);
            if left.get().is_zero() {
                return Err(ErrorKind::LockTimeout.into());
            }
            tokio::time::sleep(FIRST_LOOK.min(left.get())).await;
        }
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        let lease: &Mutex<Weak<Lease>> = &self.shared.lease;
        lease.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Returns the lease of the session in which this task or thread is.
    pub(super) fn held_lease(&self) -> Option<Arc<Lease>> {
        self.lease().filter(|_| self.shared.session.is_held_here())
    }

    /// Waits until the lease is free, and takes it.
    async fn take_lease(&self, left: TimeLeft) -> Result<Taken> {
        let (token, ttl) = (random::hex::<8>()?, self.options.session_ttl);
        let place = Place { bucket: Arc::clone(&self.bucket), key: self.keys.private("session") };
        let mut seen: Option<(String, Instant)> = None;
        let mut wait = FIRST_LOOK;
        loop {
            let found = place.read().await?;
            let (condition, fence) = match &found {
                None => (Some(Condition::Absent), 1),
                Some((record, etag)) => {
                    if seen.as_ref().is_none_or(|(known, _)| known != etag) {
                        seen = Some((etag.clone(), Instant::now()));
                    }
                    let since = seen.as_ref().map_or(Duration::ZERO, |(_, since)| since.elapsed());
                    let others_ttl = Duration::try_from_secs_f64(record.ttl).unwrap_or(ttl);
                    let is_free = record.is_released || since >= others_ttl;
                    let condition = is_free.then(|| Condition::Etag(etag.clone()));
                    (condition, record.fence.saturating_add(1))
                }
            };
            if let Some(condition) = condition {
                let record = Record {
                    holder: holder(),
                    token: token.clone(),
                    fence,
                    ttl: ttl.as_secs_f64(),
                    renewals: 0,
                    is_released: false,
                };
                let place = place.clone();
                // A lease that is taken although its caller is gone is given back.
                let taking = async move {
                    let began = Instant::now();
                    let etag = place.write(&record, condition).await?;
                    Ok(Taken(Some(Lease::held(place, ttl, record, etag, began))))
                };
                match pool::spawn_to_completion(taking).await {
                    Ok(taken) => return Ok(taken),
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                    Err(error) => return Err(error),
                }
            }
            if left.get().is_zero() {
                let holder =
                    found.map_or_else(|| "another process".to_owned(), |(record, _)| record.holder);
                let message = format!("held by {holder}");
                return Err(Error::new(ErrorKind::LockTimeout).with_message(message));
            }
            let jittered = wait.mul_f64(0.5 + random::fraction() / 2.0);
            tokio::time::sleep(jittered.min(left.get())).await;
            wait = (2 * wait).min(LATER_LOOKS).min(ttl / 3).max(FIRST_LOOK);
        }
    }
}

/// Refuses a change in a session that another process has taken over, or may have by now.
///
/// # Errors
///
/// `PreconditionFailed`.
pub(super) fn check_lease(lease: Option<&Lease>) -> Result<()> {
    lease.map_or(Ok(()), Lease::check)
}

/// Returns how others name this process.
fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

/// A lease that has no guard yet. It is given back when it is dropped.
struct Taken(Option<Arc<Lease>>);

impl Taken {
    fn keep(mut self) -> Option<Arc<Lease>> {
        self.0.take()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let (Some(lease), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(async move { lease.release().await }));
        }
    }
}

/// The guard of a session. The lease is given back with the last guard of its holder.
struct LeaseGuard {
    parts: Option<(Arc<Lease>, SessionGuard)>,
}

impl LeaseGuard {
    /// Returns what has to be released, if this is the last guard.
    fn take(&mut self) -> Option<(Arc<Lease>, SessionGuard)> {
        let (lease, guard) = self.parts.take()?;
        lease.unshare().then_some((lease, guard))
    }
}

#[async_trait]
impl SessionHandle for LeaseGuard {
    fn fence(&self) -> Option<u64> {
        self.parts.as_ref().map(|(lease, _)| lease.fence())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        match self.take() {
            Some((lease, guard)) => {
                let release = async move {
                    let released = lease.release().await;
                    drop(guard);
                    released
                };
                pool::spawn_to_completion(release).await
            }
            None => Ok(()),
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Some((lease, guard)) = self.take() else { return };
        // The session of this process ends after the lease, so that the next holder in this process finds it free.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(async move {
                // Without it, the lease ends after its time to live.
                drop(lease.release().await);
                drop(guard);
            }));
        }
    }
}
