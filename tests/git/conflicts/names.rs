//! Conflicts at paths that are anything but words.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use f9::prelude::*;

use super::{Dispute, SETTLED, Way, photograph, report, settle};
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
async fn every_name_is_reported_and_settled_as_it_is() {
    let write = |content: &'static str| NAMES.map(|name| Change::write(name, content));
    let dispute = Dispute::between(&write("base"), &write("mine"), &write("theirs")).await;
    let mine = dispute.mine().await;
    let before = photograph(mine.root());
    let mut sorted = NAMES;
    sorted.sort_unstable();
    dispute.assert_open(&mine, &sorted.map(|name| format!("UU Content {name}"))).await;
    assert_eq!(photograph(mine.root()), before);
    drop(mine);
    let mine = dispute.mine().await;
    let ways = [Way::Local, Way::Remote, Way::Content];
    for (name, way) in NAMES.into_iter().zip(ways.into_iter().cycle()) {
        settle(&mine, name, way).await;
    }
    mine.sync("Settle").await.unwrap();
    for (name, expected) in NAMES.into_iter().zip(["mine", "theirs", SETTLED].into_iter().cycle()) {
        let found = dispute.shared().main().file(name).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), expected, "{name:?}");
        assert_eq!(mine.read(name).await.unwrap(), expected, "{name:?}");
    }
    assert_eq!(dispute.shared().main().tree().len(), NAMES.len() + 1);
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn a_file_and_a_directory_of_every_name_are_settled_as_a_whole() {
    let files = NAMES.map(|name| Change::write(name, "mine"));
    let directories = NAMES.map(|name| Change::write(format!("{name}/below"), "theirs"));
    let dispute = Dispute::between(&[], &files, &directories).await;
    let mine = dispute.mine().await;
    let mut sorted = NAMES;
    sorted.sort_unstable();
    dispute.assert_open(&mine, &sorted.map(|name| format!("AA DirectoryFile {name}"))).await;
    let ways = [Way::Local, Way::Remote, Way::Content];
    for (name, way) in NAMES.into_iter().zip(ways.into_iter().cycle()) {
        settle(&mine, name, way).await;
    }
    mine.sync("Settle").await.unwrap();
    for (number, name) in NAMES.into_iter().enumerate() {
        let (file, below) = (dispute.shared().main().file(name), format!("{name}/below"));
        let below = dispute.shared().main().file(below);
        let expected =
            [(Some("mine"), None), (None, Some("theirs")), (Some(SETTLED), None)][number % 3];
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        // A directory has no content.
        assert_eq!((file, below), (bytes(expected.0), bytes(expected.1)), "{name:?}");
    }
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn a_name_that_is_no_text_is_settled_by_what_is_shown_of_it() {
    const NAME: &[u8] = b"d/caf\xe9 \"\n";
    let shown = "d/caf\u{fffd} \"\n";
    let write = |content: &str| [Change::write(NAME, content)];
    for (way, expected) in [(Way::Local, "mine"), (Way::Remote, "theirs"), (Way::Content, SETTLED)]
    {
        let dispute = Dispute::between(&write("base"), &write("mine"), &write("theirs")).await;
        let mine = dispute.mine().await;
        dispute.assert_open(&mine, &[format!("UU Content {shown}")]).await;
        let here = mine.root().join(OsStr::from_bytes(NAME));
        assert_eq!(fs::read(&here).unwrap(), b"mine");
        drop(mine);
        let mine = dispute.mine().await;
        assert_eq!(report(&mine).await, [format!("UU Content {shown}")]);
        settle(&mine, shown, way).await;
        mine.sync("Settle").await.unwrap();
        assert_eq!(dispute.shared().main().file(NAME).unwrap(), expected.as_bytes());
        assert_eq!(fs::read(&here).unwrap(), expected.as_bytes());
        dispute.assert_concluded(&mine).await;
    }
}

#[tokio::test]
async fn names_that_are_shown_alike_are_each_settled() {
    let (one, other): (&[u8], &[u8]) = (b"\xe9", b"\xff");
    let write = |content: &str| [Change::write(one, content), Change::write(other, content)];
    let dispute = Dispute::between(&write("base"), &write("mine"), &write("theirs")).await;
    let mine = dispute.mine().await;
    let shown = "\u{fffd}";
    dispute.assert_open(&mine, &[one, other].map(|_| format!("UU Content {shown}"))).await;
    // The first that is open, then the next.
    settle(&mine, shown, Way::Local).await;
    assert_eq!(report(&mine).await, [format!("UU Content {shown}")]);
    settle(&mine, shown, Way::Remote).await;
    mine.sync("Settle").await.unwrap();
    assert_eq!(dispute.shared().main().file(one).unwrap(), b"mine");
    assert_eq!(dispute.shared().main().file(other).unwrap(), b"theirs");
    dispute.assert_concluded(&mine).await;
}
