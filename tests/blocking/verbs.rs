//! Every verb of the facade calls the backend's verb of the same name.

use std::sync::Arc;

use f9::blocking::{Blocking, FileBackend, LocalFileBackend, MemoryFileBackend};
use f9::{
    AsyncFileBackend, AsyncSyncFileBackend, Capability, ChecksumAlgorithm, CopyOptions,
    CreateDirOptions, CreateOptions, DeleteOptions, ErrorKind, GlobOptions, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, UpdateOptions,
};

use crate::scripted::Scripted;

fn any() -> FileBackend {
    MemoryFileBackend::new().unwrap().erased()
}

#[test]
fn verbs_without_options_work() {
    let files = any();
    assert!(files.capabilities().has(Capability::Append));
    let info = files.create("d/a.txt", "one").unwrap();
    assert_eq!((info.path.as_str(), info.size), ("d/a.txt", Some(3)));
    let refused = files.create("d/a.txt", vec![1]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    files.create_dir("e").unwrap();
    files.update("d/a.txt", "two").unwrap();
    assert_eq!(files.read("d/a.txt").unwrap(), "two");
    assert_eq!(files.info("d/a.txt").unwrap().size, Some(3));
    files.copy("d/a.txt", "d/b.txt").unwrap();
    files.rename("d/b.txt", "e/c.txt").unwrap();
    assert_eq!(files.glob("*").unwrap(), ["d", "e"]);
    assert_eq!(files.glob_dirs("**").unwrap(), ["d", "e"]);
    assert_eq!(files.glob_files("**").unwrap(), ["d/a.txt", "e/c.txt"]);
    assert_eq!(files.list("").unwrap().count(), 2);
    let sum = files.checksum("d/a.txt", ChecksumAlgorithm::Md5).unwrap();
    files.verify("d/a.txt", &sum.to_string()).unwrap();
    let wrong = files.verify("e/c.txt", "md5:00000000000000000000000000000000");
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::IntegrityMismatch);
    let sums = files.checksum_many(&["e/c.txt", "none", "d/a.txt"], ChecksumAlgorithm::Md5);
    assert_eq!(sums.unwrap().into_values().collect::<Vec<_>>(), [sum.clone(), sum]);
    files.delete("d/a.txt").unwrap();
    assert!(!files.exists("d/a.txt").unwrap() && files.exists("d").unwrap());
}

#[test]
fn verbs_with_options_work() {
    let files = any();
    let overwrite = CreateOptions::overwrite;
    files.create_with("d/a.txt", "one", overwrite()).unwrap();
    files.create_with("d/a.txt", "two", overwrite()).unwrap();
    files.create_dir_with("d", CreateDirOptions::overwrite()).unwrap();
    files.update_with("d/a.txt", "!", UpdateOptions::append()).unwrap();
    assert_eq!(files.read_with("d/a.txt", ReadOptions::range(1..)).unwrap(), "wo!");
    let info = files.info_with("d/a.txt", InfoOptions::default().with_encoding());
    assert!(info.unwrap().encoding.is_some());
    files.create("b.txt", "").unwrap();
    files.copy_with("d/a.txt", "b.txt", CopyOptions::overwrite()).unwrap();
    files.rename_with("b.txt", "d/a.txt", RenameOptions::overwrite()).unwrap();
    assert_eq!(files.list_with("", ListOptions::recursive()).unwrap().count(), 2);
    assert_eq!(files.glob_with("**", GlobOptions::files()).unwrap(), ["d/a.txt"]);
    files.delete_with("d", DeleteOptions::recursive()).unwrap();
    assert_eq!(files.list("").unwrap().count(), 0);
}

#[test]
fn sync_verbs_work() {
    let backend: Arc<dyn AsyncSyncFileBackend> = Arc::new(Scripted::default());
    let files = Blocking::from_backend(backend).unwrap();
    files.push("one").unwrap();
    files.pull().unwrap();
    files.sync("two").unwrap();
    assert!(files.conflict_report().unwrap().is_empty());
    files.conflict_accept_local("a").unwrap();
    files.conflict_accept_remote("b").unwrap();
    files.conflict_resolve("c", "text".into()).unwrap();
    assert!(
        files.capabilities().iter().next().is_none(),
        "the scripted backend has no capabilities"
    );

    let scripted = Arc::new(Scripted::default());
    let files = Blocking::from_backend(Arc::clone(&scripted)).unwrap();
    files.sync("three").unwrap();
    files.conflict_resolve("c", "text".into()).unwrap();
    let calls = scripted.synced.lock().unwrap().clone();
    assert_eq!(calls, ["pull", "push three", "resolve c 4"]);
}

#[test]
fn clones_and_handles_of_the_same_name_share_files() {
    let one = MemoryFileBackend::named("blocking-verbs").unwrap();
    let two = MemoryFileBackend::named("blocking-verbs").unwrap();
    one.create("a.txt", "shared").unwrap();
    assert_eq!(two.clone().read("a.txt").unwrap(), "shared");
    assert_eq!(two.erased().read("a.txt").unwrap(), "shared");
    let elsewhere = MemoryFileBackend::new().unwrap();
    assert_eq!(elsewhere.read("a.txt").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_local_backend_can_be_opened_by_path_by_builder_and_by_uri() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new");
    LocalFileBackend::new(&root).unwrap().create("a.txt", "one").unwrap();
    let builder = f9::LocalFileBackend::builder(&root).create_root(false);
    assert_eq!(LocalFileBackend::open(builder).unwrap().read("a.txt").unwrap(), "one");
    let uri = format!("file://{}", root.display());
    assert_eq!(f9::blocking::resolve_backend(&uri).unwrap().read("a.txt").unwrap(), "one");
    let missing = f9::blocking::resolve_backend("nonsense://").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::InvalidUri);
}

#[test]
fn the_facade_is_send_sync_and_debug() {
    fn check<T: Send + Sync + std::fmt::Debug>(value: &T) -> String {
        format!("{value:?}")
    }
    assert!(check(&any()).starts_with("Blocking(MemoryFileBackend"));
    let _: &Arc<dyn AsyncFileBackend> = any().backend();
    assert_eq!(check(any().bridge()), "Bridge { .. }");
}

#[test]
fn a_file_is_copied_from_a_store_of_any_type() {
    let dir = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", dir.path().display());
    let from = f9::blocking::resolve_backend(&uri).unwrap();
    from.create("a.txt", "text").unwrap();
    let to = LocalFileBackend::new(dir.path().join("other")).unwrap();
    to.copy_from(&from, "a.txt", "b.txt", CopyOptions::default()).unwrap();
    any().copy_from(&to, "b.txt", "c.txt", CopyOptions::default()).unwrap();
    assert_eq!(to.read("b.txt").unwrap(), "text");
}
