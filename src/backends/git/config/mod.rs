//! The configuration of a git backend.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::branch::check_branch;
use super::remote::{Protocol, Remote, invalid_field, redacted};
use crate::core::error::Result;
use crate::core::names::names;
use crate::core::options::setters;
use crate::core::secret::{Secret, SecretSource};
use crate::sys::pool;

/// The configuration of a [`GitSyncFileBackend`](crate::GitSyncFileBackend).
///
/// JSON needs only `remote_url` and `path`. An unknown field is an error that lists the known ones. Durations are numbers of seconds.
/// Invalid settings are reported when the backend opens. `Debug` shows no secret, and no user name for a server, which may be a token.
///
/// # Examples
///
/// ```
/// use f9::GitConfig;
///
/// # fn main() -> serde_json::Result<()> {
/// let config = GitConfig::new("https://example.com/team/notes.git", "/srv/notes")
///     .with_branch("drafts")
///     .with_password("env:NOTES_TOKEN")
///     .with_auto_push(true);
///
/// let json = r#"{
///     "remote_url": "https://example.com/team/notes.git",
///     "path": "/srv/notes",
///     "branch": "drafts",
///     "password": "env:NOTES_TOKEN",
///     "auto_push": true
/// }"#;
/// assert_eq!(serde_json::from_str::<GitConfig>(json)?, config);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GitConfig {
    /// The address of the repository: an `https`, `http`, `ssh`, `git` or `file` URL, `user@host:path` for ssh, or a local path. A user
    /// name and a password in an HTTP URL have the same effect as the fields below, and git does not store them.
    pub remote_url: String,
    /// The directory of the working tree. It is created if missing.
    pub path: PathBuf,
    /// The branch; `main` by default, whatever the default branch of the remote. The first push creates a branch that the remote does
    /// not have.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The author of commits; `f9-sync` by default.
    #[serde(default = "default_author_name")]
    pub author_name: String,
    /// The author's mail address; `f9-sync@example.com` by default.
    #[serde(default = "default_author_email")]
    pub author_email: String,
    /// The user name for an HTTP server, or for an ssh server if `remote_url` has no user. An empty string counts as unset.
    #[serde(default)]
    pub username: Option<String>,
    /// The password or token for an HTTP server. A token without `username` is sent with the user name `x-access-token`. In JSON it may be
    /// `env:NAME` or `file:/path`, which is read when the backend opens. An empty string counts as unset.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// The private key for an ssh server; `~/` is the home directory. An empty path counts as unset. Other protocols ignore it.
    #[serde(default)]
    pub ssh_key_path: Option<PathBuf>,
    /// The file with the keys of known ssh servers. The rules of [`ssh_key_path`](Self::ssh_key_path) apply.
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
    /// Pulls before every read.
    #[serde(default)]
    pub auto_pull: bool,
    /// Pushes after every write.
    #[serde(default)]
    pub auto_push: bool,
    /// Skips an automatic pull if the last one is younger than this; `None` pulls every time.
    #[serde(default, deserialize_with = "crate::core::duration::optional")]
    pub max_staleness: Option<Duration>,
    /// What a read does if its automatic pull cannot reach the remote.
    #[serde(default)]
    pub on_unreachable: OnUnreachable,
    /// Whether `info` and `list` return the times of commits (the default) or those of the files in the working tree.
    #[serde(default = "yes")]
    pub history_times: bool,
    /// The time limits of git.
    #[serde(default)]
    pub timeouts: GitTimeouts,
}

/// What a read does if its automatic pull cannot reach the remote, or gets no answer within the time limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnreachable {
    /// The read fails.
    #[default]
    Fail,
    /// The read returns what is in the working tree. [`last_contact`](crate::GitSyncFileBackend::last_contact) tells how old that may be.
    /// Reads try the remote again after [`GitConfig::max_staleness`], but at the earliest after 10 seconds.
    Serve,
}

names!(OnUnreachable, "reaction" { Fail = "fail", Serve = "serve" });

/// The time limits of git. A process that exceeds `network` or `local` is terminated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GitTimeouts {
    /// The limit for a command that reaches the remote; 10 minutes by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub network: Duration,
    /// The limit for any other command; 5 minutes by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub local: Duration,
    /// The longest wait for other users of the working tree; 30 seconds by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub lock: Duration,
    /// How long a push may be tried while others push to the same branch; 2 minutes by default. This includes the wait for its turn. It
    /// ends no command: one that has begun has its own limit.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub push: Duration,
}

impl GitConfig {
    /// Creates the configuration of a clone of `remote_url` at `path`, with the defaults for everything else.
    #[must_use]
    pub fn new(remote_url: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            remote_url: remote_url.into(),
            path: path.into(),
            branch: main_branch(),
            author_name: default_author_name(),
            author_email: default_author_email(),
            username: None,
            password: None,
            ssh_key_path: None,
            known_hosts: None,
            auto_pull: false,
            auto_push: false,
            max_staleness: None,
            on_unreachable: OnUnreachable::default(),
            history_times: true,
            timeouts: GitTimeouts::default(),
        }
    }

    /// Sets the branch.
    #[must_use]
    pub fn with_branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = branch.into();
        self
    }

    /// Sets the name of the author.
    #[must_use]
    pub fn with_author_name(mut self, author_name: impl Into<String>) -> Self {
        self.author_name = author_name.into();
        self
    }

    /// Sets the mail address of the author.
    #[must_use]
    pub fn with_author_email(mut self, author_email: impl Into<String>) -> Self {
        self.author_email = author_email.into();
        self
    }

    /// Sets the user name for the server.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password or token: a [`Secret`], or the place to read it from.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<SecretSource>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the private key for an ssh server.
    #[must_use]
    pub fn with_ssh_key_path(mut self, ssh_key_path: impl Into<PathBuf>) -> Self {
        self.ssh_key_path = Some(ssh_key_path.into());
        self
    }

    /// Sets the file with the keys of known ssh servers.
    #[must_use]
    pub fn with_known_hosts(mut self, known_hosts: impl Into<PathBuf>) -> Self {
        self.known_hosts = Some(known_hosts.into());
        self
    }
}

setters!(GitConfig {
    /// Sets whether every read pulls first.
    with_auto_pull(auto_pull: bool) => auto_pull;
    /// Sets whether every write pushes afterwards.
    with_auto_push(auto_push: bool) => auto_push;
    /// Sets the age of the last pull below which an automatic pull is skipped.
    with_max_staleness(max_staleness: Duration) => Some(max_staleness);
    /// Sets what a read does if its automatic pull cannot reach the remote.
    with_on_unreachable(on_unreachable: OnUnreachable) => on_unreachable;
    /// Sets whether `info` and `list` return the times of commits.
    with_history_times(history_times: bool) => history_times;
    /// Sets the time limits of git.
    with_timeouts(timeouts: GitTimeouts) => timeouts;
});

setters!(GitTimeouts {
    /// Sets the limit for a command that reaches the remote.
    with_network(network: Duration) => network;
    /// Sets the limit for any other command.
    with_local(local: Duration) => local;
    /// Sets the longest wait for other users of the working tree.
    with_lock(lock: Duration) => lock;
    /// Sets how long a push may be tried while others push.
    with_push(push: Duration) => push;
});

impl Default for GitTimeouts {
    fn default() -> Self {
        Self {
            network: Duration::from_secs(600),
            local: Duration::from_secs(300),
            lock: Duration::from_secs(30),
            push: Duration::from_secs(120),
        }
    }
}

/// The directories from which the paths of a configuration start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases<'a> {
    /// The start of relative paths. It is absolute.
    pub(crate) directory: &'a Path,
    /// The directory `~/` of ssh's files.
    pub(crate) home: Option<&'a Path>,
}

/// A [`GitConfig`] that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct CheckedConfig {
    pub(crate) remote: Remote,
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) branch: String,
    pub(crate) author_name: String,
    pub(crate) author_email: String,
    /// Absolute, and only with a remote over ssh.
    pub(crate) ssh_key_path: Option<PathBuf>,
    /// Absolute, and only with a remote over ssh.
    pub(crate) known_hosts: Option<PathBuf>,
}

impl GitConfig {
    /// Reads the password from its source.
    pub(crate) async fn read_password(&self) -> Result<Option<Secret>> {
        let Some(source) = self.password.clone() else {
            return Ok(None);
        };
        // The file may be slow: it may be on a network, or a FIFO.
        let secret = pool::run(move || source.resolve()).await;
        secret.map(Some).map_err(|error| {
            let reason = error.message().unwrap_or("cannot be read").to_owned();
            invalid_field("password", reason).with_source(error)
        })
    }

    /// Checks the configuration and resolves its paths, without reading anything outside of it. `password` comes from
    /// [`read_password`](Self::read_password).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), which names the invalid field and never its value.
    pub(crate) fn check(
        &self,
        bases: Bases<'_>,
        password: Option<Secret>,
    ) -> Result<CheckedConfig> {
        check_path("path", &self.path)?;
        if self.path.as_os_str().is_empty() {
            return Err(invalid_field("path", "must not be empty"));
        }
        check_branch(&self.branch).map_err(|reason| invalid_field("branch", reason))?;
        check_author("author_name", &self.author_name)?;
        check_author("author_email", &self.author_email)?;
        self.check_durations()?;
        let remote = Remote::parse(&self.remote_url, bases.directory)?;
        let remote = remote.with_user(self.username.as_deref(), password)?;
        let ssh = remote.protocol() == Protocol::Ssh;
        let for_ssh = |field, path: &Option<PathBuf>| -> Result<Option<PathBuf>> {
            let path = path.as_deref().map(|path| ssh_file(field, path, bases)).transpose()?;
            Ok(path.flatten().filter(|_| ssh))
        };
        Ok(CheckedConfig {
            path: bases.directory.join(&self.path),
            branch: self.branch.clone(),
            author_name: self.author_name.clone(),
            author_email: self.author_email.clone(),
            ssh_key_path: for_ssh("ssh_key_path", &self.ssh_key_path)?,
            known_hosts: for_ssh("known_hosts", &self.known_hosts)?,
            remote,
        })
    }

    fn check_durations(&self) -> Result<()> {
        let GitTimeouts { network, local, lock, push } = self.timeouts;
        for (field, duration) in [
            ("max_staleness", self.max_staleness.unwrap_or_default()),
            ("timeouts.network", network),
            ("timeouts.local", local),
            ("timeouts.lock", lock),
            ("timeouts.push", push),
        ] {
            if duration > crate::core::duration::YEAR {
                return Err(invalid_field(field, "must not be longer than a year"));
            }
        }
        for (field, duration) in [("timeouts.network", network), ("timeouts.local", local)] {
            if duration.is_zero() {
                return Err(invalid_field(field, "must be greater than zero"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitConfig")
            .field("remote_url", &redacted(&self.remote_url))
            .field("path", &self.path)
            .field("branch", &self.branch)
            .field("author_name", &self.author_name)
            .field("author_email", &self.author_email)
            .field("username", &self.username.as_ref().map(|_| format_args!("***")))
            .field("password", &self.password)
            .field("ssh_key_path", &self.ssh_key_path)
            .field("known_hosts", &self.known_hosts)
            .field("auto_pull", &self.auto_pull)
            .field("auto_push", &self.auto_push)
            .field("max_staleness", &self.max_staleness)
            .field("on_unreachable", &self.on_unreachable)
            .field("history_times", &self.history_times)
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

/// git silently drops some characters of a name, and refuses a name of which nothing is left.
fn check_author(field: &'static str, text: &str) -> Result<()> {
    if text.contains(['<', '>', '\n', '\r', '\0']) {
        return Err(invalid_field(field, "contains `<`, `>`, a line break or a NUL byte"));
    }
    let is_dropped = |c: char| c <= ' ' || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'');
    if text.chars().all(is_dropped) {
        return Err(invalid_field(field, "must not be empty or only punctuation"));
    }
    Ok(())
}

fn check_path(field: &'static str, path: &Path) -> Result<()> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid_field(field, "contains a NUL byte"));
    }
    Ok(())
}

fn ssh_file(field: &'static str, path: &Path, bases: Bases<'_>) -> Result<Option<PathBuf>> {
    check_path(field, path)?;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let Ok(below_home) = path.strip_prefix("~") else {
        return Ok(Some(bases.directory.join(path)));
    };
    let home = bases.home.ok_or_else(|| {
        invalid_field(field, "the home directory is unknown; write an absolute path")
    })?;
    Ok(Some(home.join(below_home)))
}

fn main_branch() -> String {
    "main".to_owned()
}

fn default_author_name() -> String {
    "f9-sync".to_owned()
}

fn default_author_email() -> String {
    "f9-sync@example.com".to_owned()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
