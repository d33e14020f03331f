//! Opening removes the temporary files of dead processes and no others.

use std::fs;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, LocalFileBackend};

use crate::dead::names_of_the_dead;
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
    let dead = names_of_the_dead(5);
    let below = format!("a/b/{}", dead[3]);
    fs::create_dir_all(store.on_disk(&format!("{below}/deep/er"))).unwrap();
    fs::write(store.on_disk(&format!("{below}/deep/er/x")), "x").unwrap();
    for name in [dead[0].clone(), format!("a/{}", dead[1]), format!("a/b/{}", dead[2])] {
        fs::write(store.on_disk(&name), "x").unwrap();
    }
    // Nobody knows whose the last one is.
    for name in ["a/keep", "a/b/x.tmp", ".f9tmp", ".f9tmp-1"] {
        fs::write(store.on_disk(name), "mine").unwrap();
    }
    std::os::unix::fs::symlink(&store.outside, store.on_disk("link")).unwrap();
    fs::write(store.outside.join(&dead[0]), "x").unwrap();
    let locked = format!("a/{}", dead[4]);
    let alive = fs::File::create(store.on_disk(&locked)).unwrap();
    alive.try_lock().unwrap();

    let without = LocalFileBackend::builder(&store.root).sweep(false);
    without.open().await.unwrap();
    assert!(store.on_disk(&dead[0]).exists());

    LocalFileBackend::new(&store.root).await.unwrap();
    let left: Vec<_> = contents(&store.root).into_keys().collect();
    let left: Vec<_> =
        left.iter().map(|p| p.strip_prefix(&store.root).unwrap().to_str().unwrap()).collect();
    let expected = [".f9tmp", ".f9tmp-1", "a", &locked, "a/b", "a/b/x.tmp", "a/keep", "link"];
    assert_eq!(left, expected);
    assert!(store.outside.join(&dead[0]).exists());

    // A process that another test starts may have inherited the handle for a moment.
    alive.unlock().unwrap();
    LocalFileBackend::new(&store.root).await.unwrap();
    assert!(!store.on_disk(&locked).exists());
}
