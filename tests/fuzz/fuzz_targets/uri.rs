//! URIs: parts survive a round trip, and no part of a password is ever shown.

#![no_main]

use f9::{BackendUri, Result, parse_uri};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The secret that must not be shown.
const SECRET: &str = "hUnter2";

fuzz_target!(|parts: (&str, &str, &str, &str)| {
    let (user, path, name, value) = parts;
    if let Ok(uri) = parse_uri(user) {
        assert_valid(&uri);
    }
    assert_round_trip(path, name, value);

    // The user must not contain a delimiter of the URI.
    let user: String = user.chars().filter(|c| !"/?#@:".contains(*c)).collect();
    // The fuzzer learns the secret from the comparisons below, and may put it into other parts.
    if [&*user, path, name, value].iter().any(|part| part.contains(SECRET)) {
        return;
    }
    assert_secret_hidden(&format!("git+https://{user}:{SECRET}{name}@{path}?{value}"));
    assert_secret_hidden(&format!("ssh://{user}:{SECRET}{name}@host/{path}"));
    // Delimiters inside the password.
    for cut in ["/", "?", "?=", "&", "@", ":"] {
        assert_secret_hidden(&format!("git+https://{user}:a{cut}{SECRET}=@{path}?{value}"));
    }
    for parameter in ["password", "api_key", "Token", "sig", "client_secret"] {
        assert_secret_hidden(&format!("s3://bucket/?{parameter}={SECRET}{value}&{name}={path}"));
    }
});

fn assert_secret_hidden(text: &str) {
    let parsed: Result<BackendUri> = parse_uri(text);
    let shown = match &parsed {
        Ok(uri) => {
            assert_valid(uri);
            format!("{uri} {uri:?} {} {:?}", uri.invalid("reason"), uri.parameters().finish())
        }
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SECRET), "{text:?} is shown as {shown:?}");
}

fn assert_valid(uri: &BackendUri) {
    let scheme = uri.scheme();
    assert!(scheme.starts_with(|c: char| c.is_ascii_lowercase()), "{scheme:?}");
    assert!(!scheme.contains(|c: char| c.is_ascii_uppercase() || c == ':' || c == '/'));
    assert!(uri.path().is_empty() || uri.path().starts_with('/'), "{:?}", uri.path());
    assert!(!uri.authority().contains(['/', '?', '#']), "{:?}", uri.authority());
    assert!(uri.location().ends_with(uri.path()) && !uri.location().contains('\0'));
    let mut names: Vec<&str> = uri.iter_parameters().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]) && !names.contains(&""));
    assert!(!uri.to_string().contains(|c: char| c.is_ascii_control()), "{uri}");
}

/// Asserts that percent-encoded parts are decoded to the originals. NUL and an empty name are refused.
fn assert_round_trip(path: &str, name: &str, value: &str) {
    let encoded = |part| utf8_percent_encode(part, NON_ALPHANUMERIC);
    let text = format!("any://host/{}?{}={}", encoded(path), encoded(name), encoded(value));
    let refused = name.is_empty() || [path, name, value].iter().any(|part| part.contains('\0'));
    match parse_uri(&text) {
        Ok(uri) => {
            assert!(!refused, "{text:?}");
            assert_eq!(uri.path(), format!("/{path}"));
            assert_eq!(uri.iter_parameters().collect::<Vec<_>>(), [(name, value)]);
            let again: BackendUri = text.parse().unwrap();
            assert_eq!(again, uri);
        }
        Err(error) => assert!(refused, "{text:?}: {error}"),
    }
}
