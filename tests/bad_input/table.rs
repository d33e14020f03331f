//! The rows of the catalogue, and their checks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use f9::prelude::*;
use f9::{
    ByteRange, Bytes, Checksum, ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions,
    DeleteOptions, Error, ErrorKind, InfoOptions, ListOptions, LocalFileBackend, ReadOptions,
    RenameOptions, Result, UpdateOptions, WriteOptions,
};
use futures::TryStreamExt as _;
use rustix::fs::{CWD, Mode};

use crate::store::Store;

/// The name of the item, the entries besides `kept`, the calls, and the expected result of each call.
pub(crate) type Row = (&'static str, Vec<Given>, Vec<Call>, Expected);

/// No call may take longer, even on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(300);

const SHA: ChecksumAlgorithm = ChecksumAlgorithm::Sha256;

/// An entry in the root that was created without f9.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    File(&'static str),
    Dir(&'static str),
    Link(&'static str, &'static str),
    /// A link with an absolute path to an entry of the outside directory.
    LinkOut(&'static str, &'static str),
    /// A hard link to `secret` in the outside directory.
    HardLinkOut(&'static str),
    Fifo(&'static str),
    Socket(&'static str),
    Sparse(&'static str, u64),
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Read(String),
    ReadRange(&'static str, ByteRange),
    StreamRead(String),
    Checksum(String),
    Info(String),
    InfoWithSum(String),
    Exists(String),
    List(String),
    ListAll(String),
    Glob(String),
    Create(String),
    Overwrite(String),
    StreamOver(String),
    CreateOf(&'static str, Bytes, CreateOptions),
    /// The pieces, the kind of the error after them, and the options.
    StreamOf(&'static str, Vec<&'static str>, Option<ErrorKind>, WriteOptions),
    CreateDir(String),
    CreateDirOver(String),
    Update(String),
    Append(String),
    Delete(String),
    DeleteAll(String),
    Copy(String, String),
    CopyOver(String, String),
    Rename(String, String),
    RenameOver(String, String),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Refused(ErrorKind),
    Done,
    /// Succeeds, with this content or this listing of names.
    Gives(&'static str),
}

pub(crate) fn reading(path: &str) -> Vec<Call> {
    let path = || path.to_owned();
    vec![
        Call::Read(path()),
        Call::StreamRead(path()),
        Call::Checksum(path()),
        Call::Copy(path(), "new".into()),
    ]
}

/// Returns the writes that replace a file.
pub(crate) fn overwriting(path: &str) -> Vec<Call> {
    let path = || path.to_owned();
    vec![
        Call::Overwrite(path()),
        Call::StreamOver(path()),
        Call::Update(path()),
        Call::Append(path()),
        Call::CopyOver("kept".into(), path()),
    ]
}

/// Returns the verbs that need an entry below the root.
pub(crate) fn acting(path: &str) -> Vec<Call> {
    let path = || path.to_owned();
    let mut calls = vec![
        Call::Create(path()),
        Call::CreateDir(path()),
        Call::CreateDirOver(path()),
        Call::Delete(path()),
        Call::DeleteAll(path()),
        Call::Copy("kept".into(), path()),
        Call::Rename("kept".into(), path()),
        Call::RenameOver("kept".into(), path()),
        Call::Rename(path(), "new".into()),
    ];
    calls.extend(reading(&path()));
    calls.extend(overwriting(&path()));
    calls
}

pub(crate) fn every(path: &str) -> Vec<Call> {
    let looking = [Call::Info, Call::Exists, Call::List, Call::ListAll];
    let looking = looking.into_iter().map(|call| call(path.to_owned()));
    looking.chain(acting(path)).collect()
}

/// Like [`every`], below something that is not a directory, where nothing exists.
pub(crate) fn every_below(path: &str) -> Vec<Call> {
    let calls = every(path).into_iter();
    calls.filter(|call| !matches!(call, Call::Exists(_))).collect()
}

/// Checks every call of every row, each in its own root, and reports all failures.
pub(crate) async fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (item, given, calls, expected) in rows {
        for call in calls {
            let store = Store::new().await;
            lay_out(&store, &given);
            if let Err(reason) = outcome(&store, &call, expected).await {
                wrong.push(format!("{item}: {}: {reason}", shown(&call)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Returns a short form of a call.
pub(crate) fn shown(call: &Call) -> String {
    format!("{call:?}").chars().take(100).collect()
}

/// Checks the outcome of one call.
pub(crate) async fn outcome(store: &Store, call: &Call, expected: Expected) -> Result<(), String> {
    let (inside, outside) = (seen(&store.root), seen(&store.outside));
    let called = tokio::time::timeout(AT_ONCE, call.on(&store.backend)).await;
    let called = called.map_err(|_| "it waits".to_owned())?;
    let now = seen(&store.root);
    if let Some(left) = now.keys().find(|path| path.to_string_lossy().contains(".f9tmp-")) {
        return Err(format!("left {}", left.display()));
    }
    if seen(&store.outside) != outside {
        return Err("the outside directory has changed".to_owned());
    }
    match (called, expected) {
        (Ok(_), Expected::Done) => Ok(()),
        (Ok(given), Expected::Gives(text)) if given == text => Ok(()),
        (Ok(given), Expected::Gives(_)) => Err(format!("gave {given:?}")),
        (Ok(_), Expected::Refused(kind)) => {
            Err(format!("succeeded, but should fail with {kind:?}"))
        }
        (Err(error), Expected::Refused(kind)) if error.kind() == kind => {
            if now != inside {
                return Err("it failed, but changed something".to_owned());
            }
            check_text(&error)
        }
        (Err(error), _) => Err(format!("failed: {error}")),
    }
}

/// Checks that every call fails with `kind` and changes nothing.
pub(crate) async fn refused(files: &LocalFileBackend, calls: &[Call], kind: ErrorKind) {
    let before = seen(files.root());
    for call in calls {
        let call_shown = shown(call);
        match call.on(files).await {
            Err(error) if error.kind() == kind => check_text(&error).unwrap(),
            other => panic!("{call_shown}: {other:?}, but should fail with {kind:?}"),
        }
        assert_eq!(seen(files.root()), before, "{call_shown}");
    }
}

/// Checks that the text of an error is one line with the operation and the path.
pub(crate) fn check_text(error: &Error) -> Result<(), String> {
    let text = error.to_string();
    let operation = error.operation().ok_or("the error names no operation")?;
    // Only a glob has a pattern in place of a path.
    let pattern = error.subject().filter(|_| operation == "glob");
    let path = error.path().or(pattern).ok_or("the error names no path")?;
    let quoted = if path.is_empty() { "the root" } else { "`" };
    let begins = text.starts_with(&format!("cannot {operation} {quoted}"));
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    if !begins || text.contains(steers) || text.len() > 1200 {
        return Err(format!("its text is {:.300}", text.escape_debug().to_string()));
    }
    Ok(())
}

fn lay_out(store: &Store, given: &[Given]) {
    fs::write(store.on_disk("kept"), "kept").unwrap();
    for given in given {
        match given {
            Given::File(path) => fs::write(at(store, path), "old").unwrap(),
            Given::Dir(path) => fs::create_dir_all(at(store, path)).unwrap(),
            Given::Link(path, target) => symlink(target, at(store, path)).unwrap(),
            Given::LinkOut(path, target) => {
                symlink(store.outside.join(target), at(store, path)).unwrap();
            }
            Given::HardLinkOut(path) => {
                fs::hard_link(store.outside.join("secret"), at(store, path)).unwrap();
            }
            Given::Fifo(path) => {
                rustix::fs::mkfifoat(CWD, at(store, path), Mode::from_raw_mode(0o666)).unwrap();
            }
            Given::Socket(path) => drop(UnixListener::bind(at(store, path)).unwrap()),
            Given::Sparse(path, size) => {
                fs::File::create(at(store, path)).unwrap().set_len(*size).unwrap();
            }
        }
    }
}

/// Returns where `path` is on disk, and creates its parents.
fn at(store: &Store, path: &str) -> PathBuf {
    let path = store.on_disk(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// Returns the kind, mode and size of each path below a directory, and the content of files or the target of links.
pub(crate) fn seen(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let kind = data.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if kind.is_file() && data.len() < 1 << 20 {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        // The size of a directory depends on the file system.
        let size = if kind.is_dir() || kind.is_fifo() { 0 } else { data.len() };
        if kind.is_dir() {
            seen.extend(self::seen(&path));
        }
        seen.insert(path, (data.mode(), size, content));
    }
    seen
}

impl Call {
    pub(crate) async fn on(&self, files: &LocalFileBackend) -> Result<Bytes> {
        match self {
            Self::Read(path) => files.read(path).await,
            Self::ReadRange(path, range) => {
                files.read_with(path, ReadOptions::range(range.clone())).await
            }
            Self::StreamRead(path) => {
                let chunks = files.stream_read(path).await?;
                Ok(chunks.try_collect::<Vec<_>>().await?.concat().into())
            }
            Self::Checksum(path) => {
                files.checksum(path, SHA).await.map(|sum| sum.into_hex().into())
            }
            Self::Info(path) => info(files, path, InfoOptions::default()).await,
            Self::InfoWithSum(path) => {
                info(files, path, InfoOptions::default().with_checksum(SHA)).await
            }
            Self::Exists(path) => files.exists(path).await.map(|there| there.to_string().into()),
            Self::List(path) => listed(files, path, ListOptions::default()).await,
            Self::ListAll(path) => listed(files, path, ListOptions::recursive()).await,
            Self::Glob(pattern) => {
                let found = files.glob(pattern).await?;
                Ok(found.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(" ").into())
            }
            Self::Delete(path) => files.delete(path).await.map(|()| Bytes::new()),
            Self::DeleteAll(path) => {
                files.delete_with(path, DeleteOptions::recursive()).await.map(|()| Bytes::new())
            }
            Self::CreateDir(path) => files.create_dir(path).await.map(|()| Bytes::new()),
            Self::CreateDirOver(path) => {
                let options = CreateDirOptions::overwrite();
                files.create_dir_with(path, options).await.map(|()| Bytes::new())
            }
            _ => self.write(files).await.map(|()| Bytes::new()),
        }
    }

    async fn write(&self, files: &LocalFileBackend) -> Result<()> {
        let info = match self {
            Self::Create(path) => files.create(path, "new").await,
            Self::Overwrite(path) => {
                files.create_with(path, "new", CreateOptions::overwrite()).await
            }
            Self::StreamOver(path) => stream(files, path, &["new"], None, &over()).await,
            Self::CreateOf(path, data, options) => {
                files.create_with(path, data.clone(), options.clone()).await
            }
            Self::StreamOf(path, pieces, failure, options) => {
                stream(files, path, pieces, *failure, options).await
            }
            Self::Update(path) => files.update(path, "new").await,
            Self::Append(path) => files.update_with(path, "new", UpdateOptions::append()).await,
            Self::Copy(from, to) => files.copy(from, to).await,
            Self::CopyOver(from, to) => files.copy_with(from, to, CopyOptions::overwrite()).await,
            Self::Rename(from, to) => files.rename(from, to).await,
            Self::RenameOver(from, to) => {
                files.rename_with(from, to, RenameOptions::overwrite()).await
            }
            other => panic!("{other:?} writes nothing"),
        };
        info.map(drop)
    }
}

pub(crate) fn over() -> WriteOptions {
    WriteOptions::overwrite()
}

/// Returns the checksum of `content`.
pub(crate) fn sum_of(content: &str) -> Checksum {
    Checksum::of(SHA, content.as_bytes())
}

async fn stream(
    files: &LocalFileBackend,
    path: &str,
    pieces: &[&'static str],
    failure: Option<ErrorKind>,
    options: &WriteOptions,
) -> Result<f9::FileInfo> {
    let pieces = pieces.iter().map(|piece| Ok(Bytes::from(*piece)));
    let items: Vec<Result<Bytes>> = pieces.chain(failure.map(|kind| Err(kind.into()))).collect();
    files.stream_write_with(path, Box::pin(futures::stream::iter(items)), options.clone()).await
}

async fn info(files: &LocalFileBackend, path: &str, options: InfoOptions) -> Result<Bytes> {
    let info = files.info_with(path, options).await?;
    let size = info.size.map_or_else(String::new, |size| format!(" of {size} bytes"));
    Ok(format!("{:?}{size}", info.file_type).into())
}

async fn listed(files: &LocalFileBackend, path: &str, options: ListOptions) -> Result<Bytes> {
    let entries = files.list_with(path, options).await?;
    let entries: Vec<f9::FileInfo> = entries.try_collect().await?;
    let names: Vec<&str> = entries.iter().map(|info| info.path.as_str()).collect();
    Ok(names.join(" ").into())
}
