//! Who is measured: f9, its peers, and the bare calls that bound what is possible.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::Result;
use crate::content::Sink;
use crate::drive::{Blocking, Contestant, OnRuntime};

mod f9_async;
mod f9_blocking;
mod object_store_local;
mod opendal_fs;
mod std_fs;
mod tokio_fs;

/// What each of them can do with one file. The drivers in [`drive`](crate::drive) call it many times and look at the clock.
pub trait Files: Clone + Send + Sync + 'static {
    type Content: AsRef<[u8]> + Send;

    fn read(&self, path: &str) -> impl Future<Output = Result<Self::Content>> + Send;

    /// The size of a file; whatever else the look-up tells is thrown away.
    fn info(&self, path: &str) -> impl Future<Output = Result<u64>> + Send;

    /// Makes a new file in a directory that is there.
    fn create(&self, path: &str, data: Bytes) -> impl Future<Output = Result<()>> + Send;

    fn stream_read(&self, path: &str, sink: &mut Sink) -> impl Future<Output = Result<()>> + Send;

    /// Writes a new file from pieces that come one by one.
    fn stream_write(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Bytes> + Clone + Send + Sync + 'static,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// What a contestant is to the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// f9 in its default setting, which the targets are about.
    F9,
    /// A library that promises what f9 promises, or less.
    Peer,
    /// The bare calls: what the machine allows to who promises nothing.
    Bare,
    /// A setting of f9 or of a peer that differs only in how it writes.
    Writer,
}

/// How a contestant is called in the tables, and how its writes behave.
#[derive(Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    pub role: Role,
    pub writes: &'static str,
}

/// All contestants, with `root` as their folder.
pub fn all(root: &Path, runtime: &Arc<Runtime>) -> Result<Vec<Box<dyn Contestant>>> {
    use Role::{Bare, F9, Peer, Writer};
    let atomic_dir = root.with_extension("atomic");
    let atomic_dir = Some(atomic_dir.as_path());
    let f9 = f9_async::open(root, false)?;
    let f9_synced = f9_async::open(root, true)?;
    let f9_blocking = f9_blocking::open(root)?;
    let store = object_store_local::open(root, false)?;
    let store_synced = object_store_local::open(root, true)?;
    let dal = opendal_fs::open(root, None)?;
    let dal_atomic = opendal_fs::open(root, atomic_dir)?;
    let task = |name, role, writes| (Arc::clone(runtime), Profile { name, role, writes });
    let plain = |name, role, writes| Profile { name, role, writes };
    Ok(vec![
        OnRuntime::boxed(f9, task("f9", F9, "atomic")),
        Blocking::boxed(f9_blocking, plain("f9::blocking", F9, "atomic")),
        OnRuntime::boxed(store, task("object_store", Peer, "atomic")),
        OnRuntime::boxed(dal, task("OpenDAL", Peer, "in place, file synced")),
        OnRuntime::boxed(tokio_fs::open(root), task("tokio::fs", Bare, "in place")),
        Blocking::boxed(std_fs::open(root, false), plain("std::fs", Bare, "in place")),
        Blocking::boxed(std_fs::open(root, true), plain("std::fs, renamed", Writer, "atomic")),
        OnRuntime::boxed(f9_synced, task("f9 Synced", Writer, "atomic, all synced")),
        OnRuntime::boxed(store_synced, task("object_store fsync", Writer, "atomic, all synced")),
        OnRuntime::boxed(dal_atomic, task("OpenDAL atomic", Writer, "atomic, file synced")),
    ])
}
