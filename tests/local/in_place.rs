//! Files that cannot be replaced, because they are mount points as containers have them for single files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use f9::prelude::*;
use f9::{
    CopyOptions, DeleteOptions, Durability, ErrorKind, LocalFileBackend, RenameOptions, Result,
    UpdateOptions, WriteMode, WriteOptions,
};
use futures::StreamExt as _;
use futures::executor::block_on;

use crate::machine::{Mount, not_run};
use crate::store::{Store, contents};

/// Runs `test` with a backend whose file `mounted` is a mount point, and with the path of the file that is mounted there.
fn with_a_mounted_file(
    name: &str,
    is_read_only: bool,
    test: &impl AsyncFn(&LocalFileBackend, &Path),
) {
    for durability in [Durability::Atomic, Durability::Synced] {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir(&root).unwrap();
        let _disk = match Mount::new(&["-t", "tmpfs", "f9"], &root) {
            Ok(disk) => disk,
            Err(reason) => return not_run(name, &reason.to_string()),
        };
        fs::write(&outside, "old").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o640)).unwrap();
        let at = root.join("mounted");
        fs::write(&at, "hidden").unwrap();
        let _mounted = match Mount::new(&["--bind", outside.to_str().unwrap()], &at) {
            Ok(mounted) => mounted,
            Err(reason) => return not_run(name, &reason.to_string()),
        };
        if is_read_only {
            let remounted =
                Command::new("mount").args(["-o", "remount,ro"]).arg(&root).status().unwrap();
            assert!(remounted.success());
        }
        let builder = LocalFileBackend::builder(&root).durability(durability);
        let backend = block_on(builder.open()).unwrap();
        block_on(test(&backend, &outside));
        let left: Vec<_> = contents(&root).into_keys().collect();
        assert!(left.iter().all(|path| !path.to_string_lossy().contains(".f9tmp")), "{left:?}");
    }
}

fn pieces(text: &'static str) -> f9::ByteStream<'static> {
    futures::stream::iter([Ok(text.into())]).boxed()
}

async fn replace_with_each_verb(backend: &LocalFileBackend) -> Vec<f9::Error> {
    fn failed<T>(result: Result<T>) -> f9::Error {
        result.map(drop).unwrap_err()
    }
    let many = vec![("mounted".to_owned(), "new".into())];
    let many = backend.write_many_with(many, WriteOptions::overwrite()).await.unwrap().remove(0);
    backend.write("source", "new").await.unwrap();
    vec![
        failed(backend.write("mounted", "new").await),
        failed(backend.update_with("mounted", "new", UpdateOptions::append()).await),
        failed(
            backend.stream_write_with("mounted", pieces("new"), WriteOptions::overwrite()).await,
        ),
        failed(many),
        failed(backend.copy_with("source", "mounted", CopyOptions::overwrite()).await),
    ]
}

#[test]
fn a_mounted_file_is_not_replaced_and_the_error_says_what_to_do() {
    let test = "a_mounted_file_is_not_replaced_and_the_error_says_what_to_do";
    with_a_mounted_file(test, false, &async |backend, outside| {
        for error in replace_with_each_verb(backend).await {
            assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("mount point") && text.contains("WriteOptions::in_place"),
                "{text}"
            );
        }
        let renamed = backend.rename_with("source", "mounted", RenameOptions::overwrite()).await;
        let moved = backend.rename("mounted", "other").await;
        let deleted = backend.delete_with("mounted", DeleteOptions::recursive()).await;
        for error in [renamed.unwrap_err(), moved.unwrap_err(), deleted.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
            assert!(error.to_string().contains("mount point"), "{error}");
        }
        assert_eq!(fs::read_to_string(outside).unwrap(), "old");
    });
}

async fn write_in_place_with_each_verb(backend: &LocalFileBackend, outside: &Path) {
    let before = fs::metadata(outside).unwrap();
    let plain = |text: &str| assert_eq!(fs::read_to_string(outside).unwrap(), text);
    let old = backend.info("mounted").await.unwrap().etag.unwrap();
    let options = WriteOptions::in_place;
    let written = backend.write_with("mounted", "one", options()).await.unwrap();
    assert_eq!(backend.info("mounted").await.unwrap().etag, written.etag);
    plain("one");
    let append = || options().with_mode(WriteMode::Append);
    backend.write_with("mounted", ", two", append()).await.unwrap();
    backend.stream_write_with("mounted", pieces(", three"), append()).await.unwrap();
    plain("one, two, three");
    backend.stream_write_with("mounted", pieces("short"), options()).await.unwrap();
    plain("short");
    let many = vec![("mounted".to_owned(), "many".into())];
    backend.write_many_with(many, options()).await.unwrap().remove(0).unwrap();
    plain("many");
    let stale = options().with_mode(WriteMode::IfMatch(old));
    let refused = backend.write_with("mounted", "stale", stale).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PreconditionFailed);
    plain("many");
    let after = fs::metadata(outside).unwrap();
    assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
}

#[test]
fn a_mounted_file_is_written_in_place_when_asked() {
    let test = "a_mounted_file_is_written_in_place_when_asked";
    with_a_mounted_file(test, false, &async |backend, outside| {
        write_in_place_with_each_verb(backend, outside).await;
        let upload = backend.begin_upload("mounted", WriteOptions::in_place()).await.unwrap();
        let upload = backend.continue_upload(&upload, pieces("uploaded")).await.unwrap();
        backend.finish_upload(&upload).await.unwrap();
        assert_eq!(fs::read_to_string(outside).unwrap(), "uploaded");
    });
}

#[test]
fn a_mounted_file_in_a_read_only_directory_is_written_in_place() {
    let test = "a_mounted_file_in_a_read_only_directory_is_written_in_place";
    with_a_mounted_file(test, true, &async |backend, outside| {
        let refused = backend.write("mounted", "new").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
        let refused = backend.write_with("new", "new", WriteOptions::in_place()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
        write_in_place_with_each_verb(backend, outside).await;
    });
}

#[tokio::test]
async fn writing_in_place_keeps_hard_links_links_and_attributes() {
    let store = Store::new().await;
    let backend = &store.backend;
    let described = || WriteOptions::in_place().with_content_type("text/plain");
    backend.write("a", "old").await.unwrap();
    fs::hard_link(store.on_disk("a"), store.on_disk("b")).unwrap();
    std::os::unix::fs::symlink("a", store.on_disk("link")).unwrap();
    let options = described().with_permissions(0o604).with_modified_at(std::time::UNIX_EPOCH);
    let written = backend.write_with("link", "new", options).await.unwrap();
    assert_eq!(written.content_type.as_deref(), Some("text/plain"));
    let info = backend.info("b").await.unwrap();
    assert_eq!(info.content_type.as_deref(), Some("text/plain"));
    assert_eq!(info.modified_at, Some(std::time::UNIX_EPOCH));
    assert_eq!(info.permissions, Some(0o604));
    assert_eq!(backend.read("b").await.unwrap(), "new", "both names have the new content");
    backend.write_with("a", "newer", WriteOptions::in_place()).await.unwrap();
    assert_eq!(backend.info("b").await.unwrap().content_type, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_place_exclude_each_other() {
    let store = Store::new().await;
    store.backend.write("a", "start").await.unwrap();
    let other = LocalFileBackend::new(&store.root).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = [store.backend.clone(), other].map(|backend| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            for round in 0..100_usize {
                let content = vec![u8::try_from(round % 10).unwrap(); 1000 + 7919 * (round % 10)];
                backend.write_with("a", content, WriteOptions::in_place()).await.unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    let content = store.backend.read("a").await.unwrap();
    let round = usize::from(content[0]);
    assert_eq!(content.len(), 1000 + 7919 * round);
    assert!(content.iter().all(|byte| usize::from(*byte) == round), "two writes are mixed");
}

#[test]
fn a_full_disk_leaves_what_would_be_written_in_place() {
    let test = "a_full_disk_leaves_what_would_be_written_in_place";
    let dir = tempfile::tempdir().unwrap();
    let _disk = match Mount::new(&["-t", "tmpfs", "-o", "size=256k", "f9"], dir.path()) {
        Ok(disk) => disk,
        Err(reason) => return not_run(test, &reason.to_string()),
    };
    let backend = block_on(LocalFileBackend::new(dir.path())).unwrap();
    block_on(backend.write("a", "old")).unwrap();
    // The new content fits once, but not twice.
    for size in [160 * 1024, 1024 * 1024] {
        let written = block_on(backend.write_with("a", vec![1; size], WriteOptions::in_place()));
        assert_eq!(written.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"old");
    }
    block_on(backend.write_with("a", vec![1; 32 * 1024], WriteOptions::in_place())).unwrap();
}
