//! A task that only uses a store, however fast the store is, does not keep other tasks from running, and can be cancelled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, join};
use futures::stream::{self, StreamExt as _};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::backend::Capability;
use crate::core::checksum::ChecksumAlgorithm;
use crate::core::error::Result;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, InfoChanges, RenameOptions,
    WriteOptions,
};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::state::is_clean;

/// More calls than a task may make before others run.
const CALLS: usize = 1_000;

/// Calls a verb again and again, beside a task that only wants to run twice.
async fn is_fair<'a>(verb: &str, call: impl Fn() -> BoxFuture<'a, Result<()>> + Sync) {
    let has_run = AtomicBool::new(false);
    let neighbour = async {
        yield_now().await;
        has_run.store(true, Ordering::Relaxed);
    };
    let busy = async {
        for _ in 0..CALLS {
            if has_run.load(Ordering::Relaxed) {
                return true;
            }
            call().await.unwrap_or_else(|error| panic!("{verb}: {error}"));
        }
        false
    };
    let (is_fair, ()) = join(busy, neighbour).await;
    assert!(is_fair, "{verb} ran {CALLS} times before another task ran");
}

macro_rules! are_fair {
    ($($verb:literal: $call:expr;)*) => {
        $(is_fair($verb, || async { $call.await.map(drop) }.boxed()).await;)*
    };
}

pub async fn no_verb_keeps_other_tasks_from_running(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write("dir/a", "content").await.unwrap();
    let ranges = [ByteRange::from(0..2), ByteRange::from(4..6)];
    let missing_ok = || DeleteOptions::default().with_missing_ok();
    are_fair! {
        "exists": files.exists("dir/a");
        "info": files.info("dir/a");
        "read": files.read("dir/a");
        "open": files.open("dir/a");
        "read_ranges": files.read_ranges("dir/a", &ranges);
        "checksum": files.checksum("dir/a", ChecksumAlgorithm::Sha256);
        "list": files.list("dir");
        "glob": files.glob("**");
        "write": files.write("dir/b", "new");
        "write_many": files.write_many([("dir/c", "new"), ("dir/d", "new")]);
        "create_dir": files.create_dir_with("dir", CreateDirOptions::overwrite());
        "copy": files.copy_with("dir/a", "dir/e", CopyOptions::overwrite());
        "rename": files.rename_with("dir/e", "dir/e", RenameOptions::overwrite());
        "delete": files.delete_with("missing", missing_ok());
        "delete_many": files.delete_many(&["dir/missing"]).map(|_| Ok(()));
    }
    let has = |capability| files.capabilities().has(capability);
    if has(Capability::SetInfo) {
        are_fair! { "set_info": files.set_info("dir/a", InfoChanges::default()); }
    }
    if has(Capability::Versions) {
        store.make_version().await;
        are_fair! { "list_versions": files.list_versions("dir/a"); }
    }
    if has(Capability::Resumable) {
        let upload = files.begin_upload("dir/f", WriteOptions::default()).await.unwrap();
        are_fair! { "upload_state": files.upload_state(&upload); }
        files.abandon_upload(&upload).await.unwrap();
    }
}

pub async fn a_write_of_an_endless_source_can_be_cancelled(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write("a", "old").await.unwrap();
    let empty = stream::repeat_with(|| Ok(Bytes::new())).boxed();
    let short = stream::repeat_with(|| Ok(Bytes::from_static(b"x"))).boxed();
    for endless in [empty, short] {
        let write = files.stream_write_with("a", endless, WriteOptions::overwrite());
        assert!(timeout(Duration::from_millis(20), write).await.is_err());
    }
    is_clean(store).await;
    assert_eq!(files.read("a").await.unwrap(), "old");
}
