//! Readers and writers of the async side as [`Read`], [`Seek`] and [`Write`].

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use tokio::io::{AsyncBufReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::Bridge;
use super::held::Held;
use super::streams::read_buffered;
use crate::backend;
use crate::core::error::{ErrorKind, Result};
use crate::core::info::FileInfo;

/// Reads one version of a file at any offset, from [`reader`](super::Blocking::reader). See [`FileReader`](crate::FileReader).
///
/// # Examples
///
/// ```
/// use std::io::{Read as _, Seek as _, SeekFrom};
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// files.create("a.txt", "hello world")?;
/// let mut reader = files.reader("a.txt")?;
/// reader.seek(SeekFrom::End(-5))?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "world");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileReader<'a> {
    reader: Held<backend::FileReader<'a>>,
    info: FileInfo,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(reader: backend::FileReader<'a>, bridge: Bridge) -> Self {
        let info = reader.info().clone();
        Self { reader: Held::new(reader, bridge), info }
    }

    /// Returns the metadata of the version.
    #[must_use]
    pub fn info(&self) -> &FileInfo {
        &self.info
    }
}

impl BufRead for FileReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (reader, bridge) = self.reader.parts()?;
        bridge.wait(reader.fill_buf())
    }

    fn consume(&mut self, amount: usize) {
        if let Ok((reader, _)) = self.reader.parts() {
            reader.consume(amount);
        }
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl Seek for FileReader<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let (reader, bridge) = self.reader.parts()?;
        bridge.wait(reader.seek(position))
    }
}

/// Writes a file piece by piece, from [`writer`](super::Blocking::writer). See [`FileWriter`](crate::FileWriter).
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// let mut writer = files.writer("log.txt")?;
/// writeln!(writer, "one")?;
/// assert!(!files.exists("log.txt")?);
/// assert_eq!(writer.commit()?.size, Some(4));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileWriter<'a>(Held<backend::FileWriter<'a>>);

impl<'a> FileWriter<'a> {
    pub(super) fn new(writer: backend::FileWriter<'a>, bridge: Bridge) -> Self {
        Self(Held::new(writer, bridge))
    }

    /// Publishes the file and returns its metadata.
    ///
    /// # Errors
    ///
    /// Those of [`FileWriter::commit`](crate::FileWriter::commit).
    pub fn commit(mut self) -> Result<FileInfo> {
        let writer = self.0.take().ok_or(ErrorKind::Internal)?;
        self.0.bridge().wait(writer.commit())
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (writer, bridge) = self.0.parts()?;
        bridge.wait(writer.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        let (writer, bridge) = self.0.parts()?;
        bridge.wait(writer.flush())
    }
}
