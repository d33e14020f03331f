//! git-daemon(1), open to everybody.

use super::{Listener, cli};
use crate::remote::{REPOSITORY, Remote};

/// A server of the protocol `git`.
#[derive(Debug)]
pub(crate) struct Daemon(Listener);

impl Daemon {
    pub(crate) fn serving(remote: &Remote) -> Self {
        let folder = remote.folder().to_owned();
        Self(Listener::open(move |connection| {
            let mut git = cli::git(&folder);
            git.args(["daemon", "--inetd", "--export-all", "--enable=receive-pack"]);
            git.arg("--log-destination=none").arg(format!("--base-path={}", folder.display()));
            connection.hand_to(&mut git);
        }))
    }

    pub(crate) fn url(&self) -> String {
        format!("git://{}/{REPOSITORY}", self.0.address())
    }
}
