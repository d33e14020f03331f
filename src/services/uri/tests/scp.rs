//! Addresses of ssh.

use super::{parsed, rejected};

#[test]
fn an_address_of_ssh_is_a_uri_of_git() {
    for (text, [authority, path]) in [
        ("git@host:org/repo", ["git@host", ":org/repo"]),
        ("git@host:org/repo.git@dev", ["git@host", ":org/repo.git@dev"]),
        ("a.b@host-1.example.com:/srv/a%20b", ["a.b@host-1.example.com", ":/srv/a b"]),
        ("git@host:r?path=a://b&author_name=A:B", ["git@host", ":r"]),
        ("git@host:r.git?author_email=a@b.c", ["git@host", ":r.git"]),
        ("git@host:r.git@a/b?author_email=a@b.c", ["git@host", ":r.git@a/b"]),
    ] {
        let uri = parsed(text);
        assert_eq!([uri.scheme(), uri.authority(), uri.path()], ["git+ssh", authority, path]);
        assert_eq!(uri.location(), format!("{authority}{path}"));
        assert_eq!(uri.to_string(), text);
    }
    assert_eq!(parsed("git@host:r?path=a://b").parameter("path"), Some("a://b"));
    let shown = parsed("git@host:r?password=hunter2&path=/c").to_string();
    assert_eq!(shown, "git@host:r?password=***&path=/c");
}

#[test]
fn what_may_be_a_password_is_refused_and_never_shown() {
    for text in [
        "me@example.com:hunter2@host/repo",
        "me@example.com:hunter2@host/repo.git",
        "me@example.com:hun/ter2@host",
        "me@example.com:hunter2.git@a@b",
        "me@example.com:hunter2?=@host",
        "me@example.com:hunter2?a=b@host",
        "me@example.com:hunter2#",
        "me@example.com:hunter2\n",
        "me@example.com:hunter2%",
        "me@example.com:hunter2?a",
        "me@a@example.com:hunter2",
        "me@example.com://hunter2",
        "@example.com:hunter2",
        "me@:hunter2",
        "-me@example.com:hunter2",
        "m e@example.com:hunter2",
        "user:hunter2@host",
    ] {
        let error = rejected(text);
        let chain = format!("{error} {error:?} {:?}", error.subject());
        assert!(!chain.contains("hunter2"), "{text}: {chain}");
    }
    let message = rejected("git@host:?path=/c").to_string();
    assert!(message.contains("the path is missing"), "{message}");
}
