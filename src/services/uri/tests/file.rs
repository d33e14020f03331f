//! The scheme `file`.

use std::path::Path;

use super::parsed;
use crate::backend::Capability;
use crate::core::error::ErrorKind;
use crate::core::options::CreateOptions;
use crate::prelude::*;
use crate::services::uri::file::FileUri;
use crate::services::uri::resolve_backend;

#[test]
fn file_uris_name_directories() {
    for (text, root, create_root, durability) in [
        ("file:///abs/dir", "/abs/dir", true, "atomic"),
        ("file://rel/dir", "rel/dir", true, "atomic"),
        ("file://rel", "rel", true, "atomic"),
        ("file://./rel", "./rel", true, "atomic"),
        ("file://../rel", "../rel", true, "atomic"),
        ("file:///", "/", true, "atomic"),
        ("file:///a%20b/%3F%23", "/a b/?#", true, "atomic"),
        ("file://a%20b/c", "a b/c", true, "atomic"),
        ("file:///d?create_root=false", "/d", false, "atomic"),
        ("file:///d?create_root=1&durability=atomic", "/d", true, "atomic"),
        ("file:///d?durability=synced&create_root=0", "/d", false, "synced"),
        ("file://./localhost/d", "./localhost/d", true, "atomic"),
    ] {
        let file = FileUri::from(&parsed(text)).unwrap();
        assert_eq!(file.root, Path::new(root), "{text}");
        assert_eq!(file.create_root, create_root, "{text}");
        assert_eq!(file.durability.to_string(), durability, "{text}");
    }
}

#[test]
fn file_uris_without_a_directory_are_rejected() {
    for (text, reason) in [
        ("file://", "the directory is missing"),
        ("file://?durability=synced", "the directory is missing"),
        ("file://localhost/srv", "three slashes"),
        ("file://LocalHost", "three slashes"),
        ("file:///d?create_root=yes", "`create_root` must be true, false"),
        ("file:///d?create_root=TRUE", "`create_root` must be true, false"),
        ("file:///d?durability=none", "`durability` must be atomic or synced"),
        ("file:///d?durability=", "`durability` must be atomic or synced"),
        ("file:///d?x=1", "expected one of create_root, durability"),
        ("file:///d?Durability=synced", "expected one of create_root, durability"),
    ] {
        let error = FileUri::from(&parsed(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_directory_is_opened_by_uri() {
    let parent = tempfile::tempdir().unwrap();
    let uri = format!("file://{}/a%20b", parent.path().display());

    let required = format!("{uri}?create_root=false");
    let error = resolve_backend(&required).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!parent.path().join("a b").exists());

    for parameters in ["", "?create_root=false&durability=synced"] {
        let backend = resolve_backend(&format!("{uri}{parameters}")).await.unwrap();
        backend.create_with("x", "1", CreateOptions::overwrite()).await.unwrap();
        let durable = backend.capabilities().has(Capability::Durable);
        assert_eq!(durable, parameters.ends_with("synced"));
    }
    let content = std::fs::read_to_string(parent.path().join("a b/x")).unwrap();
    assert_eq!(content, "1");
}
