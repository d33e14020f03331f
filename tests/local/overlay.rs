//! Overlay file systems, as containers have them: a directory of a lower layer can be emptied and deleted, and not renamed.

use std::fs;
use std::path::{Path, PathBuf};

use f9::prelude::*;
use f9::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Durability, ErrorKind,
    LocalFileBackend, RenameOptions, UpdateOptions,
};
use futures::executor::block_on;

use crate::machine::{Mount, not_run};
use crate::store::contents;

/// Mounts an overlay file system in the directory `at`, runs `test` with its root, and unmounts it.
fn on_an_overlay(name: &str, test: impl Fn(&Path, Durability)) {
    for durability in [Durability::Atomic, Durability::Synced] {
        let dir = tempfile::tempdir().unwrap();
        // A root that is an overlay itself cannot be the upper layer of another one.
        let mounted = Mount::new(&["-t", "tmpfs", "f9"], dir.path());
        let _below = match mounted {
            Ok(below) => below,
            Err(reason) => return not_run(name, &reason.to_string()),
        };
        let [lower, upper, work, root] = ["lower", "upper", "work", "root"].map(|name| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        });
        for path in ["tree/a/b/deep", "tree/a/file", "tree/c", "other/file", "file"] {
            let path = lower.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "lower").unwrap();
        }
        let [lower, upper, work] =
            [lower, upper, work].map(|path: PathBuf| path.display().to_string());
        let layers = format!("lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off");
        match Mount::new(&["-t", "overlay", "-o", &layers, "f9"], &root) {
            Ok(_mounted) => test(&root, durability),
            Err(reason) => return not_run(name, &reason.to_string()),
        }
    }
}

fn open(root: &Path, durability: Durability) -> LocalFileBackend {
    block_on(LocalFileBackend::builder(root).durability(durability).open()).unwrap()
}

#[test]
fn a_directory_of_a_lower_layer_is_deleted_with_all_its_entries() {
    on_an_overlay(
        "a_directory_of_a_lower_layer_is_deleted_with_all_its_entries",
        |root, durability| {
            let backend = open(root, durability);
            block_on(async {
                backend.create("tree/new/file", "upper").await.unwrap();
                backend.delete_with("tree", DeleteOptions::recursive()).await.unwrap();
                assert!(!backend.exists("tree").await.unwrap());
                // A directory of both layers that was made again is one of the upper layer.
                backend.create("tree/again", "upper").await.unwrap();
                backend.delete_with("tree", DeleteOptions::recursive()).await.unwrap();
                let many = ["other", "missing"];
                let deleted =
                    backend.delete_many_with(&many, DeleteOptions::recursive()).await.unwrap();
                assert!(deleted[0].is_ok(), "{deleted:?}");
                assert_eq!(deleted[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
                let left: Vec<_> = contents(root).into_keys().collect();
                assert_eq!(left, [root.join("file")]);
            });
        },
    );
}

#[test]
fn a_directory_of_a_lower_layer_that_cannot_be_deleted_is_named() {
    let test = "a_directory_of_a_lower_layer_that_cannot_be_deleted_is_named";
    on_an_overlay(test, |root, durability| {
        let busy = root.join("tree/a/b");
        let _mounted = match Mount::new(&["-t", "tmpfs", "f9"], &busy) {
            Ok(mounted) => mounted,
            Err(reason) => return not_run(test, &reason.to_string()),
        };
        let backend = open(root, durability);
        let deleted = block_on(backend.delete_with("tree", DeleteOptions::recursive()));
        let error = deleted.unwrap_err();
        assert_eq!(error.path(), Some("tree/a/b"), "{error}");
        assert!(root.join("tree/a/b").exists());
        let names = contents(root);
        assert!(names.keys().all(|path| !path.to_string_lossy().contains(".f9")), "{names:?}");
    });
}

#[test]
fn a_directory_of_a_lower_layer_is_not_renamed_and_the_error_says_why() {
    let test = "a_directory_of_a_lower_layer_is_not_renamed_and_the_error_says_why";
    on_an_overlay(test, |root, durability| {
        let backend = open(root, durability);
        block_on(async {
            let before = contents(root);
            for (to, options) in [
                ("moved", RenameOptions::default()),
                ("new/moved", RenameOptions::default()),
                ("moved", RenameOptions::overwrite()),
            ] {
                let error = backend.rename_with("tree", to, options).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(
                    error.to_string(),
                    format!(
                        "cannot rename `tree` to `{to}`: not supported by this backend: a directory of a lower layer of an \
                         overlay file system cannot be renamed; copy its files and delete it"
                    )
                );
                assert!(contents(root) == before);
            }
            backend.rename("file", "moved").await.unwrap();
            backend.create("mine/file", "upper").await.unwrap();
            backend.rename("mine", "yours").await.unwrap();
            assert_eq!(backend.read("yours/file").await.unwrap(), "upper");
        });
    });
}

#[test]
fn files_of_a_lower_layer_are_replaced_copied_and_appended_to() {
    let test = "files_of_a_lower_layer_are_replaced_copied_and_appended_to";
    on_an_overlay(test, |root, durability| {
        let backend = open(root, durability);
        block_on(async {
            backend.update_with("file", "+", UpdateOptions::append()).await.unwrap();
            assert_eq!(backend.read("file").await.unwrap(), "lower+");
            let info =
                backend.create_with("file", "upper", CreateOptions::overwrite()).await.unwrap();
            assert_eq!(backend.info("file").await.unwrap().etag, info.etag);
            let overwrite = CopyOptions::overwrite();
            backend.copy_with("tree/c", "tree/a/file", overwrite.clone()).await.unwrap();
            backend.copy_with("file", "tree/c", overwrite).await.unwrap();
            backend.create_dir_with("tree/a", CreateDirOptions::overwrite()).await.unwrap();
            assert_eq!(backend.read("tree/a/file").await.unwrap(), "lower");
            assert_eq!(backend.read("tree/c").await.unwrap(), "upper");
            backend
                .rename_with("tree/a/b/deep", "tree/c", RenameOptions::overwrite())
                .await
                .unwrap();
            assert_eq!(backend.read("tree/c").await.unwrap(), "lower");
        });
    });
}
