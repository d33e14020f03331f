//! The remote repository: its address, and the user by whose name it is reached.

mod address;
mod field_error;
mod protocol;
mod user;

use std::fmt;
use std::path::{Path, PathBuf};

use self::address::Address;
pub(super) use self::field_error::invalid_field;
pub(crate) use self::protocol::Protocol;
use self::user::User;
use super::credentials::{Credentials, redact};
use crate::core::error::Result;
use crate::core::secret::Secret;

/// The user name for a token that comes without one. GitHub requires it; GitLab, Gitea and others accept any name.
const TOKEN_USER: &str = "x-access-token";

/// A remote repository.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    address: Address,
    user: User,
}

impl Remote {
    /// Parses an address as git does: `https`, `http`, `ssh`, `git` and `file` URLs, ssh's `user@host:path`, and local paths, which are
    /// relative to `base`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for anything else. The error does not repeat the address.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self> {
        let (user, address) = Address::parse(text, base)?;
        let user = User::parse(address.protocol(), user)?;
        Ok(Self { address, user })
    }

    /// Replaces the user of the URL: over HTTP by a name, a password, or both; over ssh by a name, if the URL has none. Empty values
    /// count as unset. Other protocols have no users and ignore both.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a value cannot be sent, or if the name differs from the one that the URL has a
    /// password for.
    pub(crate) fn with_user(self, name: Option<&str>, password: Option<Secret>) -> Result<Self> {
        let user = self.user.replaced_by(self.address.protocol(), name, password)?;
        Ok(Self { user, ..self })
    }

    /// Returns the URL for git: without a password, and with a user name over ssh only.
    pub(crate) fn url(&self) -> String {
        let is_ssh = self.protocol() == Protocol::Ssh;
        self.address.url(self.user.name.as_deref().filter(|_| is_ssh))
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.address.protocol()
    }

    /// Returns the server that may get the [credentials](Self::credentials), as the `scheme://host:port` of
    /// `credential.<scope>.helper`. Over HTTP only.
    pub(crate) fn credential_scope(&self) -> Option<String> {
        let protocol = self.protocol();
        protocol
            .is_http()
            .then(|| format!("{}://{}", protocol.name(), self.address.host_and_port()))
    }

    /// Returns the credentials for the server. Over HTTP only; ssh has keys.
    ///
    /// git needs both a name and a password. A password alone is a token and gets the name `x-access-token`. A name alone may be a token
    /// too and gets an empty password.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let User { name, password } = &self.user;
        if !self.protocol().is_http() || (name.is_none() && password.is_none()) {
            return None;
        }
        let password = password.clone().unwrap_or_else(|| Secret::new(""));
        Some(Credentials::new(name.as_deref().unwrap_or(TOKEN_USER), password))
    }

    /// Returns the path of a repository on this machine.
    pub(crate) fn local_path(&self) -> Option<&Path> {
        match &self.address {
            Address::Local(path) => Some(path),
            Address::Url { .. } | Address::Scp { .. } => None,
        }
    }

    /// Reports whether `url`, from the configuration of a clone, leads to the same repository for any user.
    ///
    /// The case of scheme and host, default ports, a trailing slash or `.git` and the spelling of a local path make no difference. Another
    /// server, protocol or relative path counts as another repository, although it may lead to the same one.
    pub(crate) fn is_same_as(&self, url: &str) -> bool {
        // A relative path stays relative, so it differs from every absolute one.
        let other = Self::parse(url, Path::new(""));
        other.is_ok_and(|other| other.address.identity() == self.address.identity())
    }

    /// Like [`is_same_as`](Self::is_same_as), for a `url` that is relative to `base`. Two paths of one directory lead to the same
    /// repository.
    pub(crate) fn is_at(&self, url: &str, base: &Path) -> bool {
        let Ok(other) = Self::parse(url, base) else { return false };
        let real = |remote: &Self| Some(real_repository(remote.local_path()?));
        other.address.identity() == self.address.identity()
            || real(self).is_some_and(|path| Some(path) == real(&other))
    }
}

/// Returns the real path of a repository on this machine, which `path` may name without its `.git`.
fn real_repository(path: &Path) -> PathBuf {
    let mut named = path.as_os_str().to_owned();
    named.push(".git");
    let real = path.canonicalize().or_else(|_| Path::new(&named).canonicalize());
    let real = real.unwrap_or_else(|_| path.to_owned());
    // A repository with a working tree.
    if real.join(".git").is_dir() { real.join(".git") } else { real }
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

/// Returns an address without its secrets. Of an invalid address nothing is shown: a password may be anywhere in it.
pub(super) fn redacted(text: &str) -> String {
    match Remote::parse(text, Path::new("")) {
        Ok(remote) if remote.local_path().is_some() => redact(text, None),
        Ok(remote) => remote.url(),
        Err(_) => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests;
