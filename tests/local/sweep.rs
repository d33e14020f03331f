//! What dead processes leave is gone after the next opening; what is alive stays.

use std::fs;

use f9::LocalFileBackend;

use crate::store::{Store, contents};

#[tokio::test]
async fn opening_removes_dead_temporaries_and_nothing_else() {
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

    drop(alive);
    LocalFileBackend::new(&store.root).await.unwrap();
    assert!(!store.on_disk("a/.f9tmp-alive").exists());
}
