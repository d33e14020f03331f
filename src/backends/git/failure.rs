//! What went wrong, read from what git says in plain English (`LC_ALL=C`).

use std::process::ExitStatus;

use crate::{Error, ErrorKind};

/// The part of git's text by which a failure is told, and what it means. The first that is found counts.
const SIGNS: &[(&str, Failure)] = &[
    ("No space left on device", Failure::Kind(ErrorKind::StorageFull)),
    ("Out of diskspace", Failure::Kind(ErrorKind::StorageFull)),
    // Of a file in the tree, git keeps to itself why; what cannot be opened it tells in other words.
    ("unable to write file", Failure::Kind(ErrorKind::StorageFull)),
    ("Disk quota exceeded", Failure::Kind(ErrorKind::QuotaExceeded)),
    ("Read-only file system", Failure::Kind(ErrorKind::ReadOnly)),
    ("Too many open files", Failure::Kind(ErrorKind::TooManyOpenFiles)),
    ("mismatched algorithms", Failure::Kind(ErrorKind::Unsupported)),
    ("does not support this repository's hash algorithm", Failure::Kind(ErrorKind::Unsupported)),
    ("Host key verification failed", Failure::Kind(ErrorKind::UntrustedServer)),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Failure::Kind(ErrorKind::UntrustedServer)),
    ("certificate", Failure::Kind(ErrorKind::UntrustedServer)),
    ("SSL", Failure::Kind(ErrorKind::UntrustedServer)),
    ("Authentication failed", Failure::Kind(ErrorKind::Unauthenticated)),
    ("could not read Username", Failure::Kind(ErrorKind::Unauthenticated)),
    ("could not read Password", Failure::Kind(ErrorKind::Unauthenticated)),
    ("Permission denied (", Failure::Kind(ErrorKind::Unauthenticated)),
    ("Too many authentication failures", Failure::Kind(ErrorKind::Unauthenticated)),
    ("UNPROTECTED PRIVATE KEY FILE", Failure::Kind(ErrorKind::Unauthenticated)),
    ("returned error: 401", Failure::Kind(ErrorKind::Unauthenticated)),
    ("dumb http transport", Failure::NoServer),
    ("git-http-push failed", Failure::NoServer),
    ("not valid: is this a git repository?", Failure::NoServer),
    ("returned error: 30", Failure::Kind(ErrorKind::NotFound)),
    ("returned error: 403", Failure::Kind(ErrorKind::PermissionDenied)),
    ("returned error: 404", Failure::Kind(ErrorKind::NotFound)),
    ("couldn't find remote ref", Failure::NoSuchBranch),
    ("Could not resolve host", Failure::Kind(ErrorKind::Unreachable)),
    ("Name or service not known", Failure::Kind(ErrorKind::Unreachable)),
    ("Temporary failure in name resolution", Failure::Kind(ErrorKind::Unreachable)),
    ("Failed to connect", Failure::Kind(ErrorKind::Unreachable)),
    ("unable to connect to", Failure::Kind(ErrorKind::Unreachable)),
    ("Couldn't connect to server", Failure::Kind(ErrorKind::Unreachable)),
    ("Connection refused", Failure::Kind(ErrorKind::Unreachable)),
    ("Connection reset", Failure::Kind(ErrorKind::Unreachable)),
    ("Connection closed", Failure::Kind(ErrorKind::Unreachable)),
    ("Connection timed out", Failure::Kind(ErrorKind::Unreachable)),
    ("Network is unreachable", Failure::Kind(ErrorKind::Unreachable)),
    ("No route to host", Failure::Kind(ErrorKind::Unreachable)),
    ("Operation timed out", Failure::Kind(ErrorKind::Unreachable)),
    ("Operation too slow", Failure::Kind(ErrorKind::Unreachable)),
    ("transfer closed", Failure::Kind(ErrorKind::Unreachable)),
    ("returned error: 5", Failure::Kind(ErrorKind::Unreachable)),
    ("returned error: 429", Failure::Kind(ErrorKind::Unreachable)),
    ("Empty reply from server", Failure::Kind(ErrorKind::Unreachable)),
    ("the remote end hung up", Failure::Kind(ErrorKind::Unreachable)),
    ("early EOF", Failure::Kind(ErrorKind::Unreachable)),
    ("unexpected disconnect", Failure::Kind(ErrorKind::Unreachable)),
    ("unexpected eof", Failure::Kind(ErrorKind::Unreachable)),
    ("RPC failed", Failure::Kind(ErrorKind::Unreachable)),
    ("does not appear to be a git repository", Failure::Kind(ErrorKind::NotFound)),
    ("repository not exported", Failure::Kind(ErrorKind::NotFound)),
    ("access denied or repository not exported", Failure::Kind(ErrorKind::NotFound)),
    ("not found", Failure::Kind(ErrorKind::NotFound)),
    ("dubious ownership", Failure::Kind(ErrorKind::PermissionDenied)),
    ("does not exist", Failure::Kind(ErrorKind::NotFound)),
    ("transport '", Failure::Kind(ErrorKind::InvalidInput)),
    ("would be overwritten by merge", Failure::InTheWay),
    ("untracked working tree file", Failure::InTheWay),
    ("would lose untracked files", Failure::InTheWay),
    ("not uptodate. Cannot merge", Failure::InTheWay),
    ("Please commit your changes", Failure::InTheWay),
    ("Not possible to fast-forward", Failure::Rewritten),
    ("(non-fast-forward)", Failure::Rewritten),
    ("refusing to merge unrelated histories", Failure::Rewritten),
    ("index.lock", Failure::Locked),
    ("cannot lock ref", Failure::Locked),
    ("Unable to create '", Failure::Locked),
    ("does not have a commit checked out", Failure::Kind(ErrorKind::InvalidOperation)),
    ("invalid path '", Failure::Kind(ErrorKind::InvalidData)),
    ("bad object", Failure::Kind(ErrorKind::Corrupted)),
    ("is corrupt", Failure::Kind(ErrorKind::Corrupted)),
    ("corrupt ", Failure::Kind(ErrorKind::Corrupted)),
    ("is empty", Failure::Kind(ErrorKind::Corrupted)),
    ("bad signature", Failure::Kind(ErrorKind::Corrupted)),
    ("bad tree object", Failure::Kind(ErrorKind::Corrupted)),
    ("unable to read tree", Failure::Kind(ErrorKind::Corrupted)),
    ("unable to read sha1 file", Failure::Kind(ErrorKind::Corrupted)),
    ("unable to read ", Failure::Kind(ErrorKind::Corrupted)),
    ("invalid object", Failure::Kind(ErrorKind::Corrupted)),
    ("missing blob", Failure::Kind(ErrorKind::Corrupted)),
    ("failed to traverse", Failure::Kind(ErrorKind::Corrupted)),
    ("index file smaller than expected", Failure::Kind(ErrorKind::Corrupted)),
    ("index uses", Failure::Kind(ErrorKind::Corrupted)),
    ("inflate:", Failure::Kind(ErrorKind::Corrupted)),
    ("not a valid object", Failure::Kind(ErrorKind::Corrupted)),
    ("unexpected line in", Failure::Kind(ErrorKind::Corrupted)),
    ("not a git repository", Failure::Kind(ErrorKind::Corrupted)),
    ("Permission denied", Failure::Kind(ErrorKind::PermissionDenied)),
];

/// What a process that failed tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The remote has no such branch.
    NoSuchBranch,
    /// What answers there does not speak git's protocol.
    NoServer,
    /// Something that is not committed would be overwritten, and nothing was touched.
    InTheWay,
    /// The new history does not contain the old one.
    Rewritten,
    /// Another git has a lock file there.
    Locked,
    Kind(ErrorKind),
}

/// Reads it from the standard error of a process.
pub(super) fn what_failed(stderr: &str) -> Failure {
    let found = SIGNS.iter().find(|(sign, _)| stderr.contains(sign));
    found.map_or(Failure::Kind(ErrorKind::Io), |&(_, failure)| failure)
}

impl Failure {
    fn kind(self) -> ErrorKind {
        match self {
            Self::NoSuchBranch | Self::NoServer => ErrorKind::NotFound,
            Self::InTheWay => ErrorKind::InvalidOperation,
            Self::Rewritten => ErrorKind::Diverged,
            Self::Locked => ErrorKind::LockTimeout,
            Self::Kind(kind) => kind,
        }
    }

    /// The failure of `git command` as an error whose text is one line.
    pub(super) fn error(self, command: &str, status: ExitStatus, stderr: &str) -> Error {
        let says = essence(stderr);
        let message = if stderr.contains("terminal prompts disabled") {
            "the server asks for a user and a password, and none is configured".to_owned()
        } else if says.is_empty() {
            format!("`git {command}` ended with {status} and said nothing")
        } else {
            format!("git {command}: {says}")
        };
        Error::new(self.kind()).with_message(message)
    }
}

/// What git says of the reason, as one line without control characters.
pub(super) fn essence(stderr: &str) -> String {
    const MOST: usize = 500;
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    // What git says to people who have not read a manual.
    let is_idle = |line: &&str| {
        let idle = ["From ", "hint:", "Please make sure you have", "and the repository exists."];
        idle.iter().any(|idle| line.starts_with(idle))
    };
    let telling: Vec<&str> = lines.filter(|line| !is_idle(line)).collect();
    let line = telling.join("; ").replace(|c: char| c.is_control(), " ");
    if line.len() <= MOST {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(MOST)])
}
