//! Working trees of one remote.

use f9::{GitConfig, GitSyncFileBackend, GitTimeouts};
use tempfile::TempDir;

use crate::clock::HANGS;
use crate::remote::Remote;

pub(crate) struct Clones {
    pub(crate) remote: Remote,
    dir: TempDir,
}

impl Clones {
    pub(crate) fn of(remote: Remote) -> Self {
        Self { remote, dir: tempfile::tempdir().unwrap() }
    }

    /// Returns the configuration of the working tree `name`.
    pub(crate) fn config(&self, name: &str) -> GitConfig {
        let config =
            GitConfig::new(self.remote.path().to_str().unwrap(), self.dir.path().join(name));
        config.with_timeouts(GitTimeouts::default().with_lock(HANGS).with_push(HANGS))
    }

    pub(crate) async fn open(&self, name: &str) -> GitSyncFileBackend {
        opened(self.config(name)).await
    }
}

pub(crate) async fn opened(config: GitConfig) -> GitSyncFileBackend {
    GitSyncFileBackend::open(config).await.unwrap()
}
