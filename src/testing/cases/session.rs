//! A session excludes all other sessions until it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::SessionOptions;
use crate::prelude::*;
use crate::testing::Fixture;

/// A timeout that expires while a session lasts. It is real time, because the suite cannot control the clock of a store.
const SOON: Duration = Duration::from_millis(20);

/// A timeout that expires only if a session hangs.
const LATER: Duration = Duration::from_secs(120);

/// Opens and ends a session in another task.
async fn from_another_task(files: &Arc<dyn AsyncFileBackend>, timeout: Duration) -> Result<()> {
    let files = Arc::clone(files);
    let opened = tokio::spawn(async move {
        let session = files.sync_session_with(SessionOptions::timeout(timeout)).await?;
        session.finish().await
    });
    opened.await.unwrap()
}

/// Asserts that a session could not be opened before its timeout.
#[track_caller]
fn is_timeout(result: Result<()>) -> Error {
    let Err(error) = result else {
        panic!("a session was opened during another session");
    };
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
    assert!(error.operation().is_some(), "the error names no operation: {error:?}");
    assert!(error.is_retryable());
    error
}

pub async fn a_session_excludes_sessions_of_other_tasks(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    is_timeout(from_another_task(&files, SOON).await);
    session.finish().await.unwrap();
    from_another_task(&files, LATER).await.unwrap();
}

pub async fn dropping_a_session_ends_it(store: &dyn Fixture) {
    let files = store.backend().await;
    for _ in 0..5 {
        let session = files.sync_session().await.unwrap();
        is_timeout(from_another_task(&files, Duration::ZERO).await);
        drop(session);
        from_another_task(&files, LATER).await.unwrap();
    }
}

pub async fn opening_a_session_waits_no_longer_than_its_timeout(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    for timeout in [Duration::ZERO, SOON, 5 * SOON] {
        let started = Instant::now();
        is_timeout(from_another_task(&files, timeout).await);
        let waited = started.elapsed();
        assert!(waited >= timeout, "gave up after {waited:?} of {timeout:?}");
        // The default is 30 seconds. Only a store that ignores the timeout waits that long.
        assert!(waited < SessionOptions::DEFAULT_TIMEOUT, "waited {waited:?} of {timeout:?}");
    }
    session.finish().await.unwrap();
}

pub async fn a_timeout_of_zero_tries_once(store: &dyn Fixture) {
    let files = store.backend().await;
    from_another_task(&files, Duration::ZERO).await.unwrap();
    let session = files.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await.unwrap();
    is_timeout(from_another_task(&files, Duration::ZERO).await);
    session.finish().await.unwrap();
}

pub async fn a_task_may_nest_its_sessions(store: &dyn Fixture) {
    let files = store.backend().await;
    let outer = files.sync_session().await.unwrap();
    let inner = files.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await.unwrap();
    let innermost = files.sync_session_with(SessionOptions::timeout(SOON)).await.unwrap();
    inner.finish().await.unwrap();
    is_timeout(from_another_task(&files, Duration::ZERO).await);
    // Nested sessions may end in any order.
    drop(outer);
    is_timeout(from_another_task(&files, Duration::ZERO).await);
    innermost.finish().await.unwrap();
    from_another_task(&files, LATER).await.unwrap();
}

pub async fn a_waiting_task_gets_its_session_when_the_current_one_ends(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    let waiting = {
        let files = Arc::clone(&files);
        tokio::spawn(async move { from_another_task(&files, LATER).await })
    };
    tokio::time::sleep(SOON).await;
    assert!(!waiting.is_finished());
    session.finish().await.unwrap();
    waiting.await.unwrap().unwrap();
}

pub async fn sessions_never_overlap(store: &dyn Fixture) {
    let files = store.backend().await;
    let inside = Arc::new(AtomicUsize::new(0));
    // Fewer tasks than worker threads, because a waiting call may block its thread.
    let tasks = (0..3).map(|_| {
        let (files, inside) = (Arc::clone(&files), Arc::clone(&inside));
        tokio::spawn(async move {
            for _ in 0..8 {
                let options = SessionOptions::timeout(LATER);
                let session = files.sync_session_with(options).await.unwrap();
                assert_eq!(
                    inside.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two sessions at the same time"
                );
                // A sleep lets the timer run on another thread. A yield could be stuck behind a call that blocks this one.
                tokio::time::sleep(Duration::from_millis(1)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                session.finish().await.unwrap();
            }
        })
    });
    for done in join_all(tasks.collect::<Vec<_>>()).await {
        done.unwrap();
    }
}

pub async fn a_cancelled_waiter_leaves_the_queue(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    let waiters = (0..3).map(|_| {
        let files = Arc::clone(&files);
        tokio::spawn(async move { files.sync_session().await.map(drop) })
    });
    let waiters: Vec<_> = waiters.collect();
    tokio::time::sleep(SOON).await;
    for waiter in waiters {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    session.finish().await.unwrap();
    from_another_task(&files, LATER).await.unwrap();
}

pub async fn a_session_can_end_on_another_task(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    tokio::spawn(async move { drop(session) }).await.unwrap();
    from_another_task(&files, LATER).await.unwrap();
    let session = files.sync_session().await.unwrap();
    tokio::spawn(async move { session.finish().await }).await.unwrap().unwrap();
    from_another_task(&files, LATER).await.unwrap();
}

pub async fn a_session_ends_with_a_task_that_panics(store: &dyn Fixture) {
    let files = store.backend().await;
    let holder = Arc::clone(&files);
    let held = tokio::spawn(async move {
        let _session = holder.sync_session().await.unwrap();
        // Unlike `panic!`, this prints nothing.
        std::panic::resume_unwind(Box::new("the task panics in its session"));
    });
    let ended: Result<(), _> = held.await;
    assert!(ended.unwrap_err().is_panic());
    from_another_task(&files, LATER).await.unwrap();
}

pub async fn a_session_excludes_other_handles_of_the_store(store: &dyn Fixture) {
    let files = store.backend().await;
    let Some(second) = store.second_handle().await else {
        return;
    };
    let session = files.sync_session().await.unwrap();
    is_timeout(from_another_task(&second, SOON).await);
    session.finish().await.unwrap();
    let session = second.sync_session().await.unwrap();
    is_timeout(from_another_task(&files, SOON).await);
    drop(session);
    from_another_task(&files, LATER).await.unwrap();
    from_another_task(&second, LATER).await.unwrap();
}

pub async fn other_operations_work_during_a_session(store: &dyn Fixture) {
    let files = store.backend().await;
    let session = files.sync_session().await.unwrap();
    files.create("dir/a", "one").await.unwrap();
    files.update("dir/a", "two").await.unwrap();
    files.rename("dir/a", "b").await.unwrap();
    let other = Arc::clone(&files);
    let read = tokio::spawn(async move { other.read("b").await }).await.unwrap();
    assert_eq!(read.unwrap(), "two", "a session excluded a read");
    files.delete("b").await.unwrap();
    session.finish().await.unwrap();
}
