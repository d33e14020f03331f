//! Why a git command failed, and the error for it.

use std::process::ExitStatus;

use crate::core::error::{Error, ErrorKind};

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends::git) enum Failure {
    /// The remote has no such branch.
    NoSuchBranch,
    /// The server does not speak git's protocol.
    NotAGitServer,
    /// The server asks for a password, and none is configured.
    NoCredentials,
    /// Uncommitted content would be overwritten. Nothing was changed.
    WouldOverwrite,
    /// The new commit does not descend from the old one.
    NonFastForward,
    /// A commit of the remote is here without its parents.
    MissingParents,
    /// A file was removed while git was reading it.
    FileVanished,
    /// Another git process holds a lock file.
    Locked,
    Kind(ErrorKind),
}

impl Failure {
    fn kind(self) -> ErrorKind {
        match self {
            Self::NoSuchBranch | Self::NotAGitServer => ErrorKind::NotFound,
            Self::NoCredentials => ErrorKind::Unauthenticated,
            Self::WouldOverwrite => ErrorKind::InvalidOperation,
            Self::NonFastForward => ErrorKind::Diverged,
            Self::MissingParents | Self::FileVanished => ErrorKind::Io,
            Self::Locked => ErrorKind::LockTimeout,
            Self::Kind(kind) => kind,
        }
    }

    /// Converts the failure of `git command` into an error whose text is one line.
    pub(in crate::backends::git) fn error(
        self,
        command: &str,
        status: ExitStatus,
        stderr: &str,
    ) -> Error {
        let reason = summary(stderr);
        let message = if self == Self::NoCredentials {
            "the server asks for a password; set `password`, and `username` if it is not a token"
                .to_owned()
        } else if reason.is_empty() {
            format!("`git {command}` ended with {status} and printed no reason")
        } else {
            format!("git {command}: {reason}")
        };
        Error::new(self.kind()).with_message(message)
    }
}

/// Returns the reason that git printed, as one line without control characters.
pub(in crate::backends::git) fn summary(stderr: &str) -> String {
    const MAX_BYTES: usize = 500;
    // Lines that say nothing about the reason.
    const SKIPPED: [&str; 4] =
        ["From ", "hint:", "Please make sure you have", "and the repository exists."];
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let reasons = lines.filter(|line| !SKIPPED.iter().any(|prefix| line.starts_with(prefix)));
    let line = reasons.collect::<Vec<_>>().join("; ").replace(|c: char| c.is_control(), " ");
    if line.len() <= MAX_BYTES {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(MAX_BYTES)])
}
