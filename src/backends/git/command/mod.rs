//! Runs git: the one place that starts its processes.

mod access;
mod builder;
mod environment;
mod git;
mod output;
mod process;
mod program;
mod progress;

pub(super) use self::access::{Access, REMOTE};
pub(super) use self::environment::RepositorySettings;
pub(super) use self::git::{COMMON_DIR, Git};
pub(super) use self::output::Output;
pub(super) use self::program::program;
pub(super) use self::progress::Meter;
