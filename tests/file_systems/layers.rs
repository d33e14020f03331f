//! Files of the lower layer of an overlay, as the files of a container image are.

use std::fs;

use f9::prelude::*;
use f9::{
    CopyOptions, InfoChanges, LocalFileBackend, RenameOptions, UpdateOptions, WriteMode,
    WriteOptions,
};

use futures::TryStreamExt as _;

use crate::machine;
use crate::mounts::Mounted;

#[tokio::test]
async fn every_verb_changes_a_file_of_the_lower_layer() {
    let names =
        ["replaced", "matched", "appended", "copied", "renamed", "target", "deleted", "changed"];
    let lay_out = |lower: &std::path::Path| {
        fs::create_dir(lower.join("dir")).unwrap();
        for name in names {
            fs::write(lower.join("dir").join(name), "old").unwrap();
        }
    };
    let mounted = match Mounted::overlay(lay_out) {
        Ok(mounted) => mounted,
        Err(reason) => {
            let test = "every_verb_changes_a_file_of_the_lower_layer";
            return machine::not_run(test, &reason.to_string());
        }
    };
    let backend = LocalFileBackend::new(mounted.root()).await.unwrap();
    let written = backend.write("dir/replaced", "new").await.unwrap();
    assert_eq!(written.etag, backend.info("dir/replaced").await.unwrap().etag);
    let etag = backend.info("dir/matched").await.unwrap().etag.unwrap();
    let options = WriteOptions::default().with_mode(WriteMode::IfMatch(etag));
    let matched = backend.write_with("dir/matched", "new", options).await.unwrap();
    assert_eq!(matched.etag, backend.info("dir/matched").await.unwrap().etag);
    backend.update_with("dir/appended", " and new", UpdateOptions::append()).await.unwrap();
    backend.copy_with("dir/copied", "dir/target", CopyOptions::overwrite()).await.unwrap();
    let renamed = backend.rename_with("dir/renamed", "dir/target", RenameOptions::overwrite());
    assert_eq!(renamed.await.unwrap().etag, backend.info("dir/target").await.unwrap().etag);
    backend.delete("dir/deleted").await.unwrap();
    let changes = InfoChanges::default().with_permissions(0o600);
    let changed = backend.set_info("dir/changed", changes).await.unwrap();
    assert_eq!(changed.etag, backend.info("dir/changed").await.unwrap().etag);
    let found = backend.list("dir").await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    let found: Vec<_> = found.iter().map(|info| info.path.as_str()).collect();
    let expected = ["appended", "changed", "copied", "matched", "replaced", "target"];
    assert_eq!(found, expected.map(|name| format!("dir/{name}")));
    assert_eq!(backend.read("dir/appended").await.unwrap(), "old and new");
    for name in ["dir/replaced", "dir/matched"] {
        assert_eq!(backend.read(name).await.unwrap(), "new");
    }
}
