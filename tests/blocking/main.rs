//! The blocking facade: where it may be called, what wakes it, what its streams and sessions are.

#![cfg(feature = "blocking")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bridge;
mod local_set;
mod places;
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

/// Longer than anything here takes, on however slow a machine.
const FOR_EVER: Duration = Duration::from_secs(300);

/// Runs `test` on a thread of its own, and fails instead of hanging with it.
#[track_caller]
fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        let outcome = test();
        done.send(()).unwrap();
        outcome
    });
    assert_ne!(wait.recv_timeout(FOR_EVER), Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    thread.join().unwrap()
}

fn multi_thread(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("of the test")
        .enable_all()
        .build()
        .unwrap()
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// `future`, which sends to `waits` each time it has to wait.
async fn watched<F: Future>(future: F, waits: mpsc::Sender<()>) -> F::Output {
    let mut future = pin!(future);
    let poll = future::poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            // Whoever wanted to know of the first time may be gone.
            let _ = waits.send(());
        }
        polled
    });
    poll.await
}
