use async_trait::async_trait;
use futures::stream;

use super::*;
use crate::backends::memory::MemoryFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::info::FileType;
use crate::core::stream::{ByteStream, InfoStream};

/// Fails every verb, and every stream after its first item, with one kind.
#[derive(Debug)]
struct Failing(ErrorKind);

impl Failing {
    fn error(&self) -> Error {
        Error::new(self.0).with_operation("test").with_path("a/b").with_message("on purpose")
    }
}

#[async_trait]
impl AsyncFileBackend for Failing {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    async fn stream_write_with(
        &self,
        _: &str,
        _: ByteStream<'_>,
        _: WriteOptions,
    ) -> Result<FileInfo> {
        Err(self.error())
    }
    async fn create_dir_with(&self, _: &str, _: CreateDirOptions) -> Result<()> {
        Err(self.error())
    }
    async fn open_with(&self, path: &str, _: ReadOptions) -> Result<FileContent> {
        if path == "late" {
            let info = FileInfo::new(FilePath::parse(path)?, FileType::File);
            let stream = stream::iter([Ok("begun".into()), Err(self.error())]).boxed();
            Ok(FileContent::new(info, 0..10, stream))
        } else {
            Err(self.error())
        }
    }
    async fn delete_with(&self, _: &str, _: DeleteOptions) -> Result<()> {
        Err(self.error())
    }
    async fn info_with(&self, _: &str, _: InfoOptions) -> Result<FileInfo> {
        Err(self.error())
    }
    async fn list_with(&self, path: &str, _: ListOptions) -> Result<InfoStream<'static>> {
        if path == "late" {
            Ok(stream::iter([Err(self.error()), Err(self.error())]).boxed())
        } else {
            Err(self.error())
        }
    }
    async fn rename_with(&self, _: &str, _: &str, _: RenameOptions) -> Result<FileInfo> {
        Err(self.error())
    }
    async fn exists(&self, _: &str) -> Result<bool> {
        Err(self.error())
    }
    async fn glob_with(&self, _: &str, _: GlobOptions) -> Result<Vec<FilePath>> {
        Err(self.error())
    }
    async fn checksum_many(
        &self,
        _: &[&str],
        _: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, Checksum>> {
        Err(self.error())
    }
    async fn sync_session_with(&self, _: SessionOptions) -> Result<SyncSession> {
        Err(self.error())
    }
}

#[async_trait]
impl AsyncSyncFileBackend for Failing {
    async fn push_with(&self, _: PushOptions) -> Result<SyncReport> {
        Err(self.error())
    }
    async fn pull_with(&self, _: PullOptions) -> Result<SyncReport> {
        Err(self.error())
    }
    async fn conflict_report(&self) -> Result<Vec<SyncConflict>> {
        Err(self.error())
    }
    async fn conflict_accept_local(&self, _: &str) -> Result<()> {
        Err(self.error())
    }
    async fn conflict_accept_remote(&self, _: &str) -> Result<()> {
        Err(self.error())
    }
    async fn conflict_resolve(&self, _: &str, _: Bytes) -> Result<()> {
        Err(self.error())
    }
}

/// Every kind and the `io::ErrorKind` that it converts into.
#[rustfmt::skip]
const TABLE: &[(ErrorKind, io::ErrorKind)] = &[
    (ErrorKind::NotFound, io::ErrorKind::NotFound),
    (ErrorKind::AlreadyExists, io::ErrorKind::AlreadyExists),
    (ErrorKind::IsADirectory, io::ErrorKind::IsADirectory),
    (ErrorKind::NotADirectory, io::ErrorKind::NotADirectory),
    (ErrorKind::NotAFile, io::ErrorKind::InvalidInput),
    (ErrorKind::DirectoryNotEmpty, io::ErrorKind::DirectoryNotEmpty),
    (ErrorKind::PathEscapesRoot, io::ErrorKind::PermissionDenied),
    (ErrorKind::InvalidPath, io::ErrorKind::InvalidFilename),
    (ErrorKind::ReservedPath, io::ErrorKind::PermissionDenied),
    (ErrorKind::RootGone, io::ErrorKind::NotFound),
    (ErrorKind::LinkLoop, io::ErrorKind::Other),
    (ErrorKind::InvalidRange, io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidPattern, io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidUri, io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidInput, io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidData, io::ErrorKind::InvalidData),
    (ErrorKind::PreconditionFailed, io::ErrorKind::Other),
    (ErrorKind::NotModified, io::ErrorKind::Other),
    (ErrorKind::Conflict, io::ErrorKind::Other),
    (ErrorKind::Diverged, io::ErrorKind::Other),
    (ErrorKind::Contention, io::ErrorKind::ResourceBusy),
    (ErrorKind::InvalidOperation, io::ErrorKind::Other),
    (ErrorKind::Corrupted, io::ErrorKind::InvalidData),
    (ErrorKind::Unauthenticated, io::ErrorKind::PermissionDenied),
    (ErrorKind::UntrustedServer, io::ErrorKind::PermissionDenied),
    (ErrorKind::Unreachable, io::ErrorKind::HostUnreachable),
    (ErrorKind::RateLimited, io::ErrorKind::ResourceBusy),
    (ErrorKind::DownloadForbidden, io::ErrorKind::PermissionDenied),
    (ErrorKind::Remote, io::ErrorKind::Other),
    (ErrorKind::SourceFailed, io::ErrorKind::Other),
    (ErrorKind::LengthMismatch, io::ErrorKind::InvalidData),
    (ErrorKind::IntegrityMismatch, io::ErrorKind::InvalidData),
    (ErrorKind::UnexpectedEof, io::ErrorKind::UnexpectedEof),
    (ErrorKind::PermissionDenied, io::ErrorKind::PermissionDenied),
    (ErrorKind::ReadOnly, io::ErrorKind::ReadOnlyFilesystem),
    (ErrorKind::StorageFull, io::ErrorKind::StorageFull),
    (ErrorKind::QuotaExceeded, io::ErrorKind::QuotaExceeded),
    (ErrorKind::TooLarge, io::ErrorKind::FileTooLarge),
    (ErrorKind::TooManyOpenFiles, io::ErrorKind::Other),
    (ErrorKind::LockTimeout, io::ErrorKind::TimedOut),
    (ErrorKind::Timeout, io::ErrorKind::TimedOut),
    (ErrorKind::Cancelled, io::ErrorKind::Other),
    (ErrorKind::DurabilityUnknown, io::ErrorKind::Other),
    (ErrorKind::Unsupported, io::ErrorKind::Unsupported),
    (ErrorKind::Internal, io::ErrorKind::Other),
    (ErrorKind::Io, io::ErrorKind::Other),
];

fn failing(kind: ErrorKind) -> CompatibleFileBackend<Failing> {
    CompatibleFileBackend::new(Arc::new(Failing(kind)))
}

fn memory() -> CompatibleFileBackend<dyn AsyncFileBackend> {
    CompatibleFileBackend::new(Arc::new(MemoryFileBackend::new()))
}

fn failed<T>(result: io::Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("the call must fail"),
        Err(error) => error,
    }
}

#[track_caller]
fn check(error: io::Error, io_kind: io::ErrorKind, kind: ErrorKind) {
    assert_eq!(error.kind(), io_kind, "{kind:?}");
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.kind(), kind);
    let inner = Error::from(error);
    assert_eq!(inner.kind(), kind);
    let text = format!("cannot test `a/b`: {kind}: on purpose");
    assert_eq!(inner.to_string(), text);
}

#[tokio::test]
async fn every_kind_converts_into_its_io_kind_with_the_error_inside() {
    for &(kind, io_kind) in TABLE {
        let backend = failing(kind);
        check(failed(backend.info("a").await), io_kind, kind);
        check(failed(backend.exists("a").await), io_kind, kind);
        check(failed(backend.read("a").await), io_kind, kind);
        check(failed(backend.create("a", "x").await), io_kind, kind);
    }
    let kinds: std::collections::HashSet<_> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(kinds.len(), TABLE.len());
    let last = TABLE.last().unwrap().0 as usize;
    assert_eq!(TABLE.len(), last + 1, "the table has every kind up to the last");
}

#[tokio::test]
async fn no_verb_loses_the_kind() {
    let backend = &failing(ErrorKind::LockTimeout);
    let empty = || stream::empty::<io::Result<Bytes>>();
    macro_rules! check_all {
        ($($verb:ident($($argument:expr),*);)*) => {
            $(
                let error = failed(backend.$verb($($argument),*).await);
                assert_eq!(error.kind(), io::ErrorKind::TimedOut, stringify!($verb));
                assert_eq!(Error::from(error).kind(), ErrorKind::LockTimeout, stringify!($verb));
            )*
        };
    }
    let md5 = ChecksumAlgorithm::Md5;
    check_all! {
        create("a", "x");
        create_with("a", "x", CreateOptions::default());
        create_dir("a");
        create_dir_with("a", CreateDirOptions::default());
        read("a");
        read_with("a", ReadOptions::default());
        read_text("a");
        update("a", "x");
        update_with("a", "x", UpdateOptions::default());
        delete("a");
        delete_with("a", DeleteOptions::default());
        info("a");
        info_with("a", InfoOptions::default());
        list("a");
        list_with("a", ListOptions::default());
        glob("*");
        glob_files("*");
        glob_dirs("*");
        glob_with("*", GlobOptions::default());
        stream_read("a");
        stream_read_with("a", ReadOptions::default());
        stream_read_text("a");
        stream_write("a", empty());
        stream_write_with("a", empty(), WriteOptions::default());
        checksum("a", md5);
        checksum_many(&["a"], md5);
        copy("a", "b");
        copy_with("a", "b", CopyOptions::default());
        rename("a", "b");
        rename_with("a", "b", RenameOptions::default());
        exists("a");
        sync_session();
        sync_session_with(SessionOptions::default());
        reader("a");
        create_from_reader("a", &b""[..]);
        create_from_reader_with("a", &b""[..], CreateOptions::default());
        read_to_writer("a", Vec::new());
        verify("a", "md5:d41d8cd98f00b204e9800998ecf8427e");
        push("m");
        pull();
        sync("m");
        conflict_report();
        conflict_accept_local("a");
        conflict_accept_remote("a");
        conflict_resolve("a", "x".into());
    }
}

#[tokio::test]
async fn errors_within_streams_are_io_errors_too() {
    let (io_kind, kind) = (io::ErrorKind::UnexpectedEof, ErrorKind::UnexpectedEof);
    let backend = failing(kind);
    let mut content = backend.stream_read("late").await.unwrap();
    assert_eq!(content.next().await.unwrap().unwrap(), "begun");
    check(failed(content.next().await.unwrap()), io_kind, kind);
    assert!(content.next().await.is_none());

    let listed: Vec<_> = backend.list("late").await.unwrap().collect().await;
    assert_eq!(listed.len(), 2, "a listing continues after an error");
    for entry in listed {
        check(failed(entry), io_kind, kind);
    }

    let text = backend.stream_read_text("late").await.unwrap();
    assert_eq!(failed(text.try_collect::<Vec<_>>().await).kind(), io_kind);
}

#[tokio::test]
async fn the_verbs_return_what_the_backend_returns() {
    let backend = memory();
    backend.create("d/a", "hello").await.unwrap();
    backend.create_with("d/b", "x", CreateOptions::overwrite()).await.unwrap();
    backend.create_dir("d/e").await.unwrap();
    backend.update("d/b", "hello".to_owned()).await.unwrap();
    assert_eq!(backend.read_text("d/b").await.unwrap(), "hello");
    let part = backend.read_with("d/a", ReadOptions::range(1..3));
    assert_eq!(part.await.unwrap(), "el");
    assert_eq!(backend.glob("d/*").await.unwrap(), ["d/a", "d/b", "d/e"]);
    assert_eq!(backend.glob_files("d/*").await.unwrap(), ["d/a", "d/b"]);
    assert_eq!(backend.glob_dirs("d/*").await.unwrap(), ["d/e"]);
    let entries: Vec<_> = backend.list("d").await.unwrap().try_collect().await.unwrap();
    assert_eq!(entries.iter().map(|info| &*info.path).collect::<Vec<_>>(), ["d/a", "d/b", "d/e"]);
    let sums = backend.checksum_many(&["d/a", "none"], ChecksumAlgorithm::Sha256);
    let sum = backend.checksum("d/b", ChecksumAlgorithm::Sha256).await.unwrap();
    assert_eq!(sums.await.unwrap().into_values().collect::<Vec<_>>(), [sum]);
    backend.copy("d/a", "c").await.unwrap();
    backend.rename("c", "r").await.unwrap();
    assert!(backend.exists("r").await.unwrap() && !backend.exists("c").await.unwrap());
    let session = backend.sync_session().await.unwrap();
    session.finish().await.unwrap();
    backend.clone().delete("r").await.unwrap();
    assert!(!backend.exists("r").await.unwrap(), "clones share the backend");
    assert_eq!(backend.capabilities(), backend.backend().capabilities());
}

#[tokio::test]
async fn the_stream_of_one_verb_is_the_source_of_another() {
    let (from, to) = (memory(), memory());
    from.create("a", "hello").await.unwrap();
    let content = from.stream_read("a").await.unwrap();
    to.stream_write("b", content).await.unwrap();
    let content = from.stream_read("a").await.unwrap();
    to.stream_write_with("b", content, WriteOptions::overwrite()).await.unwrap();
    assert_eq!(to.read("b").await.unwrap(), "hello");

    // The error of a failing source keeps its io kind, and no file is created.
    let broken: [io::Result<Bytes>; 2] = [Ok("x".into()), Err(io::ErrorKind::BrokenPipe.into())];
    let error = to.stream_write("c", stream::iter(broken)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(!to.exists("c").await.unwrap());
}

#[tokio::test]
async fn its_futures_are_send() {
    let backend = memory();
    let task = tokio::spawn(async move {
        backend.create("a", "hello").await?;
        backend.stream_write("b", backend.stream_read("a").await?).await?;
        backend.sync_session().await?.finish().await?;
        backend.read("b").await
    });
    assert_eq!(task.await.unwrap().unwrap(), "hello");
}
