//! The room for files that stay open between the calls of a stream.
//!
//! An operation in the pool closes its files before it ends. A stream keeps some open for as long as the caller likes. So that any
//! number of streams can be used at a time, those for which there is no room wait for their turn. If nothing is closed for
//! [`TIMEOUT`], the error names the stream that has been open for the longest time.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::{Permit, Semaphore};
use crate::sys::pool::max_open_files;

/// How long a stream waits for room while no other stream is closed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the room is for. Readers and writers have separate room, so that a copy from one to the other never waits for other copies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    Reading,
    Writing,
}

/// The files of a stream that writes: its directory and its temporary file.
pub(crate) const FILES_OF_WRITER: usize = 2;

/// The room for the files of one stream.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    _permit: Permit,
    number: u64,
}

/// The open streams, the oldest first.
#[derive(Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, (String, Instant)>,
}

static STREAMS: Mutex<Streams> = Mutex::new(Streams { next: 0, open: BTreeMap::new() });

fn streams() -> MutexGuard<'static, Streams> {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn semaphore(room: Room) -> &'static Arc<Semaphore> {
    type Shared = LazyLock<Arc<Semaphore>>;
    static READING: Shared = Shared::new(|| Arc::new(Semaphore::new(max_files)));
    static WRITING: Shared = Shared::new(|| Arc::new(Semaphore::new(max_files)));
    match room {
        Room::Reading => &READING,
        Room::Writing => &WRITING,
    }
}

/// Returns how many files the readers may have open, and how many the writers.
fn max_files() -> usize {
    max_open_files() / 8
}

impl OpenFiles {
    /// Takes the room for `files` files of a stream of `path` if there is some.
    pub(crate) fn try_reserve(room: Room, files: usize, path: &str) -> Option<Self> {
        semaphore(room).try_acquire(files).map(|permit| Self::new(permit, path))
    }

    /// Waits for the room.
    ///
    /// # Errors
    ///
    /// [`TooManyOpenFiles`](ErrorKind::TooManyOpenFiles) if no stream is closed for [`TIMEOUT`].
    pub(crate) async fn reserve(room: Room, files: usize, path: &str) -> Result<Self> {
        match semaphore(room).acquire_unless_idle(files, TIMEOUT).await {
            Some(permit) => Ok(Self::new(permit, path)),
            None => Err(no_room()),
        }
    }

    fn new(permit: Permit, path: &str) -> Self {
        let mut streams = streams();
        let number = streams.next;
        streams.next += 1;
        streams.open.insert(number, (path.to_owned(), Instant::now()));
        Self { _permit: permit, number }
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        streams().open.remove(&self.number);
    }
}

fn no_room() -> Error {
    let streams = streams();
    let oldest = streams.open.values().next().map_or_else(String::new, |(path, since)| {
        let seconds = since.elapsed().as_secs();
        format!("; the oldest is that of `{path}`, for {seconds} s: read it to its end or drop it")
    });
    Error::new(ErrorKind::TooManyOpenFiles).with_message(format!(
        "{} streams of this process are open, and none was closed for {} s{oldest}, or raise `ulimit -n`",
        streams.open.len(),
        TIMEOUT.as_secs(),
    ))
}
