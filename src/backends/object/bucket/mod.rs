//! What a store of objects can do, whichever service it is.
//!
//! A [`Bucket`] knows keys, not paths: any text is a key, and a slash means nothing. Each service has a folder here.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::ByteStream;

pub(super) mod s3;

/// What a look-up or a listing tells about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: Option<String>,
    pub(super) modified_at: Option<SystemTime>,
    pub(super) version: Option<String>,
    /// Not in listings, as the fields below.
    pub(super) attributes: Attributes,
    /// The SHA-256 of the whole content as hexadecimal digits, if the service knows it.
    pub(super) sha256: Option<String>,
}

/// What goes with the content of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    /// Pairs of any text, with lower-case names.
    pub(super) metadata: BTreeMap<String, String>,
}

/// What must hold for the object at a key, at the moment of a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Condition {
    #[default]
    None,
    /// There is no object.
    Absent,
    /// It has this etag.
    Etag(String),
}

/// The content of an object, or a range of it.
pub(super) struct Content {
    pub(super) object: Object,
    /// The offsets that the stream has.
    pub(super) range: Range<u64>,
    /// In pieces of any size.
    pub(super) stream: ByteStream<'static>,
}

/// Which part of an object to read.
#[derive(Clone, Debug, Default)]
pub(super) enum Part {
    #[default]
    Whole,
    /// These offsets; the end may be past that of the object.
    Range(Range<u64>),
    /// The last bytes.
    Last(u64),
}

/// A read of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Get {
    pub(super) part: Part,
    /// The etag that the object must have.
    pub(super) if_match: Option<String>,
    pub(super) version: Option<String>,
}

/// A listing of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) prefix: String,
    /// Whether keys with a slash after the prefix are listed once for each text before that slash.
    pub(super) is_grouped: bool,
    /// Only keys after this one.
    pub(super) start_after: Option<String>,
    /// The most keys and groups of a page; as many as the service returns if `None`.
    pub(super) max: Option<usize>,
    /// Where a page before this one ended.
    pub(super) token: Option<String>,
}

/// A part of a listing, in byte order.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// The groups: texts that begin with the prefix and end with a slash.
    pub(super) groups: Vec<String>,
    /// The token of the next page; `None` if this is the last one.
    pub(super) next: Option<String>,
}

/// What a change returns.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) etag: Option<String>,
    pub(super) version: Option<String>,
    pub(super) modified_at: Option<SystemTime>,
}

/// A copy within the bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Copy {
    pub(super) version: Option<String>,
    /// The etag that the source must have.
    pub(super) if_match: Option<String>,
    /// What must hold at the target.
    pub(super) condition: Condition,
    /// The attributes of the copy; those of the source if `None`.
    pub(super) attributes: Option<Attributes>,
}

/// An upload in parts that is not finished.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) begun_at: Option<SystemTime>,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UploadedPart {
    pub(super) number: u32,
    pub(super) size: u64,
    pub(super) id: String,
}

/// A version of an object, or the mark of a deletion.
#[derive(Clone, Debug)]
pub(super) struct ObjectVersion {
    pub(super) object: Object,
    pub(super) is_deletion: bool,
    pub(super) is_current: bool,
}

/// Which conditions a kind of request honours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Honoured {
    /// [`Condition::Absent`].
    pub(super) absent: bool,
    /// [`Condition::Etag`].
    pub(super) etag: bool,
}

impl Honoured {
    pub(super) const ALL: Self = Self { absent: true, etag: true };
    pub(super) const NONE: Self = Self { absent: false, etag: false };

    pub(super) fn has(self, condition: &Condition) -> bool {
        match condition {
            Condition::None => true,
            Condition::Absent => self.absent,
            Condition::Etag(_) => self.etag,
        }
    }
}

/// What a service can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one that a service may lack")]
pub(super) struct Abilities {
    pub(super) put: Honoured,
    /// When an upload in parts is finished.
    pub(super) finish: Honoured,
    /// On the target of a copy.
    pub(super) copy: Honoured,
    /// Deletions honour an etag.
    pub(super) delete_etag: bool,
    /// The bucket keeps versions.
    pub(super) versions: bool,
    /// It keeps a content type and metadata.
    pub(super) attributes: bool,
    /// It makes signed URLs.
    pub(super) presign: bool,
    /// It has uploads in parts that another process can continue.
    pub(super) resumable: bool,
    /// It can list all keys below a prefix in byte order. Without, it lists one level at a time.
    pub(super) deep_listing: bool,
}

/// A store of objects.
///
/// Every method retries what may be repeated, so an error is final. `NotFound` means that there is no object at the key, `PreconditionFailed`
/// that a condition does not hold, and `RootGone` that there is no bucket.
#[async_trait]
pub(super) trait Bucket: Debug + Send + Sync + 'static {
    /// What this service can do, as far as its kind tells.
    fn abilities(&self) -> Abilities;

    /// Whether the bucket keeps old versions of objects.
    async fn keeps_versions(&self) -> bool {
        false
    }

    /// The number of requests sent, including repeated ones.
    fn requests_sent(&self) -> u64;

    /// The name of the bucket, the same for all its handles. Holds no secret.
    fn identity(&self) -> Option<String>;

    /// The longest key in bytes.
    fn max_key_bytes(&self) -> usize;

    /// The smallest size of a part other than the last one.
    fn min_part_bytes(&self) -> u64;

    /// Returns what is known of an object, or of one of its versions.
    async fn head(&self, key: &str, version: Option<&str>) -> Result<Object>;

    /// Begins to read an object.
    async fn get(&self, key: &str, get: Get) -> Result<Content>;

    /// Writes an object.
    async fn put(
        &self,
        key: &str,
        data: Bytes,
        attributes: Attributes,
        condition: Condition,
    ) -> Result<Written>;

    /// Deletes an object. Succeeds if there is none and no etag is given.
    async fn delete(&self, key: &str, if_match: Option<&str>) -> Result<()>;

    /// Deletes objects, and returns the errors of those that remain. The number of keys is not bounded.
    async fn delete_many(&self, keys: Vec<String>) -> Result<Vec<(String, Error)>>;

    /// Lists keys.
    async fn list(&self, list: List) -> Result<Page>;

    /// Copies an object within the bucket.
    async fn copy(&self, from: &Object, to: &str, copy: Copy) -> Result<Written>;

    /// Begins an upload in parts and returns its id.
    async fn begin(&self, key: &str, attributes: Attributes) -> Result<String>;

    /// Uploads a part and returns its id. Numbers start at 1.
    async fn put_part(&self, key: &str, upload: &str, number: u32, data: Bytes) -> Result<String>;

    /// Makes a part of a range of an object, and returns its id.
    async fn copy_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        source: &Object,
        range: Range<u64>,
    ) -> Result<String> {
        let _ = (key, upload, number, source, range);
        Err(ErrorKind::Unsupported.into())
    }

    /// Makes an object of the parts with these ids.
    async fn finish(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<String>,
        condition: Condition,
    ) -> Result<Written>;

    /// Removes an upload and its parts. Succeeds if there is none.
    async fn abort(&self, key: &str, upload: &str) -> Result<()>;

    /// Returns the parts of an upload, in order.
    async fn parts(&self, key: &str, upload: &str) -> Result<Vec<UploadedPart>> {
        let _ = (key, upload);
        Err(ErrorKind::Unsupported.into())
    }

    /// Returns the unfinished uploads of keys with a prefix.
    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let _ = prefix;
        Ok(Vec::new())
    }

    /// Returns the versions of an object, the newest first.
    async fn versions(&self, key: &str) -> Result<Vec<ObjectVersion>> {
        let _ = key;
        Err(ErrorKind::Unsupported.into())
    }

    /// Returns a request that works without credentials for some time.
    async fn presign(
        &self,
        key: &str,
        operation: &PresignOperation,
        expires_in: Duration,
    ) -> Result<PresignedRequest> {
        let _ = (key, operation, expires_in);
        Err(ErrorKind::Unsupported.into())
    }
}
