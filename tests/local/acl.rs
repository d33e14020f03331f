//! Access control lists and capabilities: a file that is replaced keeps its own, a new file has those of its directory.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use f9::prelude::*;
use f9::{
    CopyOptions, CreateOptions, Durability, LocalFileBackend, Result, UpdateOptions, WriteOptions,
};
use futures::StreamExt as _;
use futures::executor::block_on;
use rustix::fs::XattrFlags;

use crate::machine::not_run;
use crate::processes;
use crate::store::Store;

/// An ACL that every new file of a directory inherits.
const DEFAULT_ACL: &str = "d:u::rw,d:g::r,d:o::-,d:u:12345:rw,d:m::rw";

/// `cap_net_bind_service=ep`, as the kernel keeps it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn set_acl(path: &Path, acl: &str) -> Result<(), String> {
    let done = Command::new("setfacl").arg("-m").arg(acl).arg(path).output();
    let done = done.map_err(|error| format!("setfacl: {error}"))?;
    let text = || String::from_utf8_lossy(&done.stderr).trim().to_owned();
    if done.status.success() { Ok(()) } else { Err(text()) }
}

fn acl(path: &Path) -> String {
    let args = ["--omit-header", "--numeric", "--absolute-names", "--no-effective"];
    let done = Command::new("getfacl").args(args).arg(path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn capability(path: &Path) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(path, "security.capability", &mut value).ok()?;
    Some(value[..length].to_vec())
}

/// Returns a store whose new files inherit an ACL; `None` if this machine cannot do that.
async fn inheriting(test: &str) -> Option<Store> {
    let store = Store::new().await;
    match set_acl(&store.root, DEFAULT_ACL) {
        Ok(()) => Some(store),
        Err(reason) => {
            not_run(test, &reason);
            None
        }
    }
}

fn pieces(text: &str) -> f9::ByteStream<'static> {
    futures::stream::iter([Ok(text.to_owned().into())]).boxed()
}

/// Replaces `path` with the verb of this number; `None` if there is no such verb.
async fn replace(backend: &LocalFileBackend, path: &str, verb: usize) -> Option<Result<()>> {
    let overwrite = WriteOptions::overwrite();
    Some(match verb {
        0 => backend.create_with(path, "new", CreateOptions::overwrite()).await.map(drop),
        1 => backend.update(path, "new").await.map(drop),
        2 => backend.update_with(path, "new", UpdateOptions::append()).await.map(drop),
        3 => backend.stream_write_with(path, pieces("new"), overwrite).await.map(drop),
        4 => {
            let options = overwrite.with_mode(f9::WriteMode::Append);
            backend.stream_write_with(path, pieces("new"), options).await.map(drop)
        }
        5 => {
            let files = vec![(path.to_owned(), "new".into())];
            let written = backend.write_many_with(files, overwrite).await;
            written.and_then(|mut results| results.remove(0)).map(drop)
        }
        6 => {
            let source = backend.create_with("source", "new", CreateOptions::overwrite()).await;
            match source {
                Ok(_) => {
                    backend.copy_with("source", path, CopyOptions::overwrite()).await.map(drop)
                }
                Err(error) => Err(error),
            }
        }
        7 => upload(backend, path, overwrite).await,
        8 => {
            let options = CreateOptions::overwrite().with_content_type("text/plain");
            backend.create_with(path, "new", options).await.map(drop)
        }
        _ => return None,
    })
}

async fn upload(backend: &LocalFileBackend, path: &str, options: WriteOptions) -> Result<()> {
    let upload = backend.begin_upload(path, options).await?;
    let upload = backend.continue_upload(&upload, pieces("new")).await?;
    backend.finish_upload(&upload).await.map(drop)
}

#[tokio::test]
async fn a_replaced_file_has_exactly_the_permissions_that_it_had() {
    let test = "a_replaced_file_has_exactly_the_permissions_that_it_had";
    let Some(store) = inheriting(test).await else { return };
    let is_root = rustix::process::geteuid().is_root();
    for durability in [Durability::Atomic, Durability::Synced] {
        let builder = LocalFileBackend::builder(&store.root).durability(durability);
        let backend = builder.permissions(0o666).open().await.unwrap();
        for (mode, own) in [
            (0o640, None),
            (0o600, None),
            (0o644, None),
            (0o4755, None),
            (0o600, Some("u:12346:r")),
            (0o604, Some("g::-,u:12346:rw,g:12347:r")),
            (0o644, Some("u:12346:-")),
        ] {
            for verb in 0.. {
                let path = store.on_disk("a");
                drop(fs::remove_file(&path));
                fs::write(&path, "old").unwrap();
                let cleared = Command::new("setfacl").arg("-b").arg(&path).status().unwrap();
                assert!(cleared.success());
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if let Some(own) = own {
                    set_acl(&path, own).unwrap();
                }
                if is_root {
                    let flags = XattrFlags::empty();
                    rustix::fs::setxattr(&path, "security.capability", &CAPABILITY, flags).unwrap();
                }
                let had = |path: &Path| {
                    (acl(path), fs::metadata(path).unwrap().mode() & 0o7777, capability(path))
                };
                let before = had(&path);
                assert_eq!(before.2.is_some(), is_root);
                let Some(replaced) = replace(&backend, "a", verb).await else { break };
                replaced.unwrap();
                assert!(fs::read_to_string(&path).unwrap().ends_with("new"));
                assert_eq!(had(&path), before, "verb {verb}, {durability}, {mode:o}, {own:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_file_inherits_the_acl_of_its_directory_as_any_other_does() {
    let test = "a_new_file_inherits_the_acl_of_its_directory_as_any_other_does";
    for default in [DEFAULT_ACL, "d:u::rw,d:g::-,d:o::-", "d:g::rw,d:o::r,d:g:12345:rwx"] {
        let store = Store::new().await;
        if let Err(reason) = set_acl(&store.root, default) {
            return not_run(test, &reason);
        }
        for durability in [Durability::Atomic, Durability::Synced] {
            for permissions in [None, Some(0o600), Some(0o640), Some(0o666)] {
                let mut builder = LocalFileBackend::builder(&store.root).durability(durability);
                let usual = store.on_disk("usual");
                drop(fs::remove_file(&usual));
                fs::write(&usual, "x").unwrap();
                if let Some(permissions) = permissions {
                    builder = builder.permissions(permissions);
                    fs::set_permissions(&usual, fs::Permissions::from_mode(permissions)).unwrap();
                }
                let backend = builder.open().await.unwrap();
                for verb in [0, 3, 5, 7, 8] {
                    drop(fs::remove_file(store.on_disk("a")));
                    replace(&backend, "a", verb).await.unwrap().unwrap();
                    let what = format!("{default}, verb {verb}, {durability}, {permissions:?}");
                    assert_eq!(acl(&store.on_disk("a")), acl(&usual), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_replaced_inherits_like_a_new_one() {
    let test = "a_file_that_is_deleted_while_it_is_replaced_inherits_like_a_new_one";
    let Some(store) = inheriting(test).await else { return };
    fs::write(store.on_disk("usual"), "x").unwrap();
    fs::write(store.on_disk("a"), "old").unwrap();
    set_acl(&store.on_disk("a"), "u:12346:rw").unwrap();
    let deleting = store.on_disk("a");
    let source = futures::stream::once(async move {
        fs::remove_file(deleting).unwrap();
        Ok::<_, f9::Error>(bytes::Bytes::from("new"))
    });
    let options = WriteOptions::overwrite();
    store.backend.stream_write_with("a", source.boxed(), options).await.unwrap();
    assert_eq!(fs::read_to_string(store.on_disk("a")).unwrap(), "new");
    assert_eq!(acl(&store.on_disk("a")), acl(&store.on_disk("usual")));
}

#[tokio::test]
async fn a_copy_gives_its_group_no_more_rights_than_the_group_of_the_source_has() {
    let test = "a_copy_gives_its_group_no_more_rights_than_the_group_of_the_source_has";
    let store = Store::new().await;
    fs::write(store.on_disk("a"), "x").unwrap();
    if let Err(reason) = set_acl(&store.on_disk("a"), "u::rw,g::-,o::-,u:12345:rw,m::rw") {
        return not_run(test, &reason);
    }
    let mode = |name| fs::metadata(store.on_disk(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("a"), 0o660, "the bits of the group are the limit of the ACL");
    store.backend.copy("a", "copy").await.unwrap();
    assert_eq!(mode("copy"), 0o600);
    set_acl(&store.on_disk("a"), "g::rw,m::r").unwrap();
    store.backend.copy("a", "other").await.unwrap();
    assert_eq!(mode("other"), 0o640);
}

/// What others may read of the file that a write of many pieces goes to, before it has its final name.
#[tokio::test]
async fn a_temporary_file_gives_nobody_more_rights_than_the_old_file() {
    let test = "a_temporary_file_gives_nobody_more_rights_than_the_old_file";
    let Some(store) = inheriting(test).await else { return };
    let builder = LocalFileBackend::builder(&store.root).durability(Durability::Synced);
    let backend = builder.open().await.unwrap();
    let options = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).to_owned();
    options.open(store.on_disk("a")).unwrap();
    // Everybody but one user and one group may read it, which its mode does not tell.
    set_acl(&store.on_disk("a"), "u::rw,g::r,o::r,u:12345:-,g:12347:-,m::r").unwrap();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let source = futures::stream::once(async {
        wait.await.unwrap();
        Result::Ok("two".into())
    });
    let writing = tokio::spawn(async move {
        backend.stream_write_with("a", Box::pin(source), WriteOptions::overwrite()).await
    });
    let temporary = loop {
        let names = fs::read_dir(&store.root).unwrap().map(|entry| entry.unwrap().path());
        if let Some(found) = names.into_iter().find(|path| !path.ends_with("a")) {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(fs::metadata(temporary).unwrap().mode() & 0o777, 0o600);
    go.send(()).unwrap();
    writing.await.unwrap().unwrap();
}

/// Runs in a user namespace.
#[test]
fn a_file_is_replaced_whose_acl_has_unknown_users() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let backend = block_on(LocalFileBackend::new(&root)).unwrap();
    block_on(backend.update("a", "new")).unwrap();
}

#[tokio::test]
async fn a_group_gets_no_rights_from_an_acl_that_cannot_be_copied() {
    let test = "a_group_gets_no_rights_from_an_acl_that_cannot_be_copied";
    let store = Store::new().await;
    store.backend.create("a", "old").await.unwrap();
    let path = store.on_disk("a");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    if let Err(reason) = set_acl(&path, "u:12346:rw") {
        return not_run(test, &reason);
    }
    // With an ACL, these bits are not those of the group alone.
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    let in_namespace = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user"]);
        unshare
    };
    if !in_namespace().arg("true").status().is_ok_and(|status| status.success()) {
        return not_run(test, "this user may not create a user namespace");
    }
    let done = in_namespace()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "acl::a_file_is_replaced_whose_acl_has_unknown_users", "--nocapture"])
        .env("F9_TEST_ROOT", &store.root)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}
