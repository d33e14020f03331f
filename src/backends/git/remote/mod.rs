//! The repository at the other end.
//!
//! A URL is taken apart and built anew from its checked parts, so that what git gets is what was understood here: it cannot be
//! taken for an option, name a program to run, or bring a password to where it is seen.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};

use super::credentials::{Credentials, redact};
use crate::{Error, ErrorKind, Result, Secret};

/// The name for a token that comes without one. GitHub names it so; GitLab, Gitea and others take any.
const TOKEN_USER: &str = "x-access-token";

/// What libcurl does not take in a URL. A `%` is kept: the path is encoded already.
const NOT_IN_A_URL: &AsciiSet = &CONTROLS
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

/// What has no meaning of its own in a `file` URL.
const NOT_IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How git reaches a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Https,
    Http,
    Ssh,
    Git,
    File,
}

impl Protocol {
    const ALL: [Self; 5] = [Self::Https, Self::Http, Self::Ssh, Self::Git, Self::File];

    /// The name in URLs and in `GIT_ALLOW_PROTOCOL`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| scheme.eq_ignore_ascii_case(protocol.name()))
    }

    fn is_http(self) -> bool {
        matches!(self, Self::Https | Self::Http)
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Http => Some(80),
            Self::Ssh => Some(22),
            Self::Git => Some(9418),
            Self::File => None,
        }
    }
}

/// Where the repository is.
#[derive(Clone, PartialEq, Eq)]
enum Address {
    /// `path` is percent-encoded, and begins with a slash.
    Url { protocol: Protocol, host: String, port: Option<u16>, path: String },
    /// ssh's `host:path`. Nothing is encoded, and a path without a slash in front is relative to the user's home.
    Scp { host: String, path: String },
    /// Absolute where the base it was parsed with is.
    Local(PathBuf),
}

/// A remote repository: its address, apart from who asks for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    address: Address,
    /// Over ssh a part of the URL; over HTTP maybe a token, and never shown.
    username: Option<String>,
    password: Option<Secret>,
}

impl Remote {
    /// Understands an address as git does: `https`, `http`, `ssh`, `git` and `file` URLs, ssh's `user@host:path`, and local
    /// paths, which are relative to `base`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for anything else. The error does not repeat the address.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self> {
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.starts_with('-') {
            return Err(invalid("it begins with `-`; a path is written `./-name`"));
        }
        if text.contains('\0') {
            return Err(invalid("it holds NUL"));
        }
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        // `ext::command`: git would run `git-remote-ext`, which runs the command.
        if text.trim_start_matches(of_scheme).starts_with("::") {
            return Err(invalid(
                "`transport::address` is not supported; a path is written `./a::b`",
            ));
        }
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => Self::parse_url(scheme, rest),
            _ => match split_scp(text) {
                Some((place, path)) => Self::parse_scp(place, path),
                None => Ok(Self::local(base.join(text))),
            },
        }
    }

    fn local(path: PathBuf) -> Self {
        Self { address: Address::Local(path), username: None, password: None }
    }

    fn parse_url(scheme: &str, rest: &str) -> Result<Self> {
        let protocol = Protocol::of_scheme(scheme).ok_or_else(|| {
            invalid(
                "an unknown scheme; known are https, http, ssh, git, file, `user@host:path` and paths",
            )
        })?;
        if rest.contains(|c: char| c.is_control()) {
            return Err(invalid("it holds a control character"));
        }
        // Servers do not expect one, and it could be a secret.
        if protocol.is_http() && rest.contains(['?', '#']) {
            return Err(invalid(
                "it has a query or a fragment; `?` and `#` are written %3F and %23",
            ));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if protocol == Protocol::File {
            return Self::parse_file(authority, path);
        }
        let decoded = decode(path)?;
        if decoded.contains(|c: char| c.is_control()) {
            return Err(invalid("its path holds a control character"));
        }
        if decoded.trim_matches('/').is_empty() {
            return Err(invalid("it has no path"));
        }
        let (user, place) = split_user(authority);
        let (host, port) = parse_place(place)?;
        let path = if protocol.is_http() {
            utf8_percent_encode(path, NOT_IN_A_URL).to_string()
        } else {
            path.to_owned()
        };
        let (username, password) = parse_user(protocol, user)?;
        let address = Address::Url { protocol, host: host.to_owned(), port, path };
        Ok(Self { address, username, password })
    }

    fn parse_file(authority: &str, path: &str) -> Result<Self> {
        if !authority.is_empty() && !authority.eq_ignore_ascii_case("localhost") {
            return Err(invalid("a `file` URL names no host: it begins with `file:///`"));
        }
        if path.trim_matches('/').is_empty() {
            return Err(invalid("it has no path"));
        }
        Ok(Self::local(OsString::from_vec(decode_bytes(path)?).into()))
    }

    fn parse_scp(place: &str, path: &str) -> Result<Self> {
        let (user, host) = split_user(place);
        // `me:password@host/repo`: somebody forgot the scheme, and ssh would look the password up as a path.
        if user.is_none() && path.contains('@') {
            return Err(invalid(
                "an `@` follows the first `:`; if it belongs to a path, write `ssh://host/path`",
            ));
        }
        if path.contains(|c: char| c.is_control()) {
            return Err(invalid("its path holds a control character"));
        }
        if path.trim_matches('/').is_empty() {
            return Err(invalid("it has no path"));
        }
        // The program at the other end would take it for an option.
        if path.starts_with('-') {
            return Err(invalid("its path begins with `-`"));
        }
        if path.starts_with(':') {
            return Err(invalid("its path begins with `:`"));
        }
        let (host, _) = parse_place(host)?;
        let (username, password) = parse_user(Protocol::Ssh, user)?;
        let address = Address::Scp { host: host.to_owned(), path: path.to_owned() };
        Ok(Self { address, username, password })
    }

    /// Says who asks, in place of whom the URL names: over HTTP a name, a password, or both; over ssh a name, where the URL has
    /// none. Empty ones are none, and other protocols know no users.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if they cannot be sent, or if the name is not the one that the URL has a
    /// password for.
    pub(crate) fn with_user(
        mut self,
        username: Option<&str>,
        password: Option<Secret>,
    ) -> Result<Self> {
        let username = username.filter(|name| !name.is_empty());
        let password = password.filter(|password| !password.expose().is_empty());
        match self.protocol() {
            protocol if protocol.is_http() => {
                let name = username.map(|name| check_http_user("username", name)).transpose()?;
                if let Some(password) = password {
                    check_password("password", &password)?;
                    self.password = Some(password);
                } else if name.is_some() && self.password.is_some() && self.username != name {
                    return Err(refused(
                        "username",
                        "`remote_url` has a password, for another user",
                    ));
                }
                self.username = name.or(self.username);
            }
            Protocol::Ssh if self.username.is_none() => {
                self.username =
                    username.map(|name| check_ssh_user("username", name)).transpose()?;
            }
            _ => {}
        }
        Ok(self)
    }

    /// What git gets: without a password, and without a name but for ssh.
    pub(crate) fn url(&self) -> String {
        let user = match &self.username {
            Some(name) if self.protocol() == Protocol::Ssh => format!("{name}@"),
            _ => String::new(),
        };
        match &self.address {
            Address::Url { protocol, path, .. } => {
                format!("{}://{user}{}{path}", protocol.name(), self.place())
            }
            Address::Scp { path, .. } => format!("{user}{}:{path}", self.place()),
            // As a URL, because of a plain path git wonders about colons.
            Address::Local(path) => {
                let encoded = percent_encode(path.as_os_str().as_bytes(), NOT_IN_A_PATH);
                format!("file://{encoded}")
            }
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match &self.address {
            Address::Url { protocol, .. } => *protocol,
            Address::Scp { .. } => Protocol::Ssh,
            Address::Local(_) => Protocol::File,
        }
    }

    /// To whom git may give the [credentials](Self::credentials): the `scheme://host:port` of `credential.<scope>.helper`. Over
    /// HTTP only.
    pub(crate) fn credential_scope(&self) -> Option<String> {
        let protocol = self.protocol();
        protocol.is_http().then(|| format!("{}://{}", protocol.name(), self.place()))
    }

    /// What the server is told, if it asks. Over HTTP only; ssh has keys.
    ///
    /// git needs both a name and a password: a password alone is a token, which goes by the name of `x-access-token`; a name
    /// alone may be one too, and gets an empty password.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        if !self.protocol().is_http() || (self.username.is_none() && self.password.is_none()) {
            return None;
        }
        let username = self.username.as_deref().unwrap_or(TOKEN_USER);
        let password = self.password.clone().unwrap_or_else(|| Secret::new(""));
        Some(Credentials::new(username, password))
    }

    /// Where the repository is, if on this machine.
    pub(crate) fn local_path(&self) -> Option<&Path> {
        match &self.address {
            Address::Local(path) => Some(path),
            Address::Url { .. } | Address::Scp { .. } => None,
        }
    }

    /// Whether `url`, found in the configuration of a clone, leads to the same repository, whoever asks for it.
    ///
    /// The case of scheme and host, default ports, a slash or `.git` at the end and the way a local path is written mean nothing.
    /// Whether another server, protocol or relative path leads there too, nobody can tell.
    pub(crate) fn is_same_as(&self, url: &str) -> bool {
        // Relative paths stay relative, and so are like no absolute one.
        let other = Self::parse(url, Path::new(""));
        other.is_ok_and(|other| other.identity() == self.identity())
    }

    fn identity(&self) -> (Protocol, String, Option<u16>, PathBuf) {
        let (host, port, path) = match &self.address {
            Address::Url { protocol, host, port, path } => {
                let path = percent_decode_str(path).collect::<Vec<u8>>();
                // ssh has no other way to write in a URL that a path begins at the user's home.
                let at_home = *protocol == Protocol::Ssh && path.starts_with(b"/~");
                let path = path.get(usize::from(at_home)..).unwrap_or_default().to_vec();
                (host.as_str(), port.or(protocol.default_port()), path)
            }
            Address::Scp { host, path } => {
                (host.as_str(), Protocol::Ssh.default_port(), path.clone().into_bytes())
            }
            Address::Local(path) => ("", None, path.as_os_str().as_bytes().to_vec()),
        };
        let path = OsString::from_vec(without_ending(&path).to_vec());
        // A path compares by its names, whatever the slashes between them.
        (self.protocol(), host.to_ascii_lowercase(), port, path.into())
    }

    /// `host` or `host:port`; empty for a local path.
    fn place(&self) -> String {
        match &self.address {
            Address::Url { host, port: Some(port), .. } => format!("{host}:{port}"),
            Address::Url { host, .. } | Address::Scp { host, .. } => host.clone(),
            Address::Local(_) => String::new(),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.url()).finish()
    }
}

/// What of an address may be shown. Of one that is not understood nobody can tell where a password stands in it.
pub(super) fn shown(text: &str) -> String {
    match Remote::parse(text, Path::new("")) {
        Ok(remote) if remote.local_path().is_some() => redact(text, None),
        Ok(remote) => remote.url(),
        Err(_) => "***".to_owned(),
    }
}

/// The parts of ssh's `host:path`. A text with a slash before its first colon is a path; the colons of an IPv6 address do not
/// count.
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

/// Takes `host`, `host:port` or `[IPv6]:port` apart.
fn parse_place(place: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(|| invalid("a `]` is missing"))?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(invalid("what stands between `[` and `]` is no IPv6 address"));
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
        None => return Err(invalid("something other than a port follows the host")),
    };
    Ok((host, port))
}

fn check_host(host: &str) -> Result<()> {
    if host.is_empty() {
        Err(invalid("it has no host"))
    } else if host.starts_with('-') {
        Err(invalid("its host begins with `-`"))
    } else if host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        Ok(())
    } else {
        Err(invalid("its host is not made of letters, digits, `.`, `-` and `_`"))
    }
}

fn parse_port(digits: &str) -> Result<u16> {
    let port = digits.parse().ok().filter(|&port: &u16| port > 0);
    // `parse` alone would take a sign.
    port.filter(|_| digits.bytes().all(|b| b.is_ascii_digit())).ok_or_else(|| {
        invalid("its port is no number from 1 to 65535; a `/` in a password is written %2F")
    })
}

/// Who asks, as the URL has it.
fn parse_user(protocol: Protocol, user: Option<&str>) -> Result<(Option<String>, Option<Secret>)> {
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return Ok((None, None));
    };
    if protocol == Protocol::Ssh {
        return Ok((Some(check_ssh_user("remote_url", user)?), None));
    }
    if !protocol.is_http() {
        return Err(invalid("this protocol knows no users"));
    }
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (decode(name)?, Some(Secret::new(decode(password)?))),
        None => (decode(user)?, None),
    };
    if let Some(password) = &password {
        check_password("remote_url", password)?;
    }
    let name = check_http_user("remote_url", &name)?;
    let password = password.filter(|password| !password.expose().is_empty());
    Ok((Some(name).filter(|name| !name.is_empty()), password))
}

fn check_http_user(field: &'static str, name: &str) -> Result<String> {
    if name.contains(ends_a_line) {
        return Err(refused(field, "the user's name holds a line break or NUL"));
    }
    // The server would take what follows for the password.
    if name.contains(':') {
        return Err(refused(field, "the user's name holds a `:`"));
    }
    Ok(name.to_owned())
}

fn check_ssh_user(field: &'static str, name: &str) -> Result<String> {
    if name.contains(':') {
        return Err(refused(
            field,
            "a password has no place in an ssh address, only a user's name",
        ));
    }
    // ssh would take it for an option.
    if name.starts_with('-') {
        return Err(refused(field, "the user's name begins with `-`"));
    }
    let special = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '@' | '/' | '%' | '[' | ']' | '?' | '#')
    };
    if name.contains(special) {
        return Err(refused(
            field,
            "the user's name holds a space, a control character or one of @/%[]?#",
        ));
    }
    Ok(name.to_owned())
}

/// git's credential helpers speak in lines.
fn check_password(field: &'static str, password: &Secret) -> Result<()> {
    if password.expose().contains(ends_a_line) {
        return Err(refused(field, "the password holds a line break or NUL"));
    }
    Ok(())
}

fn ends_a_line(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\0')
}

/// Without what may be left out at the end of a path: `.git` and slashes.
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

fn decode(text: &str) -> Result<String> {
    let decoded = String::from_utf8(decode_bytes(text)?);
    decoded.map_err(|_| invalid("its percent-escapes are not UTF-8"))
}

fn decode_bytes(text: &str) -> Result<Vec<u8>> {
    let digits_follow = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    // The decoder would let a `%` pass that begins no escape.
    if !text.split('%').skip(1).all(digits_follow) {
        return Err(invalid(
            "two hexadecimal digits must follow a `%`; a literal one is written %25",
        ));
    }
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    if decoded.contains(&0) {
        return Err(invalid("it holds NUL"));
    }
    Ok(decoded)
}

fn invalid(reason: &'static str) -> Error {
    refused("remote_url", reason)
}

/// The error for a field of the configuration. It never repeats the value.
pub(super) fn refused(field: &str, reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(format!("`{field}`: {reason}"))
}

#[cfg(test)]
mod tests;
