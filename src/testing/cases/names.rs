//! Every valid name works like any other.

use bytes::Bytes;

use crate::core::error::ErrorKind;
use crate::core::options::{DeleteOptions, ListOptions};
use crate::core::path::{MAX_NAME_BYTES, MAX_PATH_BYTES};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{listed, state};

const NAMES: &[&str] = &[
    "plain.txt",
    "two words.txt",
    " leading",
    "trailing ",
    " ",
    "\ttab",
    "cr\rlf\nvt\u{b}",
    "new\nline\n",
    "...",
    "....",
    "..dots",
    "dots..",
    ".hidden",
    "trailing.",
    "-rf",
    "--",
    "~x",
    "~",
    "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~",
    "back\\slash",
    "..\\up",
    "a:b",
    "C:",
    "CON",
    "nul",
    "aux.txt",
    "%41",
    "%2F",
    "%zz",
    "%Q.parquet",
    "%00",
    "%2e%2e",
    "test%46.txt",
    "#1",
    "foo#1",
    "?query=1",
    "a&b=c",
    "a+b",
    "a[1].txt",
    "b*.txt",
    "**",
    "q?",
    "{x}",
    "{a,b}",
    "[",
    "x::y",
    "a@b:c",
    "@{0}",
    "$HOME",
    "`id`",
    "$(id)",
    "'single'",
    "\"double\"",
    "\u{1f389}",
    "\u{1f1e6}\u{1f1fa}",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{202e}txt.exe",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{feff}mark",
    "a\u{200b}b",
    "\u{fffd}",
    "\u{10ffff}",
    ".backend.lock.txt",
    "backend.lock",
    ".f9x",
    "f9tmp-0",
    ".f9tmp",
    "x.tmp",
    ".#emacs",
    "lost+found",
];

/// Returns every name of the table, and one name for each control character.
fn names() -> Vec<String> {
    let controls = (1..=0x1f_u8).chain([0x7f]);
    let controls = controls.map(|control| format!("control {} here", char::from(control)));
    NAMES.iter().map(|&name| name.to_owned()).chain(controls).collect()
}

/// Returns a different content for each name, so that a mix-up shows.
fn content(name: &str) -> Bytes {
    Bytes::from(format!("content of {name:?}"))
}

pub async fn every_valid_name_works_for_a_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut names = names();
    for name in &names {
        let created = files.create(name, content(name)).await;
        let created = created.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(created.path, name.as_str());
        let info = files.info(name).await.unwrap();
        assert_eq!((info.path.as_str(), info.is_file()), (name.as_str(), true));
    }
    for name in &names {
        assert_eq!(files.read(name).await.unwrap(), content(name), "{name:?}");
    }
    names.sort_unstable();
    assert_eq!(listed(&*files, "", ListOptions::default()).await, names);
}

pub async fn every_valid_name_works_for_a_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    let names = names();
    for name in &names {
        let inside = format!("{name}/{name}");
        files.create(&inside, content(name)).await.unwrap();
        let info = files.info(name).await.unwrap();
        assert_eq!((info.path.as_str(), info.is_dir()), (name.as_str(), true));
        let found = listed(&*files, name, ListOptions::default()).await;
        assert_eq!(found, [inside], "the listing of {name:?}");
    }
    let mut keys: Vec<String> = names.iter().map(|name| format!("{name}/")).collect();
    keys.sort_unstable();
    assert_eq!(listed(&*files, "", ListOptions::default()).await, keys);
}

pub async fn a_file_of_any_name_can_be_copied_renamed_and_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    for name in &names() {
        let (copy, moved) = (format!("copies/{name}"), format!("moved/{name}"));
        files.create(name, content(name)).await.unwrap();
        assert_eq!(files.copy(name, &copy).await.unwrap().path, copy.as_str());
        let renamed = files.rename(name, &moved).await.unwrap();
        assert_eq!(renamed.path, moved.as_str());
        assert!(!files.exists(name).await.unwrap(), "{name:?} still exists after its rename");
        for path in [&copy, &moved] {
            assert_eq!(files.read(path).await.unwrap(), content(name), "{path:?}");
            files.delete(path).await.unwrap();
            assert!(!files.exists(path).await.unwrap(), "{path:?} still exists after its deletion");
        }
    }
}

pub async fn a_directory_of_any_name_can_be_renamed_and_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    for name in &names() {
        let (inside, moved) = (format!("{name}/inside"), format!("moved/{name}"));
        files.create(&inside, content(name)).await.unwrap();
        files.rename(name, &moved).await.unwrap();
        assert!(!files.exists(name).await.unwrap(), "{name:?} still exists after its rename");
        let read = files.read(&format!("{moved}/inside")).await.unwrap();
        assert_eq!(read, content(name), "{name:?}");
        files.delete_with(&moved, DeleteOptions::recursive()).await.unwrap();
        assert!(!files.exists(&moved).await.unwrap(), "{moved:?} still exists after its deletion");
    }
}

pub async fn names_that_look_alike_are_different_files(store: &dyn Fixture) {
    let files = store.backend().await;
    let pairs = [
        ("caf\u{e9}.txt", "cafe\u{301}.txt"),
        ("readme.TXT", "README.txt"),
        ("\u{130}", "i"),
        ("a%20b", "a b"),
        ("%41", "A"),
        ("x", "x "),
        ("y", "y."),
        ("nl", "nl\n"),
    ];
    for (one, other) in pairs {
        files.create(one, content(one)).await.unwrap();
        assert!(!files.exists(other).await.unwrap(), "{one:?} is not {other:?}");
        files.create(other, content(other)).await.unwrap();
        assert_eq!(files.read(one).await.unwrap(), content(one));
        assert_eq!(files.read(other).await.unwrap(), content(other));
    }
    let found = listed(&*files, "", ListOptions::default()).await;
    assert_eq!(found.len(), 2 * pairs.len(), "{found:?}");
}

pub async fn all_spellings_of_a_path_name_the_same_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let spellings = ["a/b", "/a/b", "//a///b", "a/b/", "a/b//", "./a/./b", "a/./b", "/./a/b/."];
    for created in spellings {
        let info = files.create(created, created).await.unwrap();
        assert_eq!(info.path, "a/b", "created as {created:?}");
        for found in spellings {
            assert_eq!(files.read(found).await.unwrap(), created, "read as {found:?}");
            assert_eq!(files.info(found).await.unwrap().path, "a/b", "{found:?}");
            refused(files.create(found, "").await, ErrorKind::AlreadyExists);
        }
        for directory in ["a", "/a", "a/", "//a//", "./a/."] {
            let found = listed(&*files, directory, ListOptions::default()).await;
            assert_eq!(found, ["a/b"], "listed as {directory:?}");
        }
        files.delete(created).await.unwrap();
    }
}

pub async fn a_trailing_slash_never_changes_the_meaning(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("file/", "content").await.unwrap();
    assert!(files.info("file").await.unwrap().is_file());
    files.update("file/", "changed").await.unwrap();
    files.copy("file/", "dir/copy/").await.unwrap();
    assert_eq!(files.read("dir/copy").await.unwrap(), "changed");
    files.rename("file/", "dir/moved/").await.unwrap();
    assert_eq!(files.read("dir/moved/").await.unwrap(), "changed");
    refused(files.create("dir/", "").await, ErrorKind::AlreadyExists);
    files.delete("dir/copy/").await.unwrap();
    let found = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(found, ["dir/", "dir/moved"]);
}

pub async fn a_name_may_have_up_to_255_bytes(store: &dyn Fixture) {
    let files = store.backend().await;
    for length in 240..=MAX_NAME_BYTES {
        let name = "n".repeat(length);
        files.create(&name, name.clone()).await.unwrap();
        assert_eq!(files.read(&name).await.unwrap(), name);
        let inside = format!("d{}/{name}", &name[1..]);
        files.rename(&name, &inside).await.unwrap();
        files.copy(&inside, &name).await.unwrap();
        files.update(&name, "replaced").await.unwrap();
    }
    let umlauts = format!("{}x", "\u{e9}".repeat(127));
    files.create(&umlauts, "").await.unwrap();
    let before = state(&*files).await;
    for name in ["n".repeat(MAX_NAME_BYTES + 1), "\u{e9}".repeat(128)] {
        let call = format!("a name of {} bytes", name.len());
        refused_when(files.create(&name, "").await, ErrorKind::InvalidPath, &call);
        refused_when(files.read(&name).await, ErrorKind::InvalidPath, &call);
    }
    assert_eq!(state(&*files).await, before);
}

/// Uses a file with every verb at a path of `names` components, each of 256 bytes with its slash. Returns the path.
async fn use_long_path(files: &dyn AsyncFileBackend, names: usize) -> String {
    let deep = format!("{}/", "d".repeat(MAX_NAME_BYTES)).repeat(names - 1);
    let longest = format!("{deep}{}/f", "e".repeat(253));
    let created = files.create(&longest, "deep down").await.unwrap();
    assert_eq!(created.path, longest.as_str());
    assert_eq!(files.read(&longest).await.unwrap(), "deep down");
    assert_eq!(files.info(&longest).await.unwrap().size, Some(9));
    files.update(&longest, "changed").await.unwrap();
    let all = listed(files, "", ListOptions::recursive()).await;
    assert_eq!((all.len(), all.last()), (names + 1, Some(&longest)));
    let parent = &longest[..longest.len() - 2];
    assert_eq!(listed(files, parent, ListOptions::default()).await, [longest.as_str()]);
    let other = format!("{deep}short");
    files.rename(&longest, &other).await.unwrap();
    files.copy(&other, &longest).await.unwrap();
    assert_eq!(files.read(&longest).await.unwrap(), "changed");
    files.delete(&longest).await.unwrap();
    assert!(!files.exists(&longest).await.unwrap());
    let top = "d".repeat(MAX_NAME_BYTES);
    files.delete_with(&top, DeleteOptions::recursive()).await.unwrap();
    assert!(listed(files, "", ListOptions::default()).await.is_empty());
    longest
}

pub async fn a_path_may_have_up_to_1024_bytes(store: &dyn Fixture) {
    let files = store.backend().await;
    // A store below a prefix has shorter paths.
    let names = (files.limits().path_bytes + 1).min(1_024) / 256;
    let longest = use_long_path(&*files, names).await;
    assert_eq!(longest.len(), 256 * names - 1);
}

pub async fn a_path_may_have_up_to_4096_bytes(store: &dyn Fixture) {
    let files = store.backend().await;
    let longest = format!("{}f", use_long_path(&*files, 16).await);
    assert_eq!(longest.len(), MAX_PATH_BYTES);
    files.create(&longest, "deep down").await.unwrap();
    assert_eq!(files.read(&longest).await.unwrap(), "deep down");
    files.delete_with(&"d".repeat(MAX_NAME_BYTES), DeleteOptions::recursive()).await.unwrap();
    let too_long = format!("{longest}f");
    refused(files.create(&too_long, "").await, ErrorKind::InvalidPath);
}
