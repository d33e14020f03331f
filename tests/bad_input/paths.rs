//! Paths and patterns, items 1 to 31.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use f9::ErrorKind::{InvalidPath, InvalidPattern, PathEscapesRoot, ReservedPath};
use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, FilePath, ListOptions, LocalFileBackend};
use futures::StreamExt as _;

use crate::store::Store;
use crate::table::Expected::{Gives, Refused};
use crate::table::Given::{Dir, File};
use crate::table::{Call, Row, acting, check, check_text, every};

#[tokio::test]
async fn paths_that_are_refused() {
    let n = |bytes| "n".repeat(bytes);
    let long_path = format!("{}x", "12345678/".repeat(455) + "x");
    assert_eq!(long_path.len(), 4097);
    let deep = "a/".repeat(10_000);
    let rows: Vec<Row> = vec![
        ("1: nothing", vec![], acting(""), Refused(InvalidPath)),
        ("2: a dot", vec![], acting("."), Refused(InvalidPath)),
        ("3: a slash", vec![], acting("/"), Refused(InvalidPath)),
        ("4: two dots", vec![], every(".."), Refused(PathEscapesRoot)),
        ("5: out and in again", vec![Dir("a/b")], every("a/../../b"), Refused(PathEscapesRoot)),
        ("6: up and down, within", vec![Dir("a/b")], every("a/../b"), Refused(PathEscapesRoot)),
        ("10: a NUL", vec![File("a")], every("a\0b"), Refused(InvalidPath)),
        ("12: a name of 256 bytes", vec![], every(&n(256)), Refused(InvalidPath)),
        ("13: 128 characters of 2 bytes", vec![], every(&"é".repeat(128)), Refused(InvalidPath)),
        ("15: 4097 bytes", vec![], every(&long_path), Refused(InvalidPath)),
        ("16: 10,000 deep", vec![], every(&deep), Refused(InvalidPath)),
        ("27: f9's own directory", vec![Dir(".f9")], every(".f9"), Refused(ReservedPath)),
        ("27: and below", vec![File("a/.f9/b")], every("a/.f9/b"), Refused(ReservedPath)),
        ("27: a temporary", vec![], every("a/.f9tmp-x"), Refused(ReservedPath)),
        (
            "27: the lock",
            vec![File(".backend.lock")],
            every(".backend.lock"),
            Refused(ReservedPath),
        ),
    ];
    check(rows).await;
    let message = |path: &str| FilePath::parse(path).unwrap_err().to_string();
    assert!(message(&"é".repeat(128)).contains("256 bytes"), "13: bytes are counted");
}

#[tokio::test]
async fn every_spelling_of_the_root_can_be_listed() {
    let rows: Vec<Row> = ["", ".", "/", "./", "//", "/./."]
        .into_iter()
        .map(|root| ("1 to 3: the root", vec![], vec![Call::List(root.into())], Gives("kept")))
        .collect();
    check(rows).await;
}

/// Spellings of an existing path, and the path.
#[tokio::test]
async fn all_spellings_mean_the_same_path() {
    let rows: Vec<Row> = [
        ("7: a leading slash", "etc/passwd", "/etc/passwd"),
        ("8: two of them", "server/share", "//server/share"),
        ("17: a slash after a file", "file", "file/"),
        ("18: two slashes", "a/b", "a//b"),
        ("18: a dot before", "a", "./a"),
        ("18: a dot between", "a/b", "a/./b"),
    ]
    .into_iter()
    .map(|(item, path, spelt)| {
        let reads = vec![Call::Read(spelt.to_owned()), Call::StreamRead(spelt.to_owned())];
        (item, vec![File(path)], reads, Gives("old"))
    })
    .collect();
    check(rows).await;
}

const NAMES: &[(&str, &str)] = &[
    ("8: a share of Windows", r"\\server\share"),
    ("8: a long path of Windows", r"\\?\C:\x"),
    ("9: a drive", r"C:\x"),
    ("9: a drive without a slash", "C:x"),
    ("11: a line break", "a\nb"),
    ("11: an escape sequence", "a\u{1b}[2Jb"),
    ("11: a delete character", "a\u{7f}b"),
    ("19: a space before", " a"),
    ("19: a space behind", "a "),
    ("19: a dot behind", "a."),
    ("20: a device of Windows", "CON"),
    ("20: with an extension", "nul.txt"),
    ("20: a port", "COM1"),
    ("20: with a superscript", "COM¹"),
    ("20: in the middle", "x/AUX/y"),
    ("21: a colon", "a:b"),
    ("21: a stream of Windows", "a:$DATA"),
    ("21: a short name of Windows", "PROGRA~1"),
    ("22: a backslash", r"a\..\b"),
    ("28: as others name temporaries", "x.tmp"),
    ("28: as others name locks", "x.lock"),
    ("28: as others name versions", ".versions"),
    ("29: percent signs", "%2e%2e"),
    ("29: percent signs for slashes", "%2e%2e%2fa"),
    ("30: right to left", "\u{202e}txt.exe"),
    ("30: of no width", "a\u{200b}b"),
];

#[tokio::test]
async fn names_that_are_only_names() {
    let longest = "n".repeat(255);
    let longest = ("14: a name of 255 bytes", longest.as_str());
    for (item, name) in NAMES.iter().copied().chain([longest]) {
        let store = Store::new().await;
        let files = &store.backend;
        let missing = files.read(name).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{item}");
        check_text(&missing).unwrap_or_else(|wrong| panic!("{item}: {wrong}"));
        assert_eq!(files.create(name, "one").await.unwrap().path, name, "{item}");
        let again = files.create(name, "two").await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{item}");
        files.create_with(name, "two", CreateOptions::overwrite()).await.unwrap();
        // Opening removes temporary files of dead processes, and this is none.
        LocalFileBackend::new(&store.root).await.unwrap();
        assert_eq!(fs::read(store.on_disk(name)).unwrap(), b"two", "{item}");
        files.rename(name, "plain").await.unwrap();
        files.copy("plain", name).await.unwrap();
        let found = files.list_with("", ListOptions::recursive()).await.unwrap();
        let found: Vec<String> = found.map(|entry| entry.unwrap().path.into()).collect().await;
        assert!(found.contains(&name.to_owned()), "{item}: {found:?}");
        files.delete(name).await.unwrap();
        assert!(!files.exists(name).await.unwrap(), "{item}");
    }
}

#[tokio::test]
async fn item_25_two_forms_of_one_letter_are_two_files() {
    let store = Store::new().await;
    for (name, content) in [("caf\u{e9}", "one"), ("cafe\u{301}", "two")] {
        store.backend.create(name, content).await.unwrap();
    }
    assert_eq!(store.backend.read("caf\u{e9}").await.unwrap(), "one");
    assert_eq!(fs::read_dir(&store.root).unwrap().count(), 2);
}

#[tokio::test]
async fn items_23_and_24_a_name_that_is_not_utf8_is_reported_and_the_listing_goes_on() {
    let lone_surrogate = b"b\xed\xa0\x80";
    for name in [&b"b\xff"[..], lone_surrogate] {
        let store = Store::new().await;
        for name in [b"a", name, b"c"] {
            fs::write(store.root.join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let entries: Vec<_> = store.backend.list("").await.unwrap().collect().await;
        let [Ok(before), Err(error), Ok(after)] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((before.path.as_str(), after.path.as_str()), ("a", "c"));
        assert_eq!(error.kind(), InvalidPath);
        check_text(error).unwrap();
    }
}

#[tokio::test]
async fn patterns() {
    let glob = |pattern: &str| vec![Call::Glob(pattern.to_owned())];
    let started = Instant::now();
    let rows: Vec<Row> = vec![
        ("31: out of the root", vec![], glob("../*"), Refused(InvalidPattern)),
        ("31: out of it further down", vec![], glob("**/../*"), Refused(InvalidPattern)),
        ("31: out of it in braces", vec![], glob("{a,..}/*"), Refused(InvalidPattern)),
        ("31: an open bracket", vec![], glob("["), Refused(InvalidPattern)),
        ("31: an open brace", vec![], glob("{a"), Refused(InvalidPattern)),
        ("31: 10,000 stars", vec![], glob(&"*".repeat(10_000)), Refused(InvalidPattern)),
        ("31: a NUL", vec![], glob("a\0*"), Refused(InvalidPattern)),
        ("31: a line break", vec![], glob("[\n\u{1b}[2J"), Refused(InvalidPattern)),
        ("31: the system's own files", vec![File("etc/a")], glob("/etc/*"), Gives("etc/a")),
        ("31: as many stars as fit", vec![], glob(&"*".repeat(4096)), Gives("kept")),
        ("31: stars that do not meet", vec![], glob(&format!("{}x", "*k".repeat(99))), Gives("")),
    ];
    check(rows).await;
    assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
}
