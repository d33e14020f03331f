//! Opening removes the temporary files of dead processes and no others.

use std::fs;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, LocalFileBackend};

use crate::store::{Store, contents};

#[tokio::test]
async fn a_write_under_way_survives_the_opening_of_another_backend() {
    let store = Store::new().await;
    let builder = LocalFileBackend::builder(&store.root).durability(Durability::Synced);
    let backend = builder.open().await.unwrap();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let source = futures::stream::once(async {
        wait.await.unwrap();
        Ok::<_, f9::Error>("whole")
    });
    let writing = tokio::spawn(async move { backend.stream_write("a", source).await });
    while fs::read_dir(&store.root).unwrap().count() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..10 {
        LocalFileBackend::new(&store.root).await.unwrap();
    }
    go.send(()).unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(fs::read(store.on_disk("a")).unwrap(), b"whole");
}

#[tokio::test]
async fn opening_removes_only_dead_temporary_files() {
    let store = Store::new().await;
    fs::create_dir_all(store.on_disk("a/b/.f9tmp-dir/deep/er")).unwrap();
    fs::write(store.on_disk("a/b/.f9tmp-dir/deep/er/x"), "x").unwrap();
    for name in [".f9tmp-1", "a/.f9tmp-2", "a/b/.f9tmp-3"] {
        fs::write(store.on_disk(name), "x").unwrap();
    }
    for name in ["a/keep", "a/b/x.tmp", ".f9tmp"] {
        fs::write(store.on_disk(name), "mine").unwrap();
    }
    std::os::unix::fs::symlink(&store.outside, store.on_disk("link")).unwrap();
    fs::write(store.outside.join(".f9tmp-outside"), "x").unwrap();
    let alive = fs::File::create(store.on_disk("a/.f9tmp-alive")).unwrap();
    alive.try_lock().unwrap();

    let without = LocalFileBackend::builder(&store.root).sweep(false);
    without.open().await.unwrap();
    assert!(store.on_disk(".f9tmp-1").exists());

    LocalFileBackend::new(&store.root).await.unwrap();
    let left: Vec<_> = contents(&store.root).into_keys().collect();
    let left: Vec<_> =
        left.iter().map(|p| p.strip_prefix(&store.root).unwrap().to_str().unwrap()).collect();
    assert_eq!(left, [".f9tmp", "a", "a/.f9tmp-alive", "a/b", "a/b/x.tmp", "a/keep", "link"]);
    assert!(store.outside.join(".f9tmp-outside").exists());

    // A process that another test starts may have inherited the handle for a moment.
    alive.unlock().unwrap();
    LocalFileBackend::new(&store.root).await.unwrap();
    assert!(!store.on_disk("a/.f9tmp-alive").exists());
}
