//! Files in a working tree of git, kept in step with a branch of a remote.

mod branch;
#[cfg_attr(not(test), expect(dead_code, reason = "for the backend to come"))]
mod config;
#[cfg_attr(not(test), expect(dead_code, reason = "for the backend to come"))]
mod credentials;
#[cfg_attr(not(test), expect(dead_code, reason = "for the backend to come"))]
mod remote;

pub(crate) use config::{Bases, parse_seconds};
pub use config::{GitConfig, GitTimeouts};
