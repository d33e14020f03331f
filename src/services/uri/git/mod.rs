//! The schemes `git+https`, `git+http`, `git+ssh`, `git+file` and `git`, and `user@host:path`: a branch of a git repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BackendUri, Parameters};
use crate::backend::AsyncFileBackend;
use crate::backends::git::Bases;
use crate::backends::git::{GitConfig, GitSyncFileBackend, OnUnreachable};
use crate::core::duration::Seconds;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::secret::SecretSource;
use crate::net::percent;

mod cache;

/// The settings in a git URI.
///
/// `git+https://host/org/repo@branch?path=/srv/clone`: the branch follows the last `@` of the path, and may contain slashes. It is
/// `main` without an `@`. An `@` in the name of the repository or branch is written `%40`, as in `git+https://host/%40team/repo` and
/// `git+https://host/repo@release%402`. `user@host:path` is for SSH, too.
///
/// Without `path`, the clone is in `$XDG_CACHE_HOME/f9/git/` or `~/.cache/f9/git/`, in a directory that is named by a hash of the remote,
/// without its password, and of the branch.
///
/// | parameter | |
/// | --- | --- |
/// | `path` | the directory of the clone; below the cache of the user without it |
/// | `username`, `password` | for HTTP; the password may be `env:NAME` or `file:/path`; both may be given before the host instead |
/// | `username`, `ssh_key`, `known_hosts` | for SSH |
/// | `allow_http` | must be `true` for `git+http` |
/// | `author_name`, `author_email` | of commits |
/// | `auto_pull`, `auto_push`, `max_staleness`, `on_unreachable`, `history_times` | as in [`GitConfig`] |
#[derive(Debug)]
pub(super) struct GitUri;

impl GitUri {
    /// Returns the configuration in a URI. `cache` is the directory of clones without a `path`, if there is one.
    pub(super) async fn config(uri: &BackendUri, cache: Option<PathBuf>) -> Result<GitConfig> {
        let protocol = uri.scheme().strip_prefix("git+").unwrap_or("git");
        let (repository, branch) = match uri.raw_path().rsplit_once('@') {
            Some((repository, branch)) => (repository, Some(branch)),
            None => (uri.raw_path(), None),
        };
        let mut parameters = uri.parameters();
        let path = parameters.text("path");
        let remote_url = if repository.starts_with(':') {
            let repository = percent::decode(repository).map_err(|reason| uri.invalid(reason))?;
            format!("{}{repository}", uri.authority())
        } else {
            format!("{protocol}://{}{repository}", uri.authority())
        };
        let mut config = GitConfig::new(remote_url, path.unwrap_or("clone"));
        if let Some(branch) = branch {
            config.branch = percent::decode(branch).map_err(|reason| uri.invalid(reason))?;
        }
        let mut allow_http = None;
        match protocol {
            "http" | "https" => {
                config.username = parameters.text("username").map(str::to_owned);
                config.password = parameters.secret("password").await?.map(Into::into);
                if protocol == "http" {
                    allow_http = parameters.bool("allow_http")?;
                }
            }
            "ssh" => {
                config.username = parameters.text("username").map(str::to_owned);
                config.ssh_key_path = parameters.text("ssh_key").map(Into::into);
                config.known_hosts = parameters.text("known_hosts").map(Into::into);
            }
            _ => {}
        }
        read_settings(&mut parameters, &mut config)?;
        parameters.finish()?;
        if config.path.as_os_str().is_empty() {
            return Err(uri.invalid("the parameter `path` must name the directory of the clone"));
        }
        if protocol == "http" && allow_http != Some(true) {
            return Err(uri.invalid(
                "plain HTTP exposes the password and the files to the network; \
                 add `allow_http=true` to allow it",
            ));
        }
        let name = check(uri, &config)?;
        if path.is_none() {
            let cache = cache.ok_or_else(|| {
                uri.invalid(
                    "the parameter `path` is missing, and neither XDG_CACHE_HOME nor HOME names a directory for the clone",
                )
            })?;
            config.path = cache.join(name);
        }
        Ok(config)
    }
}

/// Opens a git URI.
pub(super) async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    let config = GitUri::config(&uri, cache::directory()).await?;
    if uri.parameter("path").is_none() {
        cache::create(&config.path).await?;
    }
    Ok(Arc::new(GitSyncFileBackend::open(config).await?))
}

fn read_settings(parameters: &mut Parameters<'_>, config: &mut GitConfig) -> Result<()> {
    if let Some(name) = parameters.text("author_name") {
        name.clone_into(&mut config.author_name);
    }
    if let Some(email) = parameters.text("author_email") {
        email.clone_into(&mut config.author_email);
    }
    config.auto_pull = parameters.bool("auto_pull")?.unwrap_or(config.auto_pull);
    config.auto_push = parameters.bool("auto_push")?.unwrap_or(config.auto_push);
    config.history_times = parameters.bool("history_times")?.unwrap_or(config.history_times);
    let staleness: Option<Seconds> = parameters.parse("max_staleness", Seconds::ACCEPTED)?;
    let on_unreachable: Option<OnUnreachable> =
        parameters.parse("on_unreachable", "fail or serve")?;
    config.on_unreachable = on_unreachable.unwrap_or_default();
    config.max_staleness = staleness.map(|Seconds(duration)| duration);
    Ok(())
}

/// Checks the configuration, so that its errors name the URI. Returns the name of a clone in the cache.
fn check(uri: &BackendUri, config: &GitConfig) -> Result<String> {
    let password = match &config.password {
        Some(SecretSource::Value(password)) => Some(password.clone()),
        _ => None,
    };
    // The check does not depend on the base of relative paths.
    let root = Path::new("/");
    let checked = config.check(Bases { directory: root, home: Some(root) }, password);
    let failing =
        |error: Error| error.with_kind(ErrorKind::InvalidUri).with_subject(uri.to_string());
    let checked = checked.map_err(failing)?;
    Ok(cache::name_of(&checked.remote.url(), &checked.branch))
}

#[cfg(test)]
mod tests;
