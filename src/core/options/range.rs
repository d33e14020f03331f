//! Byte ranges.

use std::ops::{Bound, Range, RangeBounds};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::shortened;

/// A part of a file, in bytes.
///
/// Any range of `u64` converts into it. A range that reaches past the end of the file is clipped.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ByteRange {
    /// From the first offset to the second, which is not included.
    Bounded(Range<u64>),
    /// From an offset to the end.
    From(u64),
    /// This many bytes at the end, or the whole file if it is shorter.
    Suffix(u64),
}

impl ByteRange {
    /// Returns the offsets of this range in a file of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidRange`](ErrorKind::InvalidRange) if the range starts past the end or ends before it starts. A range that starts
    /// exactly at the end is empty.
    pub fn resolve(&self, size: u64) -> Result<Range<u64>> {
        let (start, end) = match *self {
            Self::Bounded(Range { start, end }) => (start, end),
            Self::From(start) => (start, u64::MAX),
            Self::Suffix(length) => (size.saturating_sub(length), size),
        };
        if end < start {
            return Err(Error::new(ErrorKind::InvalidRange)
                .with_message(format!("the range ends at {end}, before its start at {start}")));
        }
        if start > size {
            return Err(Error::new(ErrorKind::InvalidRange)
                .with_message(format!("the range starts at {start}, past the end at {size}")));
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

impl FromStr for ByteRange {
    type Err = Error;

    /// Reads the `Range` header of HTTP, such as `bytes=6-`, `bytes=0-4` or `bytes=-5`. Anything else, such as several ranges, is
    /// [`InvalidRange`](ErrorKind::InvalidRange); a server may ignore such a header.
    fn from_str(header: &str) -> Result<Self> {
        let read = || {
            let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(first) || !digits(last) {
                return None;
            }
            match (first.parse::<u64>(), last.parse::<u64>()) {
                (Ok(first), Ok(last)) if first <= last => Some(Self::from(first..=last)),
                (Ok(first), Err(_)) if last.is_empty() => Some(Self::From(first)),
                (Err(_), Ok(length)) if first.is_empty() => Some(Self::Suffix(length)),
                _ => None,
            }
        };
        read().ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidRange);
            error.with_message(format!("`{}` is not a single range of bytes", shortened(header)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_http_is_read() {
        for (header, range) in [
            ("bytes=0-4", Some(ByteRange::from(0..5))),
            ("bytes=6-", Some(ByteRange::From(6))),
            ("bytes=-5", Some(ByteRange::Suffix(5))),
            (" bytes=7-7 ", Some(ByteRange::from(7..8))),
            ("bytes=0-18446744073709551615", Some(ByteRange::From(0))),
            ("bytes=5-3", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=1-2", None),
            ("", None),
        ] {
            let read = header.parse::<ByteRange>();
            assert_eq!(read.as_ref().ok(), range.as_ref(), "{header}");
            assert!(read.is_ok() || read.unwrap_err().kind() == ErrorKind::InvalidRange);
        }
    }

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
    #[expect(clippy::reversed_empty_ranges, reason = "the test is about such ranges")]
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
}
