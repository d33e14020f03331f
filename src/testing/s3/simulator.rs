//! The handle that tests use: starts the server, changes its rules and reads its state.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::buckets::REGION;
use super::checksums::{self, Algorithm};
use super::content::Content;
use super::fault::Fault;
use super::log::Request;
use super::records::{Attributes, Bucket, Object, Version, Versioning};
use super::rules::Rules;
use super::server::{listen, serve};
use super::service::Service;
use super::state::State;
use crate::backends::object::{ObjectStoreOptions, S3Config};
use crate::core::secret::Secret;

/// The bucket that exists from the start.
const BUCKET: &str = "f9-test";

/// An HTTP server in the process with the API of Amazon S3, for tests without an account.
///
/// By default it does what Amazon documents: it checks signatures, honours conditions on writes, copies and deletes, and keeps
/// versions if asked to. [`Rules`] make it as other servers are, and [`Fault`]s make single requests fail. It keeps everything in
/// memory, and runs on its own thread until it is dropped, so synchronous and asynchronous code can use it.
///
/// Clients must use path-style URLs, `http://127.0.0.1:PORT/f9-test/KEY`.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// use f9::testing::s3::{Operation, S3Simulator};
///
/// # fn main() -> std::io::Result<()> {
/// let s3 = S3Simulator::start();
/// s3.put("notes/a.txt", "hello");
/// assert_eq!(s3.object("notes/a.txt").unwrap().etag, "5d41402abc4b2a76b9719d911017c592");
///
/// // Any client of S3 works. A request without a signature is refused.
/// let address = s3.endpoint().replace("http://", "");
/// let mut connection = TcpStream::connect(&address)?;
/// let path = format!("/{}/notes/a.txt", s3.bucket());
/// write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
/// let mut response = String::new();
/// connection.read_to_string(&mut response)?;
/// assert!(response.starts_with("HTTP/1.1 403"));
/// assert!(response.contains("<Code>AccessDenied</Code>"));
///
/// let requests = s3.take_requests();
/// assert_eq!(requests[0].operation, Operation::GetObject);
/// assert_eq!(requests[0].key.as_deref(), Some("notes/a.txt"));
/// # Ok(())
/// # }
/// ```
pub struct S3Simulator {
    address: SocketAddr,
    access_key: String,
    secret_key: String,
    service: Arc<Service>,
    /// Both are set until the simulator is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An object in the simulator's bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredObject {
    /// The key.
    pub key: String,
    /// The content.
    pub content: Bytes,
    /// The `ETag` without quotes.
    pub etag: String,
    /// The content type, if a client gave one.
    pub content_type: Option<String>,
    /// The user metadata, without the prefix `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// The id of the version; `null` if versioning was not enabled when the object was written.
    pub version_id: String,
}

/// An upload in parts that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedUpload {
    /// The key of the object to be.
    pub key: String,
    /// The id of the upload.
    pub id: String,
    /// The parts by number.
    pub parts: BTreeMap<u16, Bytes>,
}

impl S3Simulator {
    /// Starts a server with one empty bucket.
    ///
    /// # Panics
    ///
    /// If the system has no free port or cannot start a thread.
    #[must_use]
    pub fn start() -> Self {
        let listener = listen().unwrap();
        let address = listener.local_addr().unwrap();
        let access_key = format!("AKIASIMULATOR{}", address.port());
        let secret_key = format!("simulator-secret-{}", address.port());
        let service = Arc::new(Service::new(State::new(BUCKET), &access_key, &secret_key));
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let serving = Arc::clone(&service);
        let run = move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                serve(listener, serving, stopped).await;
            });
        };
        let thread = thread::Builder::new().name("s3-simulator".to_owned()).spawn(run).unwrap();
        Self { address, access_key, secret_key, service, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the URL of the service: `http://127.0.0.1:…`, without a slash at the end.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the name of the bucket that exists from the start, `f9-test`.
    #[must_use]
    pub fn bucket(&self) -> &str {
        BUCKET
    }

    /// Returns the region of all buckets, `us-east-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        REGION
    }

    /// Returns the id of the key that the service accepts.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Returns the secret of the key that the service accepts.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// Returns the configuration of a backend on the simulator's bucket. Its first repetition waits for one millisecond.
    #[must_use]
    pub fn config(&self) -> S3Config {
        let options = ObjectStoreOptions::default().with_retry_delay(Duration::from_millis(1));
        S3Config::new(self.bucket())
            .with_endpoint(self.endpoint())
            .with_region(self.region())
            .with_access_key(Secret::new(self.access_key()))
            .with_secret_key(Secret::new(self.secret_key()))
            .with_options(options)
    }

    /// Changes the rules of later requests.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(Arc::make_mut(&mut self.service.state().rules));
    }

    /// Makes a later request fail.
    pub fn inject(&self, fault: impl Into<Fault>) {
        self.service.state().faults.push(fault.into());
    }

    /// Returns how many injected faults have repetitions left.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.service.state().faults.len()
    }

    /// Removes the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Releases the requests that are [held](super::FaultKind::Held) now.
    pub fn release(&self) {
        self.service.release();
    }

    /// Returns how many requests never get a response because of a timeout [fault](super::FaultKind). A test can wait for this
    /// number and then advance its clock past the timeout of the client.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.service.state().unanswered
    }

    /// Returns the requests since the last [`take_requests`](Self::take_requests), in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.service.state().log.all().to_vec()
    }

    /// Returns the same requests and empties the log.
    #[expect(clippy::must_use_candidate, reason = "also called to empty the log")]
    pub fn take_requests(&self) -> Vec<Request> {
        self.service.state().log.take()
    }

    /// Returns the object of this key in the simulator's bucket.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<StoredObject> {
        let state = self.service.state();
        let version = state.buckets.get(BUCKET)?.newest(key)?;
        Some(stored(key, version, version.object.as_deref()?))
    }

    /// Returns all objects in the simulator's bucket, in the order of their keys. Older versions are left out.
    #[must_use]
    pub fn objects(&self) -> Vec<StoredObject> {
        let state = self.service.state();
        let Some(bucket) = state.buckets.get(BUCKET) else { return Vec::new() };
        let objects = bucket.keys.keys().filter_map(|key| {
            let version = bucket.newest(key)?;
            Some(stored(key, version, version.object.as_deref()?))
        });
        objects.collect()
    }

    /// Returns the unfinished uploads in the simulator's bucket, in the order of their keys and then of their creation.
    #[must_use]
    pub fn uploads(&self) -> Vec<UnfinishedUpload> {
        let state = self.service.state();
        let Some(bucket) = state.buckets.get(BUCKET) else { return Vec::new() };
        let uploads = bucket.uploads.iter().map(|((key, id), upload)| UnfinishedUpload {
            key: key.clone(),
            id: id.clone(),
            parts: upload
                .parts
                .iter()
                .filter_map(|(number, part)| {
                    Some((u16::try_from(*number).ok()?, part.content.to_bytes()))
                })
                .collect(),
        });
        uploads.collect()
    }

    /// Stores an object without checking the rules, and without a content type or metadata. Returns its `ETag`.
    ///
    /// # Panics
    ///
    /// If the simulator's bucket was deleted.
    pub fn put(&self, key: &str, content: impl Into<Bytes>) -> String {
        self.put_with(key, content, None, &[])
    }

    /// Stores an object as [`put`](Self::put) does, with this content type and this user metadata, whose names come without the
    /// prefix `x-amz-meta-`.
    ///
    /// # Panics
    ///
    /// If the simulator's bucket was deleted.
    pub fn put_with(
        &self,
        key: &str,
        content: impl Into<Bytes>,
        content_type: Option<&str>,
        metadata: &[(&str, &str)],
    ) -> String {
        let pairs = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let attributes = Attributes {
            content_type: content_type.map(str::to_owned),
            metadata: pairs.collect(),
            ..Attributes::default()
        };
        let content = Content::from(content.into());
        let mut state = self.service.state();
        let etag = hex::encode(checksums::md5(&content));
        let checksum = Some(Algorithm::Crc64Nvme.of(&content));
        let checksum = checksum.filter(|_| state.rules.checksums_supported);
        let object = Object { etag: etag.clone(), checksum, content, attributes };
        state.store(BUCKET, key, Some(object)).unwrap();
        etag
    }

    /// Enables versioning, as `PutBucketVersioning` does.
    pub fn enable_versioning(&self) {
        self.in_bucket(|bucket| bucket.versioning = Versioning::Enabled);
    }

    /// Returns the versions of a key, the oldest first. Delete markers are left out.
    #[must_use]
    pub fn versions(&self, key: &str) -> Vec<StoredObject> {
        let state = self.service.state();
        let versions = state.buckets.get(BUCKET).and_then(|bucket| bucket.keys.get(key));
        let stored = |version: &Version| Some(stored(key, version, version.object.as_deref()?));
        versions.into_iter().flatten().filter_map(stored).collect()
    }

    /// Removes all versions of a key, also if versioning is enabled.
    pub fn remove(&self, key: &str) {
        self.in_bucket(|bucket| drop(bucket.keys.remove(key)));
    }

    /// Moves the modification times of all versions of a key back.
    pub fn backdate(&self, key: &str, by: Duration) {
        self.in_bucket(|bucket| {
            for version in bucket.keys.get_mut(key).into_iter().flatten() {
                version.modified -= by;
            }
        });
    }

    /// Removes all objects and uploads of the simulator's bucket. Keeps the rules, the faults and the log of requests.
    pub fn clear(&self) {
        self.in_bucket(|bucket| {
            bucket.keys.clear();
            bucket.uploads.clear();
        });
    }

    fn in_bucket(&self, change: impl FnOnce(&mut Bucket)) {
        if let Some(bucket) = self.service.state().buckets.get_mut(BUCKET) {
            change(bucket);
        }
    }
}

fn stored(key: &str, version: &Version, object: &Object) -> StoredObject {
    StoredObject {
        key: key.to_owned(),
        content: object.content.to_bytes(),
        etag: object.etag.clone(),
        content_type: object.attributes.content_type.clone(),
        metadata: object.attributes.metadata.clone(),
        version_id: version.id.clone(),
    }
}

impl fmt::Debug for S3Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for S3Simulator {
    /// Closes all connections, stops the server and joins its thread.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
