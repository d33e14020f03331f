//! Conflicts at unusual paths.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use f9::prelude::*;

use super::{Divergence, RESOLVED, Resolution, report, resolve, snapshot};
use crate::remote::Change;

const NAMES: [&str; 22] = [
    "-",
    "--",
    "--theirs",
    "-f",
    ":",
    ":!x",
    ":(top)x",
    ":x",
    "*",
    "?",
    "[k]ept",
    "a b",
    " lead",
    "tab\tin",
    "line\nend\n",
    "\"quoted\"",
    "back\\slash",
    "naïve/日本",
    "e\u{301}",
    "~",
    "#x",
    "%41",
];

#[tokio::test]
async fn every_name_is_reported_and_resolved() {
    let write = |content: &'static str| NAMES.map(|name| Change::write(name, content));
    let divergence = Divergence::between(&write("base"), &write("mine"), &write("theirs")).await;
    let mine = divergence.mine().await;
    let before = snapshot(mine.root());
    let mut sorted = NAMES;
    sorted.sort_unstable();
    divergence.assert_conflicts(&mine, &sorted.map(|name| format!("UU Content {name}"))).await;
    assert_eq!(snapshot(mine.root()), before);
    drop(mine);
    let mine = divergence.mine().await;
    let ways = [Resolution::Local, Resolution::Remote, Resolution::Content];
    for (name, resolution) in NAMES.into_iter().zip(ways.into_iter().cycle()) {
        resolve(&mine, name, resolution).await;
    }
    mine.sync("Resolve").await.unwrap();
    for (name, expected) in NAMES.into_iter().zip(["mine", "theirs", RESOLVED].into_iter().cycle())
    {
        let found = divergence.shared().main().file(name).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), expected, "{name:?}");
        assert_eq!(mine.read(name).await.unwrap(), expected, "{name:?}");
    }
    assert_eq!(divergence.shared().main().tree().len(), NAMES.len() + 1);
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn a_file_and_a_directory_of_every_name_are_resolved_as_a_whole() {
    let files = NAMES.map(|name| Change::write(name, "mine"));
    let directories = NAMES.map(|name| Change::write(format!("{name}/below"), "theirs"));
    let divergence = Divergence::between(&[], &files, &directories).await;
    let mine = divergence.mine().await;
    let mut sorted = NAMES;
    sorted.sort_unstable();
    divergence
        .assert_conflicts(&mine, &sorted.map(|name| format!("AA DirectoryFile {name}")))
        .await;
    let ways = [Resolution::Local, Resolution::Remote, Resolution::Content];
    for (name, resolution) in NAMES.into_iter().zip(ways.into_iter().cycle()) {
        resolve(&mine, name, resolution).await;
    }
    mine.sync("Resolve").await.unwrap();
    for (number, name) in NAMES.into_iter().enumerate() {
        let (file, below) = (divergence.shared().main().file(name), format!("{name}/below"));
        let below = divergence.shared().main().file(below);
        let expected =
            [(Some("mine"), None), (None, Some("theirs")), (Some(RESOLVED), None)][number % 3];
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        // A directory has no content.
        assert_eq!((file, below), (bytes(expected.0), bytes(expected.1)), "{name:?}");
    }
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_resolved_by_its_displayed_form() {
    const NAME: &[u8] = b"d/caf\xe9 \"\n";
    let shown = "d/caf\u{fffd} \"\n";
    let write = |content: &str| [Change::write(NAME, content)];
    for (resolution, expected) in [
        (Resolution::Local, "mine"),
        (Resolution::Remote, "theirs"),
        (Resolution::Content, RESOLVED),
    ] {
        let divergence =
            Divergence::between(&write("base"), &write("mine"), &write("theirs")).await;
        let mine = divergence.mine().await;
        divergence.assert_conflicts(&mine, &[format!("UU Content {shown}")]).await;
        let here = mine.root().join(OsStr::from_bytes(NAME));
        assert_eq!(fs::read(&here).unwrap(), b"mine");
        drop(mine);
        let mine = divergence.mine().await;
        assert_eq!(report(&mine).await, [format!("UU Content {shown}")]);
        resolve(&mine, shown, resolution).await;
        mine.sync("Resolve").await.unwrap();
        assert_eq!(divergence.shared().main().file(NAME).unwrap(), expected.as_bytes());
        assert_eq!(fs::read(&here).unwrap(), expected.as_bytes());
        divergence.assert_completed(&mine).await;
    }
}

#[tokio::test]
async fn names_that_are_displayed_alike_are_resolved_one_by_one() {
    let (one, other): (&[u8], &[u8]) = (b"\xe9", b"\xff");
    let write = |content: &str| [Change::write(one, content), Change::write(other, content)];
    let divergence = Divergence::between(&write("base"), &write("mine"), &write("theirs")).await;
    let mine = divergence.mine().await;
    let shown = "\u{fffd}";
    divergence.assert_conflicts(&mine, &[one, other].map(|_| format!("UU Content {shown}"))).await;
    // The first unresolved one, then the next.
    resolve(&mine, shown, Resolution::Local).await;
    assert_eq!(report(&mine).await, [format!("UU Content {shown}")]);
    resolve(&mine, shown, Resolution::Remote).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(divergence.shared().main().file(one).unwrap(), b"mine");
    assert_eq!(divergence.shared().main().file(other).unwrap(), b"theirs");
    divergence.assert_completed(&mine).await;
}
