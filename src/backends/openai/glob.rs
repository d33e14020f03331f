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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::backends::openai::attributes::{Entry, Kind};
    use crate::prelude::*;
    use crate::{GlobOptions, MemoryFileBackend};

    fn directory() -> Entry {
        let (id, kind) = ("file-1".to_owned(), Kind::Directory);
        let (created_at, modified_at) = (UNIX_EPOCH, UNIX_EPOCH);
        Entry { id, kind, generation: 1, created_at, modified_at, attached_at: 0 }
    }

    fn path() -> impl Strategy<Value = String> {
        let name = select(vec!["a", "b", "ab", "é", "-", ".a", "a-", "a.", "a0", "0", "*"]);
        prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let piece = select(vec![
            "a",
            "b",
            "ab",
            "é",
            "-",
            ".a",
            "*",
            "**",
            "?",
            "/",
            "/",
            "**/",
            "/**",
            "[ab]",
            "[!a]",
            "{a,b}",
            "{a/,}",
            "a-",
            "{a/b,é}/",
        ]);
        prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_contract_finds(
            entries in prop::collection::vec((path(), any::<bool>()), 0..12),
            patterns in prop::collection::vec(pattern(), 1..16),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let memory = MemoryFileBackend::new();
            let mut known = Entries::default();
            for (path, is_dir) in &entries {
                let made = runtime.block_on(async {
                    if *is_dir {
                        memory.create_dir(path).await
                    } else {
                        memory.create(path, "").await.map(drop)
                    }
                });
                if made.is_ok() {
                    let path = FilePath::parse(path).unwrap();
                    if *is_dir {
                        known.insert_dir(&path, Some(directory()), || None);
                    } else {
                        known.insert_file(&path, directory(), || None);
                    }
                }
            }
            for pattern in &patterns {
                let Ok(compiled) = GlobPattern::parse(pattern) else { continue };
                for kind in [GlobKind::Any, GlobKind::Files, GlobKind::Directories] {
                    let options = GlobOptions::default().with_kind(kind);
                    let expected = runtime.block_on(memory.glob_with(pattern, options)).unwrap();
                    prop_assert_eq!(matching(&known, &compiled, kind), expected, "{} {:?}", pattern, kind);
                }
            }
        }
    }
}
