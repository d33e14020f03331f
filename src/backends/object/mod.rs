//! Files in an object store.
//!
//! [`Store`](store::Store) does the work, one file per operation; this file implements the public traits. `bucket` speaks with the services,
//! `keys` and `metadata` translate, and `directories` remembers what a write may rely on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;

use crate::backend::{
    AsyncFileBackend, Capabilities, Capability, Limits, StoreIdentity, SyncSession,
};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, DeleteOptions, InfoOptions, ListOptions, ReadOptions,
    RenameOptions, SessionOptions, VersionOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::{ByteStream, InfoStream, in_context};
use crate::core::upload::ResumableUpload;

mod bucket;
mod config;
mod copy;
mod directories;
mod error;
mod keys;
mod lease;
mod list;
mod metadata;
mod presign;
mod probe;
mod read;
mod remove;
mod repair;
mod session;
mod store;
mod stream;
mod upload;
mod versions;
mod write;

pub use config::{Conditions, ObjectStoreOptions, ObjectStoreTimeouts, S3Config};
pub use repair::ObjectStoreRepair;

use bucket::Bucket;
use bucket::s3::S3;
use error::CONTEXT;
use keys::Keys;
use metadata::MAX_USER_METADATA;
use store::{Shared, Store};

/// Files in an object store.
///
/// A bucket is a flat list of objects with keys. f9 presents it as a tree: the key of a file is its path, below the prefix of the
/// configuration, so other programs find files under the names that they have here. A directory exists while a file lies below it, or if
/// [`create_dir`](crate::AsyncFileBackend::create_dir_with) made it: an empty object whose key is the path and a slash, as the consoles of the
/// services and other tools make them. The keys of other programs that are no paths, such as `a//b`, are one `Err` item of a listing; a
/// recursive deletion removes them too.
///
/// # Conditions
///
/// A service that does not know a condition ignores it, and would overwrite a file that must not exist. So f9 tries the conditions out with
/// a few small objects when the first handle of a bucket in this process opens ([`Conditions`]), and
/// [`capabilities`](crate::AsyncFileBackend::capabilities) say what it found. Without the condition of
/// [`create`](crate::AsyncFileBackendExt::create), `create` is [`Unsupported`](crate::ErrorKind::Unsupported), and so are sessions.
///
/// A write is checked for its place: f9 puts no file where a directory is and none below a file. What one listing showed is relied on for
/// [`directory_ttl`](ObjectStoreOptions::directory_ttl). Writers of this process are always known; one in another process may put a file and a
/// directory of one name side by side. Both are then listed.
///
/// If the answer to a conditional write is lost, f9 looks whether the object there is its own before it reports a failure. A random text in
/// the metadata (`f9-write`) tells; of a copy, that it is the same as its source. If neither is clear,
/// [`Error::has_unknown_outcome`](crate::Error::has_unknown_outcome) says so.
///
/// # Large files
///
/// Content of more than one [part](ObjectStoreOptions::part_size) is sent and received in several parts at a time. A part that fails is
/// repeated alone. An upload that fails or is dropped is removed; one whose process dies is found by [`repair`](Self::repair). A read whose
/// connection is lost goes on where it was, in the same version of the file or not at all. An append to a large file lets the service copy
/// what is there.
///
/// # Metadata
///
/// Content type, user metadata (up to 1,480 bytes) and modification time are in the headers of the object, the time as rclone writes it
/// (`mtime`). A listing does not have them: its times are those of the writes. Without a checksum of its own, a service gives none for files in
/// parts, and [`checksum`](crate::AsyncFileBackend::checksum) reads the file.
///
/// # Renames and sessions
///
/// A rename is a copy and then a deletion. If it fails in between, both names exist. A session is an object `.f9/session` that its holder
/// renews ([`session_ttl`](ObjectStoreOptions::session_ttl)). A process that was stopped for longer than that loses it to another one, and its
/// further changes fail with [`PreconditionFailed`](crate::ErrorKind::PreconditionFailed). Between that check and the arrival of a request
/// there is a moment in which f9 cannot help; [`SyncSession::fence`](crate::SyncSession::fence) is for readers that must be sure.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use f9::ObjectStoreFileBackend;
/// use f9::prelude::*;
/// use f9::testing::s3::S3Simulator;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let s3 = S3Simulator::start(); // or S3Config::new("bucket"), with the credentials where Amazon's tools find them
/// let files = ObjectStoreFileBackend::open_s3(s3.config()).await?;
/// let etag = files.create("notes/plan.md", "# Plan").await?.etag.unwrap();
/// files.create_with("notes/plan.md", "# Plan B", f9::CreateOptions::if_match(etag)).await?;
/// assert_eq!(s3.object("notes/plan.md").unwrap().content, "# Plan B");
///
/// let session = files.sync_session().await?; // excludes sessions on all machines
/// files.rename("notes/plan.md", "notes/done.md").await?;
/// session.finish().await?;
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct ObjectStoreFileBackend {
    store: Store,
}

impl ObjectStoreFileBackend {
    /// Opens a bucket of S3, or of a service with the same interface.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) with the name of the invalid field of the configuration;
    /// [`RootGone`](crate::ErrorKind::RootGone) if there is no such bucket; any failure to reach it.
    pub async fn open_s3(config: S3Config) -> Result<Self> {
        let opened = async {
            let bucket = Arc::new(S3::connect(&config).await?);
            Self::open(bucket, &config.prefix, config.options).await
        };
        opened.await.map_err(CONTEXT.operation("open"))
    }

    /// Removes uploads that nobody finished and objects that f9 needed for a time, if they are older than `age`. Choose an age that no upload
    /// under way has, such as a week: they are not told apart.
    ///
    /// # Errors
    ///
    /// Any failure to list or remove them. A further call goes on.
    pub async fn repair(&self, age: Duration) -> Result<ObjectStoreRepair> {
        self.store.repair(age).await.map_err(CONTEXT.operation("repair"))
    }

    /// Returns the number of requests sent, including repeated ones.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.store.bucket.requests_sent()
    }

    async fn open(
        bucket: Arc<dyn Bucket>,
        prefix: &str,
        options: ObjectStoreOptions,
    ) -> Result<Self> {
        let keys = Keys::below(prefix)?;
        let abilities = probe::abilities(&*bucket, &keys, options.conditions).await?;
        let identity = bucket.identity().map(|identity| format!("{identity}/{}", keys.prefix()));
        let shared = Shared::of(identity);
        let (options, view) = (Arc::new(options), None);
        Ok(Self { store: Store { bucket, keys, options, abilities, shared, view } })
    }
}

impl fmt::Debug for ObjectStoreFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreFileBackend")
            .field("bucket", &self.store.bucket)
            .field("prefix", &self.store.keys.prefix())
            .finish_non_exhaustive()
    }
}

impl Store {
    fn capabilities(&self) -> Capabilities {
        let abilities = &self.abilities;
        let found = [
            (abilities.put.absent, Capability::ExclusiveCreate),
            (abilities.put.etag, Capability::ConditionalWrite),
            (abilities.put.etag, Capability::Append),
            (abilities.put.absent && abilities.put.etag, Capability::CrossProcessWrites),
            (abilities.put.absent && abilities.put.etag, Capability::Sessions),
            (abilities.put.absent && abilities.put.etag, Capability::CrossProcessSessions),
            (
                abilities.resumable && abilities.put.absent && abilities.put.etag,
                Capability::Resumable,
            ),
            (abilities.versions, Capability::Versions),
            (abilities.presign, Capability::Presign),
            (abilities.attributes, Capability::ContentType),
            (abilities.attributes, Capability::UserMetadata),
            (abilities.attributes, Capability::ModificationTime),
        ];
        let always = [
            Capability::EmptyDirectories,
            Capability::ServerSideCopy,
            Capability::Durable,
            Capability::PrivateViews,
        ];
        found.into_iter().filter(|(has, _)| *has).map(|(_, one)| one).chain(always).collect()
    }
}

#[async_trait]
impl AsyncFileBackend for ObjectStoreFileBackend {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn limits(&self) -> Limits {
        let user_metadata_bytes =
            if self.store.abilities.attributes { MAX_USER_METADATA } else { 0 };
        Limits { path_bytes: self.store.max_path_bytes(), user_metadata_bytes, ..Limits::default() }
    }

    /// The address of the bucket and the prefix, which hold no secret.
    fn identity(&self) -> Option<StoreIdentity> {
        let bucket = self.store.bucket.identity()?;
        Some(StoreIdentity::new(format!("{bucket}/{}", self.store.keys.prefix())))
    }

    fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        FilePath::check_view(name)?;
        Ok(Arc::new(Self { store: Store { view: Some(name.into()), ..self.store.clone() } }))
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        let opened = self.store.read(path, options).await;
        let mut content = opened.map_err(CONTEXT.at("read", path))?;
        content.stream = in_context(content.stream, CONTEXT, "read", path);
        Ok(content)
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let operation = options.mode.operation();
        self.store.write(path, data, options).await.map_err(CONTEXT.at(operation, path))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let operation = options.mode.operation();
        self.store.stream_write(path, data, options).await.map_err(CONTEXT.at(operation, path))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.store.create_dir(path, options).await.map_err(CONTEXT.at("create directory", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        let deleted = self.store.delete(path, &options).await;
        options.ignore_missing(deleted).map_err(CONTEXT.at("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.store.info(path, options).await.map_err(CONTEXT.at("get info of", path))
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let failing = CONTEXT.operation("list");
        let entries = self.store.list(prefix, options).await.map_err(CONTEXT.at("list", prefix))?;
        Ok(entries.map(move |entry| entry.map_err(failing)).boxed())
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.store.copy(from, to, options).await.map_err(CONTEXT.between("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.store.rename(from, to, options).await.map_err(CONTEXT.between("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        self.store.checksum(path, algorithm).await.map_err(CONTEXT.at("checksum", path))
    }

    async fn list_versions_with(
        &self,
        path: &str,
        options: VersionOptions,
    ) -> Result<VersionStream<'static>> {
        let listed = self.store.list_versions(path, &options).await;
        listed.map_err(CONTEXT.at("list versions of", path))
    }

    async fn presign(
        &self,
        path: &str,
        operation: PresignOperation,
        expires_in: Duration,
    ) -> Result<PresignedRequest> {
        let presigned = self.store.presign(path, operation, expires_in).await;
        presigned.map_err(CONTEXT.at("presign", path))
    }

    async fn begin_upload(&self, path: &str, options: WriteOptions) -> Result<ResumableUpload> {
        let begun = self.store.begin_upload(path, options).await;
        begun.map_err(CONTEXT.at("begin an upload of", path))
    }

    async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        let continued = self.store.continue_upload(upload, data).await;
        continued.map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn upload_state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        self.store.upload_state(upload).await.map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn finish_upload(&self, upload: &ResumableUpload) -> Result<FileInfo> {
        self.store.finish_upload(upload).await.map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn abandon_upload(&self, upload: &ResumableUpload) -> Result<()> {
        self.store.abandon_upload(upload).await.map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        self.store.open_session(&options).await.map_err(CONTEXT.operation("open a session"))
    }
}
