//! The user by whose name a remote is reached.

use super::field_error::{invalid_field, invalid_url};
use super::protocol::Protocol;
use crate::core::error::Result;
use crate::core::secret::Secret;
use crate::net::percent;

/// The user of a remote. Empty names and passwords are none.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct User {
    /// A part of the URL over ssh. Over HTTP it may be a token, and is never shown.
    pub(super) name: Option<String>,
    pub(super) password: Option<Secret>,
}

impl User {
    /// Parses the text before the `@` of a URL.
    pub(super) fn parse(protocol: Protocol, text: Option<&str>) -> Result<Self> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        if protocol == Protocol::Ssh {
            return Ok(Self { name: Some(check_ssh_name("remote_url", text)?), password: None });
        }
        if !protocol.is_http() {
            return Err(invalid_url("this protocol has no users; remove the part before the `@`"));
        }
        let decode = |text| percent::decode(text).map_err(invalid_url);
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (decode(name)?, Some(Secret::new(decode(password)?))),
            None => (decode(text)?, None),
        };
        if let Some(password) = &password {
            check_password("remote_url", password)?;
        }
        let name = check_http_name("remote_url", &name)?;
        let password = password.filter(|password| !password.expose().is_empty());
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), password })
    }

    /// Replaces the user of the URL by the one of the configuration: over HTTP the name, the password, or both; over ssh the name, if the
    /// URL has none.
    pub(super) fn replaced_by(
        self,
        protocol: Protocol,
        name: Option<&str>,
        password: Option<Secret>,
    ) -> Result<Self> {
        let name = name.filter(|name| !name.is_empty());
        let password = password.filter(|password| !password.expose().is_empty());
        if protocol == Protocol::Ssh && self.name.is_none() {
            let name = name.map(|name| check_ssh_name("username", name)).transpose()?;
            return Ok(Self { name, password: None });
        }
        if !protocol.is_http() {
            return Ok(self);
        }
        let name = name.map(|name| check_http_name("username", name)).transpose()?;
        if let Some(password) = &password {
            check_password("password", password)?;
        } else if name.is_some() && self.password.is_some() && self.name != name {
            return Err(invalid_field(
                "username",
                "`remote_url` has the password of another user; set `password` too",
            ));
        }
        Ok(Self { name: name.or(self.name), password: password.or(self.password) })
    }
}

fn check_http_name(field: &'static str, name: &str) -> Result<String> {
    if name.contains(ends_line) {
        return Err(invalid_field(field, "the user name contains a line break or a NUL byte"));
    }
    // The server would take the rest for the password.
    if name.contains(':') {
        return Err(invalid_field(field, "the user name contains a `:`"));
    }
    Ok(name.to_owned())
}

fn check_ssh_name(field: &'static str, name: &str) -> Result<String> {
    if name.contains(':') {
        return Err(invalid_field(field, "ssh takes no password; use a key (`ssh_key_path`)"));
    }
    // ssh would take it for an option.
    if name.starts_with('-') {
        return Err(invalid_field(field, "the user name begins with `-`"));
    }
    let is_special = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '@' | '/' | '%' | '[' | ']' | '?' | '#')
    };
    if name.contains(is_special) {
        return Err(invalid_field(
            field,
            "the user name contains a space, a control character or one of @/%[]?#",
        ));
    }
    Ok(name.to_owned())
}

/// git's credential helpers read lines.
fn check_password(field: &'static str, password: &Secret) -> Result<()> {
    if password.expose().contains(ends_line) {
        return Err(invalid_field(field, "the password contains a line break or a NUL byte"));
    }
    Ok(())
}

fn ends_line(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\0')
}
