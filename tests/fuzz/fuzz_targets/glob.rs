//! Patterns: the compiled pattern agrees with a reference that tries every way to match.

#![no_main]

use f9::{Error, ErrorKind, FilePath, GlobPattern};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../properties/reference.rs"]
mod reference;

/// Returns whether the reference ends in reasonable time.
fn is_small(pattern: &str, path: &str) -> bool {
    let count = |of: char| pattern.matches(of).count();
    count('*') <= 6 && count('{') <= 4 && count(',') <= 8 && path.len() <= 40
}

fuzz_target!(|texts: (&str, &str)| {
    let (pattern, text) = texts;
    let compiled = GlobPattern::parse(pattern);
    if let Err(error) = &compiled {
        assert_eq!(error.kind(), ErrorKind::InvalidPattern);
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    let Ok(path) = FilePath::parse(text) else { return };
    let escaped = GlobPattern::parse(&GlobPattern::escape(&path));
    // An escaped path may be too long for a pattern.
    assert!(escaped.is_ok_and(|it| it.matches(&path)) || path.is_root() || path.len() > 1000);
    let matched = compiled.as_ref().map(|compiled| compiled.matches(&path)).map_err(Error::kind);
    if is_small(pattern, &path) {
        let names: Vec<&str> = path.segments().collect();
        let expected = reference::glob_matches(pattern, &names);
        let long = pattern.len() > f9::MAX_PATH_BYTES;
        assert_eq!(matched.ok(), expected.filter(|_| !long), "{pattern:?} on {path:?}");
    }
});
