//! The versions that `conflict_versions` returns.

use f9::prelude::*;
use f9::stream::ByteStream;
use f9::{ErrorKind, GitSyncFileBackend};
use futures::TryStreamExt as _;

use super::{Divergence, Resolution, resolve};
use crate::remote::Change;

async fn collected(stream: Option<ByteStream<'static>>) -> Option<Vec<u8>> {
    Some(stream?.try_collect::<Vec<_>>().await.unwrap().concat())
}

/// Returns the versions of base, local and remote.
async fn versions(mine: &GitSyncFileBackend, path: &str) -> [Option<Vec<u8>>; 3] {
    let versions = mine.conflict_versions(path).await.unwrap();
    [
        collected(versions.base).await,
        collected(versions.local).await,
        collected(versions.remote).await,
    ]
}

fn some<const N: usize>(contents: [Option<&[u8]>; N]) -> [Option<Vec<u8>>; N] {
    contents.map(|content| content.map(<[u8]>::to_vec))
}

fn long(last: &str) -> String {
    "line\n".repeat(100_000) + last
}

fn submodule(digit: &str) -> String {
    digit.repeat(40)
}

/// A conflict of every kind, as the changes of base, local and remote.
fn every_kind() -> [Vec<Change>; 3] {
    use Change as C;
    let base = vec![
        C::write("text", long("base")),
        C::write("bytes", b"\0\xff\r\n"),
        C::symlink("link", "base"),
        C::submodule("sub", &submodule("1")),
        C::write("deleted here", "base"),
        C::write("deleted there", "base"),
        C::write("empty", "base"),
        C::write("old", "moved\n".repeat(20)),
        C::write("type", "base"),
    ];
    let local = vec![
        C::write("text", long("mine")),
        C::write("bytes", b"\0\xffmine"),
        C::symlink("link", b"mine \xff"),
        C::submodule("sub", &submodule("2")),
        C::delete("deleted here"),
        C::write("deleted there", "mine"),
        C::write("empty", ""),
        C::write("added", "mine"),
        C::rename("old", "here"),
        C::write("type", "mine"),
        C::write("place", "mine"),
    ];
    let remote = vec![
        C::write("text", long("theirs")),
        C::write("bytes", b"\0\xfftheirs"),
        C::symlink("link", "theirs"),
        C::submodule("sub", &submodule("3")),
        C::write("deleted here", "theirs"),
        C::delete("deleted there"),
        C::write("empty", "theirs"),
        C::write("added", "theirs"),
        C::rename("old", "there"),
        C::symlink("type", "theirs"),
        C::write("place/below", "theirs"),
    ];
    [base, local, remote]
}

#[tokio::test]
async fn each_side_is_returned_byte_for_byte() {
    let [base, local, remote] = every_kind();
    let divergence = Divergence::between(&base, &local, &remote).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    drop(mine);
    let mine = divergence.mine().await;
    let moved = "moved\n".repeat(20);
    let moved = moved.as_bytes();
    let (one, two, three) = (submodule("1"), submodule("2"), submodule("3"));
    let texts = [long("base"), long("mine"), long("theirs")];
    let expected: [(&str, [Option<&[u8]>; 3]); 13] = [
        ("text", [0, 1, 2].map(|at| Some(texts[at].as_bytes()))),
        ("bytes", [Some(b"\0\xff\r\n"), Some(b"\0\xffmine"), Some(b"\0\xfftheirs")]),
        ("link", [Some(b"base"), Some(b"mine \xff"), Some(b"theirs")]),
        ("sub", [&one, &two, &three].map(|name| Some(name.as_bytes()))),
        ("deleted here", [Some(b"base"), None, Some(b"theirs")]),
        ("deleted there", [Some(b"base"), Some(b"mine"), None]),
        ("empty", [Some(b"base"), Some(b""), Some(b"theirs")]),
        ("added", [None, Some(b"mine"), Some(b"theirs")]),
        ("old", [Some(moved), None, None]),
        ("here", [None, Some(moved), None]),
        ("there", [None, None, Some(moved)]),
        ("type", [Some(b"base"), Some(b"mine"), Some(b"theirs")]),
        ("place", [None, Some(b"mine"), None]),
    ];
    for (path, expected) in expected {
        // Without `assert_eq!`, which would print half a megabyte.
        assert!(versions(&mine, path).await == some(expected), "{path}");
    }
    let error = mine.conflict_versions("place/below").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
    // Versions of resolved conflicts are available until the merge is complete.
    resolve(&mine, "added", Resolution::Local).await;
    let added = [None, Some(&b"mine"[..]), Some(b"theirs")];
    assert_eq!(versions(&mine, "added").await, some(added));
    // All kinds at once are resolved like each kind alone.
    for conflict in mine.conflict_report().await.unwrap() {
        resolve(&mine, conflict.path.as_str(), Resolution::Local).await;
    }
    mine.sync("Resolve").await.unwrap();
    let tree = |branch: &str| divergence.shared().git(["rev-parse", &format!("{branch}^{{tree}}")]);
    assert_eq!(tree("main"), tree("local"));
    divergence.assert_completed(&mine).await;
}

#[test]
fn the_runtime_can_end_after_a_stream_was_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let divergence = runtime.block_on(async {
        let long = |last: &str| "line\n".repeat(100_000) + last;
        let write = |last: &str| [Change::write("f", long(last))];
        let divergence =
            Divergence::between(&write("base"), &write("mine"), &write("theirs")).await;
        let mine = divergence.mine().await;
        mine.pull().await.unwrap_err();
        let mut local = mine.conflict_versions("f").await.unwrap().local.unwrap();
        assert!(!local.try_next().await.unwrap().unwrap().is_empty());
        divergence
    });
    // The task that would end the process does not run any more.
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mine = divergence.mine().await;
        resolve(&mine, "f", Resolution::Local).await;
        mine.sync("Resolve").await.unwrap();
        divergence.assert_completed(&mine).await;
    });
}
