//! What a user says of a git backend, and what follows from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::branch::check_branch;
use super::remote::{Protocol, Remote, refused, shown};
use crate::options::setters;
use crate::{Result, Secret, SecretSource, offload};

/// Which repository is worked with, where, as whom, and how.
///
/// From JSON, only `remote_url` and `path` are needed; a field of another name is an error that lists the known ones. Durations
/// are numbers of seconds. What cannot work is told when the backend opens. `Debug` shows no secret, and so no user's name for
/// a server, which may be a token.
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
    /// Where the repository is: an `https`, `http`, `ssh`, `git` or `file` URL, `user@host:path` for ssh, or a local path. A
    /// user's name and a password in an HTTP URL are used as if they stood in the fields below, and kept out of everything that
    /// git stores.
    pub remote_url: String,
    /// The directory of the working tree, made if missing.
    pub path: PathBuf,
    /// The branch; `main` by default, also where the default branch of the remote is another. One that the remote does not have is
    /// made by the first push.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The author of commits; `f9-sync` by default.
    #[serde(default = "default_author_name")]
    pub author_name: String,
    /// The author's mail address; `f9-sync@example.com` by default.
    #[serde(default = "default_author_email")]
    pub author_email: String,
    /// The user's name for an HTTP server, or for an ssh server that `remote_url` gives no name for. Empty is as good as none.
    #[serde(default)]
    pub username: Option<String>,
    /// The password or token for an HTTP server. A token without `username` goes by the name of `x-access-token`. In JSON it
    /// may be `env:NAME` or `file:/path`, which is read when the backend opens. Empty is as good as none.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// The private key for an ssh server; `~/` is the home directory. Empty is as good as none, and without ssh it means nothing.
    #[serde(default)]
    pub ssh_key_path: Option<PathBuf>,
    /// The file with the keys of known ssh servers; like [`ssh_key_path`](Self::ssh_key_path).
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
    /// Whether what reads pulls first.
    #[serde(default)]
    pub auto_pull: bool,
    /// Whether what writes pushes after.
    #[serde(default)]
    pub auto_push: bool,
    /// How old the last pull may be for an automatic one to be spared; `None` spares none.
    #[serde(default, deserialize_with = "crate::seconds::optional")]
    pub max_staleness: Option<Duration>,
    /// Whether `info` and `list` give the times of commits, as by default, or those of the files in the working tree.
    #[serde(default = "yes")]
    pub history_times: bool,
    /// How long git may take.
    #[serde(default)]
    pub timeouts: GitTimeouts,
}

/// How long git may take, before it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GitTimeouts {
    /// For a command that speaks with the remote; 10 minutes by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub network: Duration,
    /// For any other command; 5 minutes by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub local: Duration,
    /// For other users of the working tree to let it go; 30 seconds by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub lock: Duration,
}

impl GitConfig {
    /// The configuration of a clone of `remote_url` at `path`, with everything else as it is by default.
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

    /// Sets the author's name.
    #[must_use]
    pub fn with_author_name(mut self, author_name: impl Into<String>) -> Self {
        self.author_name = author_name.into();
        self
    }

    /// Sets the author's mail address.
    #[must_use]
    pub fn with_author_email(mut self, author_email: impl Into<String>) -> Self {
        self.author_email = author_email.into();
        self
    }

    /// Sets the user's name for the server.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password or token, a [`Secret`] or where one is kept.
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
    /// Sets whether what reads pulls first.
    with_auto_pull(auto_pull: bool) => auto_pull;
    /// Sets whether what writes pushes after.
    with_auto_push(auto_push: bool) => auto_push;
    /// Sets how old the last pull may be for an automatic one to be spared.
    with_max_staleness(max_staleness: Duration) => Some(max_staleness);
    /// Sets whether times are those of commits.
    with_history_times(history_times: bool) => history_times;
    /// Sets how long git may take.
    with_timeouts(timeouts: GitTimeouts) => timeouts;
});

setters!(GitTimeouts {
    /// Sets how long a command may take that speaks with the remote.
    with_network(network: Duration) => network;
    /// Sets how long any other command may take.
    with_local(local: Duration) => local;
    /// Sets how long others may keep the working tree.
    with_lock(lock: Duration) => lock;
});

impl Default for GitTimeouts {
    fn default() -> Self {
        Self {
            network: Duration::from_secs(600),
            local: Duration::from_secs(300),
            lock: Duration::from_secs(30),
        }
    }
}

/// What the paths of a configuration start from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases<'a> {
    /// Where relative paths start; absolute.
    pub(crate) directory: &'a Path,
    /// What `~/` means for ssh's files.
    pub(crate) home: Option<&'a Path>,
}

/// What a [`GitConfig`] means, when it has been found to make sense.
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
    /// Gets the password from where it is kept.
    pub(crate) async fn read_password(&self) -> Result<Option<Secret>> {
        let Some(source) = self.password.clone() else {
            return Ok(None);
        };
        // The file may be slow to answer: it may stand on a network, or be a FIFO.
        let secret = offload::run(move || source.resolve()).await;
        secret.map(Some).map_err(|error| {
            let reason = error.message().unwrap_or("it cannot be read").to_owned();
            refused("password", reason).with_source(error)
        })
    }

    /// Finds out what the configuration means, without looking at anything outside of it. `password` is what
    /// [`read_password`](Self::read_password) found.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) naming the field that cannot be, and never a value.
    pub(crate) fn check(
        &self,
        bases: Bases<'_>,
        password: Option<Secret>,
    ) -> Result<CheckedConfig> {
        check_path("path", &self.path)?;
        if self.path.as_os_str().is_empty() {
            return Err(refused("path", "it is empty"));
        }
        check_branch(&self.branch).map_err(|reason| refused("branch", reason))?;
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
        let GitTimeouts { network, local, lock } = self.timeouts;
        for (field, duration) in [
            ("max_staleness", self.max_staleness.unwrap_or_default()),
            ("timeouts.network", network),
            ("timeouts.local", local),
            ("timeouts.lock", lock),
        ] {
            if duration > crate::seconds::YEAR {
                return Err(refused(field, "it is longer than a year"));
            }
        }
        for (field, duration) in [("timeouts.network", network), ("timeouts.local", local)] {
            if duration.is_zero() {
                return Err(refused(field, "nothing can be done in no time"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitConfig")
            .field("remote_url", &shown(&self.remote_url))
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
            .field("history_times", &self.history_times)
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

/// git takes some characters out of a name without a word, and refuses one of which nothing is left.
fn check_author(field: &'static str, text: &str) -> Result<()> {
    if text.contains(['<', '>', '\n', '\r', '\0']) {
        return Err(refused(field, "it holds `<`, `>`, a line break or NUL"));
    }
    let dropped_at_the_ends =
        |c: char| c <= ' ' || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'');
    if text.chars().all(dropped_at_the_ends) {
        return Err(refused(field, "it is empty, or nothing but punctuation"));
    }
    Ok(())
}

fn check_path(field: &'static str, path: &Path) -> Result<()> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(refused(field, "it holds NUL"));
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
    let home = bases.home.ok_or_else(|| refused(field, "the home directory is not known"))?;
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
