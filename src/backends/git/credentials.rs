//! What a server is told to let the user in, and how to keep it out of everything else.

use std::fmt;

use crate::Secret;

const HIDDEN: &str = "***";

/// What GitHub's clients send where the token stands in place of the user's name.
const NO_PASSWORD: &str = "x-oauth-basic";

/// A user's name and password. The name may be a token, so nothing of it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    username: String,
    password: Secret,
}

impl Credentials {
    pub(super) fn new(username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password }
    }

    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    pub(crate) fn password(&self) -> &Secret {
        &self.password
    }

    /// The one of both that must not be seen. Without a password the name must be a token.
    fn secret(&self) -> &str {
        match self.password.expose() {
            "" | NO_PASSWORD => &self.username,
            password => password,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&format_args!("{HIDDEN}")).finish()
    }
}

/// Makes what git prints fit to be shown: without the secret of `credentials`, as it is, percent-encoded or as HTTP sends it, and
/// without the user of any URL.
pub(crate) fn redact(text: &str, credentials: Option<&Credentials>) -> String {
    let mut text = text.to_owned();
    if let Some(credentials) = credentials {
        let secret = credentials.secret();
        let header = format!("{}:{}", credentials.username, credentials.password.expose());
        for hidden in [base64(header.as_bytes()).trim_end_matches('='), secret] {
            if !hidden.is_empty() {
                text = text.replace(hidden, HIDDEN);
            }
        }
        text = without_encoded(&text, secret.as_bytes());
    }
    without_users(&text)
}

/// Hides every percent-encoded form of `secret`: which characters are encoded, and in which case, differs from program to
/// program.
fn without_encoded(text: &str, secret: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = encoded_length(rest.as_bytes(), secret) {
            shown.push_str(HIDDEN);
            rest = rest.get(length..).unwrap_or_default();
        } else {
            shown.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    shown
}

/// How much of the beginning of `text` is `secret`, each of its bytes encoded or not.
fn encoded_length(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut at = 0;
    for &byte in secret {
        let escape = text.get(at..at + 3).filter(|escape| escape.first() == Some(&b'%'));
        let decoded = escape.and_then(|escape| hex::decode(escape.get(1..)?).ok());
        if decoded.as_deref() == Some(&[byte]) {
            at += 3;
        } else if text.get(at) == Some(&byte) {
            at += 1;
        } else {
            return None;
        }
    }
    (at > 0).then_some(at)
}

/// Hides what stands between a `//` and an `@`, as far as the next slash or space.
fn without_users(text: &str) -> String {
    let mut parts = text.split("//");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(part.len());
        let (authority, after) = part.split_at(end);
        shown.push_str("//");
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend([HIDDEN, "@", host]),
            None => shown.push_str(authority),
        }
        shown.push_str(after);
    }
    shown
}

/// [RFC 4648](https://www.rfc-editor.org/rfc/rfc4648), with padding, as HTTP's basic authentication wants it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let known = DIGITS.get(value as usize).filter(|_| digit <= group.len());
            text.push(known.map_or('=', |&digit| char::from(digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("\u{fff}\u{7ff}?", "4L+/378/"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text, "{bytes}");
        }
    }

    #[test]
    fn the_secret_is_hidden_in_each_of_its_forms() {
        for (username, password, text, shown) in [
            ("me", "hunter2", "fatal: hunter2, hunter2!", "fatal: ***, ***!"),
            ("me", "hunter2", "me is not hunter", "me is not hunter"),
            ("me", "s3 c:r@t/é", "a s3%20c%3Ar%40t%2F%C3%A9 b", "a *** b"),
            ("me", "s3 c:r@t/é", "a s3%20c%3ar%40t/%c3%a9 b", "a *** b"),
            ("me", "s3 c:r@t/é", "a %733%20c:r@t/é b", "a *** b"),
            ("me", "a%25b", "a%25b a%2525b %61%2525%62", "*** *** ***"),
            ("me", "a%b", "a%b a%25b a%2525b", "*** *** a%2525b"),
            ("me", "é", "é%C3%A9%c3%a9ê%C3", "*********ê%C3"),
            (
                "me",
                "hunter2",
                "authorization: Basic bWU6aHVudGVyMg==.",
                "authorization: Basic ***==.",
            ),
            ("me", "hunter2", "authorization: Basic bWU6aHVudGVyMg", "authorization: Basic ***"),
            // A token in place of the name.
            ("token", "", "token dG9rZW46 token%3A", "*** *** ***%3A"),
            ("token", "x-oauth-basic", "token x-oauth-basic", "*** x-oauth-basic"),
            ("", "", "nothing", "nothing"),
        ] {
            let credentials = Credentials::new(username, Secret::new(password));
            assert_eq!(redact(text, Some(&credentials)), shown, "{text}");
        }
    }

    #[test]
    fn the_users_of_urls_are_hidden_whoever_they_are() {
        for (text, shown) in [
            ("", ""),
            ("//", "//"),
            (
                "fatal: unable to access 'https://me:pw@host:80/a@b/': 403",
                "fatal: unable to access 'https://***@host:80/a@b/': 403",
            ),
            ("https://token@host", "https://***@host"),
            ("https://a@b@c/d", "https://***@c/d"),
            ("https://@c/d", "https://***@c/d"),
            ("x//https://a:b@c y://d@e\n//f@g", "x//https://***@c y://***@e\n//***@g"),
            ("see https://host for a@b", "see https://host for a@b"),
            ("git@host:a/b", "git@host:a/b"),
            ("//é@ü/ß", "//***@ü/ß"),
        ] {
            assert_eq!(redact(text, None), shown, "{text}");
        }
    }

    #[test]
    fn nothing_is_shown() {
        let credentials = Credentials::new("token", Secret::new("hunter2"));
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
        assert_eq!((credentials.username(), credentials.password().expose()), ("token", "hunter2"));
    }
}
