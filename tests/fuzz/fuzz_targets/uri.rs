//! URIs: parts come back as they were put in, and no part of a password is ever shown.

#![no_main]

use f9::{BackendUri, Result, parse_uri};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Stands for a secret.
const SECRET: &str = "hUnter2";

fuzz_target!(|parts: (&str, &str, &str, &str)| {
    let (user, path, name, value) = parts;
    if let Ok(uri) = parse_uri(user) {
        is_sound(&uri);
    }
    comes_back(path, name, value);

    // A user ends where another part begins, and a port looks like digits.
    let user: String = user.chars().filter(|c| !"/?#@:".contains(*c)).collect();
    // The fuzzer learns the secret from the comparisons below, and puts it where it is none.
    if [&*user, path, name, value].iter().any(|part| part.contains(SECRET)) {
        return;
    }
    keeps_secret(&format!("git+https://{user}:{SECRET}{name}@{path}?{value}"));
    keeps_secret(&format!("ssh://{user}:{SECRET}{name}@host/{path}"));
    // A password is cut at any of these.
    for cut in ["/", "?", "?=", "&", "@", ":"] {
        keeps_secret(&format!("git+https://{user}:a{cut}{SECRET}=@{path}?{value}"));
    }
    for parameter in ["password", "api_key", "Token", "sig", "client_secret"] {
        keeps_secret(&format!("s3://bucket/?{parameter}={SECRET}{value}&{name}={path}"));
    }
});

fn keeps_secret(text: &str) {
    let parsed: Result<BackendUri> = parse_uri(text);
    let shown = match &parsed {
        Ok(uri) => {
            is_sound(uri);
            format!("{uri} {uri:?} {} {:?}", uri.invalid("reason"), uri.parameters().finish())
        }
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SECRET), "{text:?} is shown as {shown:?}");
}

fn is_sound(uri: &BackendUri) {
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

/// Percent-encoded parts are decoded to what they were; NUL and an empty name are refused.
fn comes_back(path: &str, name: &str, value: &str) {
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
