//! Any backend as an [`object_store::ObjectStore`], for DataFusion, Lance, delta-rs and other users of that crate.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, RenameTargetMode, Result, TagSet,
};

use crate::backend::{AsyncFileBackend, Capability};
use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::metadata::FileMetadata;
use crate::core::options::{WriteMode, WriteOptions};
use crate::core::path::FilePath;

mod attributes;
mod conditions;
mod error;
mod get;
mod list;
mod object;
mod transfer;
mod upload;

use attributes::metadata_of;
use error::{failed, is_no_file, not_read};
use upload::{Upload, put_result};

/// The number of objects that [`delete_stream`](ObjectStore::delete_stream) deletes concurrently.
const CONCURRENT_DELETES: usize = 10;

/// The files of a backend as the objects of an [`ObjectStore`].
///
/// Clones share the backend. Calls are as atomic and as durable as the backend makes them, and open no session. Depend on
/// `object_store = { version = "0.14", default-features = false }`, with its feature `tokio` for `BufWriter` and `WriteMultipart`.
///
/// # Objects and locations
///
/// An object is a file, and its location is the literal path of the file: this adapter never encodes or decodes `%2F` and the like.
/// `Path::from` encodes characters that object stores avoid, such as `*`; use [`Path::parse`] for the literal name of a file. A link is
/// the file that it leads to, if that is in the store. Deleting it removes only the link, and renaming it is [`NotSupported`]. The etag
/// is that of the backend, without quotes.
///
/// A directory is not an object. It only appears as a common prefix, and only while there is an object below it. As with
/// `object_store`'s own `LocalFileSystem`, empty directories remain when their last object is deleted. An object cannot take the place
/// of such a directory until it is deleted like an object: the write fails with [`Generic`], which contains
/// [`IsADirectory`](ErrorKind::IsADirectory). Listings do not follow links to directories. Special files are not objects.
///
/// Names that the backend reserves are hidden and fail with [`PermissionDenied`].
///
/// # Listings
///
/// Listings are in byte order of the locations. A file whose name cannot be a location (it contains a control character or is not
/// UTF-8) is one `Err` in the stream of [`list`](ObjectStore::list), which continues after it. It fails
/// [`list_with_delimiter`](ObjectStore::list_with_delimiter), because leaving it out would hide that it exists. To decide whether a
/// directory is a common prefix, the adapter reads it up to its first object.
///
/// # Reads
///
/// A get opens the file once, so size, date, etag, attributes and content always belong to the same version. All ranges of one
/// [`get_ranges`](ObjectStore::get_ranges) belong to the same version too, unless the backend has no etags. A condition with a date in
/// whole seconds is taken for an HTTP date and compared in whole seconds. A get of an older version needs a backend with
/// [`Versions`](Capability::Versions), and is [`NotSupported`] without it.
///
/// # Writes
///
/// [`PutMode::Create`], and copies and renames that replace nothing, need a backend with
/// [`ExclusiveCreate`](Capability::ExclusiveCreate). [`PutMode::Update`] needs [`ConditionalWrite`](Capability::ConditionalWrite).
/// Without that capability the call is [`NotImplemented`]. An update compares the etag, which is therefore required; a version is not.
///
/// The attributes `ContentType` and `Metadata` are the content type and the user metadata of the file, if the backend has
/// [`ContentType`](Capability::ContentType) and [`UserMetadata`](Capability::UserMetadata). Other attributes, and all tags, are
/// [`NotImplemented`].
///
/// The parts of an upload stream into one write, in the order of the calls and with any size. Nothing is visible before
/// [`complete`](MultipartUpload::complete), and an upload that is aborted or dropped leaves nothing. The future of a part drives the
/// write and is ready when the write has accepted the part; a caller that awaits each part before it adds the next one holds no more
/// than that part in memory. A part counts even if its future is dropped. If the write fails, every awaited part and `complete` return
/// the error.
///
/// # Errors
///
/// Each error has the [`Error`] as its source, except [`NotImplemented`] and [`InvalidPath`](object_store::Error::InvalidPath).
///
/// [`Generic`]: object_store::Error::Generic
/// [`NotImplemented`]: object_store::Error::NotImplemented
/// [`NotSupported`]: object_store::Error::NotSupported
/// [`PermissionDenied`]: object_store::Error::PermissionDenied
///
/// # Examples
///
/// ```
/// use f9::compat::object_store::FileBackendStore;
/// use f9::prelude::*;
/// use object_store::path::Path;
/// use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let files = f9::MemoryFileBackend::new();
/// let store = FileBackendStore::new(files.clone());
///
/// let location = Path::from("2026/plan.md");
/// let put = store.put(&location, "# Plan".into()).await?;
/// assert_eq!(files.read("2026/plan.md").await?, "# Plan");
/// assert_eq!(store.get_range(&location, 2..6).await?, "Plan");
/// assert_eq!(store.head(&location).await?.e_tag, put.e_tag);
///
/// let missing = store.get(&Path::from("2026")).await.unwrap_err();
/// assert!(matches!(missing, object_store::Error::NotFound { .. }));
///
/// let again = store.put_opts(&location, "# Again".into(), PutMode::Create.into()).await;
/// assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })));
///
/// let mut upload = store.put_multipart(&Path::from("table/1.parquet")).await?;
/// upload.put_part("PAR1".into()).await?;
/// let put = upload.complete().await?;
/// assert_eq!(store.head(&Path::from("table/1.parquet")).await?.e_tag, put.e_tag);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FileBackendStore {
    backend: Arc<dyn AsyncFileBackend>,
}

impl FileBackendStore {
    /// Creates a store of the files of a backend. An `Arc` of a backend is a backend too, so the original stays usable.
    #[must_use]
    pub fn new(backend: impl AsyncFileBackend) -> Self {
        Self { backend: Arc::new(backend) }
    }

    /// Returns the backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn AsyncFileBackend> {
        &self.backend
    }

    fn not_implemented(&self, operation: &str) -> object_store::Error {
        object_store::Error::NotImplemented {
            operation: operation.to_owned(),
            implementer: self.to_string(),
        }
    }

    /// Returns the metadata of a write. Refuses tags and attributes that the backend does not keep.
    fn metadata(
        &self,
        operation: &str,
        attributes: &Attributes,
        tags: &TagSet,
    ) -> Result<FileMetadata> {
        if !tags.is_empty() {
            return Err(self.not_implemented(&format!("`{operation}` with tags")));
        }
        metadata_of(attributes, self.backend.capabilities())
            .ok_or_else(|| self.not_implemented(&format!("`{operation}` with these attributes")))
    }

    /// Returns the mode that replaces nothing, if the backend supports it.
    fn create_mode(&self, operation: &str) -> Result<WriteMode> {
        if self.backend.capabilities().has(Capability::ExclusiveCreate) {
            Ok(WriteMode::Create)
        } else {
            Err(self.not_implemented(&format!("`{operation}` with mode `Create`")))
        }
    }

    fn write_mode(&self, location: &Path, mode: PutMode) -> Result<WriteMode> {
        let version = match mode {
            PutMode::Overwrite => return Ok(WriteMode::Overwrite),
            PutMode::Create => return self.create_mode("put_opts"),
            PutMode::Update(version) => version,
        };
        if !self.backend.capabilities().has(Capability::ConditionalWrite) {
            return Err(self.not_implemented("`put_opts` with mode `Update`"));
        }
        match (version.e_tag, version.version) {
            // The etag also tells the current version.
            (Some(etag), _) => Ok(WriteMode::IfMatch(Etag::new(etag))),
            (None, _) => {
                let error = Error::new(ErrorKind::InvalidInput).with_operation("update");
                let error = error.with_message("the etag of the object to replace is missing");
                Err(failed(error, location.as_ref()))
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FileBackendStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let metadata = self.metadata("put_opts", &options.attributes, &options.tags)?;
        let mode = self.write_mode(location, options.mode)?;
        let updates = matches!(mode, WriteMode::IfMatch(_));
        let options = WriteOptions::default().with_mode(mode).with_metadata(metadata);
        let path = location.as_ref();
        let written = match payload.as_ref() {
            [] | [_] => self.backend.write_bytes(path, payload.into(), options).await,
            _ => {
                let options = options.with_size(payload.content_length() as u64);
                let chunks = stream::iter(payload).map(Ok).boxed();
                self.backend.stream_write_with(path, chunks, options).await
            }
        };
        match written {
            Ok(info) => Ok(put_result(&info)),
            Err(error) if updates && is_no_file(error.kind()) => {
                let source = error.into();
                Err(object_store::Error::Precondition { path: location.to_string(), source })
            }
            Err(error) => Err(transfer::not_written(&*self.backend, error, location).await),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let metadata = self.metadata("put_multipart_opts", &options.attributes, &options.tags)?;
        let named = |error: Error| failed(error.with_operation("write"), location.as_ref());
        FilePath::parse_entry(location.as_ref()).map_err(named)?;
        let options = WriteOptions::overwrite().with_metadata(metadata);
        Ok(Box::new(Upload::begin(Arc::clone(&self.backend), location.clone(), options)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        get::get(&self.backend, location, &options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        get::get_ranges(&self.backend, location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let backend = Arc::clone(&self.backend);
        let deletes = locations.map(move |location| {
            let backend = Arc::clone(&backend);
            async move {
                let location = location?;
                let deleted = backend.delete_with(location.as_ref(), Default::default()).await;
                deleted.map_err(|error| not_read(error, &location))?;
                Ok(location)
            }
        });
        deletes.buffered(CONCURRENT_DELETES).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        list::objects(&self.backend, text_of(prefix), None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        list::objects(&self.backend, text_of(prefix), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        list::level(&self.backend, prefix.unwrap_or(&Path::ROOT)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let mode = match options.mode {
            CopyMode::Overwrite => WriteMode::Overwrite,
            CopyMode::Create => self.create_mode("copy_opts")?,
        };
        transfer::copy(&*self.backend, from, to, mode).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => WriteMode::Overwrite,
            RenameTargetMode::Create => self.create_mode("rename_opts")?,
        };
        transfer::rename(&*self.backend, from, to, mode).await
    }
}

fn text_of(prefix: Option<&Path>) -> String {
    prefix.map_or_else(String::new, Path::to_string)
}

/// Shows the adapter and the `Debug` form of its backend, which contains no secrets.
impl fmt::Display for FileBackendStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBackendStore({:?})", self.backend)
    }
}
