use std::path::Path;

use super::*;
use crate::core::error::ErrorKind;

fn kind(text: &str) -> ErrorKind {
    FilePath::parse(text).unwrap_err().kind()
}

#[test]
fn all_spellings_of_a_path_have_one_form() {
    for text in ["a/b", "/a/b", "a//b", "./a/./b", "a/b/", "//a/b//", "/./a/b/."] {
        assert_eq!(FilePath::parse(text).unwrap(), "a/b", "{text}");
    }
    for text in ["", "/", ".", "./", "//", "/./."] {
        assert!(FilePath::parse(text).unwrap().is_root(), "{text}");
        assert_eq!(FilePath::parse_entry(text).unwrap_err().kind(), ErrorKind::InvalidPath);
    }
}

#[test]
fn everything_else_is_literal() {
    for text in [
        "%41", "%2e%2e", "#1", "a*b", "a\\..\\b", "C:\\x", "-rf", "a\nb", "\u{7f}", "...", "..a",
        " a ", "~x",
    ] {
        assert_eq!(FilePath::parse(text).unwrap(), text);
    }
}

#[test]
fn dot_dot_is_refused_at_every_position() {
    for text in ["..", "../a", "a/..", "a/../b", "/..", "a/b/../../.."] {
        assert_eq!(kind(text), ErrorKind::PathEscapesRoot, "{text}");
    }
}

#[test]
fn lengths_are_counted_in_bytes() {
    assert!(FilePath::parse(&"a".repeat(255)).is_ok());
    assert_eq!(kind(&"a".repeat(256)), ErrorKind::InvalidPath);
    assert_eq!(kind(&"é".repeat(128)), ErrorKind::InvalidPath);
    let exact = format!("{}{}", format!("{}/", "a".repeat(255)).repeat(15), "b".repeat(256))
        .replace("bb", "b/");
    assert_eq!(
        FilePath::parse(&exact[..4096]).unwrap().len(),
        exact[..4096].trim_end_matches('/').len()
    );
    assert_eq!(kind(&"a/".repeat(2049)), ErrorKind::InvalidPath);
    for over_long in ["a/".repeat(9000), "/".repeat(9000)] {
        let text = FilePath::parse_entry(&over_long).unwrap_err().to_string();
        assert!(text.len() < 400, "a long path is cut in the text: {} bytes", text.len());
    }
}

#[test]
fn nul_and_reserved_names_are_refused() {
    assert_eq!(kind("a\0b"), ErrorKind::InvalidPath);
    for text in [".backend.lock", "a/.f9/x", ".f9tmp-0123", "/.f9/", "a/.f9tmp-"] {
        assert_eq!(kind(text), ErrorKind::ReservedPath, "{text}");
    }
    // As a file system that ignores case looks them up.
    for text in [
        ".F9",
        ".F9TMP-x",
        "a/.Backend.Lock",
        ".bac\u{212a}end.loc\u{212a}",
        ".f\u{200d}9",
        "\u{feff}.f9",
        ".F9tmp\u{ad}-1",
    ] {
        assert_eq!(kind(text), ErrorKind::ReservedPath, "{text:?}");
    }
    for text in [
        ".f9\u{e9}",
        ".f9t",
        ".f9tmp",
        ".backend.lock2",
        ".backend.lockk",
        "\u{feff}",
        "f9",
        ".f\u{ff19}",
    ] {
        assert!(FilePath::parse(text).is_ok(), "{text:?}");
    }
    for text in ["x.lock", ".f9x", "backend.lock", ".versions", "x.tmp"] {
        assert!(FilePath::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_prefix_consists_of_whole_segments() {
    let path = FilePath::parse("foo/x").unwrap();
    assert!(path.starts_with(&FilePath::parse("foo").unwrap()));
    assert!(path.starts_with(&FilePath::root()));
    assert!(path.starts_with(&path));
    assert!(!FilePath::parse("foo.bar").unwrap().starts_with(&FilePath::parse("foo").unwrap()));
}

#[test]
fn a_path_has_a_name_a_parent_and_an_extension() {
    let path = FilePath::parse("a/b.tar.gz").unwrap();
    assert_eq!(path.extension(), Some("gz"));
    assert_eq!(path.parent().unwrap(), "a");
    assert_eq!(path.parent().unwrap().parent().unwrap(), FilePath::root());
    assert_eq!(FilePath::root().parent(), None);
    assert_eq!(FilePath::root().name(), None);
    assert_eq!(FilePath::parse(".hidden").unwrap().extension(), None);
    assert_eq!(path.segments().collect::<Vec<_>>(), ["a", "b.tar.gz"]);
}

#[test]
fn a_path_from_json_is_checked() {
    let path: FilePath = serde_json::from_str("\"/a//b\"").unwrap();
    assert_eq!(serde_json::to_string(&path).unwrap(), "\"a/b\"");
    assert!(serde_json::from_str::<FilePath>("\"../b\"").is_err());
}

#[test]
fn a_prefix_is_stripped_by_whole_segments() {
    let strip = |path: &str, prefix: &str| {
        FilePath::parse(path).unwrap().strip_prefix(&FilePath::parse(prefix).unwrap())
    };
    assert_eq!(strip("a/b/c", "a").unwrap(), "b/c");
    assert_eq!(strip("a/b", "").unwrap(), "a/b");
    assert_eq!(strip("a/b", "a/b"), Some(FilePath::root()));
    assert_eq!(strip("a.b", "a"), None);
    assert_eq!(strip("a", "a/b"), None);
}

#[test]
fn a_path_compares_with_text_in_both_directions() {
    let path = FilePath::parse("a/b").unwrap();
    let owned = "a/b".to_owned();
    assert!(path == *"a/b" && path == "a/b" && path == owned);
    assert!(*"a/b" == path && "a/b" == path && owned == path);
    assert_ne!(path, "a");
    assert_ne!("a", path);
    assert_eq!(AsRef::<Path>::as_ref(&path), Path::new("a/b"));
}

#[test]
fn a_path_of_the_system_must_be_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    assert_eq!(FilePath::try_from(Path::new("/a/b")).unwrap(), "a/b");
    let outside = FilePath::try_from(Path::new("../a")).unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::PathEscapesRoot);
    let invalid = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff"));
    let error = FilePath::try_from(invalid).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPath);
    assert!(error.to_string().contains("the path is not UTF-8"), "{error}");
}
