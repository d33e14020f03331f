//! A server that has no room says so only when a written file is closed. A write whose bytes are lost fails, and leaves what was there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use f9::prelude::*;
use f9::{CopyOptions, LocalFileBackend, Result, UpdateOptions, WriteOptions};
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use crate::machine::{self, Mount};
use crate::mounts::Mounted;

/// The size of the disk, and what is left of it at first.
const DISK: &str = "size=4m";
const ROOM: u64 = 1024 * 1024;
/// Just too much: sshfs waits for the answers to all but the last few writes, so the room ends in those.
const CONTENT: usize = 1024 * 1024 + 16 * 1024;

struct Verb {
    name: &'static str,
    act: for<'a> fn(&'a LocalFileBackend) -> BoxFuture<'a, Result<()>>,
}

macro_rules! verbs {
    ($($name:literal, $store:ident => $act:expr;)*) => {
        [$(Verb { name: $name, act: |$store| Box::pin(async move { $act.map(drop) }) }),*]
    };
}

fn new() -> Vec<u8> {
    vec![b'n'; CONTENT]
}

fn pieces() -> f9::ByteStream<'static> {
    let pieces: Vec<_> = new().chunks(10_000).map(|piece| Ok(piece.to_vec().into())).collect();
    stream::iter(pieces).boxed()
}

/// All verbs that write content. Each leaves `new` or `old` with new content at its end.
const VERBS: [Verb; 11] = verbs! {
    "create", store => store.create("new", new()).await;
    "write over a file", store => store.write("old", new()).await;
    "update", store => store.update("old", new()).await;
    "append", store => store.update_with("old", new(), UpdateOptions::append()).await;
    "stream_write", store => store.stream_write_with("new", pieces(), WriteOptions::create()).await;
    "stream_write of an append",
        store => store.stream_write_with("old", pieces(), WriteOptions::append()).await;
    "writer", store => {
        let mut writer = store.writer("new").await?;
        writer.write_all(&new()).await?;
        writer.commit().await
    };
    "write_many", store => store.write_many([("new", new())]).await?.remove(0);
    "copy_from", store => {
        let from = f9::MemoryFileBackend::new();
        from.create("new", new()).await?;
        store.copy_from(&from, "new", "new", CopyOptions::default()).await
    };
    "write in place", store => store.write_with("old", new(), WriteOptions::in_place()).await;
    "an upload", store => {
        let upload = store.begin_upload("new", WriteOptions::create()).await?;
        match store.continue_upload(&upload, pieces()).await {
            Ok(upload) => store.finish_upload(&upload).await,
            Err(error) => {
                store.abandon_upload(&upload).await?;
                Err(error)
            }
        }
    };
};

/// Returns the files below a directory, without those of f9 that have no content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(path.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Fills the disk but for the room.
fn fill(filler: &Path) {
    let mut file = File::create(filler).unwrap();
    let mut size = 0;
    while let Ok(written) = file.write(&[0; 4096]) {
        size += written as u64;
    }
    file.set_len(size - ROOM).unwrap();
}

fn loses_nothing(verb: &Verb) -> std::io::Result<()> {
    let dir = tempfile::tempdir()?;
    let disk = Mount::new(&["-t", "tmpfs", "-o", DISK, "f9"], dir.path())?;
    let (shown, filler) = (dir.path().join("shown"), dir.path().join("filler"));
    fs::create_dir(&shown)?;
    fs::write(shown.join("old"), "old")?;
    let mounted = Mounted::sshfs_at(&shown, &[])?;
    let store = block_on(LocalFileBackend::new(mounted.root())).unwrap();
    fill(&filler);
    let before = files(&shown);
    let name = verb.name;
    let error = match block_on((verb.act)(&store)) {
        Err(error) => error,
        Ok(()) => {
            let sizes = files(&shown).into_values().map(|content| content.len());
            panic!("{name}: the lost bytes are hidden: {:?}", sizes.collect::<Vec<_>>());
        }
    };
    assert!(!error.is_applied() && !error.is_retryable(), "{name}: {error:?}");
    if !error.has_unknown_outcome() {
        assert!(files(&shown) == before, "{name}: {error}, but something has changed");
    }
    fs::remove_file(&filler)?;
    block_on((verb.act)(&store)).unwrap_or_else(|error| panic!("{name}, with room: {error}"));
    let after = files(&shown);
    assert!(after.values().any(|content| content.ends_with(&new())), "{name}");
    // An open store would keep the file system mounted.
    drop(store);
    drop((mounted, disk));
    Ok(())
}

#[test]
fn a_write_whose_bytes_the_server_loses_fails_and_leaves_the_old_file() {
    let test = "a_write_whose_bytes_the_server_loses_fails_and_leaves_the_old_file";
    for verb in &VERBS {
        if let Err(reason) = loses_nothing(verb) {
            return machine::not_run(test, &reason.to_string());
        }
    }
}
