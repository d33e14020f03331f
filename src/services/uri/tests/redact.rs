//! Secrets are never shown.

use super::{parsed, rejected};
use crate::services::uri::BackendUri;

#[test]
fn secrets_are_redacted() {
    for (text, shown) in [
        // Passwords in the authority, also with `@`, `:` and escapes in them.
        ("x://user:hunter2@host/p", "x://user:***@host/p"),
        ("x://user:hun@ter2@host", "x://user:***@host"),
        ("x://user:hun:ter2@host", "x://user:***@host"),
        ("x://user%3Ahunter2@host", "x://***@host"),
        ("x://:hunter2@host", "x://:***@host"),
        ("x://user:@host", "x://user:***@host"),
        ("git+https://me:hunter2@host:80/repo@main", "git+https://me:***@host:80/repo@main"),
        ("https://hunter2@host/p", "https://***@host/p"),
        ("git+http://hunter2:@host", "git+http://***@host"),
        ("git+https://hunter2:x-oauth-basic@host", "git+https://***@host"),
        // Passwords with a raw `/` or `?` end the authority early.
        ("git+https://me:hun/ter2@host/repo", "git+https://***"),
        ("git+https://me:hun?ter2=@host/repo", "git+https://***"),
        ("git+https://me:hun?ter2=@host/repo?token=1", "git+https://***"),
        ("git+https://me:hun?token=ter2@host/repo", "git+https://***"),
        ("git+https://[me:hun]/ter2@host/repo", "git+https://***"),
        ("git+https://[::1:hun]/ter2@host/repo", "git+https://***"),
        ("git+https://me:/hunter2@host/repo", "git+https://***"),
        ("git+https://me:?hunter2=@host/repo", "git+https://***"),
        ("git+https://me:123456/hunter2@host/repo", "git+https://***"),
        ("git+https://me:+12/hunter2@host/repo", "git+https://***"),
        // Parameters, whatever the spelling of their name.
        ("x://h?password=hunter2&a=b", "x://h?password=***&a=b"),
        ("x://h?a=b&PassWord=hunter2", "x://h?a=b&PassWord=***"),
        ("x://h?p%61ssword=hunter2", "x://h?p%61ssword=***"),
        ("x://h?pasword=hunter2", "x://h?pasword=***"),
        ("x://h?passwd=hunter2", "x://h?passwd=***"),
        ("x://h?passphrase=hunter2", "x://h?passphrase=***"),
        ("x://h?client-secret=hunter2", "x://h?client-secret=***"),
        ("x://h?connection=AccountName%3Da;AccountKey%3Dhunter2", "x://h?connection=***"),
        ("x://h?sas_token=hunter2", "x://h?sas_token=***"),
        ("x://h?api_key=hunter2", "x://h?api_key=***"),
        ("x://h?apiKey=hunter2", "x://h?apiKey=***"),
        ("x://h?X-Amz-Credential=hunter2", "x://h?X-Amz-Credential=***"),
        ("x://h?X-Amz-Signature=hunter2", "x://h?X-Amz-Signature=***"),
        ("x://h?sig=hunter2", "x://h?sig=***"),
        ("x://h?ssh_key=/hunter2", "x://h?ssh_key=***"),
        ("x://h?password=", "x://h?password=***"),
        // URIs in values.
        ("x://h?base_url=https://me:hunter2@h/", "x://h?base_url=***"),
        ("x://h?base_url=https%3A%2F%2Fh%2F%3Ft=hunter2", "x://h?base_url=***"),
    ] {
        let uri = parsed(text);
        assert_eq!(uri.to_string(), shown, "{text}");
        assert_eq!(format!("{uri:?}"), format!("BackendUri({shown:?})"));
        let error = uri.invalid("anything").with_operation("resolve");
        assert_eq!(error.subject(), Some(shown));
    }
}

#[test]
fn everything_else_is_shown_as_it_was_written() {
    for text in [
        "file:///home/me/a@b:c?create_root=false&durability=synced",
        "git+https://host:8080/org/repo@main?author_name=A%20B&author_email=a@b.c",
        "git+ssh://git@host:22/repo@main?known_hosts=/etc/hosts",
        "git+https://git@host/repo",
        "git+ssh://alice@host/repo",
        "git+https://[::1]/repo@main",
        "git+https://[::1]:8080/repo@main",
        "openai+vector://vs_1?base_url=https://host/v1&cache_ttl=5",
        "memory://a:b",
    ] {
        assert_eq!(parsed(text).to_string(), text);
    }
    assert_eq!(parsed("FILE:///A").to_string(), "file:///A");
}

#[test]
fn the_errors_of_malformed_uris_contain_no_secret() {
    for text in [
        "user:hunter2@host",
        "hunter2",
        "hunter2?a=b://c",
        "hunter2%://c",
        "x://me:hunter2@host/#a",
        "x://me:hunter2#@host/",
        "x://me:hunter2%@host/",
        "x://me:hunter2\n@host/",
        "x://h?password=hunter2%",
        "x://h?password=a&hunter2",
        "x://h?password=hunter2&password=b",
        "x://h?hunter2=1&hunter2=2",
        "x://h?=hunter2",
        "x://me:hunter2?a@host/",
        "x://me:hunter2?=1@host/",
        "x://hunter2?a@host/",
    ] {
        let error = rejected(text);
        let chain = format!("{error} {error:?} {:?}", error.subject());
        assert!(!chain.contains("hunter2"), "{text}: {chain}");
        let at_most = match text {
            _ if !text.starts_with("x://") => None,
            // The part before the parameters was parsed.
            _ if text.starts_with("x://h?") => Some("x://h"),
            _ => Some("x://***"),
        };
        assert_eq!(error.subject(), at_most, "{text}");
    }
}

/// Tries every text of up to five special characters.
#[test]
fn the_redacted_uri_parses_to_the_same_redacted_uri() {
    let mut texts = vec!["http://".to_owned()];
    for _ in 0..5 {
        let longer = texts.iter().flat_map(|text| {
            let characters = ":/@?=&[é".chars();
            characters.map(move |character| format!("{text}{character}"))
        });
        texts = longer.collect();
        for text in &texts {
            if let Ok(uri) = text.parse::<BackendUri>() {
                assert_eq!(parsed(&uri.to_string()).to_string(), uri.to_string(), "{text}");
            }
        }
    }
}
