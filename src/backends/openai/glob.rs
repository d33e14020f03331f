//! Finding paths in what is known of the store: only the names are looked at, and nothing below directories that cannot match.

use std::ops::Bound;

use super::index::Entries;
use crate::glob::Progress;
use crate::tree::{Node, dir_key, past_directory, path_of};
use crate::{FilePath, GlobKind, GlobPattern};

/// The paths that match, in byte order.
pub(super) fn matching(entries: &Entries, pattern: &GlobPattern, kind: GlobKind) -> Vec<FilePath> {
    let (base, _) = pattern.base();
    let begin = |progress: Progress, name| pattern.advance(&progress, name).1;
    let mut found = Vec::new();
    // The directories that the entry at hand lies in, and what may match in each.
    let mut within = vec![(dir_key(&base), base.segments().fold(pattern.start(), begin))];
    let prefix = within[0].0.clone();
    let mut next = Bound::Excluded(prefix.clone());
    'from: loop {
        let from = next.clone();
        for (key, node) in entries.range_from(from.as_ref().map(String::as_str)) {
            if !key.starts_with(&prefix) {
                break 'from;
            }
            while within.len() > 1
                && within.last().is_some_and(|(directory, _)| !key.starts_with(directory))
            {
                within.pop();
            }
            let Some((directory, progress)) = within.last() else { break 'from };
            let name = key[directory.len()..].trim_end_matches('/');
            match node {
                Node::File(_) => {
                    if kind.accepts(false) && pattern.meets(progress, name) {
                        found.push(path_of(key));
                    }
                }
                Node::Directory(_) => {
                    let (is_met, below) = pattern.advance(progress, name);
                    if is_met && kind.accepts(true) {
                        found.push(path_of(key));
                    }
                    if below.is_over() {
                        next = Bound::Included(past_directory(key));
                        continue 'from;
                    }
                    within.push((key.to_owned(), below));
                }
            }
        }
        break;
    }
    // A directory's key has a slash at its end, which the order of paths does not know.
    found.sort_unstable();
    found
}
