//! Files in a working tree of git, kept in step with a branch of a remote.

mod branch;
mod config;
mod credentials;
mod names;
mod remote;

pub(crate) use config::{Bases, parse_seconds};
pub use config::{GitConfig, GitTimeouts};
