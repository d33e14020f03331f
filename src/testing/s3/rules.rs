//! The rules of the simulated service.

use std::collections::BTreeMap;
use std::time::Duration;

/// The behaviour of an [`S3Simulator`](super::S3Simulator). Change it at any time with [`set`](super::S3Simulator::set).
///
/// The defaults follow Amazon S3. The other values are what other servers were seen to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the switches are independent of each other")]
pub struct Rules {
    /// The delay before each request is processed; zero by default.
    pub latency: Duration,
    /// Accepts requests without a signature; `false` by default. A signature must be right in any case.
    pub anonymous: bool,

    /// The conditions `If-None-Match` and `If-Match` of `PutObject`.
    pub put_conditions: Conditions,
    /// The same conditions of `CompleteMultipartUpload`.
    pub complete_conditions: Conditions,
    /// The same conditions of `CopyObject`, for the new object. Amazon honours them, as its user guide says in "Add preconditions
    /// to S3 operations with conditional requests"; several other servers ignore them.
    pub copy_conditions: Conditions,
    /// The condition `If-Match` of `DeleteObject`, and `ETag` in `DeleteObjects`. Amazon honours it in general purpose buckets since
    /// September 2025, as its user guide says in "How to perform conditional deletes"; many other servers ignore it and delete.
    pub delete_conditions: Conditions,
    /// The four conditions of `GetObject` and `HeadObject`. s3s-fs ignores them.
    pub read_conditions: Conditions,

    /// Has object versions; `true` by default. If not, `GetBucketVersioning`, `PutBucketVersioning` and `ListObjectVersions`
    /// are answered with status 501.
    pub versioning_supported: bool,
    /// Checks and stores the checksums in `x-amz-checksum-…`; `true` by default. If not, it ignores them and returns none.
    pub checksums_supported: bool,
    /// Has `ListMultipartUploads`; `true` by default. If not, it is answered with status 501, as with s3s-fs.
    pub list_uploads_supported: bool,
    /// Has `UploadPartCopy`; `true` by default. If not, it is answered with status 501.
    pub part_copy_supported: bool,
    /// Has `DeleteObjects`; `true` by default. If not, it is answered with status 501.
    pub bulk_delete_supported: bool,
    /// Accepts only `Content-MD5` as the checksum of `DeleteObjects`, as Swift does; `false` by default.
    pub bulk_delete_needs_md5: bool,
    /// The keys that cannot be deleted, each with the code of the error, such as `AccessDenied` or `InternalError`.
    /// `DeleteObjects` reports it for the key and deletes the others.
    pub undeletable_keys: BTreeMap<String, String>,

    /// The smallest size in bytes of a part that is not the last: 5 MiB by default.
    pub min_part_size: u64,
    /// The largest object in bytes that one `CopyObject` or `UploadPartCopy` copies: 5 GiB by default.
    pub max_copy_size: u64,
    /// The largest body in bytes of one `PutObject` or `UploadPart`: 5 GiB by default.
    pub max_put_size: u64,
    /// The largest size in bytes of the names and values of user metadata together: 2 KiB by default.
    pub metadata_limit: usize,

    /// The largest number of items on a page of a listing: 1000 by default, and at most that.
    pub page_size: usize,
    /// Lists each page in byte order; `true` by default. If not, the items of each page are in reverse order.
    pub lists_in_order: bool,
    /// Repeats the last item of each page of objects as the first of the next; `false` by default.
    pub repeats_keys: bool,
    /// Lists objects with their `ETag`; `true` by default. s3s-fs does not.
    pub list_etags: bool,
    /// Writes a space as `+` in listings with `encoding-type=url`, as Amazon and `MinIO` do; `true` by default. If not, as `%20`.
    pub spaces_as_plus: bool,
}

/// What a server does with the conditions of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conditions {
    /// A request whose condition does not hold fails, with status 412 in most cases.
    #[default]
    Honoured,
    /// The request is processed as if it had no condition.
    Ignored,
    /// A request with a condition is answered with status 501.
    Unsupported,
    /// `If-None-Match` is honoured, and a request with `If-Match` always fails with status 412, as with Ceph RGW 16.
    CreateOnly,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            anonymous: false,
            put_conditions: Conditions::Honoured,
            complete_conditions: Conditions::Honoured,
            copy_conditions: Conditions::Honoured,
            delete_conditions: Conditions::Honoured,
            read_conditions: Conditions::Honoured,
            versioning_supported: true,
            checksums_supported: true,
            list_uploads_supported: true,
            part_copy_supported: true,
            bulk_delete_supported: true,
            bulk_delete_needs_md5: false,
            undeletable_keys: BTreeMap::new(),
            min_part_size: 5 * 1024 * 1024,
            max_copy_size: 5 * 1024 * 1024 * 1024,
            max_put_size: 5 * 1024 * 1024 * 1024,
            metadata_limit: 2048,
            page_size: 1000,
            lists_in_order: true,
            repeats_keys: false,
            list_etags: true,
            spaces_as_plus: true,
        }
    }
}
