//! The options of each verb.
//!
//! Every struct is what the plain verb uses when it is `Default`, and is built up with `with_*` setters. Modes are enums, so
//! that a call reads as what it does.

use std::ops::{Bound, Range, RangeBounds};
use std::time::Duration;

use crate::{Checksum, ChecksumAlgorithm, Error, ErrorKind, Etag, Result};

/// What a write does with a file that exists already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteMode {
    /// Refuses to replace anything: [`AlreadyExists`](ErrorKind::AlreadyExists). Of racing writers exactly one wins.
    #[default]
    Create,
    /// Creates the file or replaces it.
    Overwrite,
    /// Replaces the file only while it still has this etag, else [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    IfMatch(Etag),
}

/// What [`create_dir`](crate::AsyncFileBackend::create_dir_with) does with a directory that exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DirMode {
    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists).
    #[default]
    Create,
    /// Leaves it as it is and succeeds.
    Overwrite,
}

/// How far below a directory an operation reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Depth {
    /// The directory's own entries.
    #[default]
    One,
    /// Everything below it.
    All,
}

/// What an update does with the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpdateMode {
    /// Replaces it as a whole.
    #[default]
    Replace,
    /// Adds to its end; one append is never interleaved with another.
    Append,
}

/// What [`info`](crate::AsyncFileBackend::info_with) tells of a symbolic link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkMode {
    /// The link itself, also when it leads nowhere.
    #[default]
    Keep,
    /// What it leads to, below the root.
    Follow,
}

/// Which kinds of entries [`glob`](crate::AsyncFileBackend::glob_with) returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GlobKind {
    /// Whatever matches.
    #[default]
    Any,
    /// Everything but directories.
    Files,
    /// Directories.
    Directories,
}

impl GlobKind {
    /// Whether an entry that is a directory, or is none, belongs to this kind.
    #[must_use]
    pub fn accepts(self, is_dir: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Files => !is_dir,
            Self::Directories => is_dir,
        }
    }
}

/// A part of a file, in bytes.
///
/// Made from any range of `u64`, or [`Suffix`](Self::Suffix). A range that reaches past the end is clipped.
///
/// # Examples
///
/// ```
/// use f9::ByteRange;
/// assert_eq!(ByteRange::from(2..5).resolve(4)?, 2..4);
/// assert_eq!(ByteRange::from(..).resolve(4)?, 0..4);
/// assert_eq!(ByteRange::Suffix(3).resolve(4)?, 1..4);
/// assert!(ByteRange::from(5..).resolve(4).is_err());
/// # Ok::<(), f9::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ByteRange {
    /// From the first offset up to, not including, the second.
    Bounded(Range<u64>),
    /// From an offset to the end.
    From(u64),
    /// The last so many bytes, or all where there are fewer.
    Suffix(u64),
}

impl ByteRange {
    /// The offsets this range has in a file of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidRange`](ErrorKind::InvalidRange) if the range starts past the end, or ends before it starts. Starting exactly
    /// at the end is an empty range.
    pub fn resolve(&self, size: u64) -> Result<Range<u64>> {
        let (start, end) = match *self {
            Self::Bounded(Range { start, end }) => (start, end),
            Self::From(start) => (start, u64::MAX),
            Self::Suffix(length) => (size.saturating_sub(length), size),
        };
        if end < start {
            return Err(Error::new(ErrorKind::InvalidRange)
                .with_message(format!("it ends at {end}, before its start at {start}")));
        }
        if start > size {
            return Err(Error::new(ErrorKind::InvalidRange)
                .with_message(format!("it starts at {start}, past the end at {size}")));
        }
        Ok(start..end.min(size))
    }
}

impl<R: RangeBounds<u64>> From<R> for ByteRange {
    fn from(range: R) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        match range.end_bound() {
            // `n..=u64::MAX` reaches the end of any file, as `n..` does.
            Bound::Included(&u64::MAX) | Bound::Unbounded => Self::From(start),
            Bound::Included(&end) => Self::Bounded(start..end + 1),
            Bound::Excluded(&end) => Self::Bounded(start..end),
        }
    }
}

macro_rules! setters {
    ($options:ident { $($(#[$doc:meta])* $setter:ident($field:ident: $type:ty) => $value:expr;)* }) => {
        impl $options {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $value;
                    self
                }
            )*
        }
    };
}

#[cfg(any(feature = "git", feature = "openai"))]
pub(crate) use setters;

/// The setters of what may replace a file.
macro_rules! replacing {
    ($($options:ident)*) => {
        $(
            impl $options {
                /// Replaces what is there, if anything is.
                #[must_use]
                pub fn overwrite() -> Self {
                    Self::default().with_mode(WriteMode::Overwrite)
                }

                /// Replaces the file only while it still has this etag.
                #[must_use]
                pub fn if_match(etag: Etag) -> Self {
                    Self::default().with_mode(WriteMode::IfMatch(etag))
                }

                /// Sets what happens to a file that exists already.
                #[must_use]
                pub fn with_mode(mut self, mode: WriteMode) -> Self {
                    self.mode = mode;
                    self
                }
            }
        )*
    };
}

replacing!(CreateOptions WriteOptions CopyOptions RenameOptions);

/// Options of [`create`](crate::AsyncFileBackend::create_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// What happens to a file that exists already.
    pub mode: WriteMode,
    /// What the content must have as its checksum, else [`IntegrityMismatch`](ErrorKind::IntegrityMismatch).
    pub checksum: Option<Checksum>,
}

setters!(CreateOptions {
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

/// Options of [`stream_write`](crate::AsyncFileBackend::stream_write_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What happens to a file that exists already.
    pub mode: WriteMode,
    /// How many bytes the source must give, else [`LengthMismatch`](ErrorKind::LengthMismatch).
    pub size: Option<u64>,
    /// What the content must have as its checksum, else [`IntegrityMismatch`](ErrorKind::IntegrityMismatch).
    pub checksum: Option<Checksum>,
}

setters!(WriteOptions {
    /// Sets how many bytes the source must give.
    with_size(size: u64) => Some(size);
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

impl WriteOptions {
    /// Checks the number of bytes that a source has given in all.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`](ErrorKind::LengthMismatch) if another number was declared.
    pub fn check_size(&self, given: u64) -> Result<()> {
        match self.size {
            Some(declared) if declared != given => Err(Error::new(ErrorKind::LengthMismatch)
                .with_message(format!("{declared} bytes were declared, {given} were given"))),
            _ => Ok(()),
        }
    }

    /// Checks the number of bytes that a source has given so far, so that one that never ends is stopped.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`](ErrorKind::LengthMismatch) if fewer were declared.
    pub fn check_size_so_far(&self, given: u64) -> Result<()> {
        if self.size.is_some_and(|declared| given > declared) {
            self.check_size(given)
        } else {
            Ok(())
        }
    }
}

impl From<CreateOptions> for WriteOptions {
    fn from(options: CreateOptions) -> Self {
        Self { mode: options.mode, checksum: options.checksum, ..Self::default() }
    }
}

/// Options of [`create_dir`](crate::AsyncFileBackend::create_dir_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CreateDirOptions {
    /// What happens to a directory that exists already.
    pub mode: DirMode,
}

impl CreateDirOptions {
    /// Succeeds where the directory exists already.
    #[must_use]
    pub fn overwrite() -> Self {
        Self::default().with_mode(DirMode::Overwrite)
    }
}

setters!(CreateDirOptions {
    /// Sets what happens to a directory that exists already.
    with_mode(mode: DirMode) => mode;
});

/// Options of [`read`](crate::AsyncFileBackend::read_with) and [`stream_read`](crate::AsyncFileBackend::stream_read_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The part to read; all of it when `None`.
    pub range: Option<ByteRange>,
    /// The size of the chunks of a stream in bytes, the backend's own when `None`. Zero is refused.
    pub chunk_size: Option<usize>,
    /// Reads only a file that has this etag, else [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    pub if_match: Option<Etag>,
}

impl ReadOptions {
    /// Reads a part of the file.
    #[must_use]
    pub fn range(range: impl Into<ByteRange>) -> Self {
        Self::default().with_range(range)
    }

    /// Reads only a file that has this etag.
    #[must_use]
    pub fn if_match(etag: Etag) -> Self {
        Self::default().with_if_match(etag)
    }

    /// Sets the part to read.
    #[must_use]
    pub fn with_range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// The offsets to read in a file of `size` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`ByteRange::resolve`].
    pub fn resolve_range(&self, size: u64) -> Result<Range<u64>> {
        self.range.as_ref().map_or(Ok(0..size), |range| range.resolve(size))
    }

    /// The chunk size asked for, or `default`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for zero.
    pub fn chunk_size_or(&self, default: usize) -> Result<usize> {
        match self.chunk_size.unwrap_or(default) {
            0 => Err(Error::new(ErrorKind::InvalidInput).with_message("the chunk size is zero")),
            size => Ok(size),
        }
    }

    /// Compares the etag asked for, if any, with the one the file has.
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) if they differ.
    pub fn check_etag(&self, found: Option<&Etag>) -> Result<()> {
        match &self.if_match {
            Some(expected) if Some(expected) != found => {
                Err(Error::new(ErrorKind::PreconditionFailed).with_message("the etag has changed"))
            }
            _ => Ok(()),
        }
    }
}

setters!(ReadOptions {
    /// Sets the size of the chunks of a stream, in bytes.
    with_chunk_size(chunk_size: usize) => Some(chunk_size);
    /// Sets the etag that the file must have.
    with_if_match(if_match: Etag) => Some(if_match);
});

/// Options of [`update`](crate::AsyncFileBackend::update_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpdateOptions {
    /// Whether the content is replaced or added to.
    pub mode: UpdateMode,
    /// Updates only a file that has this etag, else [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    pub if_match: Option<Etag>,
}

impl UpdateOptions {
    /// Adds to the end of the file.
    #[must_use]
    pub fn append() -> Self {
        Self::default().with_mode(UpdateMode::Append)
    }

    /// Replaces the content only while the file still has this etag.
    #[must_use]
    pub fn if_match(etag: Etag) -> Self {
        Self::default().with_if_match(etag)
    }
}

setters!(UpdateOptions {
    /// Sets whether the content is replaced or added to.
    with_mode(mode: UpdateMode) => mode;
    /// Sets the etag that the file must have.
    with_if_match(if_match: Etag) => Some(if_match);
});

/// Options of [`delete`](crate::AsyncFileBackend::delete_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// [`Depth::One`] deletes a file or an empty directory, [`Depth::All`] also what a directory holds.
    pub depth: Depth,
}

impl DeleteOptions {
    /// Deletes a directory with all it holds.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

setters!(DeleteOptions {
    /// Sets whether a directory is deleted with all it holds.
    with_depth(depth: Depth) => depth;
});

/// Options of [`info`](crate::AsyncFileBackend::info_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct InfoOptions {
    /// What is told of a symbolic link.
    pub links: LinkMode,
    /// Also fills in [`FileInfo::checksum`](crate::FileInfo::checksum); reads the whole file unless the store knows it.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Also fills in [`FileInfo::encoding`](crate::FileInfo::encoding); reads the start of the file.
    pub encoding: EncodingMode,
}

/// Whether [`info`](crate::AsyncFileBackend::info_with) looks into the file for its [`Encoding`](crate::Encoding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncodingMode {
    /// Leaves it unknown.
    #[default]
    Skip,
    /// Reads up to [`Encoding::SAMPLE_BYTES`](crate::Encoding::SAMPLE_BYTES).
    Detect,
}

setters!(InfoOptions {
    /// Sets what is told of a symbolic link.
    with_links(links: LinkMode) => links;
    /// Asks for a checksum.
    with_checksum(checksum: ChecksumAlgorithm) => Some(checksum);
});

impl InfoOptions {
    /// Asks for the encoding.
    #[must_use]
    pub fn with_encoding(mut self) -> Self {
        self.encoding = EncodingMode::Detect;
        self
    }
}

/// Options of [`list`](crate::AsyncFileBackend::list_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListOptions {
    /// Whether the listing goes below the directory's own entries.
    pub depth: Depth,
}

impl ListOptions {
    /// Lists everything below the directory.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

setters!(ListOptions {
    /// Sets how far the listing goes.
    with_depth(depth: Depth) => depth;
});

/// Options of [`glob`](crate::AsyncFileBackend::glob_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GlobOptions {
    /// Which kinds of entries are returned.
    pub kind: GlobKind,
}

impl GlobOptions {
    /// Returns everything but directories.
    #[must_use]
    pub fn files() -> Self {
        Self::default().with_kind(GlobKind::Files)
    }

    /// Returns directories.
    #[must_use]
    pub fn directories() -> Self {
        Self::default().with_kind(GlobKind::Directories)
    }
}

setters!(GlobOptions {
    /// Sets which kinds of entries are returned.
    with_kind(kind: GlobKind) => kind;
});

/// Options of [`copy`](crate::AsyncFileBackend::copy_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CopyOptions {
    /// What happens to a file that exists at the destination already.
    pub mode: WriteMode,
}

/// Options of [`rename`](crate::AsyncFileBackend::rename_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RenameOptions {
    /// What happens to something that exists at the destination already.
    pub mode: WriteMode,
}

/// Options of [`sync_session`](crate::AsyncFileBackend::sync_session_with).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How long to wait for the session; then [`LockTimeout`](ErrorKind::LockTimeout). Zero tries once.
    pub timeout: Duration,
}

impl SessionOptions {
    /// How long a session is waited for by default.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Waits at most this long.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        Self::default().with_timeout(timeout)
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { timeout: Self::DEFAULT_TIMEOUT }
    }
}

setters!(SessionOptions {
    /// Sets how long to wait for the session.
    with_timeout(timeout: Duration) => timeout;
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_range_resolves() {
        let ok = |range: ByteRange, size| range.resolve(size).unwrap();
        assert_eq!(ok(ByteRange::from(3..7), 14), 3..7);
        assert_eq!(ok(ByteRange::from(3..=7), 14), 3..8);
        assert_eq!(ok(ByteRange::from(..7), 14), 0..7);
        assert_eq!(ok(ByteRange::from(..=7), 14), 0..8);
        assert_eq!(ok(ByteRange::from(2..100), 14), 2..14);
        assert_eq!(ok(ByteRange::from(3..), 14), 3..14);
        assert_eq!(ok(ByteRange::from(..), 14), 0..14);
        assert_eq!(ok(ByteRange::from(5..5), 14), 5..5);
        assert_eq!(ok(ByteRange::from(14..20), 14), 14..14);
        assert_eq!(ok(ByteRange::from(0..10), 0), 0..0);
        assert_eq!(ok(ByteRange::from(0..=u64::MAX), 14), 0..14);
        assert_eq!(ok(ByteRange::from(2..u64::MAX), 14), 2..14);
        assert_eq!(ok(ByteRange::Suffix(2), 14), 12..14);
        assert_eq!(ok(ByteRange::Suffix(100), 14), 0..14);
        assert_eq!(ok(ByteRange::Suffix(0), 14), 14..14);
        assert_eq!(ok(ByteRange::Suffix(3), 0), 0..0);
        assert_eq!(ok((Bound::Excluded(3), Bound::Unbounded).into(), 14), 4..14);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "they are what is tested")]
    fn impossible_ranges_are_refused() {
        for range in [
            ByteRange::from(15..20),
            ByteRange::from(15..),
            ByteRange::from(7..3),
            ByteRange::from(7..=3),
            ByteRange::from(u64::MAX..),
            ByteRange::from(20..18),
        ] {
            assert_eq!(range.resolve(14).unwrap_err().kind(), ErrorKind::InvalidRange, "{range:?}");
        }
    }

    #[test]
    fn a_chunk_size_of_zero_is_refused() {
        let options = ReadOptions::default().with_chunk_size(0);
        assert_eq!(options.chunk_size_or(10).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ReadOptions::default().chunk_size_or(10).unwrap(), 10);
    }
}
