//! Calls from within a `LocalSet`, whose tasks cannot be handed to another thread.

use std::time::Duration;

use f9::SessionOptions;
use f9::blocking::LocalFileBackend;
use tokio::task::LocalSet;

fn use_files() {
    let dir = tempfile::tempdir().unwrap();
    let files = LocalFileBackend::new(dir.path()).unwrap();
    files.create("a", "hello").unwrap();
    assert_eq!(files.stream_read("a").unwrap().map(|chunk| chunk.unwrap().len()).sum::<usize>(), 5);
    let other = files.clone();
    let held = std::thread::spawn(move || {
        let session = other.sync_session().unwrap();
        std::thread::sleep(Duration::from_millis(150));
        session.finish().unwrap();
    });
    std::thread::sleep(Duration::from_millis(50));
    // This waits, and so sleeps on the thread of the set.
    let timeout = SessionOptions::timeout(Duration::from_secs(10));
    files.sync_session_with(timeout).unwrap().finish().unwrap();
    held.join().unwrap();
}

#[test]
fn a_local_set_on_a_current_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        use_files();
        tokio::task::spawn_local(async { use_files() }).await.unwrap();
    });
}

#[test]
fn a_local_set_on_a_multi_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        use_files();
        tokio::task::spawn_local(async { use_files() }).await.unwrap();
    });
}

#[test]
fn within_block_in_place() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async { tokio::task::block_in_place(use_files) }).await.unwrap();
    });
}
