//! Names that no commit may hold.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use f9::prelude::*;
use f9::{
    CopyOptions, DeleteOptions, ErrorKind, InfoChanges, Precondition, RenameOptions, WriteOptions,
};
use futures::StreamExt as _;

use crate::clones::Clones;
use crate::remote::{Change, Remote};
use crate::traces::everything_in;

/// Returns the files of git in a repository, without those of f9.
fn git_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = everything_in(&root.join(".git"));
    found.retain(|path, content| !path.starts_with(root.join(".git/f9")) && !content.is_empty());
    found
}

#[tokio::test]
async fn a_path_is_checked_before_metadata_and_conditions() {
    let clones = Clones::of(Remote::with(&[Change::write("a.txt", "a")]));
    let mine = clones.open("mine").await;
    let other = f9::MemoryFileBackend::new();
    let time = Precondition::if_unmodified_since(SystemTime::UNIX_EPOCH);
    let options = WriteOptions::default().with_content_type("a/b").with_condition(time.clone());
    for (path, kind) in [
        ("", ErrorKind::InvalidPath),
        ("../a", ErrorKind::PathEscapesRoot),
        ("a.txt/.git/x", ErrorKind::ReservedPath),
    ] {
        let data = futures::stream::iter([Ok::<_, f9::Error>("x".into())]);
        let delete = DeleteOptions::default().with_condition(time.clone());
        let copy = CopyOptions::overwrite().with_target(time.clone());
        let rename = RenameOptions::overwrite().with_target(time.clone());
        for (error, operation) in [
            (mine.write_with(path, "x", options.clone()).await.unwrap_err(), "write"),
            (
                mine.stream_write_with(path, data.boxed(), options.clone()).await.unwrap_err(),
                "write",
            ),
            (mine.delete_with(path, delete).await.unwrap_err(), "delete"),
            (mine.copy_with("a.txt", path, copy).await.unwrap_err(), "copy"),
            (
                mine.copy_from(&other, "missing", path, CopyOptions::default()).await.unwrap_err(),
                "copy",
            ),
            (mine.rename_with("a.txt", path, rename).await.unwrap_err(), "rename"),
            (
                mine.set_info(path, InfoChanges::default().with_permissions(1)).await.unwrap_err(),
                "set info of",
            ),
        ] {
            assert_eq!(
                (error.kind(), error.operation()),
                (kind, Some(operation)),
                "{path}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn every_verb_refuses_the_names_that_git_protects() {
    let clones = Clones::of(Remote::with(&[Change::write("a.txt", "a")]));
    let mine = clones.open("mine").await;
    let before = git_files(mine.root());
    for name in [
        ".git",
        ".git/config",
        ".GIT/config",
        "d/.git",
        "d/.gIt/hooks/x",
        "git~1",
        "GIT~1/config",
        ".git.",
        ".git ",
        ".git . .",
        ".git::$INDEX_ALLOCATION",
        ".g\u{200c}it",
        "\u{feff}.git/config",
        "d/a\\.git",
        ".git\\config",
        ".backend.lock",
        "d/.backend.lock",
    ] {
        for error in [
            mine.create(name, "x").await.map(drop).unwrap_err(),
            mine.read(name).await.map(drop).unwrap_err(),
            mine.update(name, "x").await.map(drop).unwrap_err(),
            mine.delete(name).await.unwrap_err(),
            mine.info(name).await.map(drop).unwrap_err(),
            mine.rename("a.txt", name).await.map(drop).unwrap_err(),
            mine.rename(name, "b.txt").await.map(drop).unwrap_err(),
            mine.copy("a.txt", name).await.map(drop).unwrap_err(),
            mine.create_dir(name).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::ReservedPath, "{name}: {error:?}");
        }
    }
    assert!(git_files(mine.root()) == before, "the files of git have changed");
    assert_eq!(mine.read("a.txt").await.unwrap(), "a");
    for near in [".gitignore", ".github/x", "git", "a.git", ".git_", "d/.gitkeep"] {
        mine.create(near, "x").await.unwrap();
    }
    mine.push("Near").await.unwrap();
    assert_eq!(clones.remote.main().tree().len(), 7);
}

#[tokio::test]
async fn no_link_leads_into_the_git_directory() {
    let clones = Clones::of(Remote::with(&[
        Change::symlink("to_git", ".git"),
        Change::symlink("to_config", ".git/config"),
        Change::symlink("d/up", "../.git"),
        Change::symlink("out", "/etc"),
    ]));
    let mine = clones.open("mine").await;
    let before = fs::read(mine.root().join(".git/config")).unwrap();
    for (path, kind) in [
        ("to_git/config", ErrorKind::ReservedPath),
        ("to_config", ErrorKind::ReservedPath),
        ("d/up/config", ErrorKind::ReservedPath),
        ("out/passwd", ErrorKind::PathEscapesRoot),
    ] {
        let error = mine.read(path).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error:?}");
        let error = mine.update(path, "x").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error:?}");
    }
    for path in ["to_git/new", "d/up/hooks/pre-commit"] {
        let error = mine.create(path, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReservedPath, "{path}: {error:?}");
    }
    assert_eq!(fs::read(mine.root().join(".git/config")).unwrap(), before);
    mine.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().log("%s").len(), 1);
}

/// Other programs may have committed such files, which the backend keeps.
#[tokio::test]
async fn reserved_files_are_neither_committed_nor_removed_from_a_history() {
    let own = [".backend.lock", "d/.backend.lock", ".f9tmp-x", "d/.f9tmp-y", ".f9/z"];
    let mut theirs: Vec<_> = own.iter().map(|name| Change::write(name, "theirs")).collect();
    theirs.push(Change::write("a.txt", "a"));
    let clones = Clones::of(Remote::with(&theirs));
    let tree = clones.remote.main().tree();
    let mine = clones.open("mine").await;
    for name in own {
        fs::write(mine.root().join(name), "changed here").unwrap();
    }
    fs::remove_file(mine.root().join("d/.f9tmp-y")).unwrap();
    mine.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().log("%s").len(), 1);
    mine.update("a.txt", "ours").await.unwrap();
    mine.push("Ours").await.unwrap();
    assert_eq!(clones.remote.main().tree(), tree);
    for name in own {
        assert_eq!(clones.remote.main().file(name).unwrap(), b"theirs", "{name}");
    }
    // Other clones still change them.
    clones.remote.commit(&[Change::write("b.txt", "b"), Change::write("d/.backend.lock", "again")]);
    mine.pull().await.unwrap();
    assert_eq!(mine.read("b.txt").await.unwrap(), "b");
    clones.remote.commit(&[Change::delete(".backend.lock"), Change::write("b.txt", "c")]);
    mine.pull().await.unwrap();
    mine.create("c.txt", "c").await.unwrap();
    mine.push("Ours").await.unwrap();
    assert_eq!(clones.remote.main().file("d/.backend.lock").unwrap(), b"again");
    assert_eq!(clones.remote.main().file(".backend.lock"), None);
    assert_eq!(clones.remote.main().file(".f9/z").unwrap(), b"theirs");
    clones.remote.assert_sound();
}

#[tokio::test]
async fn reserved_files_in_the_tree_are_not_committed() {
    let clones = Clones::of(Remote::empty());
    let mine = clones.open("mine").await;
    mine.create("d/a.txt", "a").await.unwrap();
    for name in [".backend.lock", "d/.backend.lock", ".f9tmp-x", "d/.f9tmp-y"] {
        fs::write(mine.root().join(name), "x").unwrap();
    }
    symlink("a.txt", mine.root().join("d/link")).unwrap();
    mine.push("Begin").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 d/a.txt", "120000 d/link"]);
}
