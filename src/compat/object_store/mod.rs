//! Any backend as an [`object_store::ObjectStore`], for what is built on that crate: DataFusion, Lance, delta-rs and others.

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

use crate::{
    AsyncFileBackend, Capability, CreateOptions, Error, ErrorKind, Etag, FilePath, WriteMode,
    WriteOptions,
};

mod conditions;
mod error;
mod get;
mod list;
mod object;
mod transfer;
mod upload;

use error::{failed, is_no_file, not_read, unsupported};
use upload::Upload;

/// How many objects [`delete_stream`](ObjectStore::delete_stream) deletes at a time.
const DELETES_AT_A_TIME: usize = 10;

/// The files of a backend as the objects of an [`ObjectStore`].
///
/// Clones share the backend. Every call is as atomic and as durable as the backend makes it; sessions are not taken.
///
/// # Objects and locations
///
/// An object is a file, and its location is the path of the file as it stands: `%2F` and the like are never encoded or decoded here.
/// (`Path::from` encodes what object stores shun, as in a name with `*`; [`Path::parse`] takes the name of a file as it stands.)
/// A link is the file it leads to, if that is one of this store; but deleting it removes the link alone, and renaming it is
/// [`NotSupported`]. The etag is that of the backend, without quotes.
///
/// A directory is no object and shows nowhere, unless as a common prefix while there is an object below it. Empty ones stay
/// behind when their last object is deleted, as with `object_store`'s own `LocalFileSystem`, and, until they are deleted as if
/// they were objects, no object can take their place: that is [`Generic`] with [`IsADirectory`](ErrorKind::IsADirectory) in it.
/// Links to directories are not followed by listings. Special files are no objects either.
///
/// Names that the backend keeps for itself do not show and are refused with [`PermissionDenied`].
///
/// # Listings
///
/// They come in byte order of the locations. A file whose name cannot be a location, because of a control character or because it
/// is not UTF-8, is one `Err` in the stream of [`list`](ObjectStore::list), which goes on after it, and fails
/// [`list_with_delimiter`](ObjectStore::list_with_delimiter): left out, it would look as if it were not there. To tell
/// whether a directory is a common prefix it is read up to its first object.
///
/// # Reads
///
/// A get is a look-up and a read on the condition that the etag is still the one that was found, tried again where it is not:
/// size, date, etag and content are of one object, however often it is replaced meanwhile. The ranges of one
/// [`get_ranges`](ObjectStore::get_ranges) are also of one object. A backend without etags cannot promise that; there
/// a get fails if the length is not the one that was told. A date in whole seconds is taken for one from HTTP and compared in
/// whole seconds.
///
/// # Writes
///
/// [`PutMode::Create`] needs [`ExclusiveCreate`](Capability::ExclusiveCreate) of the backend, and so do copies and renames that
/// replace nothing; [`PutMode::Update`] needs [`ConditionalWrite`](Capability::ConditionalWrite). Without, and for attributes and
/// tags, which a backend could not give back, the call is [`NotImplemented`].
///
/// The parts of an upload stream into one write, in the order in which they were given, whatever their sizes; nothing is visible
/// before [`complete`](MultipartUpload::complete), and nothing is left of an upload that is aborted or dropped. The future of a
/// part is ready when the part has been taken, and drives the write meanwhile, so whoever awaits the parts in hand before giving
/// more holds no more than these. A part counts also when its future is dropped. A write that fails says so to every part that is
/// awaited, and to `complete`.
///
/// # Errors
///
/// Each has the [`Error`] in it as its source, except for [`NotImplemented`], which holds none, and for locations that are
/// [`InvalidPath`](object_store::Error::InvalidPath).
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
/// use object_store::ObjectStoreExt as _;
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FileBackendStore {
    backend: Arc<dyn AsyncFileBackend>,
}

impl FileBackendStore {
    /// The files of a backend as objects. An `Arc` of a backend, which stays usable by itself, is a backend too.
    #[must_use]
    pub fn new(backend: impl AsyncFileBackend) -> Self {
        Self { backend: Arc::new(backend) }
    }

    /// The backend as it is.
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

    /// Nothing that could not be read back is accepted.
    fn refuse_annotations(
        &self,
        operation: &str,
        attributes: &Attributes,
        tags: &TagSet,
    ) -> Result<()> {
        if !attributes.is_empty() {
            return Err(self.not_implemented(&format!("`{operation}` with attributes")));
        }
        if !tags.is_empty() {
            return Err(self.not_implemented(&format!("`{operation}` with tags")));
        }
        Ok(())
    }

    /// The mode that replaces nothing, where the backend can hold to that.
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
            (Some(etag), None) => Ok(WriteMode::IfMatch(Etag::new(etag))),
            (_, Some(_)) => {
                Err(unsupported("write", location, "f9 keeps no versions of an object"))
            }
            (None, None) => {
                let error = Error::new(ErrorKind::InvalidInput).with_operation("update");
                let error = error.with_message("the etag of what is to be replaced is missing");
                Err(failed(error, location.as_ref()))
            }
        }
    }
}

fn put_result(etag: Option<Etag>) -> PutResult {
    let e_tag = etag.map(|etag| etag.as_str().to_owned());
    PutResult { e_tag, version: None, extensions: Default::default() }
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
        self.refuse_annotations("put_opts", &options.attributes, &options.tags)?;
        let mode = self.write_mode(location, options.mode)?;
        let updates = matches!(mode, WriteMode::IfMatch(_));
        let path = location.as_ref();
        let written = match payload.as_ref() {
            [] | [_] => {
                let options = CreateOptions::default().with_mode(mode);
                self.backend.create_with(path, payload.into(), options).await
            }
            _ => {
                let size = payload.content_length() as u64;
                let options = WriteOptions::default().with_mode(mode).with_size(size);
                let chunks = stream::iter(payload).map(Ok).boxed();
                self.backend.stream_write_with(path, chunks, options).await
            }
        };
        match written {
            Ok(info) => Ok(put_result(info.etag)),
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
        self.refuse_annotations("put_multipart_opts", &options.attributes, &options.tags)?;
        let named = |error: Error| failed(error.with_operation("write"), location.as_ref());
        FilePath::parse_entry(location.as_ref()).map_err(named)?;
        Ok(Box::new(Upload::begin(Arc::clone(&self.backend), location.clone())))
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
        deletes.buffered(DELETES_AT_A_TIME).boxed()
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

/// The name of the adapter and of the backend in it, as its `Debug` has it: without secrets.
impl fmt::Display for FileBackendStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBackendStore({:?})", self.backend)
    }
}
