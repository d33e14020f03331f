//! How much this process may use at a time.

use std::sync::LazyLock;
use std::thread;

use rustix::process::{Resource, getrlimit};

/// The limit of threads. More of them do not make a disk faster.
const MAX_THREADS: usize = 64;

/// How many files an operation has open, unless it says otherwise: a directory, a file, and those that replace them.
pub(crate) const FILES_PER_OPERATION: usize = 4;

/// Returns the number of cores that this process may use.
pub(crate) fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));
    *CORES
}

/// Returns how many operations may run at a time.
pub(crate) fn max_threads() -> usize {
    (max_files() / FILES_PER_OPERATION).clamp(1, MAX_THREADS)
}

/// Returns how many files the running operations may have open: half of what the process may have. Open streams may have another
/// quarter, and the rest is for the application.
pub(super) fn max_files() -> usize {
    max_open_files() / 2
}

/// Returns the limit of open files of this process, `RLIMIT_NOFILE`, which may change while it runs.
pub(crate) fn max_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
