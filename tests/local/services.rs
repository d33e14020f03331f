//! What services use on a local root: metadata, links, copies between roots, uploads and private views.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use f9::prelude::*;
use f9::{
    CopyOptions, DeleteOptions, ErrorKind, Etags, InfoChanges, LocalFileBackend, Precondition,
    ResumableUpload, WriteOptions,
};
use futures::StreamExt as _;
use futures::executor::block_on;
use futures::stream;

use crate::store::Store;

fn attribute(store: &Store, path: &str, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(store.on_disk(path), name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

fn data(text: &'static str) -> f9::ByteStream<'static> {
    stream::iter([Ok(text.into())]).boxed()
}

#[tokio::test]
async fn attributes_are_set_and_removed_and_those_of_f9_are_refused() {
    let store = Store::new().await;
    store.backend.create("dir/a", "content").await.unwrap();
    for path in ["dir/a", "dir"] {
        let changes = InfoChanges::default()
            .with_attribute("user.origin", "here")
            .with_user_metadata([("author".to_owned(), "Anna".to_owned())].into());
        let info = store.backend.set_info(path, changes).await.unwrap();
        assert_eq!(info.user_metadata["author"], "Anna");
        assert_eq!(store.backend.info(path).await.unwrap().user_metadata["author"], "Anna");
        assert_eq!(attribute(&store, path, "user.origin").unwrap(), b"here");
        let mut changes = InfoChanges::default();
        changes.attributes.insert("user.origin".to_owned(), None);
        for _ in 0..2 {
            store.backend.set_info(path, changes.clone()).await.unwrap();
            assert_eq!(attribute(&store, path, "user.origin"), None);
        }
    }
    for name in ["user.f9.metadata", "security.x", "trusted.x", "origin", "", "user.a\0b"] {
        let changes = InfoChanges::default().with_attribute(name, "x").with_permissions(0o600);
        let error = store.backend.set_info("dir/a", changes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
    }
    assert_ne!(fs::metadata(store.on_disk("dir/a")).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn times_before_1970_and_with_nanoseconds_are_set() {
    let store = Store::new().await;
    store.backend.create("a", "content").await.unwrap();
    for time in [
        UNIX_EPOCH - Duration::from_nanos(1_500_000_001),
        UNIX_EPOCH - Duration::from_secs(2),
        UNIX_EPOCH + Duration::from_nanos(1),
    ] {
        let changes = InfoChanges::default().with_modified_at(time).with_accessed_at(time);
        let info = store.backend.set_info("a", changes).await.unwrap();
        assert_eq!((info.modified_at, info.accessed_at), (Some(time), Some(time)));
        let options = WriteOptions::default().with_modified_at(time);
        let info = store.backend.write_with("b", "content", options).await.unwrap();
        assert_eq!(info.modified_at, Some(time));
    }
}

#[tokio::test]
async fn set_info_through_a_link_changes_its_target_and_never_leaves_the_root() {
    let store = Store::new().await;
    store.backend.create("a", "content").await.unwrap();
    symlink("a", store.on_disk("link")).unwrap();
    symlink(store.outside.join("secret"), store.on_disk("out")).unwrap();
    let before = fs::metadata(store.outside.join("secret")).unwrap().mode();
    let changes = InfoChanges::default().with_permissions(0o640);
    store.backend.set_info("link", changes.clone()).await.unwrap();
    assert_eq!(fs::metadata(store.on_disk("a")).unwrap().mode() & 0o777, 0o640);
    let error = store.backend.set_info("out", changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathEscapesRoot);
    assert_eq!(fs::metadata(store.outside.join("secret")).unwrap().mode(), before);
}

/// A writer with a condition holds this lock between its check and its write.
#[tokio::test]
async fn set_info_waits_for_the_lock_on_the_directory_of_a_link_target() {
    let store = Store::new().await;
    store.backend.create("dir/a", "content").await.unwrap();
    symlink("dir/a", store.on_disk("link")).unwrap();
    let dir = fs::File::open(store.on_disk("dir")).unwrap();
    let plain = InfoChanges::default().with_permissions(0o600);
    let conditional = plain.clone().with_condition(Precondition::if_match(Etags::Any));
    for path in ["dir/a", "link"] {
        for changes in [plain.clone(), conditional.clone()] {
            fs::set_permissions(store.on_disk("dir/a"), Permissions::from_mode(0o644)).unwrap();
            dir.try_lock().unwrap();
            let mut change = store.backend.set_info(path, changes);
            let early = tokio::time::timeout(Duration::from_millis(50), &mut change).await;
            assert!(early.is_err(), "{path}: {early:?}");
            assert_ne!(fs::metadata(store.on_disk("dir/a")).unwrap().mode() & 0o777, 0o600);
            dir.unlock().unwrap();
            assert_eq!(change.await.unwrap().permissions, Some(0o600));
        }
    }
}

/// Runs `act` as a user without special rights, with a file that this user owns and cannot read.
fn as_owner_of_an_unreadable_file(root: &Path, act: fn(LocalFileBackend)) {
    let nobody = 65534;
    if rustix::process::geteuid().is_root() {
        for path in [root.join("a"), root.to_owned()] {
            chown(path, Some(nobody), None).unwrap();
        }
        let above = root.parent().unwrap();
        fs::set_permissions(above, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(root.join("a"), Permissions::from_mode(0o200)).unwrap();
    let root = root.to_owned();
    let as_user = move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(nobody)).unwrap();
        }
        let builder = LocalFileBackend::builder(root).durability(f9::Durability::Synced);
        act(block_on(builder.open()).unwrap());
    };
    std::thread::spawn(as_user).join().unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_be_synced_is_not_made() {
    let store = Store::new().await;
    store.backend.create("a", "content").await.unwrap();
    as_owner_of_an_unreadable_file(&store.root, |backend| {
        let before = block_on(backend.info("a")).unwrap();
        let changes = InfoChanges::default().with_modified_at(UNIX_EPOCH);
        let error = block_on(backend.set_info("a", changes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(block_on(backend.info("a")).unwrap(), before);
        // This makes it readable, and the last change unreadable again.
        for bits in [0o600, 0o200] {
            let changes = InfoChanges::default().with_permissions(bits);
            assert_eq!(block_on(backend.set_info("a", changes)).unwrap().permissions, Some(bits));
        }
        // The content type can be set only while the owner may write.
        if backend.capabilities().has(f9::Capability::ContentType) {
            let writable = InfoChanges::default().with_permissions(0o600);
            block_on(backend.set_info("a", writable)).unwrap();
            let changes = InfoChanges::default().with_permissions(0o400).with_content_type("a/b");
            let info = block_on(backend.set_info("a", changes)).unwrap();
            assert_eq!(
                (info.permissions, info.content_type.as_deref()),
                (Some(0o400), Some("a/b"))
            );
        }
    });
}

#[tokio::test]
async fn a_copy_between_two_roots_keeps_the_metadata() {
    let (from, to) = (Store::new().await, Store::new().await);
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let options = WriteOptions::default()
        .with_content_type("text/plain")
        .with_user_metadata("author", "Anna")
        .with_modified_at(time)
        .with_permissions(0o640);
    from.backend.write_with("a", vec![7; 300_000], options).await.unwrap();
    for source in
        [&from.backend as &dyn AsyncFileBackend, &std::sync::Arc::new(from.backend.clone())]
    {
        let overwrite = CopyOptions::overwrite();
        let info = to.backend.copy_from(source, "a", "dir/b", overwrite).await.unwrap();
        assert_eq!((info.size, info.modified_at), (Some(300_000), Some(time)));
        assert_eq!(info.content_type.as_deref(), Some("text/plain"));
        assert_eq!(info.user_metadata["author"], "Anna");
        assert_eq!(info.permissions, Some(0o640));
    }
    // Two handles of one root.
    let again = LocalFileBackend::new(&to.root).await.unwrap();
    let copied = to.backend.copy_from(&again, "dir/b", "dir/b", CopyOptions::overwrite()).await;
    assert_eq!(copied.unwrap().size, Some(300_000));
}

#[tokio::test]
async fn the_id_of_an_upload_leads_nowhere_else() {
    let store = Store::new().await;
    store.backend.create("kept", "kept").await.unwrap();
    let upload = store.backend.begin_upload("a", WriteOptions::default()).await.unwrap();
    let json = serde_json::to_value(&upload).unwrap();
    for id in ["../../kept", "", "..", "/etc/passwd", "0123456789abcdef0123456789abcdeF"] {
        let mut json = json.clone();
        json["id"] = id.into();
        let forged: ResumableUpload = serde_json::from_value(json).unwrap();
        let error = store.backend.continue_upload(&forged, data("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{id:?}");
        store.backend.finish_upload(&forged).await.unwrap_err();
        store.backend.abandon_upload(&forged).await.unwrap();
    }
    assert_eq!(fs::read(store.on_disk("kept")).unwrap(), b"kept");
    // A link in the place of an upload is not followed.
    let place = store.on_disk(".f9/uploads").join(&upload.id);
    fs::remove_file(&place).unwrap();
    symlink(store.outside.join("secret"), &place).unwrap();
    store.backend.continue_upload(&upload, data("x")).await.unwrap_err();
    assert_eq!(fs::read(store.outside.join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn the_content_of_an_upload_is_private_until_it_is_finished() {
    let store = Store::new().await;
    let options = WriteOptions::default().with_permissions(0o644);
    let upload = store.backend.begin_upload("a", options).await.unwrap();
    let upload = store.backend.continue_upload(&upload, data("content")).await.unwrap();
    let place = store.on_disk(".f9/uploads").join(&upload.id);
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    let info = store.backend.finish_upload(&upload).await.unwrap();
    assert_eq!(info.permissions, Some(0o644));
    assert!(!place.exists());
}

#[tokio::test]
async fn a_finished_upload_appends_to_the_file_as_it_is_then() {
    let store = Store::new().await;
    store.backend.create("log", "one\n").await.unwrap();
    let upload = store.backend.begin_upload("log", WriteOptions::append()).await.unwrap();
    let upload = store.backend.continue_upload(&upload, data("three\n")).await.unwrap();
    store.backend.update_with("log", "two\n", f9::UpdateOptions::append()).await.unwrap();
    store.backend.finish_upload(&upload).await.unwrap();
    assert_eq!(store.backend.read("log").await.unwrap(), "one\ntwo\nthree\n");
}

#[tokio::test]
async fn a_private_view_is_confined_like_its_root() {
    let store = Store::new().await;
    let view = store.backend.private_view("guard").unwrap();
    view.create(".f9/guard/a", "hidden").await.unwrap();
    assert_eq!(fs::read(store.on_disk(".f9/guard/a")).unwrap(), b"hidden");
    symlink(&store.outside, store.on_disk(".f9/guard/out")).unwrap();
    let error = view.read(".f9/guard/out/secret").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathEscapesRoot);
    for path in [".f9/guard/../other/a", ".f9/./other/a", "./.f9/other", ".f9/guard/.backend.lock"]
    {
        view.create(path, "x").await.unwrap_err();
    }
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
    assert_eq!(fs::read(store.outside.join("secret")).unwrap(), b"secret");
}
