//! How a command reaches the remote.

use std::path::PathBuf;

use tokio::process::Command;

use crate::backends::git::credentials::Credentials;
use crate::backends::git::remote::Protocol;

/// OpenSSH expands `${}` in these options by itself, so no path needs quotes (`ssh_config(5)`, TOKENS).
const SSH: &str = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o UpdateHostKeys=no -o LogLevel=ERROR -o ConnectTimeout=30 -o ServerAliveInterval=15";
const SSH_KEY: &str = " -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o PreferredAuthentications=publickey -o 'IdentityFile=${F9_SSH_KEY}'";
const SSH_KNOWN_HOSTS: &str =
    " -o GlobalKnownHostsFile=/dev/null -o 'UserKnownHostsFile=${F9_SSH_KNOWN_HOSTS}'";

/// Answers git's request for a password from the environment of that one process.
const CREDENTIAL_HELPER: &str = "!f() { test \"$1\" = get || exit 0; \
    printf 'username=%s\\npassword=%s\\n' \"$F9_USERNAME\" \"$F9_PASSWORD\"; }; f";

/// The name of the remote in arguments.
pub(in crate::backends::git) const REMOTE: &str = "f9";

/// The address of the remote, and what it takes to be let in.
pub(in crate::backends::git) struct Access {
    pub(in crate::backends::git) url: String,
    /// The only protocol that git may use.
    pub(in crate::backends::git) protocol: Protocol,
    /// The server that gets the credentials, as `scheme://host:port`, and the credentials.
    pub(in crate::backends::git) credentials: Option<(String, Credentials)>,
    pub(in crate::backends::git) ssh_key: Option<PathBuf>,
    pub(in crate::backends::git) known_hosts: Option<PathBuf>,
}

impl Access {
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref().map(|(_, credentials)| credentials)
    }

    /// Returns the options that define the [remote](REMOTE).
    pub(super) fn remote_options(&self, branch: &str) -> Vec<(String, String)> {
        let url = &self.url;
        // Without `+` a fetch rejects a rewritten history and keeps the known one.
        let refspec = format!("refs/heads/{branch}:refs/remotes/origin/{branch}");
        let mut options = vec![
            (format!("remote.{REMOTE}.url"), url.clone()),
            (format!("remote.{REMOTE}.fetch"), refspec),
        ];
        if self.protocol.is_http() {
            options.push((format!("http.{url}.followRedirects"), "false".to_owned()));
            options.push((format!("http.{url}.sslVerify"), "true".to_owned()));
        }
        if let Some((scope, _)) = &self.credentials {
            options.push((format!("credential.{scope}.helper"), CREDENTIAL_HELPER.to_owned()));
            // Sends the password with the first request, which otherwise fails with 401 (git 2.46). Redirects are not followed.
            options.push((format!("http.{url}.proactiveAuth"), "basic".to_owned()));
        }
        options
    }

    /// Adds to the environment of `command` what it takes to be let in.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(credentials) = self.credentials() {
            command.env("F9_USERNAME", credentials.username());
            command.env("F9_PASSWORD", credentials.password().expose());
        }
        if self.protocol != Protocol::Ssh {
            return;
        }
        let mut ssh = SSH.to_owned();
        match &self.ssh_key {
            Some(key) => {
                ssh.push_str(SSH_KEY);
                command.env("F9_SSH_KEY", key);
            }
            None => {
                if let Some(agent) = std::env::var_os("SSH_AUTH_SOCK") {
                    command.env("SSH_AUTH_SOCK", agent);
                }
            }
        }
        if let Some(known_hosts) = &self.known_hosts {
            ssh.push_str(SSH_KNOWN_HOSTS);
            command.env("F9_SSH_KNOWN_HOSTS", known_hosts);
        }
        command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
    }
}
