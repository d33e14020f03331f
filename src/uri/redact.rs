//! What of a URI may be seen.
//!
//! Where it is unclear whether a part is secret, it is taken for one: too little shown costs a look into the configuration, too
//! much a new password.

use std::net::Ipv6Addr;

use super::parse::{Parameter, try_decode};

const HIDDEN: &str = "***";

/// What in the name of a parameter, in lower case, says that its value is a secret. `pas` is in `password`, in `passphrase` and in
/// most ways to misspell them.
const SECRET_WORDS: &[&str] =
    &["pas", "pwd", "secret", "token", "key", "credential", "signature", "authorization", "bearer"];

/// Names of parameters that hold a secret though no such word is in them; `sig` is that of Azure's shared access signatures.
const SECRET_NAMES: &[&str] = &["auth", "sig", "sas", "jwt", "pw"];

/// All that can be shown of a URI whose parts cannot be told apart.
pub(super) fn all_but_scheme(scheme: &str) -> String {
    format!("{scheme}://{HIDDEN}")
}

/// The URI as it was written, but for its secrets.
pub(super) fn show(
    scheme: &str,
    authority: &str,
    raw_path: &str,
    parameters: &[Parameter<'_>],
) -> String {
    let mut after = raw_path.to_owned();
    let mut separator = '?';
    for parameter in parameters {
        let value =
            if is_secret(&parameter.name, &parameter.value) { HIDDEN } else { parameter.raw_value };
        after += &format!("{separator}{}={value}", parameter.raw_name);
        separator = '&';
    }
    // Looked for in what was written: the `@` may stand in a value that is hidden.
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

/// Whether the value of a parameter may be a secret. A URI in it may bring its own, as may a list such as a connection string.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let (name, lower) = (name.to_ascii_lowercase(), value.to_ascii_lowercase());
    let speaks_of_one = |text: &str| SECRET_WORDS.iter().any(|word| text.contains(word));
    speaks_of_one(&name)
        || SECRET_NAMES.contains(&name.as_str())
        || (value.contains('=') && speaks_of_one(&lower))
        || (value.contains("://") && value.contains(['@', '?']))
}

/// Whether an authority without `@` may be the beginning of `user:password@host`, cut by a `/` or `?` in the password: what
/// follows its colon is no port.
fn is_cut_short(authority: &str) -> bool {
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let after_host = match bracketed {
        Some((host, after)) if host.parse::<Ipv6Addr>().is_ok() => after,
        _ => authority,
    };
    let port = after_host.split_once(':');
    // `parse` alone would take a sign.
    let is_port =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    !authority.contains('@') && port.is_some_and(|(_, port)| !is_port(port))
}

fn show_user(scheme: &str, user: &str) -> String {
    // Over HTTP a token may stand where the name should, alone or with one of GitHub's stand-ins for a password. OpenAI knows no users:
    // there nothing but a key can be meant.
    let http = scheme.contains("http") || scheme.starts_with("openai");
    match user.split_once(':') {
        Some((_, "" | "x-oauth-basic")) if http => HIDDEN.to_owned(),
        Some((name, _)) => format!("{name}:{HIDDEN}"),
        None if user == "git" => user.to_owned(),
        None if http || try_decode(user).is_ok_and(|user| user.contains(':')) => HIDDEN.to_owned(),
        None => user.to_owned(),
    }
}
