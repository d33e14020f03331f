//! Finds out which conditions a service honours.
//!
//! Services that do not know a condition ignore it and answer with success. So each condition is tried once with one that does not hold.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::future::try_join3;

use super::bucket::{Abilities, Attributes, Bucket, Condition, Copy, Honoured};
use super::config::Conditions;
use super::keys::Keys;
use crate::core::error::{ErrorKind, Result};
use crate::sys::random;

/// An etag that no object has.
const OTHER: &str = "00000000000000000000000000000000";

/// Returns what a service can do: what its kind promises and this one keeps.
///
/// # Errors
///
/// Any failure to reach the bucket. What a key without some right cannot find out counts as missing.
pub(super) async fn abilities(
    bucket: &dyn Bucket,
    keys: &Keys,
    conditions: Conditions,
) -> Result<Abilities> {
    static KNOWN: Mutex<BTreeMap<String, Abilities>> = Mutex::new(BTreeMap::new());
    let mut promised = bucket.abilities();
    promised.versions = promised.versions && bucket.keeps_versions().await;
    match conditions {
        Conditions::All => return Ok(promised),
        Conditions::None => {
            return Ok(without_conditions(promised));
        }
        Conditions::Probe => {}
    }
    let identity = bucket.identity();
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = identity.as_ref().and_then(|identity| known().get(identity).copied()) {
        return Ok(Abilities { versions: promised.versions, ..found });
    }
    let name = format!("probe/{}", random::hex::<8>()?);
    let probe = Probe { bucket, key: keys.private(&name), promised };
    let found = match probe.run().await {
        // Nothing could be found out.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Ok(without_conditions(promised));
        }
        found => found?,
    };
    if let Some(identity) = identity {
        known().insert(identity, found);
    }
    Ok(found)
}

fn without_conditions(promised: Abilities) -> Abilities {
    let (put, finish, copy) = (Honoured::NONE, Honoured::NONE, Honoured::NONE);
    Abilities { put, finish, copy, delete_etag: false, ..promised }
}

struct Probe<'a> {
    bucket: &'a dyn Bucket,
    key: String,
    promised: Abilities,
}

impl Probe<'_> {
    async fn run(&self) -> Result<Abilities> {
        // The first request also tells whether there is a bucket.
        let first = self.put(&self.key, Condition::None).await?;
        let etag = first.unwrap_or_default();
        let found = async {
            let promised = self.promised.put;
            let put = Honoured {
                absent: promised.absent && self.is_refused(Condition::Absent).await?,
                etag: promised.etag
                    && self.is_refused(other()).await?
                    && self.is_accepted(Condition::Etag(etag.clone())).await?,
            };
            let finish = async {
                let promised = self.promised.finish;
                Ok(Honoured {
                    absent: promised.absent && self.finish(Condition::Absent).await?,
                    etag: promised.etag && self.finish(other()).await?,
                })
            };
            let copy = async {
                let promised = self.promised.copy;
                Ok(Honoured {
                    absent: promised.absent && self.copy(Condition::Absent).await?,
                    etag: promised.etag && self.copy(other()).await?,
                })
            };
            let (finish, copy, delete_etag) = try_join3(finish, copy, self.delete()).await?;
            Ok(Abilities { put, finish, copy, delete_etag, ..self.promised })
        };
        let found = found.await;
        drop(self.bucket.delete(&self.key, None).await);
        found
    }

    async fn put(&self, key: &str, condition: Condition) -> Result<Option<String>> {
        let content = Bytes::from_static(b"f9 finds out what this service can do");
        let put = self.bucket.put(key, content, Attributes::default(), condition).await;
        put.map(|written| written.etag)
    }

    /// Whether a condition that does not hold is refused.
    async fn is_refused(&self, condition: Condition) -> Result<bool> {
        is_refused(self.put(&self.key, condition).await)
    }

    /// Whether a condition that holds is accepted.
    async fn is_accepted(&self, condition: Condition) -> Result<bool> {
        match self.put(&self.key, condition).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an upload in parts is not finished under a condition that does not hold.
    async fn finish(&self, condition: Condition) -> Result<bool> {
        let id = match self.bucket.begin(&self.key, Attributes::default()).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(false),
            begun => begun?,
        };
        let finished = async {
            let part = self.bucket.put_part(&self.key, &id, 1, Bytes::from_static(b"part")).await?;
            is_refused(self.bucket.finish(&self.key, &id, vec![part], condition).await)
        };
        let finished = finished.await;
        drop(self.bucket.abort(&self.key, &id).await);
        finished
    }

    /// Whether a copy is not made under a condition that does not hold.
    async fn copy(&self, condition: Condition) -> Result<bool> {
        let target = format!("{}-copy", self.key);
        self.put(&target, Condition::None).await?;
        let copied = async {
            let source = self.bucket.head(&target, None).await?;
            let copy = Copy { condition, ..Copy::default() };
            is_refused(self.bucket.copy(&source, &self.key, copy).await)
        };
        let copied = copied.await;
        drop(self.bucket.delete(&target, None).await);
        copied
    }

    /// Whether a deletion removes only the object that it names.
    async fn delete(&self) -> Result<bool> {
        if !self.promised.delete_etag {
            return Ok(false);
        }
        let target = format!("{}-delete", self.key);
        self.put(&target, Condition::None).await?;
        let refused = is_refused(self.bucket.delete(&target, Some(OTHER)).await);
        drop(self.bucket.delete(&target, None).await);
        refused
    }
}

/// The condition that an object has an etag that none has.
fn other() -> Condition {
    Condition::Etag(OTHER.to_owned())
}

/// Whether a service refused something because of its condition.
fn is_refused<T>(result: Result<T>) -> Result<bool> {
    match result {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            ErrorKind::PreconditionFailed | ErrorKind::AlreadyExists => Ok(true),
            // It says itself that it does not have the condition, or the key may not try it out.
            ErrorKind::Unsupported
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
            | ErrorKind::Remote
                if !error.is_temporary() =>
            {
                Ok(false)
            }
            _ => Err(error),
        },
    }
}
