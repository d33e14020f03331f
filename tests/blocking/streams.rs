//! Reading: iterators and readers.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex};

use f9::blocking::{Blocking, MemoryFileBackend};
use f9::{Error, ErrorKind, FileInfo, ReadOptions};

use crate::scripted::Scripted;
use crate::{current_thread, multi_thread, without_hanging};

fn failure() -> Error {
    Error::new(ErrorKind::UnexpectedEof).with_path("a.txt")
}

fn entry() -> FileInfo {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "").unwrap()
}

#[test]
fn a_stream_is_an_iterator_of_chunks() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "abcdefgh").unwrap();
    let options = ReadOptions::default().with_chunk_size(3);
    let mut reader = files.stream_read_with("a.txt", options).unwrap();
    let chunks: Vec<_> = Iterator::by_ref(&mut reader).map(Result::unwrap).collect();
    assert_eq!(chunks, ["abc", "def", "gh"]);
    assert!(reader.next().is_none());
}

#[test]
fn a_reader_works_with_every_buffer_size() {
    let files = MemoryFileBackend::new().unwrap();
    let content: Vec<u8> = (0..=255).cycle().take(1000).collect();
    files.create("a.bin", content.clone()).unwrap();
    for chunk_size in [1, 7, 64, 5000] {
        for buffer_size in [1, 3, 64, 65, 5000] {
            let options = ReadOptions::default().with_chunk_size(chunk_size);
            let mut reader = files.stream_read_with("a.bin", options).unwrap();
            let (mut all, mut buffer) = (Vec::new(), vec![0; buffer_size]);
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    read => all.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
            assert_eq!(all, content, "chunks of {chunk_size} in {buffer_size}");
        }
    }
}

#[test]
fn a_read_into_an_empty_buffer_requests_nothing() {
    let mut reader = Scripted::reading([Err(failure())]).stream_read("x").unwrap();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    reader.read(&mut [0]).unwrap_err();
}

#[test]
fn lines_may_cross_chunk_boundaries() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "one\ntwo\n\nthree").unwrap();
    let options = ReadOptions::default().with_chunk_size(2);
    let reader = files.stream_read_with("a.txt", options).unwrap();
    let lines: Vec<_> = reader.lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["one", "two", "", "three"]);
}

#[test]
fn consuming_more_than_the_buffer_is_harmless() {
    let mut reader = Scripted::reading([Ok("ab"), Ok("c")]).stream_read("x").unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"ab");
    reader.consume(100);
    assert_eq!(reader.fill_buf().unwrap(), b"c");
}

#[test]
fn an_iterator_continues_where_the_reader_stopped() {
    let mut reader = Scripted::reading([Ok("abcd"), Ok("ef")]).stream_read("x").unwrap();
    reader.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), "d");
    assert_eq!(reader.next().unwrap().unwrap(), "ef");
    assert!(reader.next().is_none());
}

#[test]
fn an_empty_chunk_does_not_end_the_reader() {
    let mut reader =
        Scripted::reading([Ok(""), Ok("a"), Ok(""), Ok("b")]).stream_read("x").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ab");
}

#[test]
fn a_stream_ends_after_an_error() {
    let script = || [Ok("ab"), Err(failure()), Ok("never")];
    let mut chunks = Scripted::reading(script()).stream_read("x").unwrap();
    assert_eq!(chunks.next().unwrap().unwrap(), "ab");
    let error = chunks.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(chunks.next().is_none() && chunks.next().is_none());

    let mut text = Scripted::reading(script()).stream_read_text("x").unwrap();
    assert_eq!(text.next().unwrap().unwrap(), "ab");
    assert!(text.next().unwrap().is_err());
    assert!(text.next().is_none() && text.next().is_none());
}

#[test]
fn an_io_error_of_a_reader_contains_the_f9_error() {
    let files = Scripted::reading([Ok("ab"), Err(failure()), Ok("never")]);
    let mut reader = files.stream_read("x").unwrap();
    let mut buffer = Vec::new();
    let error = reader.read_to_end(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(Error::from(error).path(), Some("a.txt"));
    assert_eq!((buffer.as_slice(), reader.read(&mut [0]).unwrap()), (b"ab".as_slice(), 0));
}

#[test]
fn a_reader_reports_an_interruption_of_the_backend() {
    let interrupted = io::Error::from(io::ErrorKind::Interrupted);
    let files = Scripted::reading([Ok("ab"), Err(interrupted.into())]);
    let mut reader = files.stream_read("x").unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(Error::from(error).kind(), ErrorKind::Io);
}

#[test]
fn a_text_stream_never_splits_a_character() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "a€b".repeat(100_000)).unwrap();
    let text: String = files.stream_read_text("a.txt").unwrap().map(Result::unwrap).collect();
    assert_eq!(text, files.read_text("a.txt").unwrap());
}

#[test]
fn a_listing_continues_after_an_error_and_ends_once() {
    let scripted = Scripted {
        entries: Mutex::new(VecDeque::from([
            Ok(entry()),
            Err(Error::new(ErrorKind::InvalidPath)),
            Ok(entry()),
        ])),
        ..Scripted::default()
    };
    let files = Blocking::from_backend(Arc::new(scripted)).unwrap();
    let mut entries = files.list("").unwrap();
    let outcomes: Vec<_> = entries.by_ref().map(|entry| entry.is_ok()).collect();
    assert_eq!(outcomes, [true, false, true]);
    assert!(entries.next().is_none() && entries.next().is_none());
}

/// Drops streams before the first item, in the middle and after the end.
fn drop_streams() {
    for taken in 0..4 {
        let files = Scripted::reading([Ok("a"), Ok("b")]);
        let mut reader = files.stream_read("x").unwrap();
        for _ in 0..taken {
            drop(reader.next());
        }
        drop(files.stream_read_text("x").unwrap());
        drop(files.list("").unwrap());
    }
}

#[test]
fn streams_can_be_dropped_in_every_context() {
    without_hanging(|| {
        drop_streams();
        multi_thread(1).block_on(async {
            tokio::spawn(async { drop_streams() }).await.unwrap();
        });
        current_thread().block_on(async { drop_streams() });
    });
}

#[test]
fn a_stream_can_move_to_another_thread() {
    without_hanging(|| {
        let mut reader = Scripted::reading([Ok("a"), Ok("b")]).stream_read("x").unwrap();
        reader.next().unwrap().unwrap();
        let rest = std::thread::spawn(move || reader.next().unwrap().unwrap());
        assert_eq!(rest.join().unwrap(), "b");
    });
}

#[test]
fn the_debug_output_shows_whether_a_stream_has_ended() {
    let mut reader = Scripted::reading([]).stream_read("x").unwrap();
    assert_eq!(format!("{reader:?}"), "ByteReader { chunks: open, rest: b\"\" }");
    assert!(reader.next().is_none());
    assert!(format!("{reader:?}").contains("ended"));
}

#[test]
fn a_watch_is_an_iterator_that_waits_for_changes() {
    without_hanging(|| {
        let dir = tempfile::tempdir().unwrap();
        let files = f9::blocking::LocalFileBackend::new(dir.path()).unwrap();
        let mut changes = files.watch("").unwrap();
        for name in ["a", "b"] {
            files.create(name, "x").unwrap();
            let path = f9::FilePath::parse(name).unwrap();
            assert_eq!(changes.next().unwrap().unwrap(), f9::Change::Created(path));
        }
    });
}

#[test]
fn a_writer_publishes_with_a_commit_and_a_reader_seeks() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.bin", "old").unwrap();
    let mut writer = files.writer("a.bin").unwrap();
    io::copy(&mut io::repeat(7).take(700_000), &mut writer).unwrap();
    writer.flush().unwrap();
    assert_eq!(files.read("a.bin").unwrap(), "old");
    assert_eq!(writer.commit().unwrap().size, Some(700_000));
    drop(files.writer("b.bin").unwrap());
    assert!(!files.exists("b.bin").unwrap());

    let mut reader = files.reader("a.bin").unwrap();
    assert_eq!(reader.seek(SeekFrom::End(-3)).unwrap(), 699_997);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [7, 7, 7]);
    reader.seek(SeekFrom::Start(600_000)).unwrap();
    assert_eq!(reader.fill_buf().unwrap()[0], 7);
    assert_eq!(
        reader.seek(SeekFrom::Current(-1_000_000)).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn an_opened_file_has_its_metadata_and_its_content() {
    use f9::prelude::*;
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.bin", vec![7; 600_000]).unwrap();
    let content = files.open("a.bin").unwrap();
    assert_eq!((content.info.size, content.range.clone()), (Some(600_000), 0..600_000));
    assert_eq!(content.bytes().unwrap(), vec![7; 600_000]);
    assert_eq!(files.open("b.bin").unwrap_err().kind(), ErrorKind::NotFound);
}
