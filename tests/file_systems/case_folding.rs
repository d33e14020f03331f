//! A directory that ignores case.

use std::fs;

use f9::prelude::*;
use f9::{ErrorKind, LocalFileBackend, RenameOptions};

use futures::TryStreamExt as _;

use crate::machine;
use crate::mounts::Mounted;

#[tokio::test]
async fn no_name_vanishes_and_reserved_names_stay_hidden_where_case_is_ignored() {
    let mounted = match Mounted::ntfs_ignoring_case() {
        Ok(mounted) => mounted,
        Err(reason) => {
            let test = "no_name_vanishes_and_reserved_names_stay_hidden_where_case_is_ignored";
            return machine::not_run(test, &reason.to_string());
        }
    };
    let backend = LocalFileBackend::new(mounted.root()).await.unwrap();
    for (at, has_another_link) in [("one", false), ("two", true)] {
        backend.create(&format!("{at}/file"), "kept").await.unwrap();
        fs::create_dir_all(mounted.root().join("elsewhere")).unwrap();
        if has_another_link {
            let on_disk = mounted.root().join(at).join("file");
            fs::hard_link(on_disk, mounted.root().join("elsewhere/link")).unwrap();
        }
        let (lower, upper) = (format!("{at}/file"), format!("{at}/FILE"));
        backend.rename_with(&lower, &upper, RenameOptions::overwrite()).await.unwrap();
        assert_eq!(backend.read(&upper).await.unwrap(), "kept");
        let left = fs::read_dir(mounted.root().join(at)).unwrap().count();
        assert_eq!(left, 1);
    }
    // A hard link with another name is still renamed.
    let (from, to) = ("elsewhere/link", "two/file");
    backend.rename_with(from, to, RenameOptions::overwrite()).await.unwrap();
    assert_eq!(backend.read(to).await.unwrap(), "kept");
    assert!(!backend.exists(from).await.unwrap());
    for name in [".F9/x", ".F9TMP-1", ".Backend.Lock", ".bac\u{212a}end.loc\u{212a}"] {
        let error = backend.create(name, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReservedPath, "{name}");
    }
    let _session = backend.sync_session().await.unwrap();
    let names = backend.list("").await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert!(names.iter().all(|info| !f9::is_reserved_name(info.path.as_str())), "{names:?}");
}
