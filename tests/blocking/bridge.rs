//! The bridge: wake-ups, task budgets, panics, and the choice of the runtime.

use std::cell::RefCell;
use std::fs;
use std::future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use f9::ErrorKind;
use f9::blocking::{Blocking, Bridge, ByteReader, MemoryFileBackend};
use rustix::process::Pid;
use rustix::thread::gettid;
use tokio::runtime::Handle;
use tokio::task::coop;

use crate::{current_thread, multi_thread, without_hanging};

#[test]
fn a_task_without_budget_can_still_wait() {
    without_hanging(|| {
        current_thread().block_on(async {
            let task = tokio::spawn(async {
                while coop::has_budget_remaining() {
                    future::poll_fn(|cx| coop::poll_proceed(cx).map(|spent| spent.made_progress()))
                        .await;
                }
                let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
                sender.try_send("sent before").unwrap();
                Bridge::shared().unwrap().wait(receiver.recv())
            });
            assert_eq!(task.await.unwrap(), Some("sent before"));
        });
    });
}

#[test]
fn a_nested_wait_does_not_lose_the_wake_up_of_the_outer_one() {
    without_hanging(|| {
        let bridge = Bridge::shared().unwrap();
        let mut polls = 0;
        let outer = future::poll_fn(|cx| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            bridge.wait(async { tokio::time::sleep(Duration::from_millis(2)).await });
            Poll::Pending
        });
        bridge.wait(outer);
    });
}

/// Returns how often a thread of this process has gone to sleep.
fn sleeps(thread: Pid) -> u64 {
    let id = thread.as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/self/task/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn an_unrelated_unpark_does_not_poll_the_future() {
    without_hanging(|| {
        let mut polls = 0;
        let (waiting, id) = (thread::current(), gettid());
        let (send, mut receive) = tokio::sync::oneshot::channel();
        let mut other = Some(move || {
            // The first time it may just have started to wait. The second time it has gone back to sleep.
            for _ in 0..2 {
                let before = sleeps(id);
                while sleeps(id) == before {
                    waiting.unpark();
                    thread::yield_now();
                }
            }
            send.send(()).unwrap();
        });
        Bridge::shared().unwrap().wait(future::poll_fn(|cx| {
            polls += 1;
            if let Some(other) = other.take() {
                thread::spawn(other);
            }
            Pin::new(&mut receive).poll(cx).map(Result::unwrap)
        }));
        assert_eq!(polls, 2);
    });
}

#[test]
fn a_wake_up_from_another_thread_is_never_lost() {
    without_hanging(|| {
        let bridge = Bridge::shared().unwrap();
        for round in 0..2000 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let other = thread::spawn(move || sender.send(round).unwrap());
            assert_eq!(bridge.wait(receiver), Ok(round));
            other.join().unwrap();
        }
    });
}

#[test]
fn the_handle_of_a_current_thread_runtime_is_refused() {
    let runtime = current_thread();
    let error = Bridge::new(runtime.handle().clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("multi-thread"), "{error}");
}

#[test]
fn a_bridge_uses_the_given_runtime() {
    without_hanging(|| {
        let runtime = multi_thread(1);
        let bridge = Bridge::new(runtime.handle().clone()).unwrap();
        let files = Blocking::with_bridge(Arc::new(f9::MemoryFileBackend::new()), bridge);
        let name = || async { thread::current().name().map(str::to_owned) };
        let spawned_on = move |files: &MemoryFileBackend| {
            let spawned = files.bridge().wait(async { tokio::spawn(name()).await });
            spawned.unwrap().unwrap()
        };
        assert_eq!(spawned_on(&files), "test-runtime");
        let within = files.clone();
        let task = runtime.spawn(async move { spawned_on(&within) });
        assert_eq!(runtime.block_on(task).unwrap(), "test-runtime");
        let shared = MemoryFileBackend::new().unwrap();
        assert_eq!(spawned_on(&shared), "f9-blocking");
    });
}

#[test]
fn the_process_has_one_shared_runtime() {
    let ids = || {
        let bridge = Bridge::shared().unwrap();
        bridge.wait(async { Handle::current().id() })
    };
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(ids)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), ids());
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_facade_still_works() {
    let files = MemoryFileBackend::new().unwrap();
    let panicking = AssertUnwindSafe(|| {
        files.bridge().wait(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            panic!("on purpose")
        })
    });
    let payload = panic::catch_unwind(panicking).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    assert!(Handle::try_current().is_err(), "the thread is still in the runtime");
    files.create("a.txt", "still works").unwrap();
}

#[test]
fn a_future_is_dropped_inside_the_runtime() {
    struct NeedsRuntime;
    impl Drop for NeedsRuntime {
        fn drop(&mut self) {
            Handle::current();
        }
    }
    let bridge = Bridge::shared().unwrap();
    let needs_runtime = NeedsRuntime;
    let mut future = Box::pin(async move {
        let _held = &needs_runtime;
        future::pending::<()>().await;
    });
    bridge.wait(future::poll_fn(move |cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
}

#[test]
fn a_stream_can_be_dropped_after_the_thread_locals_of_tokio() {
    thread_local! {
        static KEPT: RefCell<Option<ByteReader>> = const { RefCell::new(None) };
    }
    // Thread locals are dropped in the reverse order of their first use, so Tokio's is dropped before `KEPT`.
    let thread = thread::spawn(|| {
        KEPT.with_borrow_mut(|kept| {
            let files = MemoryFileBackend::new().unwrap();
            files.create("a.txt", "kept").unwrap();
            *kept = Some(files.stream_read("a.txt").unwrap());
        });
    });
    thread.join().unwrap();
}
