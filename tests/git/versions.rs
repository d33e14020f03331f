//! Versions of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use f9::prelude::*;
use f9::{
    CopyOptions, ErrorKind, FileType, FileVersion, InfoOptions, LocalFileBackend,
    MemoryFileBackend, ReadOptions, WriteOptions,
};
use futures::TryStreamExt as _;

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

async fn versions(files: &dyn AsyncFileBackend, path: &str) -> Vec<FileVersion> {
    files.list_versions(path).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn a_version_describes_its_commit_and_follows_renames() {
    let clones = Clones::of(Remote::empty());
    let text = "a text of several lines\n".repeat(9);
    let first = clones.remote.main().commit_at(1000, &[Change::write("old", &text)]);
    let second = clones.remote.main().commit_at(2000, &[Change::rename("old", "dir/new")]);
    let third = clones.remote.main().commit_at(3000, &[Change::write("dir/new", "other")]);
    let clone = clones.open("mine").await;
    let before = clone.processes_started();
    let found = versions(&clone, "dir/new").await;
    assert_eq!(clone.processes_started() - before, 3, "log, cat-file, hash-object");
    let ids: Vec<&str> = found.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(ids, [&*third, &*second, &*first]);
    let seconds = |version: &FileVersion| {
        version.created_at.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    assert_eq!(found.iter().map(seconds).collect::<Vec<_>>(), [3000, 2000, 1000]);
    assert!(found.iter().all(|version| version.author.is_some() && version.message.is_some()));
    let oldest = found[2].info.clone().unwrap();
    assert_eq!((oldest.path.as_str(), oldest.extra["git.path"].as_str()), ("dir/new", "old"));
    assert_eq!(oldest.permissions, Some(0o644));

    let read = ReadOptions::default().with_version(found[2].id.clone());
    let before = clone.processes_started();
    let content = clone.open_with("dir/new", read.clone()).await.unwrap();
    assert_eq!(content.info, oldest);
    assert_eq!(content.bytes().await.unwrap(), text);
    assert_eq!(clone.processes_started() - before, 2, "log, cat-file");
    // The commit that renamed the file away is a version of the old path: its deletion.
    let old = versions(&clone, "old").await;
    let old: Vec<_> = old.iter().map(|one| (one.id.as_str(), one.info.is_some())).collect();
    assert_eq!(old, [(&*second, false), (&*first, true)]);
}

#[tokio::test]
async fn an_uncommitted_change_is_no_version() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    let is_current = async || {
        let found = versions(&clone, "a").await;
        assert_eq!(found.len(), 1);
        found[0].is_current
    };
    assert!(is_current().await);
    clone.update("a", "two").await.unwrap();
    assert!(!is_current().await);
    clone.update("a", "one").await.unwrap();
    assert!(is_current().await);
    clone.delete("a").await.unwrap();
    assert!(!is_current().await);
    clone.create("a/b", "in a directory").await.unwrap();
    assert!(!is_current().await);
    let uncommitted = clone.list_versions("a/b").await.map(drop).unwrap_err();
    assert_eq!(uncommitted.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_copy_of_an_executable_is_executable_and_a_link_cannot_be_opened() {
    let clones = Clones::of(Remote::with(&[Change::write("run", "#!/bin/sh")]));
    let changes = [Change::set_executable("run", true), Change::symlink("link", "run")];
    clones.remote.commit(&changes);
    let clone = clones.open("mine").await;
    let run = versions(&clone, "run").await.remove(0);
    assert_eq!(run.info.unwrap().permissions, Some(0o755));
    clone.copy_with("run", "copy", CopyOptions::default().with_version(run.id)).await.unwrap();
    let copied = fs::metadata(clone.root().join("copy")).unwrap();
    assert_eq!(copied.permissions().mode() & 0o777, 0o755);

    let link = versions(&clone, "link").await.remove(0);
    assert!(link.is_current);
    let info = InfoOptions::default().with_version(link.id.clone());
    let info = clone.info_with("link", info).await.unwrap();
    assert_eq!((info.file_type, info.size), (FileType::Symlink, Some(3)));
    let read = ReadOptions::default().with_version(link.id.clone());
    assert_eq!(clone.read_with("link", read).await.unwrap_err().kind(), ErrorKind::NotAFile);
    let copy = CopyOptions::default().with_version(link.id);
    let copied = clone.copy_with("link", "other", copy).await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::NotAFile);
}

#[tokio::test]
async fn a_link_with_another_target_is_no_current_version() {
    let clones = Clones::of(Remote::with(&[Change::symlink("link", "a")]));
    let clone = clones.open("mine").await;
    let link = clone.root().join("link");
    for (target, is_current) in [("a", true), ("b", false), ("a", true)] {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        assert_eq!(versions(&clone, "link").await[0].is_current, is_current, "{target}");
    }
}

#[tokio::test]
async fn a_copy_from_another_store_keeps_the_executable_bit() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalFileBackend::new(dir.path()).await.unwrap();
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    for (bits, kept) in [(0o700, 0o755), (0o755, 0o755), (0o600, 0o644), (0o666, 0o644)] {
        let options = WriteOptions::default().with_permissions(bits);
        local.write_with("run", "#!/bin/sh", options).await.unwrap();
        let copied = clone.copy_from(&local, "run", "run", CopyOptions::overwrite()).await;
        assert_eq!(copied.unwrap().permissions, Some(kept), "{bits:o}");
    }
    let memory = MemoryFileBackend::new();
    memory.create("a", "two").await.unwrap();
    clone.copy_from(&memory, "a", "run", CopyOptions::overwrite()).await.unwrap();
    assert_eq!(clone.read("run").await.unwrap(), "two");
}

#[tokio::test]
async fn an_interrupted_version_names_the_operation_and_the_path() {
    let clones = Clones::of(Remote::with(&[Change::write("a", vec![b'x'; 3 << 20])]));
    let clone = clones.open("mine").await;
    let version = versions(&clone, "a").await.remove(0).id;
    let read = ReadOptions::default().with_version(version);
    let mut content = clone.open_with("a", read).await.unwrap().stream;
    content.try_next().await.unwrap().unwrap();
    let cat_file = fs::read_dir("/proc").unwrap().find_map(|process| {
        let process = process.unwrap().path();
        let is_here = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == clone.root());
        let id = process.file_name()?.to_str()?.parse::<i32>().ok()?;
        is_here.then_some(id)
    });
    let cat_file = rustix::process::Pid::from_raw(cat_file.unwrap()).unwrap();
    rustix::process::kill_process(cat_file, rustix::process::Signal::KILL).unwrap();
    let error = content.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.operation(), error.path()), (Some("read"), Some("a")), "{error}");
}

#[tokio::test]
async fn a_large_version_is_read_in_parts_and_can_be_dropped() {
    let clones = Clones::of(Remote::with(&[Change::write("a", vec![b'x'; 3 << 20])]));
    let clone = clones.open("mine").await;
    let version = versions(&clone, "a").await.remove(0).id;
    let read = ReadOptions::default().with_version(version);
    let mut content = clone.open_with("a", read.clone()).await.unwrap().stream;
    assert_eq!(content.try_next().await.unwrap().unwrap().len(), f9::DEFAULT_CHUNK_SIZE);
    drop(content);
    let end = read.with_range((3 << 20) - 5..);
    assert_eq!(clone.read_with("a", end).await.unwrap(), "xxxxx");
}

#[tokio::test]
async fn versions_of_others_appear_with_automatic_pulls() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true)).await;
    let second = clones.remote.commit(&[Change::write("a", "two")]);
    assert_eq!(versions(&clone, "a").await[0].id.as_str(), second);
}

#[tokio::test]
async fn a_tag_is_fetched_when_it_is_read() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    clones.remote.git(["tag", "v1", "main"]);
    clones.remote.git(["tag", "-a", "-m", "Two", "group/v2", "main"]);
    clones.remote.commit(&[Change::write("a", "two")]);
    mine.pull().await.unwrap();
    for tag in ["v1", "refs/tags/group/v2", "group/v2", "v1^0", "tags/v1"] {
        assert_eq!(mine.read_at("a", tag).await.unwrap(), "one", "{tag}");
    }
    let started = mine.processes_started();
    mine.read_at("a", "v1").await.unwrap();
    assert_eq!(mine.processes_started() - started, 1);
    // A tag must not take the place of the branch of the same name.
    clones.remote.git(["tag", "main", "v1"]);
    for unknown in ["v3", "-x", "v1~7", "main~7", "", "a b"] {
        let error = mine.read_at("a", unknown).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{unknown}: {error}");
    }
    assert_eq!(mine.read_at("a", "main").await.unwrap(), "two");
}
