//! The content of an object, as the parts that it was uploaded in.

use std::ops::Range;

use bytes::Bytes;

/// Bytes in one or more segments. An object of a multipart upload has a segment for each part.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    segments: Vec<Bytes>,
    len: u64,
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { len: bytes.len() as u64, segments: vec![bytes] }
    }
}

impl FromIterator<Bytes> for Content {
    fn from_iter<I: IntoIterator<Item = Bytes>>(segments: I) -> Self {
        let segments: Vec<Bytes> = segments.into_iter().collect();
        Self { len: segments.iter().map(|segment| segment.len() as u64).sum(), segments }
    }
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Returns the range of the part with this number, from 1.
    pub(super) fn part(&self, number: usize) -> Option<Range<u64>> {
        let position = number.checked_sub(1)?;
        let before = self.segments.get(..position)?.iter().map(|segment| segment.len() as u64);
        let start: u64 = before.sum();
        Some(start..start + self.segments.get(position)?.len() as u64)
    }

    /// Returns the bytes of a range, which must not reach past the end.
    pub(super) fn slice(&self, range: &Range<u64>) -> Self {
        let mut start = 0;
        let mut segments = Vec::new();
        for segment in &self.segments {
            let end = start + segment.len() as u64;
            let within = |position: u64| {
                usize::try_from(position.clamp(start, end) - start).unwrap_or(segment.len())
            };
            let (from, to) = (within(range.start), within(range.end));
            if from < to {
                segments.push(segment.slice(from..to));
            }
            start = end;
        }
        segments.into_iter().collect()
    }

    /// Returns the whole content in one piece.
    pub(super) fn to_bytes(&self) -> Bytes {
        match self.segments.as_slice() {
            [only] => only.clone(),
            segments => segments.concat().into(),
        }
    }
}
