//! What is written: iterators and readers as sources, writers as sinks.

use std::io::{self, BufWriter, Cursor, Read, Write};
use std::thread;

use bytes::Bytes;
use f9::blocking::MemoryFileBackend;
use f9::{DEFAULT_CHUNK_SIZE, Error, ErrorKind, WriteOptions};

use crate::in_time;

#[test]
fn a_source_may_borrow_and_runs_on_the_callers_thread() {
    in_time(|| {
        let files = MemoryFileBackend::new().unwrap();
        let (here, mut given, text) = (thread::current().id(), 0, String::from("abc"));
        let source = text.chars().map(|letter| {
            assert_eq!(thread::current().id(), here);
            given += 1;
            Ok::<_, Error>(letter.to_string().into())
        });
        files.stream_write("a.txt", source).unwrap();
        assert_eq!(given, 3);
        assert_eq!(files.read("a.txt").unwrap(), "abc");
    });
}

#[test]
fn a_source_that_fails_leaves_everything_as_it_was() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "old").unwrap();
    let source = || [Ok(Bytes::from("new")), Err(io::Error::other("broken"))];
    let error = files.stream_write_with("a.txt", source(), WriteOptions::overwrite()).unwrap_err();
    assert_eq!(error.path(), Some("a.txt"));
    assert_eq!(files.read("a.txt").unwrap(), "old");
    files.stream_write("b.txt", source()).unwrap_err();
    assert!(!files.exists("b.txt").unwrap());
}

#[test]
fn what_a_stream_reads_another_writes() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "content").unwrap();
    let reader = files.stream_read("a.txt").unwrap();
    files.stream_write("b.txt", reader).unwrap();
    let reader = files.stream_read("b.txt").unwrap();
    files.create_from_reader("c.txt", reader).unwrap();
    assert_eq!(files.read("c.txt").unwrap(), "content");
}

/// Gives a few bytes at a time, interrupted before each, and panics when asked for more after its end or an error.
struct Dribble {
    content: Cursor<Vec<u8>>,
    calls: usize,
    failing_at: Option<usize>,
    ended: bool,
}

impl Dribble {
    fn of(size: usize) -> Self {
        Self { content: Cursor::new(content(size)), calls: 0, failing_at: None, ended: false }
    }
}

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.ended, "asked for more after the end");
        self.calls += 1;
        if self.failing_at == Some(self.calls) {
            self.ended = true;
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        if self.calls % 2 == 1 {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let part = buffer.len().min(70_000);
        let read = self.content.read(&mut buffer[..part])?;
        self.ended = read == 0;
        Ok(read)
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

#[test]
fn a_reader_of_any_size_is_written_whole() {
    let files = MemoryFileBackend::new().unwrap();
    const CHUNK: usize = DEFAULT_CHUNK_SIZE;
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 700_001] {
        let options = WriteOptions::overwrite().with_size(size as u64);
        files.create_from_reader_with("a.bin", Dribble::of(size), options).unwrap();
        assert_eq!(files.read("a.bin").unwrap(), content(size), "{size} bytes");
    }
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    let files = MemoryFileBackend::new().unwrap();
    let reader = Dribble { failing_at: Some(4), ..Dribble::of(700_000) };
    let error = files.create_from_reader("a.bin", reader).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(!files.exists("a.bin").unwrap());
}

#[test]
fn a_reader_may_borrow() {
    let files = MemoryFileBackend::new().unwrap();
    let text = String::from("borrowed text");
    let mut reader = text.as_bytes();
    files.create_from_reader("a.txt", (&mut reader).take(8)).unwrap();
    assert_eq!(files.read("a.txt").unwrap(), "borrowed");
    assert_eq!(reader, b" text");
}

#[test]
fn a_writer_gets_everything_and_is_flushed() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.bin", content(700_000)).unwrap();
    let mut sink = Vec::new();
    let mut writer = BufWriter::with_capacity(1 << 20, &mut sink);
    assert_eq!(files.read_to_writer("a.bin", &mut writer).unwrap(), 700_000);
    assert!(writer.buffer().is_empty());
    drop(writer);
    assert_eq!(sink, content(700_000));
}

#[test]
fn a_writer_that_fails_is_an_error_of_the_file() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "content").unwrap();
    let error = files.read_to_writer("a.txt", Full).unwrap_err();
    assert_eq!(
        (error.kind(), error.path(), error.operation()),
        (ErrorKind::StorageFull, Some("a.txt"), Some("read"))
    );
    let error = files.read_to_writer("missing.txt", Full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
