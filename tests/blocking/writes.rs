//! Writing from iterators and readers, and reading into writers.

use std::io::{self, BufWriter, Cursor, Read, Write};
use std::thread;

use bytes::Bytes;
use f9::blocking::MemoryFileBackend;
use f9::{CreateOptions, DEFAULT_CHUNK_SIZE, Error, ErrorKind, WriteOptions};

use crate::without_hanging;

#[test]
fn an_iterator_may_borrow_and_runs_on_the_calling_thread() {
    without_hanging(|| {
        let files = MemoryFileBackend::new().unwrap();
        let (caller, mut yielded, text) = (thread::current().id(), 0, String::from("abc"));
        let source = text.chars().map(|letter| {
            assert_eq!(thread::current().id(), caller);
            yielded += 1;
            Ok::<_, Error>(letter.to_string())
        });
        files.stream_write("a.txt", source).unwrap();
        assert_eq!(yielded, 3);
        assert_eq!(files.read("a.txt").unwrap(), "abc");
    });
}

#[test]
fn an_iterator_that_fails_changes_nothing() {
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
fn a_stream_can_be_written_to_another_file() {
    let files = MemoryFileBackend::new().unwrap();
    files.create("a.txt", "content").unwrap();
    let reader = files.stream_read("a.txt").unwrap();
    files.stream_write("b.txt", reader).unwrap();
    let reader = files.stream_read("b.txt").unwrap();
    files.create_from_reader("c.txt", reader).unwrap();
    assert_eq!(files.read("c.txt").unwrap(), "content");
}

/// Returns parts of a content with an interruption before each. Panics if it is read after its end or an error.
struct SlowReader {
    content: Cursor<Vec<u8>>,
    calls: usize,
    failing_at: Option<usize>,
    has_ended: bool,
}

impl SlowReader {
    fn of(size: usize) -> Self {
        Self { content: Cursor::new(content(size)), calls: 0, failing_at: None, has_ended: false }
    }
}

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.has_ended, "read after the end");
        self.calls += 1;
        if self.failing_at == Some(self.calls) {
            self.has_ended = true;
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        if self.calls % 2 == 1 {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let part = buffer.len().min(70_000);
        let read = self.content.read(&mut buffer[..part])?;
        self.has_ended = read == 0;
        Ok(read)
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

#[test]
fn a_reader_of_any_size_is_written_completely() {
    let files = MemoryFileBackend::new().unwrap();
    const CHUNK: usize = DEFAULT_CHUNK_SIZE;
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 700_001] {
        let options = CreateOptions::overwrite().with_size(size as u64);
        files.create_from_reader_with("a.bin", SlowReader::of(size), options).unwrap();
        assert_eq!(files.read("a.bin").unwrap(), content(size), "{size} bytes");
    }
}

#[test]
fn a_reader_that_fails_creates_nothing() {
    let files = MemoryFileBackend::new().unwrap();
    let reader = SlowReader { failing_at: Some(4), ..SlowReader::of(700_000) };
    let error = files.create_from_reader("a.bin", reader).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceFailed);
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
fn a_writer_receives_everything_and_is_flushed() {
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
fn the_error_of_a_writer_names_the_file() {
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
