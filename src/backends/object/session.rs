//! Sessions: a lease object that its holder renews.
//!
//! The object says who holds the session and for how long it holds without a renewal. It is only ever changed under the condition that it is
//! still what the writer has seen, so of several that want it one gets it. Clocks of different machines are never compared: who waits takes a
//! lease over when it has not changed for its time to live by the clock of the waiter. The number in it grows with every holder.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bucket::{Attributes, Condition, Get};
use super::store::Store;
use crate::backend::{SessionHandle, SyncSession};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::SessionOptions;
use crate::core::stream::collect;
use crate::sys::lock::{SessionGuard, TimeLeft};
use crate::sys::random;

/// The waits between two looks at a lease of somebody else.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LATER_LOOKS: Duration = Duration::from_secs(1);

/// The content of the lease object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Who holds it, for people.
    holder: String,
    /// A random text, by which the holder knows its own record.
    token: String,
    /// Grows with every holder.
    fence: u64,
    /// How long it holds without a renewal, in seconds.
    ttl: f64,
    /// Counts the renewals, so that each changes the object.
    renewals: u64,
    /// Whether the holder has given it back.
    is_released: bool,
}

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Lease {
    store: Store,
    ttl: Duration,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    record: Record,
    etag: String,
    /// When the last change of the object began that succeeded.
    renewed_at: Instant,
    lost_to: Option<String>,
    renewal: Option<JoinHandle<()>>,
    /// The number of guards. With the last one it is given back.
    guards: usize,
}

impl Store {
    pub(super) async fn open_session(&self, options: &SessionOptions) -> Result<SyncSession> {
        if !(self.abilities.put.absent && self.abilities.put.etag) {
            return Err(SyncSession::unsupported());
        }
        let shared = &self.shared;
        loop {
            let mut taken = None;
            let guard = shared.session.lock(options.timeout, async |left| {
                taken = Some(self.take_lease(left).await?);
                Ok(None)
            });
            let guard = guard.await?;
            let lease = match taken {
                Some(lease) => {
                    let known = &shared.lease;
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&lease);
                    Some(lease)
                }
                // A session within a session of the same task.
                None => self.lease().filter(|lease| lease.share()),
            };
            if let Some(lease) = lease {
                return Ok(SyncSession::new(LeaseGuard { parts: Some((lease, guard)) }));
            }
            // The outer session is just ending on another thread.
            drop(guard);
            tokio::task::yield_now().await;
        }
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        let lease: &Mutex<Weak<Lease>> = &self.shared.lease;
        lease.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Refuses a change by the holder of a session that another process has taken over, or may have by now.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed`.
    pub(super) fn check_session(&self) -> Result<()> {
        match self.lease() {
            Some(lease) if self.shared.session.is_held_here() => lease.check(),
            _ => Ok(()),
        }
    }

    /// Waits until the lease is free, and takes it.
    async fn take_lease(&self, left: TimeLeft) -> Result<Arc<Lease>> {
        let (token, ttl) = (random::hex::<8>()?, self.options.session_ttl);
        let key = self.keys.private("session");
        let mut seen: Option<(String, Instant)> = None;
        let mut wait = FIRST_LOOK;
        loop {
            let found = self.read_lease(&key).await?;
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
                let began = Instant::now();
                match self.write_lease(&key, &record, condition).await {
                    Ok(etag) => return Ok(Lease::held(self, record, etag, began)),
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

    async fn read_lease(&self, key: &str) -> Result<Option<(Record, String)>> {
        let content = match self.bucket.get(key, Get::default()).await {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let etag = content.object.etag.clone().unwrap_or_default();
        let bytes = collect(content.stream).await?;
        let record = serde_json::from_slice(&bytes).map_err(|cause| {
            let message = format!("the lease object `{key}` cannot be read: {cause}");
            Error::new(ErrorKind::Corrupted).with_message(message)
        })?;
        Ok(Some((record, etag)))
    }

    async fn write_lease(
        &self,
        key: &str,
        record: &Record,
        condition: Condition,
    ) -> Result<String> {
        let json = serde_json::to_vec(record).map_err(|_| ErrorKind::Internal)?;
        let attributes = Attributes {
            content_type: Some("application/json".to_owned()),
            ..Attributes::default()
        };
        let written = self.bucket.put(key, json.into(), attributes, condition).await?;
        written.etag.ok_or_else(|| {
            let message = "the service gives no etag";
            Error::new(ErrorKind::Remote).with_message(message)
        })
    }
}

/// Returns how others name this process.
fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

impl Lease {
    fn held(store: &Store, record: Record, etag: String, renewed_at: Instant) -> Arc<Self> {
        let ttl = store.options.session_ttl;
        let held = Held { record, etag, renewed_at, lost_to: None, renewal: None, guards: 1 };
        let lease = Arc::new(Self { store: store.clone(), ttl, held: Mutex::new(held) });
        let renewed = Arc::downgrade(&lease);
        let renewal = tokio::spawn(async move {
            tokio::time::sleep(ttl / 3).await;
            while let Some(lease) = renewed.upgrade() {
                let goes_on = lease.renew().await;
                drop(lease);
                if !goes_on {
                    return;
                }
                tokio::time::sleep(ttl / 3).await;
            }
        });
        lease.state().renewal = Some(renewal);
        lease
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a guard, unless the last one is gone.
    fn share(&self) -> bool {
        let mut held = self.state();
        let is_held = held.guards > 0;
        held.guards += usize::from(is_held);
        is_held
    }

    /// Removes a guard. Returns whether it was the last one.
    fn unshare(&self) -> bool {
        let mut held = self.state();
        held.guards -= 1;
        held.guards == 0
    }

    fn fence(&self) -> u64 {
        self.state().record.fence
    }

    /// Whether this process still holds the lease, as far as it knows.
    fn check(&self) -> Result<()> {
        let held = self.state();
        let lost = |by: &str| {
            let message = format!("the session was not renewed in time and was taken over by {by}");
            Err(Error::new(ErrorKind::PreconditionFailed).with_message(message))
        };
        match &held.lost_to {
            Some(holder) => lost(holder),
            None if held.renewed_at.elapsed() >= self.ttl => lost("another process, perhaps"),
            None => Ok(()),
        }
    }

    /// Renews the lease. Returns whether there is any use in a further renewal.
    async fn renew(&self) -> bool {
        let (record, etag) = {
            let held = self.state();
            (held.record.clone(), held.etag.clone())
        };
        let renewed = Record { renewals: record.renewals + 1, ..record };
        let began = Instant::now();
        let key = self.store.keys.private("session");
        match self.store.write_lease(&key, &renewed, Condition::Etag(etag)).await {
            Ok(etag) => {
                let mut held = self.state();
                (held.record, held.etag, held.renewed_at) = (renewed, etag, began);
                true
            }
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                let found = self.store.read_lease(&key).await.ok().flatten();
                let holder =
                    found.map_or_else(|| "another process".to_owned(), |(record, _)| record.holder);
                self.state().lost_to = Some(holder);
                false
            }
            // The next renewal may succeed in time.
            Err(_) => true,
        }
    }

    /// Gives the lease back.
    async fn release(&self) -> Result<()> {
        let renewal = self.state().renewal.take();
        if let Some(renewal) = renewal {
            renewal.abort();
            // A renewal that was under way would come after the release.
            drop(renewal.await);
        }
        self.check()?;
        let (record, etag) = {
            let held = self.state();
            (held.record.clone(), held.etag.clone())
        };
        let key = self.store.keys.private("session");
        let released = Record { is_released: true, ..record.clone() };
        let written = self.store.write_lease(&key, &released, Condition::Etag(etag)).await;
        let Err(error) = written else { return Ok(()) };
        // The renewal that was aborted may have been processed.
        match self.store.read_lease(&key).await? {
            Some((found, etag)) if found.token == record.token => {
                let released = Record { is_released: true, ..found };
                self.store.write_lease(&key, &released, Condition::Etag(etag)).await.map(drop)
            }
            _ => Err(error),
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
                let released = lease.release().await;
                drop(guard);
                released
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
