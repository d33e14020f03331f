//! The state of the service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use s3s::S3Result;

use super::errors::{no_such_bucket, no_such_upload};
use super::fault_queue::FaultQueue;
use super::log::Log;
use super::records::{Bucket, NULL_VERSION, Object, Upload, Version, Versioning};
use super::rules::Rules;

/// The state of the service. A mutex around it runs one operation at a time.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Arc<Rules>,
    pub(super) faults: FaultQueue,
    pub(super) log: Log,
    pub(super) buckets: BTreeMap<String, Bucket>,
    /// How many requests never get a response.
    pub(super) unanswered: usize,
    /// How many ids were generated.
    ids: u64,
}

impl State {
    pub(super) fn new(bucket: &str) -> Self {
        let bucket = (bucket.to_owned(), Bucket::new(SystemTime::now()));
        Self {
            rules: Arc::default(),
            faults: FaultQueue::default(),
            log: Log::default(),
            buckets: BTreeMap::from([bucket]),
            unanswered: 0,
            ids: 0,
        }
    }

    /// Returns a unique id. Later ids are greater.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        let digest = hex::encode(Md5::digest(self.ids.to_be_bytes()));
        format!("{:012X}{}", self.ids, digest[..20].to_uppercase())
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<&Upload> {
        let upload = (key.to_owned(), id.to_owned());
        self.bucket(bucket)?.uploads.get(&upload).ok_or_else(no_such_upload)
    }

    /// Stores the newest version of a key, `None` for a delete marker. Returns the version.
    pub(super) fn store(
        &mut self,
        bucket: &str,
        key: &str,
        object: Option<Object>,
    ) -> S3Result<Version> {
        let id = match self.bucket(bucket)?.versioning {
            Versioning::Enabled => self.new_id(),
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
        let version = Version { id, modified: SystemTime::now(), object: object.map(Arc::new) };
        self.bucket_mut(bucket)?.add(key, version.clone());
        Ok(version)
    }
}
