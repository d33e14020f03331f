//! The git backend of the blocking facade.

use std::io::Read as _;

use f9::ErrorKind;
use f9::blocking::GitSyncFileBackend;

use crate::clones::Clones;
use crate::remote::{Change, Remote};

#[test]
fn every_verb_works_in_synchronous_code() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "base")]));
    let clone = GitSyncFileBackend::open(clones.config("mine")).unwrap();
    assert!(clone.root().ends_with("mine"));
    clone.create("b", "x").unwrap();
    clone.push("Add").unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"x");

    clones.remote.commit(&[Change::write("a", "theirs")]);
    clone.update("a", "mine").unwrap();
    assert_eq!(clone.sync("Mine").unwrap_err().kind(), ErrorKind::Conflict);
    let versions = clone.conflict_versions("a").unwrap();
    let text = |reader: Option<f9::blocking::ByteReader>| {
        let mut text = String::new();
        reader.unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(text(versions.base), "base");
    assert_eq!(text(versions.local), "mine");
    assert_eq!(text(versions.remote), "theirs");
    assert_eq!(clone.conflict_report().unwrap().len(), 1);
    clone.conflict_accept_remote("a").unwrap();
    let session = clone.sync_session().unwrap();
    clone.sync("Theirs").unwrap();
    session.finish().unwrap();
    assert_eq!(clone.read("a").unwrap(), "theirs");
    assert!(clone.log("a", Some(9)).unwrap().len() >= 3);
    assert_eq!(clone.read_at("a", "HEAD~1").unwrap(), "mine");
}

#[tokio::test]
async fn the_facade_works_inside_a_runtime() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "base")]));
    let clone = GitSyncFileBackend::open(clones.config("mine")).unwrap();
    clone.create("b", "x").unwrap();
    clone.sync("Add").unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"x");
}
