//! The order of system calls with which a write survives a power loss: file, name, directory.

use std::fs;
use std::path::Path;
use std::process::Command;

use f9::prelude::*;
use f9::{CreateOptions, DeleteOptions, Durability, LocalFileBackend, UpdateOptions};
use futures::executor::block_on;

use crate::{machine, processes};

/// The calls of the traced process, in its own directory.
#[tokio::test]
async fn durable_changes_of_every_kind() {
    let (root, _own) = processes::root();
    let builder = LocalFileBackend::builder(&root).durability(Durability::Synced);
    let backend = builder.open().await.unwrap();
    let mark = |name: &str| fs::create_dir(root.join(format!("mark-{name}"))).unwrap();
    mark("create");
    backend.create("new/deep/a", "one").await.unwrap();
    mark("replace");
    backend.create_with("new/deep/a", "two", CreateOptions::overwrite()).await.unwrap();
    mark("append");
    backend.update_with("new/deep/a", "+", UpdateOptions::append()).await.unwrap();
    mark("copy");
    backend.copy("new/deep/a", "new/b").await.unwrap();
    mark("rename");
    backend.rename("new/b", "c").await.unwrap();
    mark("delete");
    backend.delete("c").await.unwrap();
    mark("delete-tree");
    backend.delete_with("new", DeleteOptions::recursive()).await.unwrap();
    mark("create-dir");
    backend.create_dir("d/e").await.unwrap();
    mark("upload");
    let upload = backend.begin_upload("a", f9::WriteOptions::default()).await.unwrap();
    mark("continue-upload");
    let data = futures::stream::iter([Ok("content".into())]);
    let upload = backend.continue_upload(&upload, Box::pin(data)).await.unwrap();
    mark("finish-upload");
    backend.finish_upload(&upload).await.unwrap();
    mark("root");
    let below = LocalFileBackend::builder(root.join("new-root/deep"));
    below.durability(Durability::Synced).open().await.unwrap();
    mark("end");
}

/// The system calls of each change, as words: `fsync NAME`, `rename`, `link`, `unlink`, `mkdir`.
fn traced(root: &Path) -> Vec<(String, Vec<String>)> {
    let log = root.with_extension("strace");
    let calls = "fsync,fdatasync,renameat,renameat2,rename,linkat,unlinkat,mkdirat,mkdir";
    let done = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", &format!("trace={calls}"), "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::durable_changes_of_every_kind"])
        .env("F9_TEST_ROOT", root)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let mut changes: Vec<(String, Vec<String>)> = Vec::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some((_, rest)) = call.split_once("mark-") {
            changes.push((rest.split('"').next().unwrap().to_owned(), Vec::new()));
        } else if let Some((_, words)) = changes.last_mut() {
            let verb =
                call.split('(').next().unwrap().trim_end_matches("at2").trim_end_matches("at");
            if verb == "fsync" {
                let path = call.split_once('<').unwrap().1.split_once('>').unwrap().0;
                let name = path.strip_prefix(root.to_str().unwrap()).unwrap_or(path);
                let name = match name {
                    name if name.contains(".f9tmp-") => "temporary",
                    name if name.starts_with("/.f9/uploads/") => "upload",
                    name => name,
                };
                words.push(format!("fsync {name}"));
            } else {
                words.push(verb.to_owned());
            }
        }
    }
    changes
}

#[test]
fn finished_changes_are_on_stable_storage() {
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run("finished_changes_are_on_stable_storage", reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap().join("root");
    fs::create_dir(&root).unwrap();
    let changes = traced(&root);
    let expected: [(&str, &[&str]); 13] = [
        (
            "create",
            &[
                "fsync temporary",
                "mkdir",
                "mkdir",
                "rename",
                "fsync ",
                "fsync /new",
                "fsync /new/deep",
            ],
        ),
        ("replace", &["fsync temporary", "rename", "fsync /new/deep"]),
        ("append", &["fsync temporary", "rename", "fsync /new/deep"]),
        ("copy", &["fsync temporary", "rename", "fsync /new"]),
        ("rename", &["rename", "fsync ", "fsync /new"]),
        ("delete", &["unlink", "fsync "]),
        (
            "delete-tree",
            &["unlink", "rename", "unlink", "unlink", "unlink", "unlink", "unlink", "fsync "],
        ),
        ("create-dir", &["mkdir", "mkdir", "fsync ", "fsync /d"]),
        // The first file is only made to check the target.
        ("upload", &["unlink", "mkdir", "fsync ", "mkdir", "fsync /.f9", "fsync /.f9/uploads"]),
        ("continue-upload", &["fsync upload"]),
        ("finish-upload", &["fsync temporary", "rename", "fsync ", "unlink"]),
        ("root", &["mkdir", "mkdir", "mkdir", "fsync /new-root", "fsync "]),
        ("end", &[]),
    ];
    for ((name, words), (expected_name, expected)) in changes.iter().zip(expected) {
        assert_eq!(name, expected_name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if name == "delete-tree" {
            // Only the first call and the final sync are fixed.
            assert_eq!((words.first(), words.last()), (expected.first(), expected.last()));
        } else {
            assert_eq!(words, expected, "{name}");
        }
    }
    assert_eq!(changes.len(), 13);
}

/// Runs in a process in which every sync fails.
#[test]
fn an_upload_that_cannot_be_synced() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let builder = LocalFileBackend::builder(&root).durability(Durability::Synced);
    let backend = block_on(builder.open()).unwrap();
    let error = block_on(backend.begin_upload("a", f9::WriteOptions::default())).unwrap_err();
    assert_eq!(error.kind(), f9::ErrorKind::Io, "{error}");
    let upload = fs::read(root.join("upload.json")).unwrap();
    let upload: f9::ResumableUpload = serde_json::from_slice(&upload).unwrap();
    let lost = Box::pin(futures::stream::iter([Ok("lost".into())]));
    let error = block_on(backend.continue_upload(&upload, lost)).unwrap_err();
    assert_eq!(error.kind(), f9::ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn an_upload_keeps_only_what_was_synced() {
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run("an_upload_keeps_only_what_was_synced", reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    let upload = backend.begin_upload("a", f9::WriteOptions::default()).await.unwrap();
    let data = Box::pin(futures::stream::iter([Ok("kept".into())]));
    let upload = backend.continue_upload(&upload, data).await.unwrap();
    fs::write(dir.path().join("upload.json"), serde_json::to_vec(&upload).unwrap()).unwrap();
    let done = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "-o", "/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::an_upload_that_cannot_be_synced"])
        .env("F9_TEST_ROOT", dir.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(backend.upload_state(&upload).await.unwrap(), upload);
    assert_eq!(fs::read_dir(dir.path().join(".f9/uploads")).unwrap().count(), 1);
}
