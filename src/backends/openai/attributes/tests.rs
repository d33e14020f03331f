use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::backends::openai::api::StoredFile;
use crate::backends::openai::store::Store;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn attachment(attributes: &Value) -> VectorStoreFile {
    VectorStoreFile {
        id: "file-1".to_owned(),
        created_at: 1_700_000_009,
        attributes: attributes.as_object().unwrap().clone(),
        ..VectorStoreFile::default()
    }
}

fn read(attributes: &Value) -> Option<(FilePath, Entry)> {
    Entry::from_attachment(&attachment(attributes))
}

fn at(seconds: u64, nanos: u32) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds, nanos)
}

fn entry(kind: Kind) -> Entry {
    Entry {
        id: "file-1".to_owned(),
        kind,
        generation: 7,
        created_at: at(1_600_000_000, 1),
        modified_at: at(1_700_000_000, 123_456_789),
        attached_at: 1_700_000_009,
        expires_at: None,
    }
}

fn file(size: u64) -> Entry {
    let sha256 = Some([0xab; 32]);
    entry(Kind::File(FileMeta { size, encoding: BodyEncoding::Framed, sha256 }))
}

/// Paths of characters with one to four bytes; the longest are too long.
fn paths() -> impl Strategy<Value = FilePath> {
    let name = prop_oneof!["[a-z]{1,255}", "[é-ü]{1,120}", "[一-龥]{1,85}", "[😀-😏]{1,63}"];
    prop::collection::vec(name, 1..12).prop_map(|names| path(&names.join("/")))
}

proptest! {
    #[test]
    fn attributes_are_read_back_as_written(
        path in paths(),
        size in 0..1_u64 << 53,
        generation in 0..1_u64 << 53,
        created in (0..1_u64 << 40, 0..1_000_000_000_u32),
        modified in (0..1_u64 << 40, 0..1_000_000_000_u32),
        sha256 in prop::option::of(any::<[u8; 32]>()),
        encoding in prop::sample::select(vec![BodyEncoding::Raw, BodyEncoding::Framed, BodyEncoding::Base64]),
        is_dir in any::<bool>(),
    ) {
        let kind = if is_dir { Kind::Directory } else { Kind::File(FileMeta { size, encoding, sha256 }) };
        let entry = Entry {
            generation,
            created_at: at(created.0, created.1),
            modified_at: at(modified.0, modified.1),
            ..entry(kind)
        };
        let attributes = match entry.to_attributes(&path) {
            Ok(attributes) => attributes,
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidPath);
                prop_assert!(path.len() > 2048, "{} bytes", path.len());
                return Ok(());
            }
        };
        prop_assert!(path.len() <= 2048);
        prop_assert!(attributes.len() <= 16, "{attributes:?}");
        for (key, value) in &attributes {
            prop_assert!(key.len() <= 64 && value.as_str().is_none_or(|text| text.len() <= 256));
        }
        prop_assert_eq!(read(&attributes.into()), Some((path, entry)));
    }
}

/// Returns a path of `bytes` bytes whose characters have `width` bytes, except for the first ones.
fn long_path(bytes: usize, width: usize) -> FilePath {
    let wide = ["", "a", "é", "一", "😀"][width];
    let mut text = String::new();
    while text.len() < bytes {
        let in_name = text.rsplit('/').next().unwrap_or_default().len();
        let left = bytes - text.len();
        let next = match left {
            _ if in_name > 240 && left > 1 => "/",
            _ if left.is_multiple_of(width) => wide,
            _ => "x",
        };
        text.push_str(next);
    }
    assert_eq!(text.len(), bytes);
    path(&text)
}

#[test]
fn paths_of_two_thousand_bytes_fit_with_any_characters() {
    for width in 1..=4 {
        for bytes in [1, 255, 256, 257, 512, 2047, 2048] {
            let path = long_path(bytes, width);
            check_path(&path).unwrap();
            let attributes = file(1).to_attributes(&path).unwrap();
            assert!(attributes.len() <= 16, "{bytes} bytes of {width}: {}", attributes.len());
            assert_eq!(read(&attributes.into()).unwrap().0, path);
        }
        let path = long_path(2049, width);
        let error = check_path(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPath);
        assert!(error.message().unwrap().contains("2048"), "{error}");
        assert_eq!(file(1).to_attributes(&path).unwrap_err().kind(), ErrorKind::InvalidPath);
    }
}

#[test]
fn the_first_piece_equals_the_path_attribute() {
    for path in [long_path(2048, 3), long_path(256, 1), long_path(300, 4), path("a")] {
        let attributes = file(1).to_attributes(&path).unwrap();
        assert_eq!(attributes["path"], first_piece(&path));
    }
}

#[test]
fn numbers_are_read_in_every_form_that_servers_send() {
    let with_size = |size: Value| {
        let (_, entry) = read(&json!({"path": "a", "size": size, "encoding": "raw"}))?;
        Some(entry.meta()?.size)
    };
    for (given, expected) in [
        (json!(14), Some(14)),
        (json!(14.0), Some(14)),
        (json!("14"), Some(14)),
        (json!("14.0"), Some(14)),
        (json!(0), Some(0)),
        (json!(9_007_199_254_740_992.0), Some(9_007_199_254_740_992)),
        (json!(u64::MAX), Some(u64::MAX)),
        (json!(1e300), None),
        (json!(14.5), None),
        (json!(-1), None),
        (json!("-1"), None),
        (json!("NaN"), None),
        (json!("inf"), None),
        (json!(""), None),
        (json!(true), None),
        (Value::Null, None),
    ] {
        assert_eq!(with_size(given.clone()), expected, "{given}");
    }
}

#[test]
fn times_keep_their_nanoseconds() {
    let modified = |value: Value| {
        let attributes = json!({"path": "a", "is_dir": true, "modified_at": value});
        read(&attributes).unwrap().1.modified_at
    };
    let attached = at(1_700_000_009, 0);
    for (given, expected) in [
        (json!("1700000000.123456789"), at(1_700_000_000, 123_456_789)),
        (json!("1700000000.000000001"), at(1_700_000_000, 1)),
        (json!("1700000000.5"), at(1_700_000_000, 500_000_000)),
        (json!("1700000000."), at(1_700_000_000, 0)),
        (json!("1700000000"), at(1_700_000_000, 0)),
        (json!(1_700_000_000), at(1_700_000_000, 0)),
        (json!(1_700_000_000.25), at(1_700_000_000, 250_000_000)),
        (json!("1700000000.1234567890"), attached),
        (json!("1700000000.+1"), attached),
        (json!("-1.5"), attached),
        (json!("soon"), attached),
        (json!("99999999999999999999"), attached),
        (json!("18446744073709551615.5"), attached),
        (json!(-1.5), attached),
        (json!(1e300), attached),
        (json!(null), attached),
    ] {
        assert_eq!(modified(given.clone()), expected, "{given}");
    }
    let before = Entry { modified_at: UNIX_EPOCH - Duration::from_secs(5), ..file(1) };
    let attributes = before.to_attributes(&path("a")).unwrap();
    assert_eq!(read(&attributes.into()).unwrap().1.modified_at, UNIX_EPOCH);
}

#[test]
fn entries_of_the_python_library_are_read() {
    let (read_path, entry) = read(&json!({
        "path": "/notes/a.txt",
        "is_dir": false,
        "size": 14,
        "modified_at": 1_700_000_000.25,
        "encoding": "base64",
    }))
    .unwrap();
    assert_eq!(read_path, "notes/a.txt");
    let kind = FileMeta { size: 14, encoding: BodyEncoding::Base64, sha256: None };
    let time = at(1_700_000_000, 250_000_000);
    let expected = Entry {
        generation: 0,
        created_at: time,
        modified_at: time,
        ..self::entry(Kind::File(kind))
    };
    assert_eq!(entry, expected);
    let (_, directory) = read(&json!({
        "path": "notes",
        "is_dir": true,
        "size": 0,
        "modified_at": 1_700_000_000.0,
        "encoding": "raw",
    }))
    .unwrap();
    assert!(directory.is_dir());
}

#[test]
fn booleans_are_read_in_every_form_that_servers_send() {
    for (given, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("True"), true),
        (json!(1), true),
        (json!(1.0), true),
        (json!("1"), true),
        (json!(false), false),
        (json!("False"), false),
        (json!(0.0), false),
        (json!("0"), false),
        (json!(""), false),
        (json!(null), false),
    ] {
        let attributes = json!({"path": "a", "is_dir": given, "size": 1, "encoding": "raw"});
        assert_eq!(read(&attributes).unwrap().1.is_dir(), expected, "{given}");
    }
}

#[test]
fn attachments_of_other_programs_are_skipped() {
    for foreign in [
        json!({}),
        json!({"author": "somebody"}),
        json!({"path": 5, "size": 1, "encoding": "raw"}),
        json!({"path": "", "size": 1, "encoding": "raw"}),
        json!({"path": "/", "size": 1, "encoding": "raw"}),
        json!({"path": "../a", "size": 1, "encoding": "raw"}),
        json!({"path": "a\u{0}b", "size": 1, "encoding": "raw"}),
        json!({"path": ".f9/a", "size": 1, "encoding": "raw"}),
        json!({"path": "a", "path_1": 5, "size": 1, "encoding": "raw"}),
        json!({"path": "a", "size": 1}),
        json!({"path": "a", "encoding": "raw"}),
        json!({"path": "a", "size": 1, "encoding": "gzip"}),
        json!({"path": "a", "size": 1, "encoding": 5}),
        json!({"path": "a", "size": "many", "encoding": "raw"}),
        json!({"path": "a", "created_at": "2026-01-01"}),
        json!({"path": "a", "generation": 3}),
        json!({"path": "a", "sha256": "ab".repeat(32)}),
        json!({"path": "a", "sha256": "ab".repeat(32), "size": 3}),
        json!({"path": "a", "created_at": 5, "modified_at": 6}),
    ] {
        assert_eq!(read(&foreign), None, "{foreign}");
    }
}

/// A server that keeps only text drops the generation, the size and `is_dir`.
#[test]
fn what_is_left_of_an_own_entry_on_a_server_that_keeps_only_text_is_corrupted() {
    let mut attributes = file(3).to_attributes(&path("a")).unwrap();
    attributes.retain(|_, value| value.is_string());
    assert_eq!(read(&attributes.into()).unwrap().1.kind, Kind::Corrupted);
}

/// f9 writes a generation, a creation time and a checksum, and it always writes all of them.
#[test]
fn own_attributes_that_are_incomplete_or_damaged_are_corrupted() {
    let whole: Value = file(3).to_attributes(&path("a")).unwrap().into();
    for (name, value) in [
        ("sha256", None),
        ("sha256", Some(json!("abc"))),
        ("sha256", Some(json!("é".repeat(32)))),
        ("sha256", Some(json!(7))),
        ("sha256", Some(json!(""))),
        ("size", None),
        ("size", Some(json!(-1))),
        ("encoding", None),
        ("encoding", Some(json!("gzip"))),
    ] {
        let mut damaged = whole.clone();
        let attributes = damaged.as_object_mut().unwrap();
        match value {
            Some(value) => drop(attributes.insert(name.to_owned(), value)),
            None => drop(attributes.remove(name)),
        }
        let (_, entry) = read(&damaged).unwrap();
        assert_eq!(entry.kind, Kind::Corrupted, "{damaged}");
        assert!(file(3).version() > entry.version(), "a corrupted entry hides nothing");
        assert_eq!(entry.expect_file().unwrap_err().kind(), ErrorKind::Corrupted);
        assert_eq!(entry.to_attributes(&path("b")).unwrap_err().kind(), ErrorKind::Corrupted);
    }
    let without_id = VectorStoreFile { id: String::new(), ..attachment(&whole) };
    assert_eq!(Entry::from_attachment(&without_id).unwrap().1.kind, Kind::Corrupted);
}

#[test]
fn times_and_generations_beyond_all_others_are_accepted() {
    let last = Entry { generation: u64::MAX, ..file(1) };
    let attributes = last.to_attributes(&path("a")).unwrap();
    let far = VectorStoreFile { created_at: u64::MAX, ..attachment(&attributes.into()) };
    let (_, last) = Entry::from_attachment(&far).unwrap();
    assert_eq!((last.attached_at, last.generation), (u64::MAX, u64::MAX));
    let upload: StoredFile = serde_json::from_value(json!({"id": "file-2"})).unwrap();
    let next = Store::new_entry(upload, Kind::Directory, Some(&last));
    assert_eq!(next.generation, u64::MAX);
}

#[test]
fn attributes_as_text_are_read_back_as_written() {
    for entry in [file(3), entry(Kind::Directory)] {
        let attributes = as_text(entry.to_attributes(&path("a/b")).unwrap());
        assert!(attributes.values().all(Value::is_string), "{attributes:?}");
        assert!(entry.is_kept_in(&attachment(&attributes.into()), &path("a/b")));
    }
}

#[test]
fn an_expiry_is_kept_if_there_is_room() {
    let expiring = Entry { expires_at: Some(at(1_800_000_000, 0)), ..file(1) };
    for (bytes, kept) in [(1, true), (1000, true), (2048, false)] {
        let attributes = expiring.to_attributes(&long_path(bytes, 3)).unwrap();
        assert!(attributes.len() <= 16);
        let (_, entry) = read(&attributes.into()).unwrap();
        assert_eq!(entry.expires_at, expiring.expires_at.filter(|_| kept), "{bytes}");
    }
}

/// Merges attributes as some services do.
fn merged(mut old: Attributes, new: Attributes) -> Value {
    old.extend(new);
    old.into()
}

#[test]
fn merged_attributes_keep_nothing_of_a_longer_path() {
    let entry = file(3);
    for (old, new) in [(2048, 1), (2048, 256), (2048, 257), (600, 300), (300, 600), (1, 2048)] {
        for (old_width, new_width) in [(1, 1), (3, 1), (1, 4)] {
            let (old, new) = (long_path(old, old_width), long_path(new, new_width));
            let before = entry.to_attributes(&old).unwrap();
            let after = entry.to_attributes_from(&old, &new).unwrap();
            assert!(after.len() <= 16);
            assert_eq!(read(&after.clone().into()), Some((new.clone(), entry.clone())));
            let merged = merged(before, after);
            assert!(merged.as_object().unwrap().len() <= 16);
            assert_eq!(read(&merged), Some((new, entry.clone())));
        }
    }
    let python =
        json!({"path": "/a", "is_dir": false, "size": 3.0, "modified_at": 5.5, "encoding": "raw"});
    let (old, entry) = read(&python).unwrap();
    let moved = entry.to_attributes_from(&old, &path("b")).unwrap();
    let moved = merged(attachment(&python).attributes, moved);
    assert_eq!(read(&moved), Some((path("b"), entry)));
}

#[test]
fn the_newest_entry_has_the_highest_generation_and_then_the_latest_time() {
    let old = file(1);
    for newer in [
        Entry { generation: 8, modified_at: at(1, 0), attached_at: 0, ..old.clone() },
        Entry { modified_at: at(1_700_000_000, 123_456_790), attached_at: 0, ..old.clone() },
        Entry { attached_at: 1_700_000_010, id: "file-0".to_owned(), ..old.clone() },
        Entry { id: "file-2".to_owned(), ..old.clone() },
    ] {
        assert!(newer.version() > old.version(), "{newer:?}");
    }
}
