//! The address of a repository, parsed as git does.
//!
//! An address is rebuilt from its checked parts. So what git gets cannot be taken for an option, cannot name a program to run, and
//! cannot carry a password to where others see it.

use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};

use super::field_error::invalid_url;
use super::protocol::Protocol;
use crate::core::error::Result;
use crate::net::percent;

/// What libcurl rejects in a URL. A `%` is kept: the path is encoded already.
const ENCODED_IN_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Everything that could have a meaning in a `file` URL.
const ENCODED_IN_FILE_URL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a repository is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `path` is percent-encoded, and begins with a slash.
    Url { protocol: Protocol, host: String, port: Option<u16>, path: String },
    /// ssh's `host:path`. Nothing is encoded. A path without a leading slash is relative to the user's home.
    Scp { host: String, path: String },
    /// Absolute if the base it was parsed with is.
    Local(PathBuf),
}

/// The parts of an address by which two are compared: protocol, host, port and path.
pub(super) type Identity = (Protocol, String, Option<u16>, PathBuf);

impl Address {
    /// Parses an address and the text before its `@`, if it has one. A local path is relative to `base`.
    pub(super) fn parse<'t>(text: &'t str, base: &Path) -> Result<(Option<&'t str>, Self)> {
        if text.is_empty() {
            return Err(invalid_url("must not be empty"));
        }
        if text.starts_with('-') {
            return Err(invalid_url("begins with `-`; write a path as `./-name`"));
        }
        if text.contains('\0') {
            return Err(invalid_url("contains a NUL byte"));
        }
        let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        // With `ext::command` git would run `git-remote-ext`, which runs the command.
        if text.trim_start_matches(is_scheme_char).starts_with("::") {
            return Err(invalid_url(
                "`transport::address` is not supported; write a path as `./a::b`",
            ));
        }
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => Self::parse_url(scheme, rest),
            _ => match split_scp(text) {
                Some((place, path)) => Self::parse_scp(place, path),
                None => Ok((None, Self::Local(base.join(text)))),
            },
        }
    }

    fn parse_url<'t>(scheme: &str, rest: &'t str) -> Result<(Option<&'t str>, Self)> {
        let protocol = Protocol::from_scheme(scheme).ok_or_else(|| {
            invalid_url(
                "unknown scheme; use https, http, ssh, git or file, `user@host:path` or a path",
            )
        })?;
        if rest.contains(|c: char| c.is_control()) {
            return Err(invalid_url("contains a control character"));
        }
        // Servers do not expect one, and it could be a secret.
        if protocol.is_http() && rest.contains(['?', '#']) {
            return Err(invalid_url("has a query or a fragment; write `?` and `#` as %3F and %23"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if protocol == Protocol::File {
            return Ok((None, Self::parse_file(authority, path)?));
        }
        let decoded = percent::decode(path).map_err(invalid_url)?;
        check_path(&decoded)?;
        let (user, place) = split_user(authority);
        let (host, port) = parse_place(place)?;
        let path = if protocol.is_http() {
            utf8_percent_encode(path, ENCODED_IN_URL).to_string()
        } else {
            path.to_owned()
        };
        Ok((user, Self::Url { protocol, host: host.to_owned(), port, path }))
    }

    fn parse_file(authority: &str, path: &str) -> Result<Self> {
        if !authority.is_empty() && !authority.eq_ignore_ascii_case("localhost") {
            return Err(invalid_url("a `file` URL has no host; begin it with `file:///`"));
        }
        check_path(path)?;
        let path = percent::decode_bytes(path).map_err(invalid_url)?;
        Ok(Self::Local(OsString::from_vec(path).into()))
    }

    fn parse_scp<'t>(place: &'t str, path: &str) -> Result<(Option<&'t str>, Self)> {
        let (user, host) = split_user(place);
        // `me:password@host/repo` without a scheme: ssh would take the password for a path.
        if user.is_none() && path.contains('@') {
            return Err(invalid_url(
                "an `@` follows the first `:`; write `https://` before a password, or `ssh://host/path` if the `@` belongs to \
                 the path",
            ));
        }
        check_path(path)?;
        // The program at the other end would take it for an option.
        if path.starts_with('-') {
            return Err(invalid_url("the path begins with `-`"));
        }
        if path.starts_with(':') {
            return Err(invalid_url("the path begins with `:`"));
        }
        let (host, _) = parse_place(host)?;
        Ok((user, Self::Scp { host: host.to_owned(), path: path.to_owned() }))
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Url { protocol, .. } => *protocol,
            Self::Scp { .. } => Protocol::Ssh,
            Self::Local(_) => Protocol::File,
        }
    }

    /// Returns the address for git, with the name of an ssh user.
    pub(super) fn url(&self, user: Option<&str>) -> String {
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        match self {
            Self::Url { protocol, path, .. } => {
                format!("{}://{user}{}{path}", protocol.name(), self.host_and_port())
            }
            Self::Scp { path, .. } => format!("{user}{}:{path}", self.host_and_port()),
            // A URL, because git reads some plain paths with a colon as something else.
            Self::Local(path) => {
                let encoded = percent_encode(path.as_os_str().as_bytes(), ENCODED_IN_FILE_URL);
                format!("file://{encoded}")
            }
        }
    }

    /// Returns `host` or `host:port`; empty for a local path.
    pub(super) fn host_and_port(&self) -> String {
        match self {
            Self::Url { host, port: Some(port), .. } => format!("{host}:{port}"),
            Self::Url { host, .. } | Self::Scp { host, .. } => host.clone(),
            Self::Local(_) => String::new(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        let (host, port, path) = match self {
            Self::Url { protocol, host, port, path } => {
                let path = percent_decode_str(path).collect::<Vec<u8>>();
                // In an ssh URL, `/~` is the only way to begin a path at the user's home.
                let is_in_home = *protocol == Protocol::Ssh && path.starts_with(b"/~");
                let path = path.get(usize::from(is_in_home)..).unwrap_or_default().to_vec();
                (host.as_str(), port.or(protocol.default_port()), path)
            }
            Self::Scp { host, path } => {
                (host.as_str(), Protocol::Ssh.default_port(), path.clone().into_bytes())
            }
            Self::Local(path) => ("", None, path.as_os_str().as_bytes().to_vec()),
        };
        let path = OsString::from_vec(without_ending(&path).to_vec());
        // Paths compare by their names, whatever the slashes between them.
        (self.protocol(), host.to_ascii_lowercase(), port, path.into())
    }
}

/// Splits ssh's `host:path`. A text with a slash before its first colon is a local path. Colons of an IPv6 address do not count.
fn split_scp(text: &str) -> Option<(&str, &str)> {
    let (before, after) = text.split_once(':')?;
    if before.contains('/') {
        return None;
    }
    if before.contains('[')
        && let Some(end) = after.find("]:")
    {
        let colon = before.len() + end + 2;
        return Some((text.get(..colon)?, text.get(colon + 1..)?));
    }
    Some((before, after))
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    }
}

/// Parses `host`, `host:port` or `[IPv6]:port`.
fn parse_place(place: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (address, after) =
            rest.split_once(']').ok_or_else(|| invalid_url("a `]` is missing"))?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(invalid_url("the text between `[` and `]` is not an IPv6 address"));
        }
        (place.strip_suffix(after).unwrap_or(place), after)
    } else {
        let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
        check_host(host)?;
        (host, port)
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(parse_port(digits)?),
        None if port.is_empty() => None,
        None => return Err(invalid_url("only `:port` may follow the host")),
    };
    Ok((host, port))
}

fn check_host(host: &str) -> Result<()> {
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if host.is_empty() {
        Err(invalid_url("the host is missing"))
    } else if host.starts_with('-') {
        Err(invalid_url("the host begins with `-`"))
    } else if host.bytes().all(is_host_byte) {
        Ok(())
    } else {
        Err(invalid_url("the host may contain only letters, digits, `.`, `-` and `_`"))
    }
}

fn parse_port(digits: &str) -> Result<u16> {
    let port = digits.parse().ok().filter(|&port: &u16| port > 0);
    // `parse` alone would accept a sign.
    port.filter(|_| digits.bytes().all(|b| b.is_ascii_digit())).ok_or_else(|| {
        invalid_url("the port must be a number from 1 to 65535; write a `/` in a password as %2F")
    })
}

fn check_path(path: &str) -> Result<()> {
    if path.contains(|c: char| c.is_control()) {
        Err(invalid_url("the path contains a control character"))
    } else if path.trim_matches('/').is_empty() {
        Err(invalid_url("the path is missing"))
    } else {
        Ok(())
    }
}

/// Removes the optional end of a path: `.git` and slashes.
fn without_ending(path: &[u8]) -> &[u8] {
    let without_slashes = |path| -> &[u8] {
        let mut path: &[u8] = path;
        while let [shorter @ .., b'/'] = path {
            path = shorter;
        }
        path
    };
    let path = without_slashes(path);
    without_slashes(path.strip_suffix(b".git").unwrap_or(path))
}
