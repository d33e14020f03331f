//! Rebuilds text from the chunks of the service's parser.
//!
//! Only the size and the checksum of the text are known, not what the parser did to it. So likely assumptions are tried in turn,
//! and a result counts only if it has that checksum:
//!
//! - the chunks follow each other or overlap: each pair by their longest common part, or by less in periodic text, so that the size
//!   matches; or white space was dropped at each end of a chunk;
//! - they were returned in another order: by the largest overlaps, or any order of few chunks;
//! - the text lost white space at its ends, a byte order mark, or the carriage returns before its line feeds;
//! - characters were split at the ends of chunks and replaced.

use std::collections::HashSet;
use std::iter;

use bytes::Bytes;

use self::order::{order_by_overlap, permutations};
use self::overlap::{Seam, arrangements, joined};
use super::MAX_BODY;

mod order;
mod overlap;

/// The most texts of the right size that are compared with the checksum.
const MAX_CANDIDATES: usize = 96;

/// Up to this many chunks are tried in every order.
const MAX_PERMUTED: usize = 4;

/// The most bytes of white space that are assumed to be lost in periodic text.
const MAX_LOST: usize = 2;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Rebuilds a text of `size` bytes from chunks; `None` if that fails. Calls `matches` for at most 96 texts and returns the one that
/// it accepts.
///
/// The work is bounded: those 96 checks, and some passes over the chunks for each order that is tried, of which there are two, or
/// 26 for four chunks or fewer. Run it in the pool, because it may handle megabytes.
pub(crate) fn reassemble(
    chunks: &[impl AsRef<str>],
    size: u64,
    matches: impl Fn(&[u8]) -> bool,
) -> Option<Bytes> {
    let size = usize::try_from(size).ok().filter(|_| size <= MAX_BODY)?;
    let mut search = Search { size, matches, candidates_left: MAX_CANDIDATES };
    let chunks: Vec<_> = chunks.iter().map(AsRef::as_ref).collect();
    search.in_any_order(&chunks).or_else(|| {
        let whole: Vec<_> = chunks.iter().map(|chunk| chunk.trim_matches('\u{fffd}')).collect();
        if whole == chunks { None } else { search.in_any_order(&whole) }
    })
}

struct Search<M> {
    size: usize,
    matches: M,
    /// How many candidates may still be checked.
    candidates_left: usize,
}

/// Which lost white space is assumed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LostWhiteSpace {
    /// Line breaks at the end.
    Likely,
    /// Other common white space.
    Any,
}

impl<M: Fn(&[u8]) -> bool> Search<M> {
    fn in_any_order(&mut self, chunks: &[&str]) -> Option<Bytes> {
        let chunks = chunks.iter().map(|chunk| chunk.as_bytes());
        let given: Vec<_> = chunks.filter(|chunk| !chunk.is_empty()).collect();
        if let Some(found) = self.in_order(&given, LostWhiteSpace::Likely) {
            return Some(found);
        }
        let others = if given.len() <= MAX_PERMUTED { permutations(&given) } else { Vec::new() };
        let suggested = order_by_overlap(&given);
        let mut orders = vec![given, suggested];
        orders.dedup();
        // The given order comes first in both lists and was tried above.
        let mut untried = orders.iter().skip(1).chain(others.iter().skip(1));
        let found = untried.find_map(|order| self.in_order(order, LostWhiteSpace::Likely));
        found.or_else(|| orders.iter().find_map(|order| self.in_order(order, LostWhiteSpace::Any)))
    }

    fn in_order(&mut self, chunks: &[&[u8]], lost: LostWhiteSpace) -> Option<Bytes> {
        let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let none = vec![0; chunks.len().saturating_sub(1)];
        if let Some(found) = self.completed(chunks, &none, "", lost) {
            return Some(found);
        }
        let seams: Vec<_> = chunks.windows(2).map(|pair| Seam::between(pair[0], pair[1])).collect();
        let longest: Vec<_> = seams.iter().map(|seam| seam.longest).collect();
        if longest != none
            && let Some(found) = self.completed(chunks, &longest, "", lost)
        {
            return Some(found);
        }
        if none.is_empty() || lost == LostWhiteSpace::Any {
            return None;
        }
        let size = self.size;
        let shared = (0..=MAX_LOST).filter_map(|lost_bytes| (total + lost_bytes).checked_sub(size));
        let mut arranged = shared.flat_map(|shared| arrangements(&seams, shared));
        let found = arranged.find_map(|overlaps| self.completed(chunks, &overlaps, "", lost));
        let mut dropped = ["\n", " ", "\n\n"].iter();
        found.or_else(|| dropped.find_map(|between| self.completed(chunks, &none, between, lost)))
    }

    /// Tries the chunks with these overlaps and with `between` as separator, completed by what the text may have lost.
    fn completed(
        &mut self,
        chunks: &[&[u8]],
        overlaps: &[usize],
        between: &str,
        lost: LostWhiteSpace,
    ) -> Option<Bytes> {
        let text = joined(chunks, overlaps, between, self.size)?;
        let line_feeds = text.iter().filter(|&&byte| byte == b'\n').count();
        let fits = line_feeds > 0 && text.len() + line_feeds <= self.size;
        let windows = fits.then(|| with_carriage_returns(&text));
        [Some(text), windows].into_iter().flatten().find_map(|text| self.with_ends(&text, lost))
    }

    fn with_ends(&mut self, text: &[u8], lost: LostWhiteSpace) -> Option<Bytes> {
        for mark in ["", BYTE_ORDER_MARK] {
            let missing = self.size.checked_sub(mark.len() + text.len())?;
            for (before, after) in white_space(missing, lost) {
                self.candidates_left = self.candidates_left.checked_sub(1)?;
                let text = [mark.as_bytes(), before.as_bytes(), text, after.as_bytes()].concat();
                if (self.matches)(&text) {
                    return Some(text.into());
                }
            }
        }
        None
    }
}

fn with_carriage_returns(text: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// Returns what `missing` bytes of white space may have been before and after a text, likeliest first.
fn white_space(missing: usize, lost: LostWhiteSpace) -> Vec<(String, String)> {
    let after = |text: String| (String::new(), text);
    let pairs = missing.is_multiple_of(2).then_some(missing / 2);
    if lost == LostWhiteSpace::Likely {
        let windows = pairs.filter(|&pairs| pairs > 0).map(|pairs| after("\r\n".repeat(pairs)));
        let space = (missing == 1).then(|| after(" ".to_owned()));
        return iter::once(after("\n".repeat(missing))).chain(windows).chain(space).collect();
    }
    if missing == 0 {
        return Vec::new();
    }
    let mut likely = vec![after(" ".repeat(missing)), after("\r".repeat(missing))];
    // If more bytes are missing, something else is probably lost.
    if missing > 16 {
        return likely;
    }
    for blank in [" ", "\t", "\n"] {
        likely.push((blank.repeat(missing - 1), "\n".to_owned()));
        likely.push((blank.repeat(missing), String::new()));
        likely.push((blank.repeat(missing.saturating_sub(2)), "\r\n".to_owned()));
    }
    likely.push(after(format!("\n{}", " ".repeat(missing - 1))));
    likely.push(after(format!("{}\n", " ".repeat(missing - 1))));
    likely.push(after("\t".repeat(missing)));
    likely.push(("\n".to_owned(), "\n".repeat(missing - 1)));
    likely.extend(pairs.map(|pairs| ("\r\n".to_owned(), "\r\n".repeat(pairs - 1))));
    let mut tried: HashSet<_> = white_space(missing, LostWhiteSpace::Likely).into_iter().collect();
    likely.retain(|ends| ends.0.len() + ends.1.len() == missing && tried.insert(ends.clone()));
    likely
}

#[cfg(test)]
mod tests;
