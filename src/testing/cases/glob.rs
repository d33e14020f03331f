//! A glob finds exactly the paths that its pattern matches.

use futures::stream::TryStreamExt as _;

use crate::core::error::ErrorKind;
use crate::core::glob::GlobPattern;
use crate::core::options::ListOptions;
use crate::core::path::FilePath;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused_when;
use crate::testing::state::listed;

const TREE: &[&str] = &[
    ".config/rc",
    ".hidden",
    "Cargo.toml",
    "a.txt",
    "abc",
    "b.rs",
    "banana",
    "docs/a.md",
    "docs/\u{e9}.md",
    "src.x/y.rs",
    "src/.git-keep",
    "src/deep/er/x.rs",
    "src/deep/mod.rs",
    "src/lib.rs",
    "src/main.rs",
    "srcfoo/y.rs",
];

/// Patterns with all their matches in the tree.
const MATCHES: &[(&str, &[&str])] = &[
    (
        "*",
        &[
            ".config",
            ".hidden",
            "Cargo.toml",
            "a.txt",
            "abc",
            "b.rs",
            "banana",
            "docs",
            "src",
            "src.x",
            "srcfoo",
        ],
    ),
    (".*", &[".config", ".hidden"]),
    ("*.rs", &["b.rs"]),
    ("*/*.rs", &["src.x/y.rs", "src/lib.rs", "src/main.rs", "srcfoo/y.rs"]),
    (
        "**/*.rs",
        &[
            "b.rs",
            "src.x/y.rs",
            "src/deep/er/x.rs",
            "src/deep/mod.rs",
            "src/lib.rs",
            "src/main.rs",
            "srcfoo/y.rs",
        ],
    ),
    ("src/*.rs", &["src/lib.rs", "src/main.rs"]),
    ("src/*", &["src/.git-keep", "src/deep", "src/lib.rs", "src/main.rs"]),
    (
        "src/**",
        &[
            "src/.git-keep",
            "src/deep",
            "src/deep/er",
            "src/deep/er/x.rs",
            "src/deep/mod.rs",
            "src/lib.rs",
            "src/main.rs",
        ],
    ),
    ("src/**/*.rs", &["src/deep/er/x.rs", "src/deep/mod.rs", "src/lib.rs", "src/main.rs"]),
    ("src/**/x.rs", &["src/deep/er/x.rs"]),
    ("src/**/deep", &["src/deep"]),
    ("**/deep/**", &["src/deep/er", "src/deep/er/x.rs", "src/deep/mod.rs"]),
    ("**/er", &["src/deep/er"]),
    ("**/**/x.rs", &["src/deep/er/x.rs"]),
    ("src*", &["src", "src.x", "srcfoo"]),
    ("src*/y.rs", &["src.x/y.rs", "srcfoo/y.rs"]),
    ("a*", &["a.txt", "abc"]),
    ("?.*", &["a.txt", "b.rs"]),
    ("a?c", &["abc"]),
    ("docs/?.md", &["docs/a.md", "docs/\u{e9}.md"]),
    ("docs/[!a].md", &["docs/\u{e9}.md"]),
    ("docs/[\u{e0}-\u{fc}].md", &["docs/\u{e9}.md"]),
    ("[ab]*", &["a.txt", "abc", "b.rs", "banana"]),
    ("[a-c]bc", &["abc"]),
    ("[!.A-Zs]*", &["a.txt", "abc", "b.rs", "banana", "docs"]),
    ("*a*a*a*", &["banana"]),
    ("b**a", &["banana"]),
    ("*.{rs,toml}", &["Cargo.toml", "b.rs"]),
    ("{a,b}.{rs,txt}", &["a.txt", "b.rs"]),
    ("{docs/a,src/li{b,x}}.*", &["docs/a.md", "src/lib.rs"]),
    ("{a.txt,a.*,a?txt}", &["a.txt"]),
    ("{,b}a*", &["a.txt", "abc", "banana"]),
    ("a.txt", &["a.txt"]),
    ("/a.txt", &["a.txt"]),
    ("./src//deep/./mod.rs", &["src/deep/mod.rs"]),
    ("src", &["src"]),
    ("src/", &["src"]),
    ("docs/\u{e9}.md", &["docs/\u{e9}.md"]),
];

/// Patterns without a match in the tree.
const NO_MATCHES: &[&str] = &[
    "",
    "/",
    ".",
    "A.txt",
    "*.RS",
    "*.r",
    "rs",
    "a.txt/*",
    "a.txt/**",
    "missing/*",
    "missing/**",
    ".f9/*",
    ".f9/**",
    "src/missing",
    "missing",
    "src/lib",
    "docs/??.md",
    "*rc/rc",
    "sr?/lib",
    "**/*.md/*",
    "\\*",
    "src\\lib.rs",
    "%61.txt",
    "!a.txt",
    "~",
    "src/*/*/*/*",
];

const INVALID: &[&str] = &[
    "[", "[a", "a[", "[!", "[]", "{", "{a", "{a,{b}", "}", "a}b", "..", "../*", "**/../*", "a/..",
    "a\0b", "*\0", "src[/.]x",
];

async fn create_tree(files: &dyn AsyncFileBackend) {
    for path in TREE {
        files.create(path, *path).await.unwrap();
    }
}

pub async fn a_glob_finds_every_match_in_order(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for (pattern, expected) in MATCHES {
        let found = files.glob(pattern).await.unwrap();
        assert_eq!(found, *expected, "{pattern}");
    }
}

pub async fn a_pattern_that_ends_with_a_slash_finds_only_directories(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["a/b/c.txt", "a/d.txt", "e.txt"] {
        files.create(path, "x").await.unwrap();
    }
    for (pattern, expected) in [
        ("*/", &["a"][..]),
        ("**/", &["a", "a/b"]),
        ("a/*/", &["a/b"]),
        ("a/", &["a"]),
        ("{a,e.txt}/", &["a"]),
        ("a/d.txt/", &[]),
        ("**/*.txt/", &[]),
    ] {
        assert_eq!(files.glob(pattern).await.unwrap(), expected, "{pattern}");
        let options = ListOptions::recursive().with_pattern(pattern);
        let entries = files.list_with("", options).await.unwrap();
        let entries: Vec<_> = entries.map_ok(|entry| entry.path).try_collect().await.unwrap();
        assert_eq!(entries, expected, "{pattern}");
        assert!(files.glob_files(pattern).await.unwrap().is_empty(), "{pattern}");
        assert_eq!(files.glob_dirs(pattern).await.unwrap(), expected, "{pattern}");
    }
}

pub async fn a_glob_without_a_match_finds_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for pattern in NO_MATCHES {
        let found = files.glob(pattern).await.unwrap();
        assert!(found.is_empty(), "{pattern:?} found {found:?}");
    }
}

pub async fn a_glob_can_be_limited_to_files_or_directories(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let found = files.glob_files("src/*").await.unwrap();
    assert_eq!(found, ["src/.git-keep", "src/lib.rs", "src/main.rs"]);
    assert_eq!(files.glob_dirs("src/*").await.unwrap(), ["src/deep"]);
    assert_eq!(files.glob_dirs("src/**").await.unwrap(), ["src/deep", "src/deep/er"]);
    assert_eq!(files.glob_files("**").await.unwrap(), TREE);
    assert!(files.glob_dirs("a.txt").await.unwrap().is_empty());
    assert!(files.glob_files("src").await.unwrap().is_empty());
}

pub async fn a_glob_agrees_with_its_pattern_on_every_path(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let all = files.glob("**").await.unwrap();
    for (text, _) in MATCHES {
        let pattern = GlobPattern::parse(text).unwrap();
        let matching: Vec<_> = all.iter().filter(|path| pattern.matches(path)).cloned().collect();
        assert_eq!(files.glob(text).await.unwrap(), matching, "{text}");
    }
}

pub async fn an_invalid_pattern_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let (long, many) = ("*/".repeat(5_000), "{a,b}".repeat(11));
    for pattern in INVALID.iter().copied().chain([long.as_str(), many.as_str()]) {
        let call = format!("the pattern {:?}", &pattern[..pattern.len().min(20)]);
        refused_when(files.glob(pattern).await, ErrorKind::InvalidPattern, &call);
        refused_when(files.glob_dirs(pattern).await, ErrorKind::InvalidPattern, &call);
    }
}

pub async fn an_escaped_name_matches_only_itself(store: &dyn Fixture) {
    let files = store.backend().await;
    let names = [
        "a*b",
        "a?b",
        "[x]",
        "[!x]",
        "{a,b}",
        "a]b",
        "a,b",
        "**",
        "a}",
        "{a",
        "[",
        "axb",
        "x",
        "a",
        "a\\*b",
        "new\nline*",
    ];
    for name in names {
        files.create(name, "").await.unwrap();
        files.create(&format!("dir {name}/{name}"), "").await.unwrap();
    }
    for name in names {
        let escaped = GlobPattern::escape(name);
        assert_eq!(files.glob(&escaped).await.unwrap(), [name], "{escaped}");
        let below = files.glob(&format!("dir {escaped}/*")).await.unwrap();
        assert_eq!(below, [format!("dir {name}/{name}").as_str()], "{escaped}");
    }
}

/// Returns the paths of a stream in its order.
async fn streamed(files: &dyn AsyncFileBackend, pattern: &str) -> Vec<FilePath> {
    files.glob_stream(pattern).await.unwrap().try_collect().await.unwrap()
}

pub async fn a_glob_stream_agrees_with_a_glob(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for pattern in MATCHES.iter().map(|(pattern, _)| *pattern).chain(NO_MATCHES.iter().copied()) {
        let mut found = streamed(&*files, pattern).await;
        found.sort_unstable();
        assert_eq!(found, files.glob(pattern).await.unwrap(), "{pattern:?}");
    }
}

pub async fn a_glob_stream_is_in_the_order_of_a_listing(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let all = listed(&*files, "", ListOptions::recursive()).await;
    let all: Vec<&str> = all.iter().map(|key| key.trim_end_matches('/')).collect();
    assert_eq!(streamed(&*files, "**").await, all);
    // The key of a directory ends with a slash, which sorts after the dot.
    assert_eq!(streamed(&*files, "src*").await, ["src.x", "src", "srcfoo"]);
}

pub async fn a_glob_stream_refuses_an_invalid_pattern(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for pattern in INVALID {
        let call = format!("the pattern {pattern:?}");
        refused_when(files.glob_stream(pattern).await, ErrorKind::InvalidPattern, &call);
    }
}
