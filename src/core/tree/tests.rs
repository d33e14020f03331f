use std::time::SystemTime;

use super::*;
use crate::core::etag::Etag;
use crate::core::options::WriteMode;

/// A file that is its etag.
#[derive(Clone, Debug, PartialEq)]
struct File(&'static str);

impl FileState for File {
    fn etag(&self) -> Option<Etag> {
        Some(Etag::new(self.0))
    }

    fn modified_at(&self) -> Option<SystemTime> {
        None
    }
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

/// Returns a tree of files, and of directories whose paths end with a slash. Their data is `true`, that of parents `false`.
fn tree(entries: &[&'static str]) -> Tree<bool, File> {
    let mut tree = Tree::default();
    for entry in entries {
        if entry.ends_with('/') {
            tree.insert_dir(&path(entry), true, || false);
        } else {
            tree.insert_file(&path(entry), File(entry), || false);
        }
    }
    tree
}

/// Returns the keys. Those of directories with `false` end with `/?`.
fn keys(tree: &Tree<bool, File>) -> Vec<String> {
    let entries = tree.range_from(Bound::Unbounded).map(|(key, node)| match node {
        Node::Directory(false) => format!("{key}?"),
        _ => key.to_owned(),
    });
    entries.collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn if_match(etag: &str) -> WriteMode {
    WriteMode::IfMatch(Etag::new(etag))
}

#[test]
fn keys_are_in_the_order_of_listings() {
    let tree = tree(&["b", "a.x", "a/c/d", "a-", "a0", "a/b/", "é"]);
    assert_eq!(keys(&tree), ["a-", "a.x", "a/?", "a/b/", "a/c/?", "a/c/d", "a0", "b", "é"]);
}

#[test]
fn a_missing_entry_gives_the_reason() {
    let tree = tree(&["a/b", "made/"]);
    assert!(
        tree.is_dir(&FilePath::root()) && tree.is_dir(&path("a")) && !tree.is_dir(&path("a/b"))
    );
    assert!(matches!(tree.found(&path("a/b")), Ok(Node::File(File("a/b")))));
    assert!(matches!(tree.found(&path("made")), Ok(Node::Directory(true))));
    for (missing, expected) in [
        ("c", ErrorKind::NotFound),
        ("a/", ErrorKind::IsADirectory),
        ("a/c", ErrorKind::NotFound),
        ("a/b/c", ErrorKind::NotADirectory),
        ("a/b/c/d", ErrorKind::NotADirectory),
    ] {
        assert_eq!(kind(tree.existing(&path(missing))), expected, "{missing}");
    }
}

#[test]
fn a_write_is_allowed_if_its_mode_fits_the_entry() {
    let tree = tree(&["a", "d/b", "made/"]);
    let allowed = |at: &str, mode: &WriteMode| {
        tree.check_write(&path(at), &mode.clone().into()).map_err(|e| e.kind())
    };
    use ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, PreconditionFailed};
    for (at, create, overwrite, right, wrong) in [
        ("new", Ok(()), Ok(()), Err(PreconditionFailed), Err(PreconditionFailed)),
        ("x/y/z", Ok(()), Ok(()), Err(PreconditionFailed), Err(PreconditionFailed)),
        ("a", Err(AlreadyExists), Ok(()), Ok(()), Err(PreconditionFailed)),
        ("d/b", Err(AlreadyExists), Ok(()), Ok(()), Err(PreconditionFailed)),
        ("d", Err(AlreadyExists), Err(IsADirectory), Err(IsADirectory), Err(IsADirectory)),
        ("made", Err(AlreadyExists), Err(IsADirectory), Err(IsADirectory), Err(IsADirectory)),
        ("a/b", Err(NotADirectory), Err(NotADirectory), Err(NotADirectory), Err(NotADirectory)),
        ("a/b/c", Err(NotADirectory), Err(NotADirectory), Err(NotADirectory), Err(NotADirectory)),
    ] {
        assert_eq!(allowed(at, &WriteMode::Create), create, "{at}");
        assert_eq!(allowed(at, &WriteMode::Overwrite), overwrite, "{at}");
        assert_eq!(allowed(at, &if_match(at)), right, "{at}");
        assert_eq!(allowed(at, &if_match("another")), wrong, "{at}");
    }
}

#[test]
fn a_directory_is_created_if_nothing_is_there() {
    let tree = tree(&["a", "d/b", "made/"]);
    let made = |at: &str, mode| tree.check_create_dir(&path(at), mode).map_err(|e| e.kind());
    for (at, create, overwrite) in [
        ("new", Ok(true), Ok(true)),
        ("d/new", Ok(true), Ok(true)),
        ("d", Err(ErrorKind::AlreadyExists), Ok(false)),
        ("made", Err(ErrorKind::AlreadyExists), Ok(false)),
        ("a", Err(ErrorKind::NotADirectory), Err(ErrorKind::NotADirectory)),
        ("a/new", Err(ErrorKind::NotADirectory), Err(ErrorKind::NotADirectory)),
    ] {
        assert_eq!(made(at, DirMode::Create), create, "{at}");
        assert_eq!(made(at, DirMode::Overwrite), overwrite, "{at}");
    }
}

#[test]
fn a_directory_with_entries_is_only_deleted_recursively() {
    let tree = tree(&["a", "a.x", "d/b", "made/"]);
    let deleted = |at: &str, depth| {
        let options = DeleteOptions::default().with_depth(depth);
        tree.check_delete(&path(at), &options).map_err(|e| e.kind())
    };
    for (at, one, all) in [
        ("a", Ok(()), Ok(())),
        ("made", Ok(()), Ok(())),
        ("d", Err(ErrorKind::DirectoryNotEmpty), Ok(())),
        ("new", Err(ErrorKind::NotFound), Err(ErrorKind::NotFound)),
        ("a/new", Err(ErrorKind::NotADirectory), Err(ErrorKind::NotADirectory)),
    ] {
        assert_eq!(deleted(at, Depth::One), one, "{at}");
        assert_eq!(deleted(at, Depth::All), all, "{at}");
    }
}

#[test]
fn a_file_is_renamed_if_it_could_be_written_there() {
    let tree = tree(&["a", "b", "d/c"]);
    let renamed = |from: &str, to: &str, mode: &WriteMode| {
        let (source, target) = (Precondition::default(), WriteTarget::from(mode.clone()));
        tree.check_rename(&path(from), &path(to), &source, &target).map_err(|e| e.kind())
    };
    use ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PreconditionFailed};
    for (from, to, create, overwrite, matching) in [
        ("a", "new", Ok(Move::File), Ok(Move::File), Err(PreconditionFailed)),
        ("a", "b", Err(AlreadyExists), Ok(Move::File), Ok(Move::File)),
        ("a", "a", Err(AlreadyExists), Ok(Move::Nothing), Ok(Move::Nothing)),
        ("a", "d", Err(AlreadyExists), Err(IsADirectory), Err(IsADirectory)),
        ("a", "a/x", Err(NotADirectory), Err(NotADirectory), Err(NotADirectory)),
        ("new", "b", Err(NotFound), Err(NotFound), Err(NotFound)),
        ("a/x", "b", Err(NotADirectory), Err(NotADirectory), Err(NotADirectory)),
    ] {
        let names = format!("{from} to {to}");
        assert_eq!(renamed(from, to, &WriteMode::Create), create, "{names}");
        assert_eq!(renamed(from, to, &WriteMode::Overwrite), overwrite, "{names}");
        let etag = if to == "a" { "a" } else { "b" };
        assert_eq!(renamed(from, to, &if_match(etag)), matching, "{names}");
        assert!(renamed(from, to, &if_match("another")).is_err(), "{names}");
    }
}

#[test]
fn a_directory_is_renamed_to_a_free_path_or_an_empty_directory() {
    let tree = tree(&["a", "d/b/c", "empty/", "full/x"]);
    let renamed = |from: &str, to: &str, mode: &WriteMode| {
        let (source, target) = (Precondition::default(), WriteTarget::from(mode.clone()));
        tree.check_rename(&path(from), &path(to), &source, &target).map_err(|e| e.kind())
    };
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, InvalidInput, NotADirectory};
    for (from, to, create, overwrite) in [
        ("d", "new", Ok(Move::Directory), Ok(Move::Directory)),
        ("d", "x/y", Ok(Move::Directory), Ok(Move::Directory)),
        ("d/b", "new", Ok(Move::Directory), Ok(Move::Directory)),
        ("d", "d", Err(AlreadyExists), Ok(Move::Nothing)),
        ("d", "d/b/x", Err(InvalidInput), Err(InvalidInput)),
        ("d", "d/x", Err(InvalidInput), Err(InvalidInput)),
        ("d/b", "d", Err(AlreadyExists), Err(DirectoryNotEmpty)),
        ("d", "empty", Err(AlreadyExists), Ok(Move::Directory)),
        ("d", "full", Err(AlreadyExists), Err(DirectoryNotEmpty)),
        ("d", "a", Err(AlreadyExists), Err(NotADirectory)),
        ("d", "a/x", Err(NotADirectory), Err(NotADirectory)),
    ] {
        let names = format!("{from} to {to}");
        assert_eq!(renamed(from, to, &WriteMode::Create), create, "{names}");
        assert_eq!(renamed(from, to, &WriteMode::Overwrite), overwrite, "{names}");
    }
    for to in ["new", "empty", "full", "a", "d"] {
        let refused = renamed("d", to, &if_match(to));
        assert_eq!(refused, Err(ErrorKind::PreconditionFailed), "{to}");
    }
}

#[test]
fn a_rename_moves_the_entries_below_and_no_others() {
    let mut tree = tree(&["d/a", "d/e/b", "d-/c", "d0", "made/"]);
    tree.rename(&path("d"), &path("x/y"), || false);
    assert_eq!(
        keys(&tree),
        ["d-/?", "d-/c", "d0", "made/", "x/?", "x/y/?", "x/y/a", "x/y/e/?", "x/y/e/b"]
    );
    tree.rename(&path("x/y"), &path("made"), || false);
    assert_eq!(
        keys(&tree),
        ["d-/?", "d-/c", "d0", "made/?", "made/a", "made/e/?", "made/e/b", "x/?"]
    );
    tree.rename(&path("d0"), &path("made/a"), || false);
    assert_eq!(tree.file(&path("made/a")), Some(&File("d0")));
    assert!(tree.file(&path("d0")).is_none());
    tree.remove_all(&path("made"));
    assert_eq!(keys(&tree), ["d-/?", "d-/c", "x/?"]);
    tree.remove_all(&path("d-/c"));
    assert_eq!(keys(&tree), ["d-/?", "x/?"]);
}

#[test]
fn the_keys_below_a_directory_are_its_own() {
    let tree = tree(&["d/a", "d/e/b", "d-/c", "d0", "made/"]);
    assert_eq!(tree.below(&path("d")), ["d/a", "d/e/", "d/e/b"]);
    assert_eq!(tree.below(&FilePath::root()).len(), 8);
    assert!(tree.has_entries(&path("d")) && tree.has_entries(&FilePath::root()));
    assert!(!tree.has_entries(&path("made")) && !tree.has_entries(&path("d0")));
    assert!(!Tree::<(), File>::default().has_entries(&FilePath::root()));
}

#[test]
fn a_page_starts_after_the_last_entry_even_if_that_was_deleted() {
    let describe = |key: &str, node: &Node<bool, File>| {
        let kind = match node {
            Node::Directory(_) => crate::core::info::FileType::Directory,
            Node::File(_) => crate::core::info::FileType::File,
        };
        FileInfo::new(path_of(key), kind)
    };
    let entries = ["a", "d-", "d/a", "d/b/c", "d0", "e/"];
    for depth in [Depth::One, Depth::All] {
        let whole = tree(&entries).page(&FilePath::root(), depth, None, 99, describe).unwrap();
        let names: Vec<_> = whole.iter().map(|info| info.path.as_str()).collect();
        let expected: &[&str] = match depth {
            Depth::One => &["a", "d-", "d", "d0", "e"],
            _ => &["a", "d-", "d", "d/a", "d/b", "d/b/c", "d0", "e"],
        };
        assert_eq!(names, expected);
        for limit in 1..4 {
            let mut tree = tree(&entries);
            let (mut paged, mut last) = (Vec::new(), None::<FileInfo>);
            loop {
                let after = last.as_ref().map(key_of);
                let page = tree.page(&FilePath::root(), depth, after.as_deref(), limit, describe);
                let page = page.unwrap();
                assert!(page.len() <= limit);
                let Some(end) = page.last().cloned() else { break };
                if !end.is_dir() {
                    tree.remove_all(&end.path);
                }
                last = Some(end);
                paged.extend(page.into_iter().map(|info| info.path));
            }
            assert_eq!(paged, expected, "{limit} at a time");
        }
    }
    for (after, expected) in [
        ("", vec!["a", "d-", "d", "d0", "e"]),
        ("a", vec!["d-", "d", "d0", "e"]),
        ("b", vec!["d-", "d", "d0", "e"]),
        ("d", vec!["d-", "d", "d0", "e"]),
        ("d/", vec!["d0", "e"]),
        ("d/a", vec!["d0", "e"]),
        ("d/zz/y", vec!["d0", "e"]),
        ("e/", vec![]),
        ("z", vec![]),
    ] {
        let page =
            tree(&entries).page(&FilePath::root(), Depth::One, Some(after), 9, describe).unwrap();
        assert_eq!(
            page.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(),
            expected,
            "{after}"
        );
    }
    let refused = |at: &str| kind(tree(&entries).page(&path(at), Depth::One, None, 9, describe));
    assert_eq!(refused("a"), ErrorKind::NotADirectory);
    assert_eq!(refused("a/b"), ErrorKind::NotADirectory);
    assert_eq!(refused("x"), ErrorKind::NotFound);
    let page = tree(&entries).page(&path("d"), Depth::One, None, 9, describe).unwrap();
    assert_eq!(page.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["d/a", "d/b"]);
}
