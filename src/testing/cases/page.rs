//! A part of a listing is what the whole listing has there.

use futures::stream::TryStreamExt as _;

use crate::core::error::ErrorKind;
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::options::{Depth, ListOptions};
use crate::core::path::FilePath;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused_when;
use crate::testing::state::{key, listed};

const TREE: &[&str] = &[
    " ",
    "a",
    "b!",
    "b-/x",
    "b.d/x",
    "b.txt",
    "b/a.txt",
    "b/c-/d",
    "b/c.txt",
    "b/c/d",
    "b/c/e/f",
    "b/c0",
    "b0",
    "c/a.txt",
    "z",
    "\u{e9}/\u{1f389}",
];

/// Keys that exist, keys that do not, and keys inside of directories.
const STARTS: &[&str] = &[
    "",
    " ",
    "!",
    "/a",
    "a",
    "a/",
    "a0",
    "b",
    "b!",
    "b-",
    "b-/",
    "b-/x",
    "b-/zzz",
    "b.",
    "b/",
    "b/a.txt",
    "b/b/missing/deep",
    "b/c",
    "b/c-/",
    "b/c/",
    "b/c/d",
    "b/c/d/below/a/file",
    "b/c/e",
    "b/c/e/",
    "b/c/e/f",
    "b/c/zzz",
    "b/c0",
    "b/zzz",
    "b0",
    "c",
    "c/",
    "c/zzz",
    "z",
    "zzz",
    "\u{e9}/",
    "\u{e9}/\u{1f389}",
    "\u{10ffff}",
];

async fn create_tree(files: &dyn AsyncFileBackend) {
    for path in TREE {
        files.create(path, *path).await.unwrap();
    }
}

async fn assert_starts(files: &dyn AsyncFileBackend, prefix: &str) {
    for depth in [Depth::One, Depth::All] {
        let options = ListOptions::default().with_depth(depth);
        let all = listed(files, prefix, options.clone()).await;
        for start in STARTS {
            let key = start.trim_start_matches('/');
            let after: Vec<_> = all.iter().filter(|entry| entry.as_str() > key).cloned().collect();
            let found = listed(files, prefix, options.clone().with_start_after(*start)).await;
            assert_eq!(found, after, "{depth:?} of {prefix:?} after {start:?}");
        }
    }
}

pub async fn a_listing_starts_after_any_key(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    assert_starts(&*files, "").await;
}

pub async fn a_listing_of_a_directory_starts_after_any_key(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for prefix in ["b", "b/c", "c"] {
        assert_starts(&*files, prefix).await;
    }
}

pub async fn a_listing_returns_no_more_than_its_limit(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for depth in [Depth::One, Depth::All] {
        let options = ListOptions::default().with_depth(depth);
        for start in ["", "b", "b/c/", "zzz"] {
            let options = options.clone().with_start_after(start);
            let all = listed(&*files, "", options.clone()).await;
            for limit in [0, 1, 2, 5, all.len(), all.len() + 1, usize::MAX] {
                let found = listed(&*files, "", options.clone().with_limit(limit)).await;
                let expected = &all[..limit.min(all.len())];
                assert_eq!(found, expected, "{limit} of {depth:?} after {start:?}");
            }
        }
    }
}

pub async fn a_listing_returns_only_what_matches_its_pattern(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for (prefix, depth) in
        [("", Depth::One), ("", Depth::All), ("b", Depth::One), ("b", Depth::All)]
    {
        let options = ListOptions::default().with_depth(depth);
        let all = listed(&*files, prefix, options.clone()).await;
        for text in ["*", "**", "*.txt", "**/*.txt", "b/*", "b/c", "b*", "missing", "b/**/d", "?"] {
            let pattern = GlobPattern::parse(text).unwrap();
            let matches = |key: &&String| pattern.matches(&FilePath::parse(key).unwrap());
            let expected: Vec<_> = all.iter().filter(matches).cloned().collect();
            let options = options.clone().with_pattern(text);
            let call = format!("{text} in {depth:?} of {prefix:?}");
            assert_eq!(listed(&*files, prefix, options.clone()).await, expected, "{call}");
            for limit in [0, 1, 2, 100] {
                let found = listed(&*files, prefix, options.clone().with_limit(limit)).await;
                assert_eq!(found, expected[..limit.min(expected.len())], "{limit} of {call}");
            }
            let after = listed(&*files, prefix, options.with_start_after("b/a.txt")).await;
            let expected = expected.iter().filter(|key| key.as_str() > "b/a.txt");
            assert_eq!(after, expected.cloned().collect::<Vec<_>>(), "{call} after a key");
        }
    }
}

pub async fn an_invalid_pattern_of_a_listing_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for pattern in ["[", "{a", "}", "..", "a/../b", "a\0b"] {
        for prefix in ["", "b"] {
            let options = ListOptions::default().with_pattern(pattern);
            let call = format!("the pattern {pattern:?}");
            refused_when(files.list_with(prefix, options).await, ErrorKind::InvalidPattern, &call);
        }
    }
}

/// Lists a directory in pages, and asserts that no page is longer than `size`.
async fn pages(
    files: &dyn AsyncFileBackend,
    prefix: &str,
    options: &ListOptions,
    size: usize,
) -> Vec<String> {
    let (mut keys, mut options) = (Vec::new(), options.clone().with_limit(size));
    loop {
        let page = files.list_with(prefix, options.clone()).await.unwrap();
        let page: Vec<FileInfo> = page.try_collect().await.unwrap();
        assert!(page.len() <= size, "{} entries in a page of {size}", page.len());
        let Some(last) = page.last() else { return keys };
        keys.extend(page.iter().map(key));
        options = options.after(last);
    }
}

pub async fn pages_have_every_entry_once(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for depth in [Depth::One, Depth::All] {
        let options = ListOptions::default().with_depth(depth);
        for prefix in ["", "b"] {
            let all = listed(&*files, prefix, options.clone()).await;
            for size in [1, 2, 3, 7] {
                let found = pages(&*files, prefix, &options, size).await;
                assert_eq!(found, all, "{depth:?} of {prefix:?} in pages of {size}");
            }
            let text = options.clone().with_pattern("**/*.txt");
            let all = listed(&*files, prefix, text.clone()).await;
            assert_eq!(pages(&*files, prefix, &text, 2).await, all);
        }
    }
}

pub async fn pages_of_a_large_directory_have_every_entry_once(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(2500, 270);
    let contents = (0..count).map(|number| (format!("big/{number}"), ""));
    for written in files.write_many(contents).await.unwrap() {
        written.unwrap();
    }
    let size = count / 7 + 1;
    for options in [ListOptions::default(), ListOptions::recursive()] {
        let all = listed(&*files, "big", options.clone()).await;
        assert_eq!(all.len(), count);
        assert_eq!(pages(&*files, "big", &options, size).await, all);
    }
}
