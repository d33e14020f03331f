//! The grammar of URIs.

use super::{parsed, rejected};

#[test]
fn a_uri_is_split_into_its_parts() {
    // The URI; scheme, authority, path, location.
    for (text, parts) in [
        ("file:///abs/dir", ["file", "", "/abs/dir", "/abs/dir"]),
        ("file://rel/dir", ["file", "rel", "/dir", "rel/dir"]),
        ("file:///", ["file", "", "/", "/"]),
        ("file://", ["file", "", "", ""]),
        ("memory://name", ["memory", "name", "", "name"]),
        ("memory://name?", ["memory", "name", "", "name"]),
        ("MeMory://Name/B", ["memory", "Name", "/B", "Name/B"]),
        ("s3+x-1.y://b", ["s3+x-1.y", "b", "", "b"]),
        (
            "x://my%20name/a%2Fb%25%E2%82%AC+c:@",
            ["x", "my%20name", "/a/b%€+c:@", "my name/a/b%€+c:@"],
        ),
        ("x://h/ä b", ["x", "h", "/ä b", "h/ä b"]),
        ("x://a://b", ["x", "a:", "//b", "a://b"]),
        (
            "git+https://me:pw@host:8080/org/repo@main?path=docs",
            ["git+https", "me:pw@host:8080", "/org/repo@main", "me:pw@host:8080/org/repo@main"],
        ),
    ] {
        let uri = parsed(text);
        let found = [uri.scheme(), uri.authority(), uri.path(), uri.location()];
        assert_eq!(found, parts, "{text}");
    }
    assert_eq!(parsed("x://h/a%40b@c%2F?d=e").raw_path(), "/a%40b@c%2F");
}

#[test]
fn parameters_are_decoded_and_keep_their_order() {
    let uri = parsed("x://h/p?b=1&a%3D=x%26y&c=&d=e=f?g/h&%C3%A9=1+1");
    assert_eq!(
        uri.iter_parameters().collect::<Vec<_>>(),
        [("b", "1"), ("a=", "x&y"), ("c", ""), ("d", "e=f?g/h"), ("é", "1+1")]
    );
    assert_eq!(uri.parameter("c"), Some(""));
    assert_eq!(uri.parameter("C"), None);
    assert_eq!(parsed("x://h?").iter_parameters().count(), 0);
}

#[test]
fn malformed_uris_are_rejected_with_a_reason() {
    for (text, reason) in [
        ("", "must start with `scheme://`"),
        ("/srv/data", "must start with `scheme://`"),
        ("file", "must start with `scheme://`"),
        ("file:", "must start with `scheme://`"),
        ("file:/srv", "must start with `scheme://`"),
        ("://host", "the scheme must be a letter"),
        ("1x://host", "the scheme must be a letter"),
        ("+x://host", "the scheme must be a letter"),
        ("a_b://host", "the scheme must be a letter"),
        ("é://host", "the scheme must be a letter"),
        (" file://host", "the scheme must be a letter"),
        ("file%3A://host", "the scheme must be a letter"),
        ("x://h/a#b", "%23"),
        ("x://h#", "%23"),
        ("x://h?a=b#c", "%23"),
        ("x://h/a%", "two hexadecimal digits"),
        ("x://h/a%4", "two hexadecimal digits"),
        ("x://h/a%4g", "two hexadecimal digits"),
        ("x://h/%%41", "two hexadecimal digits"),
        ("x://h/%+1", "two hexadecimal digits"),
        ("x://h/%é", "two hexadecimal digits"),
        ("x://h%zz/", "two hexadecimal digits"),
        ("x://h?a=%", "two hexadecimal digits"),
        ("x://h?%=a", "two hexadecimal digits"),
        ("x://h/%ff", "not UTF-8"),
        ("x://h/%C3", "not UTF-8"),
        ("x://h?a=%ed%a0%80", "not UTF-8"),
        ("x://h/%00", "NUL"),
        ("x://h%00", "NUL"),
        ("x://h?a=%00", "NUL"),
        ("x://h/\0", "control character"),
        ("x://h/a\n", "control character"),
        ("x://h?a=b\t", "control character"),
        ("x://h?a", "parameter 1: it has no `=`"),
        ("x://h?a=1&", "parameter 2: it has no `=`"),
        ("x://h?&a=1", "parameter 1: it has no `=`"),
        ("x://h?=1", "parameter 1: the name is empty"),
        ("x://h?a=1&b=2&a=1", "parameter 3: the name is repeated"),
        ("x://h?a=1&%61=2", "parameter 2: the name is repeated"),
    ] {
        let message = rejected(text).to_string();
        assert!(message.contains(reason), "{text:?}: {message}");
    }
}

#[test]
fn control_characters_and_hash_signs_may_be_percent_encoded() {
    assert_eq!(parsed("x://h/a%0A%23%7f").path(), "/a\n#\u{7f}");
}
