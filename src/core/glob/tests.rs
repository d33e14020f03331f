use super::*;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn matches(pattern: &str, text: &str) -> bool {
    GlobPattern::parse(pattern).unwrap().matches(&path(text))
}

#[test]
fn a_pattern_matches_these_paths() {
    for (pattern, text) in [
        ("*", "a"),
        ("*", ".hidden"),
        ("*.rs", "lib.rs"),
        ("*.rs", ".rs"),
        ("?", "é"),
        ("a?c", "abc"),
        ("[é]", "é"),
        ("[à-ü]x", "éx"),
        ("[!a]", "é"),
        ("[!a-c]", "d"),
        ("[]a]", "]"),
        ("[!]a]", "b"),
        ("[a-]", "-"),
        ("[*]", "*"),
        ("[{]a,b[}]", "{a,b}"),
        ("{a,b}", "b"),
        ("{a,b}.{x,y}", "a.y"),
        ("{a,{b,c}d}", "cd"),
        ("{a/b,c}/d", "a/b/d"),
        ("{,x}a", "a"),
        ("**", "a"),
        ("**", "a/b/c"),
        ("**/a", "a"),
        ("**/a", "x/y/a"),
        ("a/**", "a/b"),
        ("a/**", "a/b/c"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("a/**/**/b", "a/b"),
        ("**/*.rs", "lib.rs"),
        ("**/b/**", "a/b/c"),
        ("a**b", "axyb"),
        ("***", "abc"),
        ("/a/*", "a/b"),
        ("./a//b", "a/b"),
        ("\\*", "\\x"),
        ("a]", "a]"),
        ("a,b", "a,b"),
        ("*a*a*a*", "banana"),
        ("%41", "%41"),
        ("a\n*", "a\nb"),
    ] {
        assert!(matches(pattern, text), "{pattern} should match {text}");
    }
}

#[test]
fn a_pattern_does_not_match_these_paths() {
    for (pattern, text) in [
        ("*", "a/b"),
        ("a*b", "a/b"),
        ("?", "ab"),
        ("a[!b]c", "a/c"),
        ("a?c", "a/c"),
        ("*.rs", "src/lib.rs"),
        ("a/**", "a"),
        ("a/**", "ab/c"),
        ("**/a", "ba"),
        ("a/*", "a/b/c"),
        ("*", ""),
        ("**", ""),
        ("a", "A"),
        ("[a-c]", "d"),
        ("{a,b}", "ab"),
        ("{a,b}", "{a,b}"),
        ("\\*", "*"),
        ("", "a"),
        ("/", "a"),
        ("a**b", "a/b"),
        ("foo/*", "foo.bar"),
    ] {
        assert!(!matches(pattern, text), "{pattern} should not match {text}");
    }
}

#[test]
fn an_invalid_pattern_is_refused() {
    let long = "*/".repeat(5000);
    let many = "{a,b}".repeat(11);
    for text in [
        "[", "[a", "[!", "[]", "a[/]b", "{", "{a", "{a,{b}", "}", "a}b", "../*", "**/../*", "a/..",
        "a\0b", &long, &many,
    ] {
        let error = GlobPattern::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPattern, "{text}");
        assert_eq!(error.path(), None, "a pattern is not a path");
        assert!(text.starts_with(error.subject().unwrap()));
    }
}

#[test]
fn hard_patterns_take_bounded_time() {
    let started = std::time::Instant::now();
    assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(255)));
    assert!(matches(&"*".repeat(4096), "a"));
    let deep = format!("{}x", "**/a/".repeat(100));
    assert!(!matches(&deep, &"a/".repeat(200)));
    assert!(started.elapsed().as_secs() < 300, "{:?}", started.elapsed());
}

#[test]
fn an_escaped_text_matches_only_itself() {
    for text in ["a*b", "a?b", "[x]", "{a,b}", "a]b", "plain", "a,b", "[!a]"] {
        let pattern = GlobPattern::escape(text);
        assert!(matches(&pattern, text), "{pattern}");
        assert!(!matches(&pattern, "axb"), "{pattern}");
    }
}

#[test]
fn the_base_is_the_deepest_directory_that_contains_every_match() {
    for (pattern, base, deep) in [
        ("*.rs", "", false),
        ("src/*.rs", "src", false),
        ("src/a/b.rs", "src/a", false),
        ("src/**", "src", true),
        ("src/*/x", "src", true),
        ("{src/a,src/b}/*.rs", "src", true),
        ("**/x", "", true),
        ("a", "", false),
        ("", "", false),
    ] {
        let (found, found_deep) = GlobPattern::parse(pattern).unwrap().base();
        assert_eq!((found.as_str(), found_deep), (base, deep), "{pattern}");
    }
}

#[test]
fn a_walk_knows_the_names_that_the_pattern_lists() {
    let pattern = GlobPattern::parse("{src,docs}/*.rs").unwrap();
    let start = pattern.start();
    assert_eq!(pattern.next_literals(&start), Some(BTreeSet::from(["docs", "src"])));
    let (matched, inside) = pattern.advance(&start, "src");
    assert!(!matched && !inside.is_over());
    assert_eq!(pattern.next_literals(&inside), None);
    assert!(pattern.advance(&start, "other").1.is_over());
}

#[test]
fn too_many_braces_are_refused_without_expanding_them() {
    for pattern in [
        "{".repeat(2048) + &"}".repeat(2048),
        "{,".repeat(1365) + &"}".repeat(1365),
        "{a}".repeat(1365),
        "{a,b}".repeat(10) + &"{a}".repeat(1348),
        "{a,b}".repeat(10) + &"?".repeat(4000),
    ] {
        let error = GlobPattern::parse(&pattern).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPattern, "{}", &pattern[..40]);
    }
}

#[test]
fn equal_texts_are_equal_patterns_also_in_json() {
    let pattern = GlobPattern::parse("src/**/*.rs").unwrap();
    let json = serde_json::to_string(&pattern).unwrap();
    assert_eq!(json, r#""src/**/*.rs""#);
    assert_eq!(serde_json::from_str::<GlobPattern>(&json).unwrap(), pattern);
    let set = std::collections::HashSet::from([pattern.clone(), pattern.clone()]);
    assert_eq!(set.len(), 1);
    assert_ne!(GlobPattern::parse("src/*").unwrap(), pattern);
    let error = serde_json::from_str::<GlobPattern>(r#""[""#).unwrap_err().to_string();
    assert!(error.contains("is not closed"), "{error}");
}
