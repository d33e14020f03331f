use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::*;
use crate::core::error::ErrorKind;

fn parse(text: &str) -> Remote {
    Remote::parse(text, Path::new("/base")).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    let error = Remote::parse(text, Path::new("/base")).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
    error.message().unwrap().to_owned()
}

/// Returns the name and the password.
fn credentials(remote: &Remote) -> Option<(String, String)> {
    let credentials = remote.credentials()?;
    Some((credentials.username().to_owned(), credentials.password().expose().to_owned()))
}

fn pair(name: &str, password: &str) -> Option<(String, String)> {
    Some((name.to_owned(), password.to_owned()))
}

/// An address; its protocol, the URL for git, the scope of credentials, the local path.
type ParsedAddress =
    (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

const ADDRESSES: &[ParsedAddress] = &[
    ("https://host/org/repo.git", "https", "https://host/org/repo.git", Some("https://host"), None),
    ("HTTPS://Host:8443/r", "https", "https://Host:8443/r", Some("https://Host:8443"), None),
    ("http://127.0.0.1:80/a/", "http", "http://127.0.0.1:80/a/", Some("http://127.0.0.1:80"), None),
    ("https://[::1]/r", "https", "https://[::1]/r", Some("https://[::1]"), None),
    ("https://[fe80::A]:8/r", "https", "https://[fe80::A]:8/r", Some("https://[fe80::A]:8"), None),
    ("https://me:pw@host:0443/r", "https", "https://host:443/r", Some("https://host:443"), None),
    ("https://me@host/r", "https", "https://host/r", Some("https://host"), None),
    ("https://me:p@w:d@host/r", "https", "https://host/r", Some("https://host"), None),
    ("https://[me]:pw@host/r", "https", "https://host/r", Some("https://host"), None),
    ("https://@host/r", "https", "https://host/r", Some("https://host"), None),
    (
        "https://host/a b/é@{x}%20%2F",
        "https",
        "https://host/a%20b/%C3%A9@%7Bx%7D%20%2F",
        Some("https://host"),
        None,
    ),
    ("https://host//-r/../x::y", "https", "https://host//-r/../x::y", Some("https://host"), None),
    ("ssh://host/r", "ssh", "ssh://host/r", None, None),
    ("SSH://git@host:22/~me/a b?#", "ssh", "ssh://git@host:22/~me/a b?#", None, None),
    ("ssh://git@[::1]:2222/r", "ssh", "ssh://git@[::1]:2222/r", None, None),
    ("ssh://@host/r", "ssh", "ssh://host/r", None, None),
    ("git@github.com:org/repo.git", "ssh", "git@github.com:org/repo.git", None, None),
    ("host:r", "ssh", "host:r", None, None),
    ("host:/r", "ssh", "host:/r", None, None),
    ("host:~/r", "ssh", "host:~/r", None, None),
    ("host:22/r", "ssh", "host:22/r", None, None),
    ("git@host:a:b%40@c", "ssh", "git@host:a:b%40@c", None, None),
    ("host_1:[a]:b", "ssh", "host_1:[a]:b", None, None),
    ("[::1]:r", "ssh", "[::1]:r", None, None),
    ("[::1]:22:r]:", "ssh", "[::1]:22:r]:", None, None),
    ("git@[::1]:/a:b", "ssh", "git@[::1]:/a:b", None, None),
    ("git://host/r", "git", "git://host/r", None, None),
    ("git://host:9418/r%20", "git", "git://host:9418/r%20", None, None),
    ("file:///srv/r.git", "file", "file:///srv/r.git", None, Some("/srv/r.git")),
    ("FILE://LocalHost/a%20b%40", "file", "file:///a%20b%40", None, Some("/a b@")),
    ("file:///a b?#%0A", "file", "file:///a%20b%3F%23%0A", None, Some("/a b?#\n")),
    ("/srv/r.git", "file", "file:///srv/r.git", None, Some("/srv/r.git")),
    ("/a:b://c%41\n", "file", "file:///a%3Ab%3A//c%2541%0A", None, Some("/a:b://c%41\n")),
    ("r", "file", "file:///base/r", None, Some("/base/r")),
    ("../r/", "file", "file:///base/../r/", None, Some("/base/../r/")),
    ("./-r", "file", "file:///base/./-r", None, Some("/base/./-r")),
    ("./a:b::c", "file", "file:///base/./a%3Ab%3A%3Ac", None, Some("/base/./a:b::c")),
    ("a/b://c", "file", "file:///base/a/b%3A//c", None, Some("/base/a/b://c")),
    ("me@host/r", "file", "file:///base/me%40host/r", None, Some("/base/me@host/r")),
    ("~/r", "file", "file:///base/~/r", None, Some("/base/~/r")),
];

#[test]
fn addresses_are_parsed_as_git_does() {
    for &(text, protocol, url, scope, local) in ADDRESSES {
        let remote = parse(text);
        assert_eq!(remote.protocol().name(), protocol, "{text}");
        assert_eq!(remote.url(), url, "{text}");
        assert_eq!(remote.credential_scope().as_deref(), scope, "{text}");
        // As text: a `Path` compares equal with a slash at the end.
        assert_eq!(remote.local_path().and_then(Path::to_str), local, "{text}");
        assert_eq!(
            (remote.to_string(), format!("{remote:?}")),
            (url.to_owned(), format!("Remote({url:?})"))
        );
        // The URL for git is the same address.
        assert_eq!(parse(url).url(), url, "{text}");
        assert!(remote.is_same_as(url), "{text}");
    }
}

/// Invalid addresses and the reasons.
const INVALID: &[(&str, &str)] = &[
    ("", "must not be empty"),
    ("-", "begins with `-`"),
    ("--upload-pack=touch x", "begins with `-`"),
    ("-oProxyCommand=x:r", "begins with `-`"),
    ("ext::sh -c x", "`transport::address`"),
    ("ext::sh[ -c x", "`transport::address`"),
    ("ext::http://host/r", "`transport::address`"),
    ("EXT::x", "`transport::address`"),
    ("fd::3", "`transport::address`"),
    ("https::https://host/r", "`transport::address`"),
    ("a.b+c-d::x", "`transport::address`"),
    ("::x", "`transport::address`"),
    ("u@host::x", "the path begins with `:`"),
    ("ftp://host/r", "unknown scheme"),
    ("git+https://host/r", "unknown scheme"),
    ("ssh+git://host/r", "unknown scheme"),
    ("://host/r", "unknown scheme"),
    ("ht tp://host/r", "unknown scheme"),
    ("me:pw@host://r", "unknown scheme"),
    ("https://", "the path is missing"),
    ("https:///r", "the host is missing"),
    ("https://me@/r", "the host is missing"),
    ("https://:80/r", "the host is missing"),
    ("ssh:///r", "the host is missing"),
    (":r", "the host is missing"),
    ("me@:r", "the host is missing"),
    ("https://host", "the path is missing"),
    ("https://host/", "the path is missing"),
    ("ssh://host//", "the path is missing"),
    ("git://host", "the path is missing"),
    ("host:", "the path is missing"),
    ("host:/", "the path is missing"),
    ("file://", "the path is missing"),
    ("file:///", "the path is missing"),
    ("file://localhost", "the path is missing"),
    ("file://host/r", "has no host"),
    ("file://me:pw@localhost/r", "has no host"),
    ("https://-host/r", "the host begins with `-`"),
    ("ssh://-oProxyCommand=x/r", "the host begins with `-`"),
    ("ssh://me@-x/r", "the host begins with `-`"),
    ("me@-x:r", "the host begins with `-`"),
    ("https://a b/r", "the host may contain only"),
    ("https://a%2Fb/r", "the host may contain only"),
    ("https://a\\b/r", "the host may contain only"),
    ("https://hôst/r", "the host may contain only"),
    ("a b:r", "the host may contain only"),
    ("a\nb:r", "the host may contain only"),
    ("https://a\tb/r", "a control character"),
    ("https://host/\n", "a control character"),
    ("file:///a\n", "a control character"),
    ("https://host/r%0a", "the path contains a control character"),
    ("git://host/r%0D", "the path contains a control character"),
    ("git://host/%C2%85", "the path contains a control character"),
    ("host:r\n", "the path contains a control character"),
    ("https://host/%00", "NUL"),
    ("file:///%00", "NUL"),
    ("/a\0", "NUL"),
    ("https://host/%", "two hexadecimal digits"),
    ("https://host/%4", "two hexadecimal digits"),
    ("file:///%4g", "two hexadecimal digits"),
    ("https://me%@host/r", "two hexadecimal digits"),
    ("https://host/%ff", "not UTF-8"),
    ("https://host/r?x", "a query or a fragment"),
    ("https://host?x", "a query or a fragment"),
    ("http://host/r#x", "a query or a fragment"),
    ("https://host:/r", "1 to 65535"),
    ("https://host:0/r", "1 to 65535"),
    ("https://host:65536/r", "1 to 65535"),
    ("https://host:+80/r", "1 to 65535"),
    ("https://host:80:80/r", "1 to 65535"),
    ("https://me:p/w@host/r", "1 to 65535"),
    ("https://::1/r", "the host is missing"),
    ("https://[::1/r", "a `]` is missing"),
    ("https://[x]/r", "not an IPv6 address"),
    ("https://[]/r", "not an IPv6 address"),
    ("https://[fe80::1%25eth0]/r", "not an IPv6 address"),
    ("[host:22]:r", "not an IPv6 address"),
    ("https://[::1]x/r", "only `:port`"),
    ("a[b:c]:d", "the host may contain only"),
    ("[::1]x]:r", "only `:port`"),
    ("https://a:b\n@host/r", "a control character"),
    ("https://a%3Ab@host/r", "the user name contains a `:`"),
    ("https://a%0A@host/r", "the user name contains a line break"),
    ("https://a:%0D@host/r", "the password contains a line break"),
    ("https://a:%00@host/r", "NUL"),
    ("ssh://me:pw@host/r", "ssh takes no password"),
    ("ssh://me:@host/r", "ssh takes no password"),
    ("ssh://-me@host/r", "the user name begins with `-`"),
    ("-me@host:r", "begins with `-`"),
    ("ssh://a%3Ab@host/r", "the user name contains"),
    ("ssh://a@b@host/r", "the user name contains"),
    ("a b@host:r", "the user name contains"),
    ("git://me@host/r", "has no users"),
    ("host:-r", "the path begins with `-`"),
    ("me@host:--upload-pack=x", "the path begins with `-`"),
    ("me:pw@host:r", "an `@` follows the first `:`"),
    ("me:pw@host/r", "an `@` follows the first `:`"),
    ("me:p/w@host/r", "an `@` follows the first `:`"),
    ("https:/me:pw@host/r", "an `@` follows the first `:`"),
];

#[test]
fn an_invalid_or_ambiguous_address_is_refused() {
    for &(text, reason) in INVALID {
        let refusal = refusal(text);
        assert!(refusal.starts_with("`remote_url`: "), "{text:?}: {refusal}");
        assert!(refusal.contains(reason), "{text:?}: {refusal}");
    }
}

#[test]
fn http_credentials_come_from_the_url_or_from_the_configuration() {
    // The user of the URL; the name and the password of the configuration; the credentials.
    for (user, name, password, expected) in [
        ("", None, None, None),
        ("", Some(""), Some(""), None),
        ("me@", None, None, pair("me", "")),
        ("token:@", None, None, pair("token", "")),
        ("me:pw@", None, None, pair("me", "pw")),
        (":pw@", None, None, pair("x-access-token", "pw")),
        ("m%40e:p%3A%2Fw%25%20+@", None, None, pair("m@e", "p:/w% +")),
        ("", Some("me"), None, pair("me", "")),
        ("", None, Some("pw"), pair("x-access-token", "pw")),
        ("", Some("m%40e"), Some("p%40w"), pair("m%40e", "p%40w")),
        ("me@", None, Some("pw"), pair("me", "pw")),
        ("me@", Some("you"), None, pair("you", "")),
        ("me:pw@", Some("me"), None, pair("me", "pw")),
        ("me:pw@", Some(""), Some(""), pair("me", "pw")),
        ("me:pw@", None, Some("new"), pair("me", "new")),
        ("me:pw@", Some("you"), Some("new"), pair("you", "new")),
    ] {
        for scheme in ["http", "https"] {
            let remote = parse(&format!("{scheme}://{user}host/r"));
            let remote = remote.with_user(name, password.map(Secret::new)).unwrap();
            assert_eq!(credentials(&remote), expected, "{user} {name:?} {password:?}");
            assert_eq!(remote.url(), format!("{scheme}://host/r"));
        }
    }
}

#[test]
fn only_http_sends_passwords() {
    for (text, url) in [
        ("ssh://host/r", "ssh://me@host/r"),
        ("ssh://git@host/r", "ssh://git@host/r"),
        ("host:r", "me@host:r"),
        ("git@host:r", "git@host:r"),
        ("[::1]:r", "me@[::1]:r"),
        ("git://host/r", "git://host/r"),
        ("/r", "file:///r"),
    ] {
        let remote = parse(text).with_user(Some("me"), Some(Secret::new("hunter2"))).unwrap();
        assert_eq!(remote.url(), url);
        assert_eq!(remote.credentials(), None);
        assert_eq!(remote.credential_scope(), None);
    }
}

/// An address, the configured name and password, and the reason for refusing them.
const INVALID_USERS: &[(&str, Option<&str>, Option<&str>, &str)] = &[
    (
        "https://host/r",
        Some("a\nb"),
        None,
        "`username`: the user name contains a line break or a NUL byte",
    ),
    (
        "https://host/r",
        Some("a\rb"),
        None,
        "`username`: the user name contains a line break or a NUL byte",
    ),
    (
        "https://host/r",
        Some("a\0"),
        None,
        "`username`: the user name contains a line break or a NUL byte",
    ),
    ("https://host/r", Some("a:b"), None, "`username`: the user name contains a `:`"),
    (
        "https://host/r",
        None,
        Some("a\n"),
        "`password`: the password contains a line break or a NUL byte",
    ),
    (
        "https://host/r",
        None,
        Some("\ra"),
        "`password`: the password contains a line break or a NUL byte",
    ),
    (
        "https://host/r",
        None,
        Some("a\0b"),
        "`password`: the password contains a line break or a NUL byte",
    ),
    (
        "https://me:pw@host/r",
        Some("you"),
        None,
        "`username`: `remote_url` has the password of another user; set `password` too",
    ),
    (
        "https://:pw@host/r",
        Some("you"),
        None,
        "`username`: `remote_url` has the password of another user; set `password` too",
    ),
    ("ssh://host/r", Some("-a"), None, "`username`: the user name begins with `-`"),
    ("host:r", Some("a:b"), None, "`username`: ssh takes no password; use a key (`ssh_key_path`)"),
    (
        "host:r",
        Some("a b"),
        None,
        "`username`: the user name contains a space, a control character or one of @/%[]?#",
    ),
    (
        "host:r",
        Some("a@b"),
        None,
        "`username`: the user name contains a space, a control character or one of @/%[]?#",
    ),
    (
        "host:r",
        Some("a\n"),
        None,
        "`username`: the user name contains a space, a control character or one of @/%[]?#",
    ),
];

#[test]
fn a_user_that_cannot_be_sent_is_refused() {
    for &(text, name, password, reason) in INVALID_USERS {
        let error = parse(text).with_user(name, password.map(Secret::new)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.message(), Some(reason));
    }
}

#[test]
fn two_addresses_of_one_repository_are_equal() {
    for (one, other) in [
        ("https://host/r", "HTTPS://HOST:443/r.git/"),
        ("https://host/r", "https://me:pw@host/r"),
        ("https://host/a%20b", "https://host/a b"),
        ("http://host/r", "http://host:80/r"),
        ("https://[::A]/r", "https://[::a]:443/r"),
        ("ssh://git@host/r", "ssh://you@host:22/r.git"),
        ("ssh://host/srv/r", "you@HOST:/srv/r"),
        ("ssh://host/~/r", "host:~/r"),
        ("git://host/r", "git://host:9418/r/"),
        ("/srv/r", "file:///srv/r.git"),
        ("/srv/r", "file://localhost/srv/r/"),
        ("/srv/r", "/srv//r/.git"),
        ("r", "/base/r"),
        ("/a b%41", "file:///a%20b%2541"),
    ] {
        assert!(parse(one).is_same_as(other), "{one} {other}");
        assert!(parse(other).is_same_as(one) || one == "r", "{other} {one}");
    }
    for (one, other) in [
        ("https://host/r", "http://host/r"),
        ("https://host/r", "https://host/R"),
        ("https://host/r", "https://host/r2"),
        ("https://host/r", "https://other/r"),
        ("https://host/r", "https://host:444/r"),
        ("https://host:80/r", "https://host/r"),
        ("https://host/r", "ssh://host/r"),
        ("ssh://host/r", "host:r"),
        ("ssh://host:2222/r", "host:/r"),
        ("https://host/r", ""),
        ("https://host/r", "https://ho st/r"),
        ("/srv/r", "srv/r"),
        ("/srv/r", "/srv/x/../r"),
        ("/base/r", "r"),
        ("/srv/r", "/srv/rgit"),
    ] {
        assert!(!parse(one).is_same_as(other), "{one} {other}");
    }
}

#[test]
fn git_finds_a_repository_at_every_odd_path() {
    let parent = tempfile::tempdir().unwrap();
    for name in
        ["a b", "a:b", "a::b", "-a", "%41", "a?#", "é", "a\nb", "x:", "~", "a@b", "\\", "'\"$x"]
    {
        let directory = parent.path().join(name).join("c:").join("d");
        let git = |arguments: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_ALLOW_PROTOCOL", "file");
            let output = git.args(arguments).output().unwrap();
            assert!(output.status.success(), "{name}: {output:?}");
        };
        git(&["init", "-q", "--bare", "--", directory.to_str().unwrap()]);
        let remote = Remote::parse(&format!("./{name}/c://d"), parent.path()).unwrap();
        git(&["ls-remote", "--", &remote.url()]);
    }
}

#[test]
fn a_path_that_is_not_utf8_is_kept() {
    let base = PathBuf::from(OsString::from_vec(b"/a\xff".to_vec()));
    let remote = Remote::parse("r", &base).unwrap();
    assert_eq!(remote.url(), "file:///a%FF/r");
    assert_eq!(remote.local_path(), Some(base.join("r").as_path()));
    assert_eq!(parse(&remote.url()), remote);
}

#[test]
fn no_password_is_shown_or_given_to_git() {
    for text in [
        "https://me:hunter2@host/r",
        "https://hunter2@host/r",
        "https://hunter2:@host/r",
        "https://me:a%2Fhunter2@host/r",
        "//me:hunter2@host/r",
        "me:hunter2@host:r",
        "ssh://me:hunter2@host/r",
        "git://me:hunter2@host/r",
        "file://me:hunter2@localhost/r",
        "https://me:hunter2#@host/r",
        "https://me:a/hunter2@host/r",
        "https://me:hunter2%@host/r",
        "https://me:hunter2%0A@host/r",
        "https://me:hunter2@ho st/r",
        "https://me:hunter2@[x]/r",
        "https://me:hunter2@host:99999/r",
        "https://me:hunter2@host",
        "https:/me:hunter2@host/r",
        "me:hunter2@host://r",
        "ext::hunter2",
        "-hunter2",
    ] {
        assert!(!redacted(text).contains("hunter2"), "{text}");
        match Remote::parse(text, Path::new("/base")) {
            Ok(remote) if remote.local_path().is_none() => {
                let all =
                    format!("{remote} {remote:?} {} {:?}", remote.url(), remote.credentials());
                assert!(!all.contains("hunter2"), "{all}");
            }
            // A local path.
            Ok(_) => assert!(text.starts_with("//")),
            Err(error) => assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}"),
        }
    }
    let remote =
        parse("https://host/r").with_user(Some("token"), Some(Secret::new("hunter2"))).unwrap();
    let all = format!("{remote} {remote:?} {:?}", remote.credentials());
    assert_eq!(all, "https://host/r Remote(\"https://host/r\") Some(Credentials(***))");
}

#[test]
fn an_address_without_a_secret_is_shown() {
    for text in ["https://host/r", "ssh://git@host/r", "git@host:r", "/srv/r", "r"] {
        assert_eq!(redacted(text), text);
    }
    assert_eq!(redacted("https://me:pw@host/r"), "https://host/r");
    assert_eq!(redacted("nonsense://host"), "***");
}
