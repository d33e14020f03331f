//! Overlaps between chunks.

/// The possible overlaps of one chunk and the next: the longest common part, and in periodic text also some periods less.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seam {
    pub(super) longest: usize,
    /// 0 if the overlap is not periodic.
    period: usize,
    /// How many periods the overlap may be shorter.
    max_periods: usize,
}

impl Seam {
    /// Finds the overlaps in time linear in the length of `after` (Knuth, Morris and Pratt).
    pub(super) fn between(before: &[u8], after: &[u8]) -> Self {
        let shorter = prefix_function(after);
        let mut longest: usize = 0;
        for &byte in &before[before.len().saturating_sub(after.len())..] {
            while longest > 0 && (longest == after.len() || after[longest] != byte) {
                longest = shorter[longest - 1];
            }
            longest += usize::from(after[longest] == byte);
        }
        let period = longest.checked_sub(1).map_or(0, |last| longest - shorter[last]);
        // Less than two periods is not periodic, but a coincidence.
        if period * 2 > longest {
            return Self { longest, period: 0, max_periods: 0 };
        }
        let max_periods = longest.checked_div(period).unwrap_or(0);
        Self { longest, period, max_periods }
    }

    /// Returns by how many periods to shorten the longest overlap so that it is nearest to `wanted`.
    fn nearest(&self, wanted: usize) -> usize {
        let excess = self.longest.saturating_sub(wanted) + self.period / 2;
        excess.checked_div(self.period).unwrap_or(0).min(self.max_periods)
    }
}

/// Returns, for each prefix of `pattern`, the length of its longest proper prefix that is also its suffix.
fn prefix_function(pattern: &[u8]) -> Vec<usize> {
    let mut prefixes = vec![0; pattern.len()];
    for end in 1..pattern.len() {
        let mut length: usize = prefixes[end - 1];
        while length > 0 && pattern[length] != pattern[end] {
            length = prefixes[length - 1];
        }
        prefixes[end] = length + usize::from(pattern[length] == pattern[end]);
    }
    prefixes
}

/// Returns a few ways in which the chunks share `shared` bytes in total.
///
/// Each starts from a guess for all overlaps: the typical one of those that are not periodic, or the longest. The difference is
/// then spread over the periodic overlaps, or applied to one of them.
pub(super) fn arrangements(seams: &[Seam], shared: usize) -> Vec<Vec<usize>> {
    let mut plain: Vec<_> =
        seams.iter().filter(|seam| seam.period == 0).map(|seam| seam.longest).collect();
    plain.sort_unstable();
    let middle = plain.get(plain.len() / 2).copied();
    let mut found = Vec::new();
    for guess in middle.into_iter().chain([usize::MAX]) {
        for (backwards, in_shares) in [(false, true), (true, true), (false, false), (true, false)] {
            let less: Vec<_> = seams.iter().map(|seam| seam.nearest(guess)).collect();
            let overlaps = adjusted(seams, less, shared, backwards, in_shares);
            found.extend(overlaps.filter(|overlaps| !found.contains(overlaps)));
        }
    }
    found
}

/// Adjusts by how many periods the overlaps are shortened until they add up to `shared`; `None` if that is impossible.
fn adjusted(
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
    for limit in in_shares.then_some(share).into_iter().chain([usize::MAX]) {
        for &pair in &periodic {
            let Seam { period, max_periods, .. } = seams[pair];
            let possible = if too_long { max_periods - less[pair] } else { less[pair] };
            let periods = possible.min(rest / period).min(limit.div_ceil(period));
            less[pair] = if too_long { less[pair] + periods } else { less[pair] - periods };
            rest -= periods * period;
        }
    }
    (rest == 0).then(|| (0..seams.len()).map(|pair| overlap(&less, pair)).collect())
}

/// Joins the chunks, each without what it shares with the one before; `None` if the result exceeds `max` bytes.
pub(super) fn joined(
    chunks: &[&[u8]],
    overlaps: &[usize],
    between: &str,
    max: usize,
) -> Option<Vec<u8>> {
    let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let length = total + overlaps.len() * between.len() - overlaps.iter().sum::<usize>();
    if length > max {
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
        fn a_seam_contains_only_real_overlaps(before in "[ab]{0,12}|(ab){0,6}", after in "[ab]{0,12}|(ab){0,6}") {
            let seam = Seam::between(before.as_bytes(), after.as_bytes());
            let mut all = (0..=after.len()).rev().filter(|&k| before.ends_with(&after[..k]));
            prop_assert_eq!(Some(seam.longest), all.next());
            let second = all.next().unwrap_or(0);
            let periodic = seam.longest > 0 && second * 2 >= seam.longest;
            prop_assert_eq!(seam.period, if periodic { seam.longest - second } else { 0 });
            for less in 1..=seam.max_periods {
                let length = seam.longest - less * seam.period;
                prop_assert!(before.ends_with(&after[..length]));
            }
            prop_assert!(!periodic || seam.longest - seam.max_periods * seam.period < seam.period);
        }
    }

    #[test]
    fn the_nearest_overlap_is_found() {
        let seam = Seam { longest: 30, period: 4, max_periods: 7 };
        for (wanted, less) in
            [(0, 7), (2, 7), (3, 7), (5, 6), (22, 2), (23, 2), (25, 1), (29, 0), (99, 0)]
        {
            assert_eq!(seam.nearest(wanted), less, "{wanted}");
        }
        assert_eq!(Seam { longest: 30, period: 0, max_periods: 0 }.nearest(3), 0);
    }

    #[test]
    fn arrangements_add_up_to_the_shared_length() {
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
