//! Files in a working tree of git, kept in step with a branch of a remote.
#![allow(dead_code, unused_imports, reason = "under construction")]

mod command;
mod credentials;
mod failure;
mod history;
mod locks;
mod names;
mod output;

pub use history::Revision;
