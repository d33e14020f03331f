//! A call works in every context: plain threads, runtimes, tasks, nested calls.

use std::io::Read as _;
use std::iter;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use f9::Error;
use f9::blocking::MemoryFileBackend;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::{current_thread, multi_thread, without_hanging};

/// Uses calls, streams in both directions, a session, a wait that sleeps, and a nested call.
fn use_everything() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a/b.txt", "hello").unwrap();
    assert_eq!(files.read("a/b.txt").unwrap(), "hello");
    let session = files.sync_session().unwrap();
    files.bridge().wait(async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        tokio::task::yield_now().await;
        tokio::spawn(tokio::task::yield_now()).await.unwrap();
    });
    session.finish().unwrap();
    let source = iter::from_fn(|| {
        files.bridge().wait(async {
            tokio::time::sleep(Duration::from_millis(2)).await;
        });
        files.read("a/b.txt").map(Ok::<Bytes, Error>).ok()
    });
    files.stream_write("twice.txt", source.take(2)).unwrap();
    let mut content = String::new();
    let mut reader = files.stream_read("twice.txt").unwrap();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "hellohello");
    let paths: Vec<_> = files.list("").unwrap().map(|e| e.unwrap().path).collect();
    assert_eq!(paths, ["a", "twice.txt"]);
}

#[test]
fn the_facade_works_on_a_plain_thread() {
    without_hanging(use_everything);
}

#[test]
fn the_facade_works_in_spawn_blocking() {
    without_hanging(|| {
        for runtime in [multi_thread(1), current_thread()] {
            runtime.block_on(async {
                #[expect(clippy::disallowed_methods, reason = "the test needs it")]
                tokio::task::spawn_blocking(use_everything).await.unwrap();
            });
        }
    });
}

#[test]
fn the_facade_works_in_a_task_of_a_multi_thread_runtime() {
    without_hanging(|| {
        let runtime = multi_thread(1);
        let task = runtime.spawn(async { use_everything() });
        runtime.block_on(task).unwrap();
        runtime.block_on(async { use_everything() });
    });
}

#[test]
fn the_facade_works_in_a_current_thread_runtime() {
    without_hanging(|| {
        let runtime = current_thread();
        runtime.block_on(async { use_everything() });
        runtime.block_on(async { tokio::spawn(async { use_everything() }).await.unwrap() });
    });
}

#[test]
fn the_facade_works_in_a_local_set() {
    without_hanging(|| {
        for runtime in [multi_thread(1), current_thread()] {
            let set = LocalSet::new();
            runtime.block_on(set.run_until(async {
                tokio::task::spawn_local(async { use_everything() }).await.unwrap();
            }));
        }
    });
}

#[test]
fn the_facade_works_in_an_executor_other_than_tokio() {
    without_hanging(|| futures::executor::block_on(async { use_everything() }));
}

#[test]
fn calls_can_be_nested_deeply() {
    fn nest(files: &MemoryFileBackend, depth: usize) -> Bytes {
        let path = format!("{depth}.txt");
        let source = iter::once_with(|| {
            tokio::runtime::Handle::current();
            Ok::<_, Error>(match depth {
                0 => Bytes::from("the innermost"),
                _ => nest(files, depth - 1),
            })
        });
        files.stream_write(&path, source).unwrap();
        files.bridge().wait(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        files.read(&path).unwrap()
    }
    let content = without_hanging(|| nest(&MemoryFileBackend::new().unwrap(), 10));
    assert_eq!(content, "the innermost");
}

#[test]
fn many_threads_can_call_at_once() {
    without_hanging(|| {
        let files = MemoryFileBackend::new().unwrap();
        thread::scope(|scope| {
            for number in 0..8 {
                let files = &files;
                scope.spawn(move || {
                    for round in 0..50 {
                        let path = format!("{number}/{round}.txt");
                        files.create(&path, path.clone()).unwrap();
                        assert_eq!(files.read(&path).unwrap(), path);
                    }
                });
            }
        });
        assert_eq!(files.glob_files("**").unwrap().len(), 400);
    });
}

#[test]
fn a_blocked_worker_hands_its_other_tasks_over() {
    without_hanging(|| {
        let runtime = multi_thread(1);
        let task = runtime.spawn(async {
            let files = MemoryFileBackend::new().unwrap();
            for round in 0..20 {
                // When this task blocks, the partner is in the private queue of this worker.
                let (to_partner, mut from_here) = mpsc::channel::<()>(1);
                let (to_here, mut from_partner) = mpsc::channel::<()>(1);
                let partner = tokio::spawn(async move {
                    while from_here.recv().await.is_some() {
                        to_here.send(()).await.unwrap();
                    }
                });
                for _ in 0..3 {
                    files.bridge().wait(async {
                        to_partner.send(()).await.unwrap();
                        from_partner.recv().await.unwrap();
                    });
                }
                drop(to_partner);
                files.bridge().wait(partner).unwrap();

                let (to_source, mut source) = mpsc::channel(1);
                let feed = iter::from_fn(|| files.bridge().wait(source.recv()));
                tokio::spawn(async move {
                    for part in ["fed ", "by a ", "task"] {
                        to_source.send(Ok::<_, Error>(part)).await.unwrap();
                    }
                });
                let path = format!("{round}.txt");
                files.stream_write(&path, feed).unwrap();
                assert_eq!(files.read(&path).unwrap(), "fed by a task");
            }
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn concurrent_futures_that_yield_make_progress() {
    without_hanging(|| {
        let runtime = multi_thread(1);
        let task = runtime.spawn(async {
            let files = MemoryFileBackend::new().unwrap();
            let yielding = (0..10).map(|_| async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            });
            let all = FuturesUnordered::from_iter(yielding);
            files.bridge().wait(all.collect::<Vec<()>>()).len()
        });
        assert_eq!(runtime.block_on(task).unwrap(), 10);
    });
}
