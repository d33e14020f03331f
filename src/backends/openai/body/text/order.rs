//! In which order chunks belong.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::iter;

/// What two chunks have in common at least for the one to be taken for the successor of the other, in bytes.
const EVIDENCE: usize = 16;

/// How many successors of a chunk are considered.
const MOST_LINKS: usize = 8;

/// The chunks in the order that their overlaps suggest, the largest first, each only once. What has no overlap stays in the order it
/// has, but for what is too short for one, which can only be the end.
///
/// Takes time in proportion to the text.
pub(super) fn chained<'a>(chunks: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut seen = HashSet::new();
    let chunks: Vec<_> = chunks.iter().copied().filter(|chunk| seen.insert(*chunk)).collect();
    let mut chains = Chains::of(chunks.len());
    for Link { from, to, .. } in links(&chunks) {
        chains.link(from, to);
    }
    let mut heads: Vec<_> = (0..chunks.len()).filter(|&chunk| !chains.follows[chunk]).collect();
    heads.sort_by_key(|&head| chunks[head].len() < EVIDENCE);
    let chain = |head| iter::successors(Some(head), |&chunk| chains.next[chunk]);
    heads.into_iter().flat_map(chain).map(|chunk| chunks[chunk]).collect()
}

/// That one chunk ends with what another begins with.
struct Link {
    overlap: usize,
    from: usize,
    to: usize,
}

/// The links between chunks, the largest overlap first.
fn links(chunks: &[&[u8]]) -> Vec<Link> {
    let beginnings: HashSet<_> = chunks.iter().filter_map(|chunk| chunk.get(..EVIDENCE)).collect();
    let mut sorted: Vec<_> = (0..chunks.len()).collect();
    sorted.sort_by_key(|&index| chunks[index]);
    let mut links = Vec::new();
    for (from, chunk) in chunks.iter().enumerate() {
        let places = chunk.windows(EVIDENCE).enumerate().skip(1);
        let promising = places.filter(|(_, window)| beginnings.contains(window));
        let found = promising.flat_map(|(at, _)| {
            let end = &chunk[at..];
            let first = sorted.partition_point(|&other| chunks[other] < end);
            let others = sorted[first..].iter().take_while(move |&&to| chunks[to].starts_with(end));
            others.map(move |&to| Link { overlap: end.len(), from, to })
        });
        links.extend(found.filter(|link| link.to != from).take(MOST_LINKS));
    }
    links.sort_by_key(|link| Reverse(link.overlap));
    links
}

/// Chunks that have been linked to chains, each with one successor at most, and never in a circle.
struct Chains {
    next: Vec<Option<usize>>,
    follows: Vec<bool>,
    /// For the last of a chain, the first.
    first: Vec<usize>,
    /// For the first of a chain, the last.
    last: Vec<usize>,
}

impl Chains {
    fn of(count: usize) -> Self {
        Self {
            next: vec![None; count],
            follows: vec![false; count],
            first: (0..count).collect(),
            last: (0..count).collect(),
        }
    }

    fn link(&mut self, from: usize, to: usize) {
        if self.next[from].is_some() || self.follows[to] || self.first[from] == to {
            return;
        }
        self.next[from] = Some(to);
        self.follows[to] = true;
        let (first, last) = (self.first[from], self.last[to]);
        self.first[last] = first;
        self.last[first] = last;
    }
}

/// Every order of `items`.
pub(super) fn permutations<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    items.iter().fold(vec![Vec::new()], |orders, &item| {
        let with_item = orders.iter().flat_map(|order: &Vec<T>| {
            (0..=order.len()).rev().map(|at| {
                let mut order = order.clone();
                order.insert(at, item);
                order
            })
        });
        with_item.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_follow_the_largest_overlaps() {
        let text =
            "In the beginning were the words, and then came the chunks, which overlapped a little.";
        let pieces: Vec<_> =
            [20..60, 0..40, 60..80, 40..80, 77..85].map(|range| &text[range]).into();
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        let expected = [1, 0, 3, 2, 4].map(|index| pieces[index]);
        assert_eq!(chained(&pieces), expected);
        let mut twice = pieces.clone();
        twice.insert(1, pieces[3]);
        assert_eq!(chained(&twice), expected);
    }

    #[test]
    fn who_fits_best_comes_first_and_the_others_find_another() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        let pieces = [
            format!("first {}", &alphabet[..20]),
            format!("second {alphabet}"),
            format!("{alphabet} follows the second"),
            format!("{} follows the first", &alphabet[2..20]),
        ];
        let pieces = pieces.each_ref().map(String::as_bytes);
        assert_eq!(chained(&pieces), [0, 3, 1, 2].map(|index| pieces[index]));
    }

    #[test]
    fn what_is_too_short_for_an_overlap_is_the_end() {
        let pieces = ["end", "nothing in common", "with what follows"].map(str::as_bytes);
        assert_eq!(chained(&pieces), [1, 2, 0].map(|index| pieces[index]));
    }

    #[test]
    fn circles_are_not_closed() {
        let (a, b) = ("x".repeat(20) + &"y".repeat(20), "y".repeat(20) + &"x".repeat(20));
        assert_eq!(chained(&[a.as_bytes(), b.as_bytes()]), [a.as_bytes(), b.as_bytes()]);
    }

    #[test]
    fn every_order_is_there_once() {
        let orders = permutations(&[1, 2, 3, 4]);
        assert_eq!(orders.iter().collect::<HashSet<_>>().len(), 24);
        assert_eq!(orders[0], [1, 2, 3, 4]);
        assert_eq!(permutations::<u8>(&[]), [Vec::<u8>::new()]);
    }
}
