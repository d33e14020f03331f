//! A renamer of hard links: `a` and `b` are one file, and while `a` is renamed to `b`, others write to `a`.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};

use f9::prelude::*;
use f9::{CreateOptions, LocalFileBackend, RenameOptions};

use crate::run_size::plain_or_all;

/// Runs both in each round at the same time, and checks each round.
async fn race<A, B>(
    rounds: usize,
    root: &Path,
    renamer: impl Fn() -> A,
    writer: impl Fn(String) -> B,
    at: [&str; 2],
) where
    A: Future<Output = f9::Result<()>> + Send + 'static,
    B: Future<Output = f9::Result<()>> + Send + 'static,
{
    for round in 0..rounds {
        let [a, b] = at.map(|name| root.join(name));
        for name in [&a, &b] {
            drop(fs::remove_file(name));
        }
        fs::write(&a, "old").unwrap();
        fs::hard_link(&a, &b).unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let start = |task: std::pin::Pin<Box<dyn Future<Output = f9::Result<()>> + Send>>| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait();
                task.await
            })
        };
        let new = format!("new {round}");
        let (renaming, writing) =
            (start(Box::pin(renamer())), start(Box::pin(writer(new.clone()))));
        let (renamed, written) = (renaming.await.unwrap(), writing.await.unwrap());
        written.unwrap();
        renamed.unwrap();
        let found = [&a, &b].map(|name| fs::read_to_string(name).ok());
        assert!(
            found.contains(&Some(new)),
            "round {round}: the written content is gone: {found:?}"
        );
        // Only the new file and the one whose names they were.
        let left = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| !at.iter().any(|own| name == own)).collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamer_of_hard_links_loses_no_acknowledged_write() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    let renamer = || {
        let backend = backend.clone();
        async move { backend.rename_with("a", "b", RenameOptions::overwrite()).await.map(drop) }
    };
    let writer = |new| {
        let backend = backend.clone();
        async move { backend.create_with("a", new, CreateOptions::overwrite()).await.map(drop) }
    };
    race(plain_or_all(4_000, 40_000), dir.path(), renamer, writer, ["a", "b"]).await;
}

/// Another program takes no locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamer_of_hard_links_loses_no_file_of_another_program() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    let renamer = || {
        let backend = backend.clone();
        async move { backend.rename_with("a", "b", RenameOptions::overwrite()).await.map(drop) }
    };
    let writer = |new: String| {
        let (new_file, a) = (elsewhere.path().join("new"), dir.path().join("a"));
        async move {
            fs::write(&new_file, new).unwrap();
            fs::rename(&new_file, &a).unwrap();
            Ok(())
        }
    };
    race(plain_or_all(4_000, 40_000), dir.path(), renamer, writer, ["a", "b"]).await;
}
