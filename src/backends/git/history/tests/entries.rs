use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::*;
use crate::backends::git::history::entries::{self, Entry};
use crate::core::error::ErrorKind;

/// Parses all entries and formats each: a commit with its additional fields, a change with its names.
fn parse(printed: &[u8], more: usize) -> Result<Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "~");
    let mut all = Vec::new();
    let mut rest = printed;
    while let Some((entry, remaining)) = entries::next(rest, more)? {
        all.push(match entry {
            Entry::Commit(head, fields) => {
                let parents: Vec<&str> = head.parents().map(|parent| &parent[..4]).collect();
                let (authored, committed) = (head.authored, head.committed);
                format!("{} {authored} {committed} {parents:?} {}", &head.id[..4], text(fields))
            }
            Entry::Change(change) => {
                let before: Vec<String> = change.names_before().map(text).collect();
                format!("{before:?} {} {}", text(change.path()), change.is_of_merge())
            }
        });
        rest = remaining;
    }
    Ok(all)
}

#[test]
fn a_log_is_parsed_field_by_field() {
    let printed = format!(
        "commit {A} 20 21 {B} {A}\0\0MR\0b\0a\0b\0RRD\0x\0y\0z\0w\0commit {B} 10 11 \0\
         \nR087\0commit 1 2 3\0new\nline\0T\0R100\0C100\0from\0to\0D\0M\0\0commit {A} 1 2 \0"
    );
    let entries = [
        "8c7b 20 21 [\"6fff\", \"8c7b\"] ",
        "[\"a\"] b true",
        "[\"x\", \"y\"] w true",
        "6fff 10 11 [] ",
        "[\"commit 1 2 3\"] new\nline false",
        "[] R100 false",
        "[] to false",
        "[] M false",
        "8c7b 1 2 [] ",
    ];
    assert_eq!(parse(printed.as_bytes(), 0).unwrap(), entries);
    let printed = format!(
        "commit {A} 1 2 \0an\0\0commit {B}\n\nR100\n\0\0commit {B} 1 2 {A}\0\0\0\0\nA\0a\0"
    );
    let entries = [
        format!("8c7b 1 2 [] an~~commit {B}\n\nR100\n"),
        "6fff 1 2 [\"8c7b\"] ~~".to_owned(),
        "[] a false".to_owned(),
    ];
    assert_eq!(parse(printed.as_bytes(), 3).unwrap(), entries);
}

#[test]
fn dates_out_of_range_are_parsed() {
    for (dates, authored, committed) in [
        ("-5 -6", -5, -6),
        (" 7", 7, 7),
        (" ", 0, 0),
        ("12 ", 12, 0),
        ("99999999999999999999 18446744073709551615", i64::MAX, i64::MAX),
    ] {
        let parsed = parse(format!("commit {A} {dates} \0").as_bytes(), 0).unwrap();
        assert_eq!(parsed, [format!("8c7b {authored} {committed} [] ")], "{dates:?}");
    }
    assert_eq!(unix_time(-5), SystemTime::UNIX_EPOCH - Duration::from_secs(5));
    assert!(unix_time(i64::MAX) > unix_time(1) && unix_time(i64::MIN) < unix_time(-1));
}

#[tokio::test]
async fn entries_in_any_pieces_are_parsed_and_invalid_ones_are_errors() {
    let printed = format!("commit {A} 1 2 {B}\0\0MR\0b\0a\0b\0commit {B} 1 2 \0\nR100\0a\0b\n\0\0");
    for size in 1..printed.len() {
        let pieces: Vec<_> = printed
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut count = 0;
        let count_entry = |_: Entry<'_>| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        entries::for_each(stream::iter(pieces).boxed(), 0, count_entry).await.unwrap();
        assert_eq!(count, 4, "{size}");
    }
    for printed in
        ["commit \0", "commit abc 1\0", "warning\0", "100\0", "M1x\0a\0", "M", "M\0a", "R100\0a\0"]
    {
        let pieces = [Ok(Bytes::from_static(printed.as_bytes()))];
        let ignore = |_: Entry<'_>| std::ops::ControlFlow::Continue(());
        let parsed = entries::for_each(stream::iter(pieces).boxed(), 0, ignore).await;
        assert_eq!(parsed.unwrap_err().kind(), ErrorKind::Internal, "{printed:?}");
    }
}
