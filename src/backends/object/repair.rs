//! Removes what dead processes have left.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::bucket::List;
use super::store::Store;
use crate::core::error::Result;

/// What a repair removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectStoreRepair {
    /// The keys of uploads in parts that nobody finished. Their parts took space and were not visible.
    pub unfinished_uploads: Vec<String>,
    /// The keys of objects of f9: uploads that were to be continued, and probes.
    pub objects: Vec<String>,
}

impl Store {
    /// Removes uploads and objects of f9 that are older than `age`.
    pub(super) async fn repair(&self, age: Duration) -> Result<ObjectStoreRepair> {
        let now = SystemTime::now();
        let is_old = |time: Option<SystemTime>| {
            time.is_some_and(|time| now.duration_since(time).unwrap_or_default() >= age)
        };
        let mut removed = ObjectStoreRepair::default();
        for upload in self.bucket.unfinished(self.keys.prefix()).await? {
            if is_old(upload.begun_at) {
                self.bucket.abort(&upload.key, &upload.id).await?;
                removed.unfinished_uploads.push(upload.key);
            }
        }
        for directory in ["uploads/", "probe/"] {
            let mut list = List { prefix: self.keys.private(directory), ..List::default() };
            loop {
                let page = self.bucket.list(list.clone()).await?;
                let old = page.objects.into_iter().filter(|object| is_old(object.modified_at));
                let keys: Vec<_> = old.map(|object| object.key).collect();
                if let Some((_, error)) =
                    self.bucket.delete_many(keys.clone()).await?.into_iter().next()
                {
                    return Err(error);
                }
                removed.objects.extend(keys);
                match page.next {
                    Some(token) => list.token = Some(token),
                    None => break,
                }
            }
        }
        Ok(removed)
    }
}
