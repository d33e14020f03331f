//! Mode, owner, extended attributes, hard links and etags.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::time::SystemTime;

use f9::prelude::*;
use f9::{ByteRange, CopyOptions, CreateOptions, Durability, LocalFileBackend, UpdateOptions};
use rustix::fs::XattrFlags;

use crate::store::Store;

fn mode(store: &Store, path: &str) -> u32 {
    fs::metadata(store.on_disk(path)).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn replacing_keeps_mode_owner_and_attributes() {
    for durability in [Durability::Atomic, Durability::Synced] {
        let store = Store::new().await;
        let builder = LocalFileBackend::builder(&store.root).durability(durability);
        let backend = builder.permissions(0o644).open().await.unwrap();
        backend.create("a", "one").await.unwrap();
        let path = store.on_disk("a");
        let owned = chown(&path, Some(12345), Some(12346)).is_ok();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4750)).unwrap();
        let attributed =
            rustix::fs::setxattr(&path, "user.note", b"kept", XattrFlags::empty()).is_ok();
        let overwrite = CreateOptions::overwrite();
        backend.create_with("a", "two", overwrite).await.unwrap();
        backend.update("a", "three").await.unwrap();
        backend.update_with("a", "!", UpdateOptions::append()).await.unwrap();
        backend
            .stream_write_with(
                "a",
                Box::pin(futures::stream::empty()),
                f9::WriteOptions::overwrite(),
            )
            .await
            .unwrap();
        backend.create("b", "b").await.unwrap();
        backend.copy_with("b", "a", CopyOptions::overwrite()).await.unwrap();
        assert_eq!(mode(&store, "a"), 0o4750);
        let data = fs::metadata(&path).unwrap();
        if owned {
            assert_eq!((data.uid(), data.gid()), (12345, 12346));
        }
        if attributed {
            let mut value = [0; 16];
            let length = rustix::fs::getxattr(&path, "user.note", &mut value).unwrap();
            assert_eq!(&value[..length], b"kept");
        }
        let root = rustix::process::geteuid().is_root();
        assert!(owned || !root, "root may change the owner");
        assert!(attributed || !root, "the disk of the tests supports extended attributes");
    }
}

#[tokio::test]
async fn new_files_have_the_given_permissions_or_those_of_the_umask() {
    let store = Store::new().await;
    store.backend.create("default", "x").await.unwrap();
    fs::write(store.on_disk("by-std"), "x").unwrap();
    assert_eq!(mode(&store, "default"), mode(&store, "by-std"));
    for durability in [Durability::Atomic, Durability::Synced] {
        let builder = LocalFileBackend::builder(&store.root).durability(durability);
        let private = builder.permissions(0o600).open().await.unwrap();
        let name = format!("private-{durability}");
        private.create(&name, "x").await.unwrap();
        assert_eq!(mode(&store, &name), 0o600);
    }
    fs::set_permissions(store.on_disk("default"), fs::Permissions::from_mode(0o4751)).unwrap();
    store.backend.copy("default", "copy").await.unwrap();
    assert_eq!(mode(&store, "copy"), 0o751, "a copy has the mode without the set-id bits");
}

#[tokio::test]
async fn a_replaced_file_without_its_owner_loses_the_set_id_bits() {
    let store = Store::new().await;
    store.backend.create("a", "one").await.unwrap();
    let path = store.on_disk("a");
    if chown(&path, Some(12345), Some(12345)).is_err() {
        assert!(!rustix::process::geteuid().is_root());
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6777)).unwrap();
    let private = store.on_disk("private");
    fs::write(&private, "one").unwrap();
    chown(&private, Some(12345), Some(12345)).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o664)).unwrap();
    fs::set_permissions(&store.root, fs::Permissions::from_mode(0o777)).unwrap();
    let root = store.root.clone();
    std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_uid(nobody).unwrap();
        let backend = LocalFileBackend::builder(&root).create_root(false).open();
        let backend = futures::executor::block_on(backend).unwrap();
        futures::executor::block_on(backend.update("a", "two")).unwrap();
        futures::executor::block_on(backend.update("private", "two")).unwrap();
    })
    .join()
    .unwrap();
    let data = fs::metadata(&path).unwrap();
    assert_eq!((data.uid(), data.mode() & 0o7777), (65534, 0o777));
    let data = fs::metadata(&private).unwrap();
    let expected = (65534, 0o644);
    assert_eq!((data.uid(), data.mode() & 0o7777), expected, "another group has the rights of all");
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_member_of_its_group_keeps_the_group() {
    let store = Store::new().await;
    store.backend.create("a", "one").await.unwrap();
    let path = store.on_disk("a");
    if chown(&path, Some(12345), Some(12346)).is_err() {
        assert!(!rustix::process::geteuid().is_root());
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6775)).unwrap();
    fs::set_permissions(&store.root, fs::Permissions::from_mode(0o777)).unwrap();
    let root = store.root.clone();
    std::thread::spawn(move || {
        rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(12346)]).unwrap();
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        let backend = LocalFileBackend::builder(&root).create_root(false).open();
        let backend = futures::executor::block_on(backend).unwrap();
        futures::executor::block_on(backend.update("a", "two")).unwrap();
    })
    .join()
    .unwrap();
    let data = fs::metadata(&path).unwrap();
    let expected = (65534, 12346, 0o775);
    assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), expected, "without the set-id bits");
}

#[tokio::test]
async fn a_temporary_file_is_as_private_as_the_file_it_replaces() {
    let store = Store::new().await;
    let builder = LocalFileBackend::builder(&store.root).durability(Durability::Synced);
    let backend = builder.open().await.unwrap();
    backend.create("a", "one").await.unwrap();
    fs::set_permissions(store.on_disk("a"), fs::Permissions::from_mode(0o600)).unwrap();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let source = futures::stream::once(async {
        wait.await.unwrap();
        f9::Result::Ok("two".into())
    });
    let writer = backend.clone();
    let writing = tokio::spawn(async move {
        writer.stream_write_with("a", Box::pin(source), f9::WriteOptions::overwrite()).await
    });
    let temporary = loop {
        let names = fs::read_dir(&store.root).unwrap().map(|entry| entry.unwrap().path());
        if let Some(found) = names.into_iter().find(|path| !path.ends_with("a")) {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    assert_eq!(fs::metadata(temporary).unwrap().mode() & 0o777, 0o600);
    go.send(()).unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(mode(&store, "a"), 0o600);
}

#[tokio::test]
async fn a_hard_link_keeps_the_old_content_and_copies_are_independent() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("a", "one").await.unwrap();
    fs::hard_link(store.on_disk("a"), store.on_disk("b")).unwrap();
    backend.update("a", "two").await.unwrap();
    assert_eq!(backend.read("b").await.unwrap(), "one");
    backend.copy("a", "c").await.unwrap();
    let inode = |path| fs::metadata(store.on_disk(path)).unwrap().ino();
    assert_ne!(inode("a"), inode("c"));
    fs::write(store.on_disk("a"), "changed in place").unwrap();
    assert_eq!(backend.read("c").await.unwrap(), "two");
}

#[tokio::test]
async fn renaming_onto_another_name_of_the_same_file_leaves_one_name() {
    let store = Store::new().await;
    store.backend.create("a", "x").await.unwrap();
    fs::hard_link(store.on_disk("a"), store.on_disk("b")).unwrap();
    store.backend.rename_with("a", "b", f9::RenameOptions::overwrite()).await.unwrap();
    assert!(!store.backend.exists("a").await.unwrap());
    assert_eq!(store.backend.read("b").await.unwrap(), "x");
}

#[tokio::test]
async fn the_etag_changes_even_if_the_modification_time_is_set_back() {
    let store = Store::new().await;
    store.backend.create("a", "0000").await.unwrap();
    let path = store.on_disk("a");
    let mut seen = std::collections::HashSet::new();
    for round in 0..500 {
        fs::write(&path, format!("{round:04}")).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let etag = store.backend.info("a").await.unwrap().etag.unwrap();
        assert!(seen.insert(etag), "round {round}");
    }
}

#[tokio::test]
async fn info_has_the_metadata_of_the_system() {
    let store = Store::new().await;
    let before = SystemTime::now() - std::time::Duration::from_secs(2);
    store.backend.create("a", "12345").await.unwrap();
    let info = store.backend.info("a").await.unwrap();
    let data = fs::metadata(store.on_disk("a")).unwrap();
    assert_eq!(info.size, Some(5));
    assert_eq!(info.modified_at, data.modified().ok());
    assert_eq!(info.created_at, data.created().ok());
    assert_eq!(info.accessed_at, data.accessed().ok());
    assert_eq!(info.permissions, Some(data.mode() & 0o7777));
    assert_eq!((info.owner_uid, info.owner_gid), (Some(data.uid()), Some(data.gid())));
    assert!(info.is_modified_since(before));
    let ancient = SystemTime::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    let file = fs::File::options().write(true).open(store.on_disk("a")).unwrap();
    file.set_modified(ancient).unwrap();
    assert_eq!(store.backend.info("a").await.unwrap().modified_at, Some(ancient));
}

#[tokio::test]
async fn a_copy_to_another_file_system_is_complete_and_keeps_holes() {
    // On the same file system as the store where there is no `/dev/shm`.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (store, other) = (Store::new().await, LocalFileBackend::new(dir.path()).await.unwrap());
    let sparse = fs::File::create(store.on_disk("sparse")).unwrap();
    let data: Vec<u8> = (0..700_001_u32).map(|at| (at % 251) as u8).collect();
    sparse.write_all_at(&data, 1 << 28).unwrap();
    sparse.write_all_at(b"end", (1 << 29) - 3).unwrap();
    drop(sparse);
    let options = CopyOptions::default();
    let copied = other.copy_from(&store.backend, "sparse", "copy", options).await.unwrap();
    assert_eq!(copied.size, Some(1 << 29));
    let blocks = fs::metadata(dir.path().join("copy")).unwrap().blocks();
    assert!(blocks * 512 < 2 << 20, "{blocks} blocks");
    let ranges = [(1 << 28) - 1..(1 << 28) + 700_002, (1 << 29) - 4..1 << 29, 0..1];
    let read = other.read_ranges("copy", &ranges.map(ByteRange::from)).await.unwrap();
    assert_eq!((read[0].len(), read[0][0], read[0][700_002]), (700_003, 0, 0));
    assert!(read[0][1..700_002] == data[..]);
    assert_eq!((&read[1][..], &read[2][..]), (&b"\0end"[..], &b"\0"[..]));
}

#[tokio::test]
async fn a_copy_and_an_append_keep_the_holes_of_a_sparse_file() {
    const HOLE: u64 = 1 << 30;
    let store = Store::new().await;
    let sparse = fs::File::create(store.on_disk("sparse")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(b"middle", HOLE).unwrap();
    sparse.set_len(2 * HOLE).unwrap();
    drop(sparse);
    store.backend.copy("sparse", "copy").await.unwrap();
    store.backend.copy("sparse", "appended").await.unwrap();
    store.backend.update_with("appended", "end", UpdateOptions::append()).await.unwrap();
    for (path, size) in [("copy", 2 * HOLE), ("appended", 2 * HOLE + 3)] {
        let metadata = fs::metadata(store.on_disk(path)).unwrap();
        assert_eq!(metadata.len(), size, "{path}");
        assert!(metadata.blocks() * 512 < 1 << 20, "{path} takes {} blocks", metadata.blocks());
        let ranges = [0..5, 5..9, HOLE..HOLE + 6, 2 * HOLE - 2..size];
        let ranges: Vec<_> = ranges.into_iter().map(ByteRange::from).collect();
        let end: &[u8] = if path == "copy" { b"\0\0" } else { b"\0\0end" };
        let read = store.backend.read_ranges(path, &ranges).await.unwrap();
        assert_eq!(read, [&b"begin"[..], b"\0\0\0\0", b"middle", end], "{path}");
    }
}
