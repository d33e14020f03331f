//! The settings of all git processes of one repository.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::access::Access;
use super::environment::{RepositorySettings, environment};
use super::program::program;
use crate::core::error::Result;

/// Where the directory with git's own configuration is in the git directory.
pub(in crate::backends::git) const COMMON_DIR: &str = "f9/common";

/// Runs git on one repository.
pub(in crate::backends::git) struct Git {
    pub(super) program: &'static Path,
    pub(super) work_tree: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// The directory with git's own configuration (`GIT_COMMON_DIR`).
    pub(super) common_dir: PathBuf,
    pub(super) access: Access,
    pub(super) local_timeout: Duration,
    pub(super) network_timeout: Duration,
    pub(super) lock_timeout: Duration,
    pub(super) spawned: AtomicU64,
}

impl Git {
    /// `timeouts` are those of local commands, of commands that reach the remote, and of the wait for another git's lock.
    pub(in crate::backends::git) async fn new(
        settings: RepositorySettings<'_>,
        access: Access,
        timeouts: (Duration, Duration, Duration),
    ) -> Result<Self> {
        let program = program().await?;
        Ok(Self {
            program,
            work_tree: settings.work_tree.to_owned(),
            environment: environment(&settings, &access),
            common_dir: settings.git_dir.join(COMMON_DIR),
            access,
            local_timeout: timeouts.0,
            network_timeout: timeouts.1,
            lock_timeout: timeouts.2,
            spawned: AtomicU64::new(0),
        })
    }

    /// Returns how many processes were started so far.
    pub(in crate::backends::git) fn spawned(&self) -> u64 {
        self.spawned.load(Ordering::Relaxed)
    }

    /// Reports whether the remote is behind a web server.
    pub(in crate::backends::git) fn is_http(&self) -> bool {
        self.access.protocol.is_http()
    }
}
