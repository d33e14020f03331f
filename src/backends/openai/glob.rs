//! Glob matching on the cached tree. It compares names and skips directories that cannot contain a match.

use std::ops::Bound;

use super::index::Entries;
use crate::core::glob::GlobPattern;
use crate::core::glob::Progress;
use crate::core::options::GlobKind;
use crate::core::path::FilePath;
use crate::core::tree::{Node, dir_key, past_directory, path_of};

/// Returns the matching paths in byte order.
pub(super) fn matching(entries: &Entries, pattern: &GlobPattern, kind: GlobKind) -> Vec<FilePath> {
    let (base, _) = pattern.base();
    let begin = |progress: Progress, name| pattern.advance(&progress, name).1;
    let mut found = Vec::new();
    // The directories around the current entry, and the state of the pattern in each.
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
                    if kind.accepts(false) && pattern.is_for(false) && pattern.meets(progress, name)
                    {
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
    // Keys of directories end in a slash, which sorts differently from paths.
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::backends::memory::MemoryFileBackend;
    use crate::backends::openai::attributes::{Entry, Kind};
    use crate::core::options::GlobOptions;
    use crate::prelude::*;

    fn directory() -> Entry {
        let (id, kind) = ("file-1".to_owned(), Kind::Directory);
        let (created_at, modified_at) = (UNIX_EPOCH, UNIX_EPOCH);
        Entry { id, kind, generation: 1, created_at, modified_at, attached_at: 0, expires_at: None }
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
        fn glob_finds_the_same_paths_as_the_memory_backend(
            entries in prop::collection::vec((path(), any::<bool>()), 0..12),
            patterns in prop::collection::vec(pattern(), 1..16),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let memory = MemoryFileBackend::new();
            let mut tree = Entries::default();
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
                        tree.insert_dir(&path, Some(directory()), || None);
                    } else {
                        tree.insert_file(&path, directory(), || None);
                    }
                }
            }
            for pattern in &patterns {
                let Ok(compiled) = GlobPattern::parse(pattern) else { continue };
                for kind in [GlobKind::Any, GlobKind::Files, GlobKind::Directories] {
                    let options = GlobOptions::default().with_kind(kind);
                    let expected = runtime.block_on(memory.glob_with(pattern, options)).unwrap();
                    prop_assert_eq!(matching(&tree, &compiled, kind), expected, "{} {:?}", pattern, kind);
                }
            }
        }
    }
}
