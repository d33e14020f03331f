//! Calls from a `LocalSet`, whose tasks cannot move to another thread.

use std::sync::mpsc;
use std::thread;

use f9::SessionOptions;
use f9::blocking::LocalFileBackend;
use f9::prelude::*;
use tokio::task::LocalSet;

use crate::{HANG_LIMIT, watched};

fn use_files() {
    let dir = tempfile::tempdir().unwrap();
    let files = LocalFileBackend::new(dir.path()).unwrap();
    files.create("a", "hello").unwrap();
    assert_eq!(files.stream_read("a").unwrap().map(|chunk| chunk.unwrap().len()).sum::<usize>(), 5);
    let other = files.clone();
    let (held, is_held) = mpsc::channel();
    let (waits, is_waiting) = mpsc::channel();
    let holder = thread::spawn(move || {
        let session = other.sync_session().unwrap();
        held.send(()).unwrap();
        is_waiting.recv().unwrap();
        session.finish().unwrap();
    });
    is_held.recv().unwrap();
    // Blocks the thread of the set until the other session ends.
    let waiting = files.backend().sync_session_with(SessionOptions::timeout(HANG_LIMIT));
    let session = files.bridge().wait(watched(waiting, waits)).unwrap();
    files.bridge().wait(session.finish()).unwrap();
    holder.join().unwrap();
    files.sync_session().unwrap().finish().unwrap();
}

#[test]
fn the_facade_works_in_a_local_set_on_a_current_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        use_files();
        tokio::task::spawn_local(async { use_files() }).await.unwrap();
    });
}

#[test]
fn the_facade_works_in_a_local_set_on_a_multi_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        use_files();
        tokio::task::spawn_local(async { use_files() }).await.unwrap();
    });
}

#[test]
fn the_facade_works_in_block_in_place() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async { tokio::task::block_in_place(use_files) }).await.unwrap();
    });
}
