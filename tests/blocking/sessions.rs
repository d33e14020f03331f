//! Sessions through the facade.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use f9::blocking::{Blocking, MemoryFileBackend};
use f9::{ErrorKind, SessionOptions};

use crate::scripted::Scripted;
use crate::{current_thread, multi_thread, watched, without_hanging};

fn no_wait() -> SessionOptions {
    SessionOptions::timeout(Duration::ZERO)
}

/// Returns whether another thread can open a session now.
fn is_free(files: &MemoryFileBackend) -> bool {
    let files = files.clone();
    let other = thread::spawn(move || match files.sync_session_with(no_wait()) {
        Ok(session) => session.finish().is_ok(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::LockTimeout);
            false
        }
    });
    other.join().unwrap()
}

fn nest_sessions() {
    let files = MemoryFileBackend::new().unwrap();
    let outer = files.sync_session().unwrap();
    let inner = files.sync_session_with(no_wait()).unwrap();
    outer.finish().unwrap();
    assert!(!is_free(&files), "the inner session does not hold the lock");
    drop(inner);
    assert!(is_free(&files));
}

#[test]
fn a_thread_or_task_may_nest_sessions() {
    without_hanging(|| {
        nest_sessions();
        current_thread().block_on(async { nest_sessions() });
        let runtime = multi_thread(1);
        runtime.block_on(runtime.spawn(async { nest_sessions() })).unwrap();
    });
}

#[test]
fn sessions_of_threads_never_overlap() {
    without_hanging(|| {
        let files = MemoryFileBackend::new().unwrap();
        let inside = AtomicUsize::new(0);
        files.create("count.txt", "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let session = files.sync_session().unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        let count: u32 = files.read_text("count.txt").unwrap().parse().unwrap();
                        thread::yield_now();
                        files.update("count.txt", (count + 1).to_string()).unwrap();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        session.finish().unwrap();
                    }
                });
            }
        });
        assert_eq!(files.read("count.txt").unwrap(), "100");
    });
}

#[test]
fn a_blocking_session_excludes_async_sessions() {
    without_hanging(|| {
        let files = MemoryFileBackend::new().unwrap();
        let session = files.sync_session().unwrap();
        let backend = Arc::clone(files.backend());
        let runtime = multi_thread(1);
        let (waits, is_waiting) = mpsc::channel();
        let waiter = runtime.spawn(async move {
            use f9::prelude::*;
            watched(backend.sync_session(), waits).await.unwrap().finish().await
        });
        is_waiting.recv().unwrap();
        assert!(!waiter.is_finished());
        session.finish().unwrap();
        runtime.block_on(waiter).unwrap().unwrap();
    });
}

fn end_sessions() {
    let files = Blocking::from_backend(Arc::new(Scripted::default())).unwrap();
    drop(files.sync_session().unwrap());
    let error = files.sync_session().unwrap().finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert_eq!(error.operation(), Some("finish the session"));
}

#[test]
fn sessions_can_be_dropped_in_every_context_and_finish_reports_errors() {
    without_hanging(|| {
        end_sessions();
        multi_thread(1).block_on(async {
            tokio::spawn(async { end_sessions() }).await.unwrap();
        });
        current_thread().block_on(async { end_sessions() });
    });
}
