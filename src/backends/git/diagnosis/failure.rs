//! Why a git command failed, and the error for it.

use std::borrow::Cow;
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
    /// The directory of the remote belongs to another user. It is on this machine.
    OwnedByAnother,
    /// The directory of the remote belongs to another user of its server.
    OwnedByAnotherThere,
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
            Self::OwnedByAnother | Self::OwnedByAnotherThere => ErrorKind::PermissionDenied,
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
        let message = match self {
            Self::NoCredentials => {
                "the server asks for a password; set `password`, and `username` if it is not a token"
                    .to_owned()
            }
            // Not git's own advice: the user's configuration has no effect here.
            Self::OwnedByAnother => format!(
                "the remote{} belongs to another user, so git refuses it; run this program as that user, give the directory to the \
                 user of this program (`chown`), or use a URL `ssh://OWNER@HOST/PATH`",
                owned_by_another(stderr)
            ),
            Self::OwnedByAnotherThere => {
                let path = owned_by_another(stderr);
                let named = if path.is_empty() { " PATH" } else { &path };
                format!(
                    "the remote{path} belongs to another user of the server, so git refuses it; on the server, as the user of the URL, \
                     run `git config --global --add safe.directory{named}`"
                )
            }
            _ => match summary(stderr) {
                reason if reason.is_empty() => {
                    format!("`git {command}` ended with {status} and printed no reason")
                }
                reason => format!("git {command}: {reason}"),
            },
        };
        Error::new(self.kind()).with_message(message)
    }
}

/// Returns the directory that git refuses because of its owner, after a space; an empty text if git does not name it.
fn owned_by_another(stderr: &str) -> String {
    let after = stderr.split_once(" in repository at '").map(|(_, after)| after);
    let line = after.and_then(|after| after.lines().next()).map(|line| line.trim_end());
    let path = line.and_then(|line| line.strip_suffix('\'')).filter(|path| !path.is_empty());
    path.map(|path| format!(" {}", without_controls(path))).unwrap_or_default()
}

/// Returns the reason that git printed, and what the server said, as one line without control characters.
pub(in crate::backends::git) fn summary(stderr: &str) -> String {
    // Lines that say nothing about the reason.
    const SKIPPED: [&str; 5] =
        ["From ", "hint:", "remote:", "Please make sure you have", "and the repository exists."];
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let reasons = lines.filter(|line| !SKIPPED.iter().any(|prefix| line.starts_with(prefix)));
    let reason = without_controls(&reasons.collect::<Vec<_>>().join("; "));
    [shortened(&reason, 500, 0), said(stderr)]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Returns what the server and its hooks said, as one line without control characters; an empty text if they said nothing.
pub(in crate::backends::git) fn said(stderr: &str) -> String {
    // A carriage return ends a line that the next one replaces.
    let lines = stderr.split(['\n', '\r']).filter_map(|line| line.strip_prefix("remote:"));
    let lines = lines.map(|line| without_controls(line).trim().to_owned());
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    // A hook often prints the reason last, after a log.
    if text.is_empty() {
        text
    } else {
        format!("the server says: {}", shortened(&text, 1000, 1000))
    }
}

/// Keeps the beginning and the end of a text that is too long.
fn shortened(text: &str, start: usize, end: usize) -> String {
    if text.len() <= start + end {
        return text.to_owned();
    }
    let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(text.len() - end));
    format!("{}…{}", &text[..start], &text[end..])
}

/// Removes the sequences with which programs colour their output from the lines of the server. This comes before secrets are hidden,
/// because a sequence may be in the middle of one.
pub(in crate::backends::git) fn uncoloured(stderr: &str) -> String {
    let lines = stderr.split_inclusive(['\n', '\r']);
    let plain = lines.map(|line| match line.split_once("\u{1b}[") {
        Some((first, rest)) if line.starts_with("remote:") => {
            let rest = rest.split("\u{1b}[").map(without_parameters);
            Cow::Owned(std::iter::once(first).chain(rest).collect::<String>())
        }
        _ => Cow::Borrowed(line),
    });
    plain.collect()
}

/// Removes the parameters of a sequence and the letter that ends it (ECMA-48, 5.4).
fn without_parameters(text: &str) -> &str {
    let end = text.trim_start_matches(|c| matches!(c, ' '..='?'));
    end.strip_prefix(|c| matches!(c, '@'..='~')).unwrap_or(end)
}

fn without_controls(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}
