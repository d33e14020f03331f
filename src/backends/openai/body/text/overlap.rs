//! By how much chunks overlap.

/// By how much one chunk and the next may overlap: by the most that the end of the one and the beginning of the other have in common,
/// and where that is periodic, also by some periods less.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seam {
    longest: usize,
    /// 0 if the overlap is not periodic.
    period: usize,
    /// How many periods it may be less.
    most: usize,
}

impl Seam {
    /// Finds the overlaps in time in proportion to the length of `after` (Knuth, Morris and Pratt).
    pub(super) fn between(before: &[u8], after: &[u8]) -> Self {
        let shorter = failures(after);
        let mut longest: usize = 0;
        for &byte in &before[before.len().saturating_sub(after.len())..] {
            while longest > 0 && (longest == after.len() || after[longest] != byte) {
                longest = shorter[longest - 1];
            }
            longest += usize::from(after[longest] == byte);
        }
        let period = longest.checked_sub(1).map_or(0, |last| longest - shorter[last]);
        // What holds less than two periods is not periodic, but ends as it begins by accident.
        if period * 2 > longest {
            return Self { longest, period: 0, most: 0 };
        }
        let most = longest.checked_div(period).unwrap_or(0);
        Self { longest, period, most }
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// By how many periods the longest overlap is to be shorter to be nearest to `wanted`.
    fn nearest(&self, wanted: usize) -> usize {
        let excess = self.longest.saturating_sub(wanted) + self.period / 2;
        excess.checked_div(self.period).unwrap_or(0).min(self.most)
    }
}

/// For each beginning of `pattern`, how long a shorter beginning is that it also ends with, at most.
fn failures(pattern: &[u8]) -> Vec<usize> {
    let mut failures = vec![0; pattern.len()];
    for end in 1..pattern.len() {
        let mut length: usize = failures[end - 1];
        while length > 0 && pattern[length] != pattern[end] {
            length = failures[length - 1];
        }
        failures[end] = length + usize::from(pattern[length] == pattern[end]);
    }
    failures
}

/// A few ways for chunks to share `shared` bytes in all.
///
/// Each starts from a guess at what all overlaps are like: like those that are not periodic, or the longest. What is then missing, or too
/// much, is settled where the text is periodic, in shares or in one place.
pub(super) fn arrangements(seams: &[Seam], shared: usize) -> Vec<Vec<usize>> {
    let mut plain: Vec<_> =
        seams.iter().filter(|seam| seam.period == 0).map(Seam::longest).collect();
    plain.sort_unstable();
    let middle = plain.get(plain.len() / 2).copied();
    let mut found = Vec::new();
    for guess in middle.into_iter().chain([usize::MAX]) {
        for (backwards, in_shares) in [(false, true), (true, true), (false, false), (true, false)] {
            let less: Vec<_> = seams.iter().map(|seam| seam.nearest(guess)).collect();
            let overlaps = settled(seams, less, shared, backwards, in_shares);
            found.extend(overlaps.filter(|overlaps| !found.contains(overlaps)));
        }
    }
    found
}

/// Changes by how many periods overlaps are `less` than the longest, so that all together are `shared`; `None` where that cannot be.
fn settled(
    seams: &[Seam],
    mut less: Vec<usize>,
    shared: usize,
    backwards: bool,
    in_shares: bool,
) -> Option<Vec<usize>> {
    let overlap =
        |less: &[usize], pair: usize| seams[pair].longest - less[pair] * seams[pair].period;
    let all: usize = (0..seams.len()).map(|pair| overlap(&less, pair)).sum();
    let (mut rest, too_long) = (all.abs_diff(shared), all > shared);
    let mut periodic: Vec<_> = (0..seams.len()).filter(|&pair| seams[pair].period > 0).collect();
    if backwards {
        periodic.reverse();
    }
    let share = rest.checked_div(periodic.len())?;
    for most in in_shares.then_some(share).into_iter().chain([usize::MAX]) {
        for &pair in &periodic {
            let Seam { period, most: all, .. } = seams[pair];
            let possible = if too_long { all - less[pair] } else { less[pair] };
            let periods = possible.min(rest / period).min(most.div_ceil(period));
            less[pair] = if too_long { less[pair] + periods } else { less[pair] - periods };
            rest -= periods * period;
        }
    }
    (rest == 0).then(|| (0..seams.len()).map(|pair| overlap(&less, pair)).collect())
}

/// The chunks together, where each but the first leaves out what it shares with the one before; `None` if that is more than `most`
/// bytes.
pub(super) fn joined(
    chunks: &[&[u8]],
    overlaps: &[usize],
    between: &str,
    most: usize,
) -> Option<Vec<u8>> {
    let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let length = total + overlaps.len() * between.len() - overlaps.iter().sum::<usize>();
    if length > most {
        return None;
    }
    let mut text = Vec::with_capacity(length);
    for (index, chunk) in chunks.iter().enumerate() {
        let shared = index.checked_sub(1).map(|pair| overlaps[pair]);
        if shared.is_some() {
            text.extend_from_slice(between.as_bytes());
        }
        text.extend_from_slice(&chunk[shared.unwrap_or(0)..]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_seam_has_only_overlaps(before in "[ab]{0,12}|(ab){0,6}", after in "[ab]{0,12}|(ab){0,6}") {
            let seam = Seam::between(before.as_bytes(), after.as_bytes());
            let mut all = (0..=after.len()).rev().filter(|&k| before.ends_with(&after[..k]));
            prop_assert_eq!(Some(seam.longest()), all.next());
            let second = all.next().unwrap_or(0);
            let periodic = seam.longest > 0 && second * 2 >= seam.longest;
            prop_assert_eq!(seam.period, if periodic { seam.longest - second } else { 0 });
            for less in 1..=seam.most {
                let length = seam.longest - less * seam.period;
                prop_assert!(before.ends_with(&after[..length]));
            }
            prop_assert!(!periodic || seam.longest - seam.most * seam.period < seam.period);
        }
    }

    #[test]
    fn the_nearest_overlap_is_found() {
        let seam = Seam { longest: 30, period: 4, most: 7 };
        for (wanted, less) in
            [(0, 7), (2, 7), (3, 7), (5, 6), (22, 2), (23, 2), (25, 1), (29, 0), (99, 0)]
        {
            assert_eq!(seam.nearest(wanted), less, "{wanted}");
        }
        assert_eq!(Seam { longest: 30, period: 0, most: 0 }.nearest(3), 0);
    }

    #[test]
    fn arrangements_share_what_they_should() {
        let periodic = || Seam::between(b"abababab", b"abababab");
        let plain = || Seam::between(b"hello", b"hello you");
        let seams = [plain(), periodic(), plain(), periodic()];
        assert_eq!(arrangements(&seams, 26), [[5, 8, 5, 8]]);
        assert_eq!(arrangements(&seams, 18), [[5, 4, 5, 4], [5, 0, 5, 8], [5, 8, 5, 0]]);
        for impossible in [27, 25, 9, 0] {
            assert_eq!(arrangements(&seams, impossible), Vec::<Vec<usize>>::new());
        }
        assert_eq!(arrangements(&[], 0), Vec::<Vec<usize>>::new());
    }
}
