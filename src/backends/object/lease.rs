//! The lease object of sessions.
//!
//! The object says who holds the session and for how long it holds without a renewal. It is only ever changed under the condition that it is
//! still what the writer has seen, so of several that want it one gets it. The number in it grows with every holder.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bucket::{Attributes, Bucket, Condition, Get};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::collect;

/// The content of the lease object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Who holds it, for people.
    pub(super) holder: String,
    /// A random text, by which the holder knows its own record.
    pub(super) token: String,
    /// Grows with every holder.
    pub(super) fence: u64,
    /// How long it holds without a renewal, in seconds.
    pub(super) ttl: f64,
    /// Counts the renewals, so that each changes the object.
    pub(super) renewals: u64,
    /// Whether the holder has given it back.
    pub(super) is_released: bool,
}

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Lease {
    place: Place,
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

/// Where the lease object is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) key: String,
}

impl Place {
    /// Returns the record and the etag of the object; `None` if there is none.
    pub(super) async fn read(&self) -> Result<Option<(Record, String)>> {
        let content = match self.bucket.get(&self.key, Get::default()).await {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let etag = content.object.etag.clone().unwrap_or_default();
        let bytes = collect(content.stream).await?;
        let record = serde_json::from_slice(&bytes).map_err(|cause| {
            let message = format!("the lease object `{}` cannot be read: {cause}", self.key);
            Error::new(ErrorKind::Corrupted).with_message(message)
        })?;
        Ok(Some((record, etag)))
    }

    /// Writes the record and returns its etag.
    pub(super) async fn write(&self, record: &Record, condition: Condition) -> Result<String> {
        let json = serde_json::to_vec(record).map_err(|_| ErrorKind::Internal)?;
        let content_type = Some("application/json".to_owned());
        let attributes = Attributes { content_type, ..Attributes::default() };
        let written = self.bucket.put(&self.key, json.into(), attributes, condition).await?;
        written.etag.ok_or_else(|| {
            let message = "the service gives no etag";
            Error::new(ErrorKind::Remote).with_message(message)
        })
    }
}

impl Lease {
    /// Returns the lease of this record, and renews it from now on.
    pub(super) fn held(
        place: Place,
        ttl: Duration,
        record: Record,
        etag: String,
        renewed_at: Instant,
    ) -> Arc<Self> {
        let held = Held { record, etag, renewed_at, lost_to: None, renewal: None, guards: 1 };
        let lease = Arc::new(Self { place, ttl, held: Mutex::new(held) });
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

    fn state(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a guard, unless the last one is gone.
    pub(super) fn share(&self) -> bool {
        let mut held = self.state();
        let is_held = held.guards > 0;
        held.guards += usize::from(is_held);
        is_held
    }

    /// Removes a guard. Returns whether it was the last one.
    pub(super) fn unshare(&self) -> bool {
        let mut held = self.state();
        held.guards -= 1;
        held.guards == 0
    }

    pub(super) fn fence(&self) -> u64 {
        self.state().record.fence
    }

    /// Whether this process still holds the lease, as far as it knows.
    pub(super) fn check(&self) -> Result<()> {
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
        let write = self.place.write(&renewed, Condition::Etag(etag));
        // A request that hangs must not outlast the lease.
        let written = tokio::time::timeout(self.ttl / 3, write).await;
        match written.unwrap_or_else(|_| Err(ErrorKind::Timeout.into())) {
            Ok(etag) => {
                let mut held = self.state();
                (held.record, held.etag, held.renewed_at) = (renewed, etag, began);
                true
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) =>
            {
                let Ok(found) = self.place.read().await else { return true };
                let mut held = self.state();
                match found {
                    // A renewal whose answer was lost. It counts from the next one on.
                    Some((record, etag)) if record.token == held.record.token => {
                        (held.record, held.etag) = (record, etag);
                        true
                    }
                    Some((record, _)) => {
                        held.lost_to = Some(record.holder);
                        false
                    }
                    None => {
                        held.lost_to = Some("somebody who removed it".to_owned());
                        false
                    }
                }
            }
            // The next renewal may succeed in time.
            Err(_) => true,
        }
    }

    /// Gives the lease back.
    pub(super) async fn release(&self) -> Result<()> {
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
        let released = Record { is_released: true, ..record.clone() };
        let written = self.place.write(&released, Condition::Etag(etag)).await;
        let Err(error) = written else { return Ok(()) };
        // The renewal that was aborted may have been processed.
        match self.place.read().await? {
            Some((found, etag)) if found.token == record.token => {
                let released = Record { is_released: true, ..found };
                self.place.write(&released, Condition::Etag(etag)).await.map(drop)
            }
            _ => Err(error),
        }
    }
}
