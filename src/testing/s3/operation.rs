//! The operations of S3, and how a request names one.

use hyper::Method;

/// An operation of S3, by its name in the reference of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of S3's reference")]
pub enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketVersioning,
    PutBucketVersioning,
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    /// An operation that the simulator does not have.
    Other,
}

/// What of a request decides its operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) method: &'a Method,
    pub(super) has_bucket: bool,
    pub(super) has_key: bool,
    pub(super) query: &'a str,
    /// Whether the request has the header `x-amz-copy-source`.
    pub(super) copies: bool,
}

/// The parts of a bucket or an object that have operations of their own, which the simulator does not have.
const SUBRESOURCES: [&str; 24] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "retention",
    "tagging",
    "torrent",
    "website",
];

impl Operation {
    pub(super) fn of(target: Target<'_>) -> Self {
        if SUBRESOURCES.iter().any(|name| target.has(name)) {
            return Self::Other;
        }
        match (target.has_bucket, target.has_key) {
            (false, _) if target.method == Method::GET => Self::ListBuckets,
            (false, _) => Self::Other,
            (true, false) => Self::of_bucket(target),
            (true, true) => Self::of_object(target),
        }
    }

    fn of_bucket(target: Target<'_>) -> Self {
        match target.method.as_str() {
            "HEAD" => Self::HeadBucket,
            "GET" if target.has("location") => Self::GetBucketLocation,
            "GET" if target.has("versioning") => Self::GetBucketVersioning,
            "GET" if target.has("uploads") => Self::ListMultipartUploads,
            "GET" if target.has("versions") => Self::ListObjectVersions,
            "GET" if target.query.split('&').any(|pair| pair == "list-type=2") => {
                Self::ListObjectsV2
            }
            "GET" => Self::ListObjects,
            "PUT" if target.has("versioning") => Self::PutBucketVersioning,
            "PUT" => Self::CreateBucket,
            "POST" if target.has("delete") => Self::DeleteObjects,
            "DELETE" => Self::DeleteBucket,
            _ => Self::Other,
        }
    }

    fn of_object(target: Target<'_>) -> Self {
        let is_part = target.has("partNumber") && target.has("uploadId");
        match target.method.as_str() {
            "HEAD" => Self::HeadObject,
            "GET" if target.has("uploadId") => Self::ListParts,
            "GET" => Self::GetObject,
            "PUT" if is_part && target.copies => Self::UploadPartCopy,
            "PUT" if is_part => Self::UploadPart,
            "PUT" if target.copies => Self::CopyObject,
            "PUT" => Self::PutObject,
            "POST" if target.has("uploads") => Self::CreateMultipartUpload,
            "POST" if target.has("uploadId") => Self::CompleteMultipartUpload,
            "DELETE" if target.has("uploadId") => Self::AbortMultipartUpload,
            "DELETE" => Self::DeleteObject,
            _ => Self::Other,
        }
    }
}

impl Target<'_> {
    /// Whether the query has a parameter of this name.
    fn has(&self, name: &str) -> bool {
        let mut names =
            self.query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        names.any(|found| found == name)
    }
}
