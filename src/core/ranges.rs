//! Reading several ranges of one file with few reads.

use std::ops::Range;

use bytes::Bytes;

/// Ranges with a gap up to this size are read as one, because reading the gap costs less than another call.
const GAP: u64 = 64 * 1024;

/// The limit of a read of several ranges, so that many ranges of a huge file are not read as one.
const MAX_MERGED: u64 = 8 * 1024 * 1024;

/// Merges ranges that overlap or are close together. Returns them in order; empty ranges are left out.
pub(crate) fn merge(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut ranges: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last)
                if range.end <= last.end
                    || range.start <= last.end.saturating_add(GAP)
                        && range.end - last.start <= MAX_MERGED =>
            {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Returns a range from the content of the merged ranges; `None` if the content is shorter than it should be.
pub(crate) fn slice(range: &Range<u64>, merged: &[Range<u64>], read: &[Bytes]) -> Option<Bytes> {
    if range.is_empty() {
        return Some(Bytes::new());
    }
    let holds = |merged: &Range<u64>| merged.start <= range.start && range.end <= merged.end;
    let holder = merged.iter().position(holds)?;
    let at = |offset: u64| usize::try_from(offset - merged[holder].start).ok();
    let (start, end) = (at(range.start)?, at(range.end)?);
    (end <= read[holder].len()).then(|| read[holder].slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a slice of one range is intended")]
    fn close_ranges_are_read_as_one_and_distant_ones_are_not() {
        let far = 10 + GAP + 1;
        for (ranges, expected) in [
            (vec![], vec![]),
            (vec![5..5], vec![]),
            (vec![0..10, 10..20], vec![0..20]),
            (vec![0..10, 10 + GAP..far + 9], vec![0..far + 9]),
            (vec![0..10, far..far + 9], vec![0..10, far..far + 9]),
            (vec![far..far + 9, 0..10, 3..5, 0..2], vec![0..10, far..far + 9]),
            (vec![0..100, 5..6], vec![0..100]),
            (
                vec![0..MAX_MERGED, MAX_MERGED..MAX_MERGED + 1],
                vec![0..MAX_MERGED, MAX_MERGED..MAX_MERGED + 1],
            ),
            (vec![0..2 * MAX_MERGED, 5..6], vec![0..2 * MAX_MERGED]),
        ] {
            assert_eq!(merge(&ranges), expected);
        }
    }

    #[test]
    fn each_range_is_cut_from_what_was_read() {
        let content: Bytes = (0..=255_u8).collect();
        let at = |offset: u64| usize::try_from(offset).unwrap();
        let part = |range: &Range<u64>| content.slice(at(range.start)..at(range.end));
        let ranges = [0..3, 250..256, 7..7, 2..5];
        let merged = merge(&ranges);
        let read: Vec<_> = merged.iter().map(part).collect();
        for range in &ranges {
            assert_eq!(slice(range, &merged, &read), Some(part(range)), "{range:?}");
        }
        assert_eq!(slice(&(0..3), &merged, &[content.slice(..2)]), None);
    }
}
