//! Every verb with its arguments, on a store that always has the same files. All tests check one rule: after a disturbed verb, the
//! store is in the state before the verb or in the state after it.

use std::fs;
use std::io::SeekFrom;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{
    ChecksumAlgorithm, CopyOptions, CreateOptions, DeleteOptions, Durability, FileInfo,
    InfoChanges, InfoOptions, ListOptions, LocalFileBackend, Precondition, ReadOptions,
    RenameOptions, Result, ResumableUpload, SessionOptions, UpdateOptions, WriteMode, WriteOptions,
};
use futures::future::BoxFuture;
use futures::stream::{self, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::tree::Tree;

/// The disk resource that a verb needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// No change.
    Nothing,
    /// Entries are moved or removed.
    Names,
    /// New entries without content.
    Inodes,
    /// New content.
    Space,
}

/// One verb with its arguments.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) cost: Cost,
    /// The beginning of all its error texts: the operation, and the path or the start of it.
    pub(crate) error_prefix: &'static str,
    /// Runs the verb and returns its result as text.
    pub(crate) act: for<'a> fn(&'a LocalFileBackend) -> BoxFuture<'a, Result<String>>,
}

/// The result of a verb without a disturbance.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) result: String,
    pub(crate) before: Tree,
    pub(crate) after: Tree,
}

/// Returns the new content of files.
fn new() -> String {
    "new content ".repeat(250)
}

#[expect(clippy::needless_pass_by_value, reason = "`map` passes it by value")]
fn describe(info: FileInfo) -> String {
    format!("{} of {:?} bytes", info.path, info.size)
}

/// Returns the result of a call for many files that was made for one.
fn only<T>(mut results: Vec<Result<T>>) -> Result<T> {
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
}

/// Returns more data than one write takes, so that there are two writes.
fn chunks() -> f9::ByteStream<'static> {
    Box::pin(stream::iter((b'a'..b'd').map(|letter| Ok(vec![letter; 100 * 1024].into()))))
}

/// The uploads that every store has, and the number of bytes in each.
const COMPLETE: &str = "00000000000000000000000000000001";
const BEGUN: &str = "00000000000000000000000000000002";
const UPLOADED: usize = 13 * 200;

/// Returns the state of an upload.
fn upload(path: &str, id: &str, options: WriteOptions) -> ResumableUpload {
    let mut upload = ResumableUpload::new(path, options, id);
    upload.offset = UPLOADED as u64;
    upload
}

/// Creates the files that the verbs use.
pub(crate) fn lay_out(root: &Path) {
    for dir in ["dir/sub", "tree/b/d", "empty"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for file in ["old", "other", "dir/kept", "dir/sub/deep", "tree/a", "tree/b/c", "tree/b/d/e"] {
        fs::write(root.join(file), format!("what {file} holds ").repeat(200)).unwrap();
    }
    fs::create_dir_all(root.join(".f9/uploads")).unwrap();
    for id in [COMPLETE, BEGUN] {
        fs::write(root.join(".f9/uploads").join(id), "of an upload ".repeat(UPLOADED / 13))
            .unwrap();
    }
    symlink("kept", root.join("dir/link")).unwrap();
    fs::write(root.join("twin"), "of two names").unwrap();
    fs::hard_link(root.join("twin"), root.join("dir/twin")).unwrap();
    let old = root.join("old");
    // Fails for some users and file systems. Then there is nothing to keep.
    drop(chown(&old, Some(4711), Some(4712)));
    let flags = rustix::fs::XattrFlags::empty();
    let _ = rustix::fs::setxattr(&old, "user.f9-test", b"kept", flags);
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
}

pub(crate) async fn open(root: &Path, durability: Durability) -> Result<LocalFileBackend> {
    LocalFileBackend::builder(root).durability(durability).open().await
}

impl Verb {
    /// Runs the verb without a disturbance.
    pub(crate) fn expected(&self) -> Expected {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        lay_out(dir.path());
        let before = Tree::of(dir.path());
        let acted = futures::executor::block_on(async {
            let store = open(dir.path(), Durability::Atomic).await?;
            (self.act)(&store).await
        });
        let result = acted.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Expected { result, before, after: Tree::of(dir.path()) }
    }
}

macro_rules! verbs {
    ($($name:literal, $cost:ident, $prefix:literal, $store:ident => $act:expr;)*) => {
        &[$(Verb {
            name: $name,
            cost: Cost::$cost,
            error_prefix: $prefix,
            act: |$store| Box::pin(async move { $act }),
        }),*]
    };
}

/// What no process that is killed may be in the middle of: a write in place can leave a part of the new content, and says so.
pub(crate) const IN_PLACE: &[Verb] = verbs! {
    "write in place", Space, "cannot write `old`",
        store => store.write_with("old", new(), WriteOptions::in_place()).await.map(describe);
    "append in place", Space, "cannot append to `old`",
        store => {
            let options = WriteOptions::in_place().with_mode(WriteMode::Append);
            store.write_with("old", new(), options).await.map(describe)
        };
};

/// Uploads, whose content so far is no entry of the store.
pub(crate) const UPLOADS: &[Verb] = verbs! {
    "finish_upload", Space, "cannot upload `made/new`",
        store => {
            let upload = upload("made/new", COMPLETE, WriteOptions::create());
            store.finish_upload(&upload).await.map(describe)
        };
    "finish_upload of an append", Space, "cannot upload `old`",
        store => {
            store.finish_upload(&upload("old", COMPLETE, WriteOptions::append())).await.map(describe)
        };
    "continue_upload", Space, "cannot upload `made/new`",
        store => {
            let upload = upload("made/new", BEGUN, WriteOptions::create());
            let upload = store.continue_upload(&upload, chunks()).await?;
            store.finish_upload(&upload).await.map(describe)
        };
};

/// All other verbs.
pub(crate) const VERBS: &[Verb] = verbs! {
    "create", Space, "cannot create `new`",
        store => store.create("new", new()).await.map(describe);
    "create below new directories", Space, "cannot create `made/on/the/way`",
        store => store.create("made/on/the/way", new()).await.map(describe);
    "overwrite", Space, "cannot write `old`",
        store => {
            let options = CreateOptions::overwrite();
            store.create_with("old", new(), options).await.map(describe)
        };
    "overwrite through a link", Space, "cannot write `dir/link`",
        store => {
            let options = CreateOptions::overwrite();
            store.create_with("dir/link", new(), options).await.map(describe)
        };
    "update", Space, "cannot update `old`",
        store => store.update("old", new()).await.map(describe);
    "write_many of an append", Space, "cannot append to `old`",
        store => {
            let written = store.write_many_with(vec![("old".into(), new().into())], WriteOptions::append());
            only(written.await?).map(describe)
        };
    "append", Space, "cannot append to `old`",
        store => store.update_with("old", new(), UpdateOptions::append()).await.map(describe);
    "stream_write", Space, "cannot write `dir/made/new`",
        store => {
            let options = WriteOptions::default();
            store.stream_write_with("dir/made/new", chunks(), options).await.map(describe)
        };
    "stream_write over a file", Space, "cannot write `old`",
        store => {
            let options = WriteOptions::overwrite();
            store.stream_write_with("old", chunks(), options).await.map(describe)
        };
    // Several files would be changed on several threads, in any order.
    "write_many", Space, "cannot write `made/on/the/way`",
        store => only(store.write_many([("made/on/the/way", new())]).await?).map(describe);
    "write_many over a file", Space, "cannot write `old`",
        store => only(store.write_many([("old", new())]).await?).map(describe);
    "delete_many", Names, "cannot delete `old`",
        store => only(store.delete_many(&["old"]).await?).map(|()| String::new());
    "write with permissions and a time", Space, "cannot write `old`",
        store => {
            let options = WriteOptions::default().with_permissions(0o604).with_modified_at(then());
            store.write_with("old", new(), options).await.map(describe)
        };
    "writer", Space, "cannot write `made/on/the/way`",
        store => {
            let mut writer = store.writer("made/on/the/way").await?;
            writer.write_all(new().as_bytes()).await?;
            writer.commit().await.map(describe)
        };
    "copy_from", Space, "cannot copy `other` to `made/copy`",
        store => {
            let options = CopyOptions::default();
            store.copy_from(store, "other", "made/copy", options).await.map(describe)
        };
    "set_info of permissions", Names, "cannot set info of `dir/kept`",
        store => {
            let changes = InfoChanges::default().with_permissions(0o604);
            store.set_info("dir/kept", changes).await.map(describe)
        };
    "set_info of a time", Names, "cannot set info of `old`",
        store => {
            let changes = InfoChanges::default().with_modified_at(then());
            store.set_info("old", changes).await.map(describe)
        };
    "create_link", Inodes, "cannot create link `made/link`",
        store => store.create_link("made/link", "../old").await.map(|info| info.path.to_string());
    "delete with a condition", Names, "cannot delete `old`",
        store => {
            let condition = Precondition::if_modified_since(then());
            let options = DeleteOptions::default().with_condition(condition);
            store.delete_with("old", options).await.map(|()| String::new())
        };
    "create_dir", Inodes, "cannot create directory `made/on/the/way`",
        store => store.create_dir("made/on/the/way").await.map(|()| String::new());
    "copy", Space, "cannot copy `old` to `made/copy`",
        store => store.copy("old", "made/copy").await.map(describe);
    "copy over a file", Space, "cannot copy `other` to `old`",
        store => store.copy_with("other", "old", CopyOptions::overwrite()).await.map(describe);
    "rename", Names, "cannot rename `old` to `renamed`",
        store => store.rename("old", "renamed").await.map(describe);
    "rename over a file", Names, "cannot rename `other` to `old`",
        store => store.rename_with("other", "old", RenameOptions::overwrite()).await.map(describe);
    "rename across directories", Names, "cannot rename `dir/kept` to `tree/b/kept`",
        store => store.rename("dir/kept", "tree/b/kept").await.map(describe);
    "rename below new directories", Inodes, "cannot rename `old` to `made/on/the/way`",
        store => store.rename("old", "made/on/the/way").await.map(describe);
    "rename a directory", Names, "cannot rename `tree` to `dir/sub/tree`",
        store => store.rename("tree", "dir/sub/tree").await.map(describe);
    "rename to another name of the same file", Names, "cannot rename `twin` to `dir/twin`",
        store => store.rename_with("twin", "dir/twin", RenameOptions::overwrite()).await.map(describe);
    "delete", Names, "cannot delete `old`",
        store => store.delete("old").await.map(|()| String::new());
    "delete an empty directory", Names, "cannot delete `empty`",
        store => store.delete("empty").await.map(|()| String::new());
    "delete a tree", Names, "cannot delete `tree",
        store => {
            store.delete_with("tree", DeleteOptions::recursive()).await.map(|()| String::new())
        };
    "sync_session", Inodes, "cannot open a session",
        store => store.sync_session_with(SessionOptions::default()).await?.finish().await
            .map(|()| String::new());
    "read", Nothing, "cannot read `old`",
        store => store.read_text("old").await;
    "read a range", Nothing, "cannot read `dir/sub/deep`",
        store => store.read_with("dir/sub/deep", ReadOptions::range(7..99)).await
            .map(|bytes| format!("{bytes:?}"));
    "read through a link", Nothing, "cannot read `dir/link`",
        store => store.read_text("dir/link").await;
    "stream_read", Nothing, "cannot read `old`",
        store => {
            let chunks = store.stream_read_with("old", ReadOptions::default().with_chunk_size(900));
            chunks.await?.map_ok(|chunk| format!("{chunk:?}")).try_collect().await
        };
    "open", Nothing, "cannot read `old`",
        store => {
            let content = store.open("old").await?;
            let size = content.info.size;
            Ok(format!("{size:?} {:?}", content.bytes().await?))
        };
    "read_ranges", Nothing, "cannot read `old`",
        store => {
            let ranges = [(1..10).into(), (900..1_000).into()];
            Ok(format!("{:?}", store.read_ranges("old", &ranges).await?))
        };
    "reader", Nothing, "cannot read `old`",
        store => {
            let mut reader = store.reader("old").await?;
            reader.seek(SeekFrom::Start(1_000)).await?;
            let mut rest = String::new();
            reader.read_to_string(&mut rest).await?;
            Ok(rest)
        };
    "read_link", Nothing, "cannot read link `dir/link`",
        store => store.read_link("dir/link").await;
    "list a part", Nothing, "cannot list `tree",
        store => {
            let options = ListOptions::recursive().with_start_after("tree/a").with_limit(2);
            let listed = store.list_with("tree", options).await?;
            listed.map_ok(|info| format!("{} ", info.path)).try_collect().await
        };
    "info", Nothing, "cannot get info of `old`",
        store => {
            let options = InfoOptions::default().with_encoding();
            let options = options.with_checksum(ChecksumAlgorithm::Sha256);
            let info = store.info_with("old", options).await?;
            Ok(format!("{:?} {:?} {:?}", info.size, info.encoding, info.checksum))
        };
    "list", Nothing, "cannot list `dir",
        store => {
            let listed = store.list_with("dir", ListOptions::recursive()).await?;
            listed.map_ok(|info| format!("{} ", info.path)).try_collect().await
        };
    "glob", Nothing, "cannot glob ",
        store => store.glob("dir/**/*e*").await.map(|found| format!("{found:?}"));
    "exists", Nothing, "cannot get info of `",
        store => {
            Ok(format!("{} {}", store.exists("old").await?, store.exists("dir/no").await?))
        };
    "checksum", Nothing, "cannot checksum `dir/kept`",
        store => store.checksum("dir/kept", ChecksumAlgorithm::Blake3).await.map(f9::Checksum::into_hex);
    "checksum_many", Nothing, "cannot checksum `old`",
        store => {
            // Several files would be hashed on several threads, in any order.
            let sums = store.checksum_many(&["old"], ChecksumAlgorithm::Md5).await?;
            Ok(format!("{sums:?}"))
        };
};
