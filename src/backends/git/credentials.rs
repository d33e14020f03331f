//! The credentials for a server, and how they are kept out of error messages.

use std::fmt;

use crate::core::secret::Secret;

const HIDDEN: &str = "***";

/// GitHub's clients send this password if the user name is a token.
const NO_PASSWORD: &str = "x-oauth-basic";

/// A user name and a password. `Debug` shows neither, because the name may be a token.
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

    /// Returns the part that must not be shown. Without a password the name must be a token.
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

/// Removes secrets from a text of git: the secret of `credentials`, as it is, percent-encoded or as HTTP sends it, and the user of every
/// URL.
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

/// Hides every percent-encoded form of `secret`. Programs differ in which characters they encode, and in the case of the digits.
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

/// Returns the length of `secret` at the beginning of `text`, each byte percent-encoded or not.
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

/// Hides the text between `//` and the last `@` before the next slash or space.
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

/// Encodes as [RFC 4648](https://www.rfc-editor.org/rfc/rfc4648) with padding, for HTTP's basic authentication.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let digit = DIGITS.get(value as usize).filter(|_| digit <= group.len());
            text.push(digit.map_or('=', |&digit| char::from(digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_standard_alphabet_and_padding() {
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
    fn a_secret_is_hidden_in_every_encoding() {
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
    fn the_user_of_every_url_is_hidden() {
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
    fn debug_shows_neither_name_nor_password() {
        let credentials = Credentials::new("token", Secret::new("hunter2"));
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
        assert_eq!((credentials.username(), credentials.password().expose()), ("token", "hunter2"));
    }
}
