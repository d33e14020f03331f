//! Puts, copies, renames and deletions that the suite does not cover.

use std::fs;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use f9::ErrorKind;
use f9::prelude::*;
use futures::future::join_all;
use futures::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion};

use crate::errors::{inside, variant};
use crate::scripted::Scripted;
use crate::stores::{Local, content, locations, memory};

#[tokio::test]
async fn a_put_is_one_call_and_its_chunks_are_not_copied() {
    let (store, script) = Scripted::default().store();
    let location = Path::from("a");
    for (payload, call) in [
        (PutPayload::new(), "write"),
        (PutPayload::from("one"), "write"),
        (PutPayload::from_iter([Bytes::from("one"), Bytes::from("two")]), "stream_write"),
    ] {
        store.put(&location, payload).await.unwrap();
        assert_eq!(script.calls(), [call]);
    }
    let chunks: PutPayload = (0..5).map(|byte| Bytes::from(vec![byte; 10_000])).collect();
    script.written.lock().unwrap().clear();
    store.put(&location, chunks.clone()).await.unwrap();
    let chunks_read = script.written.lock().unwrap().clone();
    let addresses =
        |chunks: &[Bytes]| chunks.iter().map(|chunk| chunk.as_ptr()).collect::<Vec<_>>();
    assert_eq!(addresses(&chunks_read), addresses(chunks.as_ref()));
    assert_eq!(content(&store, "a").await, Bytes::from(chunks));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_racing_creates_wins() {
    let local = Local::new().await;
    let location = Path::from("dir/a");
    for round in 0..20 {
        let create = |writer: u8| {
            let (store, location) = (local.store.clone(), location.clone());
            let payload = vec![writer; 1000].into();
            tokio::spawn(
                async move { store.put_opts(&location, payload, PutMode::Create.into()).await },
            )
        };
        let created = join_all((0..8).map(create)).await;
        let mut winners = Vec::new();
        for (writer, created) in (0..8_u8).zip(created) {
            match created.unwrap() {
                Ok(_) => winners.push(writer),
                Err(error) => assert_eq!(variant(&error), "AlreadyExists"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(content(&local.store, "dir/a").await, [winners[0]; 1000]);
        local.store.delete(&location).await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_at_the_target_is_distinguished_from_an_object() {
    let local = Local::new().await;
    local.store.put(&Path::from("dir/file"), "x".into()).await.unwrap();
    local.store.put(&Path::from("file"), "y".into()).await.unwrap();
    let (dir, file, below) = (Path::from("dir"), Path::from("file"), Path::from("file/below"));
    let version = UpdateVersion { e_tag: Some("1".to_owned()), version: None };
    let create = || PutMode::Create.into();
    let update = || PutMode::Update(version.clone()).into();
    for (call, error, expected) in [
        ("put", local.store.put(&dir, "z".into()).await.err(), "Generic"),
        ("create", local.store.put_opts(&dir, "z".into(), create()).await.err(), "Generic"),
        ("update", local.store.put_opts(&dir, "z".into(), update()).await.err(), "Precondition"),
        ("copy", local.store.copy(&file, &dir).await.err(), "Generic"),
        ("copy if not", local.store.copy_if_not_exists(&file, &dir).await.err(), "Generic"),
        ("rename", local.store.rename(&file, &dir).await.err(), "Generic"),
        ("rename if not", local.store.rename_if_not_exists(&file, &dir).await.err(), "Generic"),
    ] {
        let error = error.unwrap();
        assert_eq!(variant(&error), expected, "{call}");
        assert_eq!(inside(&error).kind(), ErrorKind::IsADirectory, "{call}");
    }
    for (call, error, expected) in [
        ("put", local.store.put(&below, "z".into()).await.err(), "Generic"),
        ("update", local.store.put_opts(&below, "z".into(), update()).await.err(), "Precondition"),
        ("copy", local.store.copy(&file, &below).await.err(), "Generic"),
        ("rename", local.store.rename(&file, &below).await.err(), "Generic"),
        ("copy from", local.store.copy(&below, &file).await.err(), "NotFound"),
        ("rename from", local.store.rename(&below, &file).await.err(), "NotFound"),
        ("delete", local.store.delete(&below).await.err(), "NotFound"),
    ] {
        let error = error.unwrap();
        assert_eq!(variant(&error), expected, "{call}: {error}");
    }
    assert_eq!(locations(&local.store).await, ["dir/file", "file"]);
}

#[tokio::test]
async fn a_directory_with_objects_is_not_copied_renamed_or_deleted() {
    let local = Local::new().await;
    local.store.put(&Path::from("dir/file"), "x".into()).await.unwrap();
    let (dir, to) = (Path::from("dir"), Path::from("to"));
    let is_directory = ErrorKind::IsADirectory;
    for (error, kind) in [
        (local.store.copy(&dir, &to).await.unwrap_err(), is_directory),
        (local.store.copy_if_not_exists(&dir, &to).await.unwrap_err(), is_directory),
        (local.store.rename(&dir, &to).await.unwrap_err(), is_directory),
        (local.store.rename_if_not_exists(&dir, &to).await.unwrap_err(), is_directory),
        (local.store.delete(&dir).await.unwrap_err(), ErrorKind::DirectoryNotEmpty),
    ] {
        assert_eq!(variant(&error), "NotFound", "{error}");
        assert_eq!((inside(&error).kind(), inside(&error).path()), (kind, Some("dir")), "{error}");
    }
    assert_eq!(locations(&local.store).await, ["dir/file"]);
}

#[tokio::test]
async fn a_refused_copy_or_rename_keeps_both_objects() {
    let (store, _) = memory();
    let (from, to) = (Path::from("from"), Path::from("dir/to"));
    store.put(&from, "new".into()).await.unwrap();
    store.put(&to, "old".into()).await.unwrap();
    for error in [
        store.copy_if_not_exists(&from, &to).await.unwrap_err(),
        store.rename_if_not_exists(&from, &to).await.unwrap_err(),
        store.rename_if_not_exists(&from, &from).await.unwrap_err(),
    ] {
        assert_eq!(variant(&error), "AlreadyExists");
    }
    store.rename(&from, &from).await.unwrap();
    store.copy(&from, &from).await.unwrap();
    assert_eq!(content(&store, "from").await, b"new");
    assert_eq!(content(&store, "dir/to").await, b"old");
    store.rename(&from, &to).await.unwrap();
    assert_eq!(content(&store, "dir/to").await, b"new");
    assert_eq!(locations(&store).await, ["dir/to"]);
}

#[tokio::test]
async fn a_copy_is_an_independent_file() {
    let local = Local::new().await;
    local.store.put(&Path::from("from"), "same".into()).await.unwrap();
    local.store.copy(&Path::from("from"), &Path::from("to")).await.unwrap();
    // Another program changes one of them in place.
    fs::write(local.on_disk("from"), "else").unwrap();
    assert_eq!(content(&local.store, "to").await, b"same");
}

#[tokio::test]
async fn a_link_is_copied_as_a_file_and_not_renamed() {
    let local = Local::new().await;
    local.store.put(&Path::from("dir/file"), "x".into()).await.unwrap();
    symlink("dir/file", local.on_disk("link")).unwrap();
    let (link, to) = (Path::from("link"), Path::from("other/to"));
    let error = local.store.rename(&link, &to).await.unwrap_err();
    assert_eq!((variant(&error), inside(&error).path()), ("NotSupported", Some("link")));
    local.store.copy(&link, &to).await.unwrap();
    assert!(fs::symlink_metadata(local.on_disk("other/to")).unwrap().is_file());
    assert_eq!(locations(&local.store).await, ["dir/file", "link", "other/to"]);
}

#[tokio::test]
async fn deletions_return_in_order_and_continue_after_a_failure() {
    let local = Local::new().await;
    let names: Vec<String> = (0..30).map(|index| format!("dir/{index}")).collect();
    for name in names.iter().filter(|name| !name.ends_with('7')) {
        local.store.put(&Path::from(name.as_str()), "x".into()).await.unwrap();
    }
    let given = object_store::Error::NotSupported { source: "given".into() };
    let locations_to_delete =
        names.iter().map(|name| Ok(Path::from(name.as_str()))).chain([Err(given)]);
    let locations_to_delete: Vec<_> = locations_to_delete.collect();
    let deleted: Vec<_> =
        local.store.delete_stream(stream::iter(locations_to_delete).boxed()).collect().await;
    assert_eq!(deleted.len(), 31);
    for (name, deleted) in names.iter().zip(&deleted) {
        match deleted {
            Ok(location) => assert_eq!(location.as_ref(), name),
            Err(object_store::Error::NotFound { path, .. }) => {
                assert!(path == name && name.ends_with('7'), "{path}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(variant(deleted[30].as_ref().unwrap_err()), "NotSupported");
    assert_eq!(locations(&local.store).await, [""; 0]);
}

#[tokio::test]
async fn a_store_accepts_a_backend_by_value_shared_or_erased() {
    use std::sync::Arc;

    use f9::compat::object_store::FileBackendStore;
    use f9::{AsyncFileBackend, MemoryFileBackend};

    let files = MemoryFileBackend::new();
    let shared = Arc::new(files.clone());
    let erased: Arc<dyn AsyncFileBackend> = Arc::new(files.clone());
    let stores = [
        FileBackendStore::new(files.clone()),
        FileBackendStore::new(shared),
        FileBackendStore::new(erased),
    ];
    files.create("a", "x").await.unwrap();
    for store in stores {
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        assert_eq!(content(&*store, "a").await, b"x");
    }
}
