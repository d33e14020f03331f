//! The order of chunks.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::iter;

/// The smallest common part that makes one chunk the successor of another, in bytes.
const MIN_OVERLAP: usize = 16;

/// How many successors of a chunk are considered.
const MAX_LINKS: usize = 8;

/// Returns the chunks in the order that their overlaps suggest, largest overlap first, each once. Chunks without an overlap keep
/// their order, except that those too short for one go last: they can only be the end.
///
/// Takes time linear in the text.
pub(super) fn order_by_overlap<'a>(chunks: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut seen = HashSet::new();
    let chunks: Vec<_> = chunks.iter().copied().filter(|chunk| seen.insert(*chunk)).collect();
    let mut chains = Chains::new(chunks.len());
    for Link { from, to, .. } in links(&chunks) {
        chains.link(from, to);
    }
    let mut heads: Vec<_> = (0..chunks.len()).filter(|&chunk| !chains.follows[chunk]).collect();
    heads.sort_by_key(|&head| chunks[head].len() < MIN_OVERLAP);
    let chain = |head| iter::successors(Some(head), |&chunk| chains.next[chunk]);
    heads.into_iter().flat_map(chain).map(|chunk| chunks[chunk]).collect()
}

/// One chunk ends with what another starts with.
struct Link {
    overlap: usize,
    from: usize,
    to: usize,
}

/// Returns the links between chunks, largest overlap first.
fn links(chunks: &[&[u8]]) -> Vec<Link> {
    let beginnings: HashSet<_> =
        chunks.iter().filter_map(|chunk| chunk.get(..MIN_OVERLAP)).collect();
    let mut sorted: Vec<_> = (0..chunks.len()).collect();
    sorted.sort_by_key(|&index| chunks[index]);
    let mut links = Vec::new();
    for (from, chunk) in chunks.iter().enumerate() {
        let places = chunk.windows(MIN_OVERLAP).enumerate().skip(1);
        let promising = places.filter(|(_, window)| beginnings.contains(window));
        let found = promising.flat_map(|(at, _)| {
            let end = &chunk[at..];
            let first = sorted.partition_point(|&other| chunks[other] < end);
            let others = sorted[first..].iter().take_while(move |&&to| chunks[to].starts_with(end));
            others.map(move |&to| Link { overlap: end.len(), from, to })
        });
        links.extend(found.filter(|link| link.to != from).take(MAX_LINKS));
    }
    links.sort_by_key(|link| Reverse(link.overlap));
    links
}

/// Chunks linked to chains, each with at most one successor and never in a circle.
struct Chains {
    next: Vec<Option<usize>>,
    follows: Vec<bool>,
    /// For the last of a chain, its first.
    first: Vec<usize>,
    /// For the first of a chain, its last.
    last: Vec<usize>,
}

impl Chains {
    fn new(count: usize) -> Self {
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

/// Returns every order of `items`.
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
    fn chunks_are_ordered_by_their_largest_overlaps() {
        let text =
            "In the beginning were the words, and then came the chunks, which overlapped a little.";
        let pieces: Vec<_> =
            [20..60, 0..40, 60..80, 40..80, 77..85].map(|range| &text[range]).into();
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        let expected = [1, 0, 3, 2, 4].map(|index| pieces[index]);
        assert_eq!(order_by_overlap(&pieces), expected);
        let mut twice = pieces.clone();
        twice.insert(1, pieces[3]);
        assert_eq!(order_by_overlap(&twice), expected);
    }

    #[test]
    fn the_best_overlap_wins_and_the_others_are_linked_elsewhere() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        let pieces = [
            format!("first {}", &alphabet[..20]),
            format!("second {alphabet}"),
            format!("{alphabet} follows the second"),
            format!("{} follows the first", &alphabet[2..20]),
        ];
        let pieces = pieces.each_ref().map(String::as_bytes);
        assert_eq!(order_by_overlap(&pieces), [0, 3, 1, 2].map(|index| pieces[index]));
    }

    #[test]
    fn a_chunk_too_short_for_an_overlap_goes_last() {
        let pieces = ["end", "nothing in common", "with what follows"].map(str::as_bytes);
        assert_eq!(order_by_overlap(&pieces), [1, 2, 0].map(|index| pieces[index]));
    }

    #[test]
    fn chains_do_not_form_circles() {
        let (a, b) = ("x".repeat(20) + &"y".repeat(20), "y".repeat(20) + &"x".repeat(20));
        assert_eq!(order_by_overlap(&[a.as_bytes(), b.as_bytes()]), [a.as_bytes(), b.as_bytes()]);
    }

    #[test]
    fn every_permutation_occurs_once() {
        let orders = permutations(&[1, 2, 3, 4]);
        assert_eq!(orders.iter().collect::<HashSet<_>>().len(), 24);
        assert_eq!(orders[0], [1, 2, 3, 4]);
        assert_eq!(permutations::<u8>(&[]), [Vec::<u8>::new()]);
    }
}
