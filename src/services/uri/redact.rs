//! Redacts the secrets of a URI.
//!
//! A part that may be a secret is redacted, because a leaked password is worse than a missing detail.

use std::net::Ipv6Addr;

use crate::net::percent;

/// A parameter as it was written, and percent-decoded.
pub(super) struct Parameter<'a> {
    pub(super) raw_name: &'a str,
    pub(super) raw_value: &'a str,
    pub(super) name: String,
    pub(super) value: String,
}

const HIDDEN: &str = "***";

/// A parameter is secret if its name, in lower case, contains one of these words. `pas` is part of `password`, of `passphrase` and of
/// most misspellings.
const SECRET_WORDS: &[&str] =
    &["pas", "pwd", "secret", "token", "key", "credential", "signature", "authorization", "bearer"];

/// Names of secret parameters that contain none of these words; Azure's shared access signatures use `sig`.
const SECRET_NAMES: &[&str] = &["auth", "sig", "sas", "jwt", "pw"];

/// Returns the text shown for a URI that cannot be split reliably.
pub(super) fn all_but_scheme(scheme: &str) -> String {
    format!("{scheme}://{HIDDEN}")
}

/// Returns the URI as it was written, with its secrets redacted.
pub(super) fn show(
    scheme: &str,
    authority: &str,
    raw_path: &str,
    parameters: &[Parameter<'_>],
) -> String {
    let after = with_parameters(raw_path, parameters);
    // Searches the raw text, because the `@` may be in a redacted value.
    let mut raw = parameters.iter().flat_map(|p| [p.raw_name, p.raw_value]).chain([raw_path]);
    if is_cut_short(authority) && raw.any(|part| part.contains('@')) {
        return all_but_scheme(scheme);
    }
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", show_user(scheme, user)),
        None => authority.to_owned(),
    };
    format!("{scheme}://{authority}{after}")
}

/// Returns a path and the parameters after it as they were written, with their secrets redacted.
pub(super) fn with_parameters(raw_path: &str, parameters: &[Parameter<'_>]) -> String {
    let mut text = raw_path.to_owned();
    let mut separator = '?';
    for parameter in parameters {
        let value =
            if is_secret(&parameter.name, &parameter.value) { HIDDEN } else { parameter.raw_value };
        text += &format!("{separator}{}={value}", parameter.raw_name);
        separator = '&';
    }
    text
}

/// Returns whether the value of a parameter may be a secret, or contain one: in a URI, or in a list such as a connection string.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let (name, lower) = (name.to_ascii_lowercase(), value.to_ascii_lowercase());
    let has_secret_word = |text: &str| SECRET_WORDS.iter().any(|word| text.contains(word));
    has_secret_word(&name)
        || SECRET_NAMES.contains(&name.as_str())
        || (value.contains('=') && has_secret_word(&lower))
        || (value.contains("://") && value.contains(['@', '?']))
}

/// Returns whether an authority without `@` may be the beginning of `user:password@host`, cut at a `/` or `?` in the password. That is
/// the case if the text after its colon is not a port.
fn is_cut_short(authority: &str) -> bool {
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let after_host = match bracketed {
        Some((host, after)) if host.parse::<Ipv6Addr>().is_ok() => after,
        _ => authority,
    };
    let port = after_host.split_once(':');
    // `parse` alone would accept a sign.
    let is_port =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    !authority.contains('@') && port.is_some_and(|(_, port)| !is_port(port))
}

fn show_user(scheme: &str, user: &str) -> String {
    // Over HTTP the name may be a token, alone or with one of GitHub's placeholders for a password. OpenAI has no users, so the name can
    // only be a key.
    let http = scheme.contains("http") || scheme.starts_with("openai");
    match user.split_once(':') {
        Some((_, "" | "x-oauth-basic")) if http => HIDDEN.to_owned(),
        Some((name, _)) => format!("{name}:{HIDDEN}"),
        None if user == "git" => user.to_owned(),
        None if http || percent::decode(user).is_ok_and(|user| user.contains(':')) => {
            HIDDEN.to_owned()
        }
        None => user.to_owned(),
    }
}
