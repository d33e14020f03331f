//! Byte ranges, compared with slices.

use std::ops::{Bound, Range};

use f9::prelude::*;
use f9::{ByteRange, ErrorKind, LocalFileBackend, MemoryFileBackend, ReadOptions};
use futures::TryStreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::config;

/// Offsets near the ends of small files, near the limits of an offset, and any others.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..20_u64, 1 => (u64::MAX - 3)..=u64::MAX, 1 => any::<u64>()]
}

fn bound() -> impl Strategy<Value = Bound<u64>> {
    prop_oneof![
        offset().prop_map(Bound::Included),
        offset().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

/// A range in one of the forms of a caller.
#[derive(Clone, Debug)]
enum Asked {
    Between(Bound<u64>, Bound<u64>),
    Suffix(u64),
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        4 => (bound(), bound()).prop_map(|(start, end)| Asked::Between(start, end)),
        1 => offset().prop_map(Asked::Suffix),
    ]
}

impl Asked {
    fn range(&self) -> ByteRange {
        match *self {
            Self::Between(start, end) => (start, end).into(),
            Self::Suffix(length) => ByteRange::Suffix(length),
        }
    }

    /// Returns the offsets in a file of `size` bytes, computed without overflow.
    fn offsets(&self, size: u64) -> Result<Range<u64>, ErrorKind> {
        let size = i128::from(size);
        let (start, end) = match *self {
            Self::Between(start, end) => (
                match start {
                    Bound::Included(start) => i128::from(start),
                    Bound::Excluded(before) => i128::from(before) + 1,
                    Bound::Unbounded => 0,
                },
                match end {
                    Bound::Included(last) => i128::from(last) + 1,
                    Bound::Excluded(end) => i128::from(end),
                    Bound::Unbounded => i128::MAX,
                },
            ),
            Self::Suffix(length) => ((size - i128::from(length)).max(0), size),
        };
        if end < start || start > size {
            return Err(ErrorKind::InvalidRange);
        }
        Ok(start.try_into().unwrap()..end.min(size).try_into().unwrap())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_range_resolves_to_its_part_within_the_file(
        asked in asked(),
        // The longest possible file.
        size in prop_oneof![0..20_u64, 0..=i64::MAX as u64],
    ) {
        let resolved = asked.range().resolve(size).map_err(|error| error.kind());
        prop_assert_eq!(&resolved, &asked.offsets(size));
        let options = ReadOptions::range(asked.range());
        prop_assert_eq!(options.resolve_range(size).map_err(|error| error.kind()), resolved);
    }
}

#[test]
fn every_read_of_a_range_returns_the_slice() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    let stores: [&dyn AsyncFileBackend; 2] = [&MemoryFileBackend::new(), &local];
    let content = |size: u64| (0..size).map(|i| u8::try_from(i).unwrap()).collect::<Vec<u8>>();
    for size in 0..20 {
        for files in stores {
            runtime.block_on(files.create(&size.to_string(), content(size))).unwrap();
        }
    }
    let inputs = (asked(), 0..20_u64, prop::option::of(1..30_usize));
    let checked = TestRunner::new(config()).run(&inputs, |(asked, size, chunk_size)| {
        let expected = asked.offsets(size).map(|Range { start, end }| {
            let slice = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            content(size)[slice].to_vec()
        });
        let mut options = ReadOptions::range(asked.range());
        options.chunk_size = chunk_size;
        let name = size.to_string();
        for files in stores {
            let read = runtime.block_on(files.read_with(&name, options.clone()));
            let read = read.map(Vec::from).map_err(|error| error.kind());
            prop_assert_eq!(&read, &expected, "{:?}", files);
            let streamed = runtime.block_on(async {
                let chunks = files.stream_read_with(&name, options.clone()).await?;
                chunks.try_collect::<Vec<_>>().await
            });
            let streamed = streamed.map_err(|error| error.kind());
            prop_assert_eq!(streamed.clone().map(|chunks| chunks.concat()), expected.clone());
            let full = chunk_size.unwrap_or(f9::DEFAULT_CHUNK_SIZE);
            if let Some((last, others)) = streamed.as_deref().ok().and_then(<[_]>::split_last) {
                prop_assert!(others.iter().all(|chunk| chunk.len() == full));
                prop_assert!((1..=full).contains(&last.len()));
            }
        }
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}
