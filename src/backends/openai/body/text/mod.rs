//! Text as it was, from the chunks that a service has parsed of it.
//!
//! What has happened to the text on its way is not known, only its size and its checksum. So likely stories are tried one after the
//! other, and what comes of one counts only if it has that checksum:
//!
//! - the chunks follow each other, or overlap: each pair by as much as they have in common, or by less where the text is periodic, so
//!   that the size is met; or white space was dropped at each end of a chunk;
//! - they were given in another order: that of the largest overlaps, or any if they are few;
//! - the text has lost white space at its ends, a byte order mark, or the carriage returns before its line feeds;
//! - characters were cut by the ends of chunks, and so replaced.

use std::iter;

use bytes::Bytes;

use self::order::{chained, permutations};
use self::overlap::{Seam, arrangements, joined};
use super::MAX_BODY;

mod order;
mod overlap;

/// How many texts of the right size are compared with the checksum, at most.
const MAX_CANDIDATES: usize = 96;

/// Up to so many chunks are tried in every order.
const FEW: usize = 4;

/// How much white space is believed to be lost where the text is periodic too.
const MOST_LOST: usize = 2;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Puts a text of `size` bytes together that came back in chunks; `None` if no way was found. What is returned is one of at most 96
/// texts that `matches` was asked for, and the one that it accepted.
///
/// The work is bounded too: besides those 96 checks, some passes over the chunks for each order that is tried, of which there are two,
/// or 26 with four chunks or fewer. For megabytes it belongs where it may block.
pub(crate) fn reassemble(
    chunks: &[impl AsRef<str>],
    size: u64,
    matches: impl Fn(&[u8]) -> bool,
) -> Option<Bytes> {
    let size = usize::try_from(size).ok().filter(|_| size <= MAX_BODY)?;
    let mut search = Search { size, matches, left: MAX_CANDIDATES };
    let chunks: Vec<_> = chunks.iter().map(AsRef::as_ref).collect();
    search.in_any_order(&chunks).or_else(|| {
        let uncut = |chunk: &&'_ str| chunk.trim_matches('\u{fffd}').len() < chunk.len();
        let cut = chunks.iter().any(uncut);
        let whole = chunks.iter().map(|chunk| chunk.trim_matches('\u{fffd}'));
        if cut { search.in_any_order(&whole.collect::<Vec<_>>()) } else { None }
    })
}

struct Search<M> {
    size: usize,
    matches: M,
    /// How many candidates may still be checked.
    left: usize,
}

/// How much is believed of white space that was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// That it was line breaks at the end.
    Likely,
    /// Whatever is still common.
    Any,
}

impl<M: Fn(&[u8]) -> bool> Search<M> {
    fn in_any_order(&mut self, chunks: &[&str]) -> Option<Bytes> {
        let chunks = chunks.iter().map(|chunk| chunk.as_bytes());
        let given: Vec<_> = chunks.filter(|chunk| !chunk.is_empty()).collect();
        if let Some(found) = self.in_order(&given, Ends::Likely) {
            return Some(found);
        }
        let others = if given.len() <= FEW { permutations(&given) } else { Vec::new() };
        let suggested = chained(&given);
        let mut orders = vec![given, suggested];
        orders.dedup();
        // The given order comes first in both lists and has been tried.
        let mut untried = orders.iter().skip(1).chain(others.iter().skip(1));
        let found = untried.find_map(|order| self.in_order(order, Ends::Likely));
        found.or_else(|| orders.iter().find_map(|order| self.in_order(order, Ends::Any)))
    }

    fn in_order(&mut self, chunks: &[&[u8]], ends: Ends) -> Option<Bytes> {
        let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let none = vec![0; chunks.len().saturating_sub(1)];
        if let Some(found) = self.completed(chunks, &none, "", ends) {
            return Some(found);
        }
        let seams: Vec<_> = chunks.windows(2).map(|pair| Seam::between(pair[0], pair[1])).collect();
        let longest: Vec<_> = seams.iter().map(Seam::longest).collect();
        if longest != none
            && let Some(found) = self.completed(chunks, &longest, "", ends)
        {
            return Some(found);
        }
        if none.is_empty() || ends == Ends::Any {
            return None;
        }
        for lost in 0..=MOST_LOST {
            let shared = (total + lost).checked_sub(self.size);
            for overlaps in shared.map(|shared| arrangements(&seams, shared)).unwrap_or_default() {
                if let Some(found) = self.completed(chunks, &overlaps, "", ends) {
                    return Some(found);
                }
            }
        }
        let dropped = ["\n", " ", "\n\n"];
        dropped.iter().find_map(|dropped| self.completed(chunks, &none, dropped, ends))
    }

    /// Tries the chunks with these overlaps and with `between` between them, completed by what the text may have lost.
    fn completed(
        &mut self,
        chunks: &[&[u8]],
        overlaps: &[usize],
        between: &str,
        ends: Ends,
    ) -> Option<Bytes> {
        let text = joined(chunks, overlaps, between, self.size)?;
        let line_feeds = text.iter().filter(|&&byte| byte == b'\n').count();
        let fits = line_feeds > 0 && text.len() + line_feeds <= self.size;
        let windows = fits.then(|| with_carriage_returns(&text));
        [Some(text), windows].into_iter().flatten().find_map(|text| self.with_ends(&text, ends))
    }

    fn with_ends(&mut self, text: &[u8], ends: Ends) -> Option<Bytes> {
        for mark in ["", BYTE_ORDER_MARK] {
            let missing = self.size.checked_sub(mark.len() + text.len())?;
            for (before, after) in white_space(missing, ends) {
                self.left = self.left.checked_sub(1)?;
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

/// What `missing` bytes of white space may have stood before and after a text, the likeliest first.
fn white_space(missing: usize, ends: Ends) -> Vec<(String, String)> {
    let after = |text: String| (String::new(), text);
    let pairs = missing.is_multiple_of(2).then_some(missing / 2);
    if ends == Ends::Likely {
        let windows = pairs.filter(|&pairs| pairs > 0).map(|pairs| after("\r\n".repeat(pairs)));
        let space = (missing == 1).then(|| after(" ".to_owned()));
        return iter::once(after("\n".repeat(missing))).chain(windows).chain(space).collect();
    }
    if missing == 0 {
        return Vec::new();
    }
    let mut likely = vec![after(" ".repeat(missing)), after("\r".repeat(missing))];
    // Of more than that, most likely something else is missing.
    if missing <= 16 {
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
        likely.retain(|(before, after)| before.len() + after.len() == missing);
    }
    let mut different = Vec::new();
    for ends in likely {
        if !different.contains(&ends) && !white_space(missing, Ends::Likely).contains(&ends) {
            different.push(ends);
        }
    }
    different
}

#[cfg(test)]
mod tests;
