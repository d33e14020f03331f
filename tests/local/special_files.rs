//! FIFOs, sockets and devices: listed and deleted, but never opened for content.

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use f9::prelude::*;
use f9::{ErrorKind, FileType};
use futures::TryStreamExt as _;
use rustix::fs::{CWD, Mode};

use crate::store::{Store, every_verb};

#[tokio::test]
async fn special_files_are_refused_without_waiting() {
    let store = Store::new().await;
    rustix::fs::mkfifoat(CWD, store.on_disk("fifo"), Mode::from_raw_mode(0o666)).unwrap();
    let socket = UnixListener::bind(store.on_disk("socket")).unwrap();
    let mut names = vec!["fifo", "socket"];
    // Creating a device needs privileges.
    let zero = rustix::fs::makedev(1, 5);
    let mode = Mode::from_raw_mode(0o666);
    let kind = rustix::fs::FileType::CharacterDevice;
    match rustix::fs::mknodat(CWD, store.on_disk("zero"), kind, mode, zero) {
        Ok(()) => names.push("zero"),
        Err(error) => assert!(!rustix::process::geteuid().is_root(), "{error}"),
    }
    let listed: Vec<_> = store.backend.list("").await.unwrap().try_collect().await.unwrap();
    assert!(listed.iter().all(|entry| entry.file_type == FileType::Other), "{listed:?}");
    assert_eq!(listed.len(), names.len());
    for name in names {
        let verbs = every_verb(&store.backend, name);
        let verbs = tokio::time::timeout(Duration::from_secs(300), verbs)
            .await
            .expect("a verb waits for the other end");
        for (verb, kind) in verbs {
            let expected = match verb {
                // These verbs work on the name, and a lookup does not open the file.
                "info" | "rename to" | "delete" => None,
                "list" | "create_dir" => Some(ErrorKind::NotADirectory),
                _ => Some(ErrorKind::NotAFile),
            };
            assert_eq!(kind, expected, "{verb} {name}");
        }
        assert!(fs::symlink_metadata(store.on_disk(name)).is_err(), "{name} is deleted");
    }
    drop(socket);
}
