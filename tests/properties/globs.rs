//! Glob patterns, compared with a brute-force matcher.

use f9::prelude::*;
use f9::{
    ErrorKind, FileInfo, FilePath, GlobKind, GlobOptions, GlobPattern, ListOptions,
    LocalFileBackend, MemoryFileBackend,
};
use futures::TryStreamExt as _;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::config;
use crate::reference::glob_matches;

/// Patterns over a small alphabet: most of them valid, many of them matching.
fn pattern() -> impl Strategy<Value = String> {
    let whole = select(vec![
        "a",
        "b",
        "é",
        "-",
        ".",
        "*",
        "**",
        "?",
        "/",
        "/",
        "**/",
        "/**",
        "[ab]",
        "[!a]",
        "[a-é]",
        "[]-]",
        "[*]",
        "[!]a]",
        "[b-a]",
        "[{]",
        "{a,b}",
        "{a/,}",
        "{,*}",
        "{a,{b,**}/}",
        "{}",
        "..",
        ",",
    ]);
    let pieces = select(vec!["[", "]", "{", "}", ",", "!", "-", "a", "*", "/", "."]);
    let concat = |pieces: Vec<&str>| pieces.concat();
    prop_oneof![
        4 => prop::collection::vec(whole.clone(), 0..6).prop_map(concat),
        2 => prop::collection::vec(prop_oneof![whole, pieces.clone()], 0..8).prop_map(concat),
        1 => prop::collection::vec(pieces, 0..10).prop_map(concat),
    ]
}

fn path() -> impl Strategy<Value = FilePath> {
    let name = select(vec!["a", "b", "ab", "é", "-", ".a", "a-b", "]", "*", ",", "aab", "{"]);
    prop::collection::vec(name, 0..4).prop_map(|names| FilePath::parse(&names.join("/")).unwrap())
}

fn expected(pattern: &str, path: &FilePath) -> Option<bool> {
    glob_matches(pattern, &path.segments().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_pattern_matches_like_the_reference(
        pattern in pattern(),
        paths in prop::collection::vec(path(), 1..20),
    ) {
        let compiled = GlobPattern::parse(&pattern).map_err(|error| error.kind());
        for path in paths {
            let matched = compiled.as_ref().map(|compiled| compiled.matches(&path));
            let expected = expected(&pattern, &path).ok_or(&ErrorKind::InvalidPattern);
            prop_assert_eq!(matched, expected, "{}", path);
        }
    }

    #[test]
    fn an_escaped_path_is_a_pattern_that_matches_itself(path in path(), other in path()) {
        let pattern = GlobPattern::parse(&GlobPattern::escape(&path)).unwrap();
        prop_assert_eq!(pattern.matches(&path), !path.is_root());
        prop_assert_eq!(pattern.matches(&other), path == other && !path.is_root());
    }

    #[test]
    fn every_text_compiles_or_fails_quickly(
        text in any::<String>(),
        pattern in pattern(),
        times in 0..300_usize,
    ) {
        for text in [format!("{pattern}{text}{pattern}"), pattern.repeat(times), text] {
            if let Ok(compiled) = GlobPattern::parse(&text) {
                prop_assert_eq!(compiled.as_str(), &text);
                let _ = compiled.matches(&FilePath::parse("a/b/ab").unwrap());
            }
        }
    }
}

/// A search returns the matching entries of a listing, although it skips directories.
#[test]
fn a_search_finds_the_matching_entries_of_a_listing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entries = prop::collection::vec((path(), any::<bool>()), 0..8);
    let inputs = (entries, prop::collection::vec(pattern(), 1..12));
    let checked = TestRunner::new(config()).run(&inputs, |(entries, patterns)| {
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let (memory, local) =
                (MemoryFileBackend::new(), LocalFileBackend::new(dir.path()).await.unwrap());
            for files in [&memory as &dyn AsyncFileBackend, &local] {
                for (path, is_dir) in &entries {
                    // A file whose parent is another file is left out.
                    if *is_dir {
                        drop(files.create_dir(path).await);
                    } else {
                        drop(files.create(path, "").await);
                    }
                }
                for pattern in &patterns {
                    searched(files, pattern).await?;
                }
            }
            Ok(())
        })
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn searched(files: &dyn AsyncFileBackend, pattern: &str) -> Result<(), TestCaseError> {
    let listing = files.list_with("", ListOptions::recursive()).await.unwrap();
    let listed: Vec<FileInfo> = listing.try_collect().await.unwrap();
    let is_pattern = expected(pattern, &FilePath::root()).is_some();
    for kind in [GlobKind::Any, GlobKind::Files, GlobKind::Directories] {
        let matches = |info: &&FileInfo| {
            let of_kind = match kind {
                GlobKind::Files => !info.is_dir(),
                GlobKind::Directories => info.is_dir(),
                _ => true,
            };
            let is_for = info.is_dir() || !pattern.ends_with('/');
            of_kind && is_for && expected(pattern, &info.path) == Some(true)
        };
        let mut matching: Vec<_> =
            listed.iter().filter(matches).map(|info| info.path.clone()).collect();
        matching.sort_unstable();
        let matching = if is_pattern { Ok(matching) } else { Err(ErrorKind::InvalidPattern) };
        let found = files.glob_with(pattern, GlobOptions::default().with_kind(kind)).await;
        let found = found.map_err(|error| error.kind());
        prop_assert_eq!(found, matching, "{:?} {} {:?}", files, pattern, kind);
    }
    Ok(())
}
