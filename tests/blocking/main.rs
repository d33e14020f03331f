//! The blocking facade: the contexts it works in, wake-ups, streams and sessions.

#![cfg(feature = "blocking")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bridge;
mod contexts;
mod local_set;
mod scripted;
mod sessions;
mod streams;
mod verbs;
mod writes;

use std::future;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A limit that only a hang exceeds.
const HANG_LIMIT: Duration = Duration::from_secs(300);

/// Runs `test` on a new thread, and panics if it hangs.
#[track_caller]
fn without_hanging<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        let outcome = test();
        done.send(()).unwrap();
        outcome
    });
    assert_ne!(
        wait.recv_timeout(HANG_LIMIT),
        Err(mpsc::RecvTimeoutError::Timeout),
        "the test hangs"
    );
    thread.join().unwrap()
}

fn multi_thread(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("test-runtime")
        .enable_all()
        .build()
        .unwrap()
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Awaits `future`, and sends to `waits` each time it is pending.
async fn watched<F: Future>(future: F, waits: mpsc::Sender<()>) -> F::Output {
    let mut future = pin!(future);
    let poll = future::poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            // Fails after the receiver is dropped.
            let _ = waits.send(());
        }
        polled
    });
    poll.await
}
