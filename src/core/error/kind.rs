//! The classes of errors.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::core::path::shortened;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $description:literal;)*) => {
        /// The class of an [`Error`]. [`to_io`](Self::to_io) returns the nearest [`io::ErrorKind`].
        ///
        /// In JSON it is its [`code`](Self::code).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind),*
        }

        impl ErrorKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Returns the name for programs, such as `not-found`. It stays the same in later versions.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code),*
                }
            }

            /// Returns the reason in words, as the text of an [`Error`] has it.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => $description),*
                }
            }
        }
    };
}

kinds! {
    /// Nothing exists at the path, or the symbolic link there is dangling.
    NotFound = "not-found", "not found";
    /// Something exists at the path that the call must not replace.
    AlreadyExists = "already-exists", "already exists";
    /// The call needs a file and found a directory.
    IsADirectory = "is-a-directory", "is a directory";
    /// The call needs a directory and found something else, at the path or at one of its parents.
    NotADirectory = "not-a-directory", "not a directory";
    /// The path is a FIFO, a socket or a device.
    NotAFile = "not-a-file", "neither a file nor a directory";
    /// The directory has entries and the call does not delete recursively.
    DirectoryNotEmpty = "directory-not-empty", "directory not empty";
    /// The path, or a symbolic link on the way, leads out of the root.
    PathEscapesRoot = "path-escapes-root", "the path leads out of the root";
    /// The path is not valid for this call: it contains a NUL byte, is too long, or is the root where a file is needed.
    InvalidPath = "invalid-path", "invalid path";
    /// The name is reserved for files of f9.
    ReservedPath = "reserved-path", "the name is reserved by f9";
    /// The root of the backend was removed after it was opened, or the store of the service does not exist.
    RootGone = "root-gone", "the root does not exist";
    /// The path has more symbolic links than the system follows.
    LinkLoop = "link-loop", "too many levels of symbolic links";
    /// The byte range starts past the end or ends before it starts.
    InvalidRange = "invalid-range", "invalid range";
    /// The text is not a valid glob pattern.
    InvalidPattern = "invalid-pattern", "invalid pattern";
    /// The URI is malformed, has an unknown scheme, or has an unknown or repeated parameter.
    InvalidUri = "invalid-uri", "invalid URI";
    /// An option or argument is outside its range.
    InvalidInput = "invalid-input", "invalid input";
    /// The content is not what the call needs, such as text that is not UTF-8.
    InvalidData = "invalid-data", "invalid data";
    /// The file is not in the state that the call requires.
    PreconditionFailed = "precondition-failed", "precondition failed";
    /// The file has not changed since the caller last read it.
    NotModified = "not-modified", "not modified";
    /// Local and remote changes conflict; [`Error::conflicts`] lists the files.
    Conflict = "conflict", "conflicting changes";
    /// The remote's history was rewritten, or belongs to another repository.
    Diverged = "diverged", "the remote's history is not a continuation of the local one";
    /// Other writers published between each attempt and the next.
    Contention = "contention", "others kept publishing at the same time";
    /// The call is not possible in the current state of the store.
    InvalidOperation = "invalid-operation", "not possible in this state";
    /// The data that the store keeps about its files is damaged.
    Corrupted = "corrupted", "the store is damaged";
    /// The source gave more or fewer bytes than declared.
    LengthMismatch = "length-mismatch", "length mismatch";
    /// The stream or reader with the content to be written failed. The message has the text of its error, which
    /// [`source`](std::error::Error::source) returns.
    SourceFailed = "source-failed", "the source of the content failed";
    /// The content does not have the expected checksum.
    IntegrityMismatch = "integrity-mismatch", "checksum mismatch";
    /// The content ended early, for example because the file was truncated during the read.
    UnexpectedEof = "unexpected-eof", "unexpected end of file";
    /// The system or the service refused access.
    PermissionDenied = "permission-denied", "permission denied";
    /// The service needs credentials, or rejected those it was given.
    Unauthenticated = "unauthenticated", "the credentials were not accepted";
    /// The server could not prove its identity: its host key is unknown, or its certificate is invalid.
    UntrustedServer = "untrusted-server", "the server could not prove its identity";
    /// The server could not be reached, or closed the connection.
    Unreachable = "unreachable", "the server cannot be reached";
    /// The service received too many requests; [`Error::retry_after`] returns when to try again, if the service said so.
    RateLimited = "rate-limited", "too many requests";
    /// The service has the content but does not allow downloads of it. The message says what has to change.
    DownloadForbidden = "download-forbidden", "the service does not give the content back";
    /// The service failed, or refused the call for a reason that no other kind describes.
    Remote = "remote", "the service failed";
    /// The store is mounted or opened read-only.
    ReadOnly = "read-only", "read-only";
    /// No space is left.
    StorageFull = "storage-full", "no space left";
    /// The quota of the user or project is used up.
    QuotaExceeded = "quota-exceeded", "quota exceeded";
    /// The content is larger than the store or the limit allows.
    TooLarge = "too-large", "too large";
    /// The process or the system has no file descriptors left.
    TooManyOpenFiles = "too-many-open-files", "too many open files";
    /// A lock or session was not released in time.
    LockTimeout = "lock-timeout", "timed out waiting for the lock";
    /// The operation did not finish in time.
    Timeout = "timeout", "timed out";
    /// The operation was stopped before it finished, for example because the runtime shut down.
    Cancelled = "cancelled", "cancelled";
    /// The change is visible, but could not be confirmed to be on stable storage.
    DurabilityUnknown = "durability-unknown", "done, but not confirmed to be on stable storage";
    /// This store does not support the operation.
    Unsupported = "unsupported", "not supported by this backend";
    /// A bug in f9 or in a backend.
    Internal = "internal", "internal error";
    /// Any other failure of the system; see the [source](std::error::Error::source).
    Io = "io", "input/output error";
}

impl ErrorKind {
    /// Returns the nearest [`io::ErrorKind`]; [`io::ErrorKind::Other`] where there is none.
    #[must_use]
    pub const fn to_io(self) -> io::ErrorKind {
        match self {
            Self::NotFound | Self::RootGone => io::ErrorKind::NotFound,
            Self::AlreadyExists => io::ErrorKind::AlreadyExists,
            Self::IsADirectory => io::ErrorKind::IsADirectory,
            Self::NotADirectory => io::ErrorKind::NotADirectory,
            Self::DirectoryNotEmpty => io::ErrorKind::DirectoryNotEmpty,
            Self::PathEscapesRoot
            | Self::ReservedPath
            | Self::PermissionDenied
            | Self::Unauthenticated
            | Self::UntrustedServer
            | Self::DownloadForbidden => io::ErrorKind::PermissionDenied,
            Self::Unreachable => io::ErrorKind::HostUnreachable,
            Self::Contention | Self::RateLimited => io::ErrorKind::ResourceBusy,
            Self::InvalidPath => io::ErrorKind::InvalidFilename,
            Self::InvalidRange
            | Self::InvalidPattern
            | Self::InvalidUri
            | Self::InvalidInput
            | Self::NotAFile => io::ErrorKind::InvalidInput,
            Self::InvalidData
            | Self::LengthMismatch
            | Self::IntegrityMismatch
            | Self::Corrupted => io::ErrorKind::InvalidData,
            Self::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            Self::StorageFull => io::ErrorKind::StorageFull,
            Self::QuotaExceeded => io::ErrorKind::QuotaExceeded,
            Self::TooLarge => io::ErrorKind::FileTooLarge,
            Self::LockTimeout | Self::Timeout => io::ErrorKind::TimedOut,
            Self::Unsupported => io::ErrorKind::Unsupported,
            // `Cancelled` is not `Interrupted`, because the read and write loops of std retry that forever.
            Self::LinkLoop
            | Self::PreconditionFailed
            | Self::NotModified
            | Self::Conflict
            | Self::Diverged
            | Self::InvalidOperation
            | Self::TooManyOpenFiles
            | Self::Cancelled
            | Self::DurabilityUnknown
            | Self::SourceFailed
            | Self::Remote
            | Self::Internal
            | Self::Io => io::ErrorKind::Other,
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        use rustix::io::Errno;
        if Errno::from_io_error(error) == Some(Errno::LOOP) {
            return Self::LinkLoop;
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::IsADirectory => Self::IsADirectory,
            io::ErrorKind::NotADirectory => Self::NotADirectory,
            io::ErrorKind::DirectoryNotEmpty => Self::DirectoryNotEmpty,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::InvalidFilename => Self::InvalidPath,
            io::ErrorKind::InvalidInput => Self::InvalidInput,
            io::ErrorKind::InvalidData => Self::InvalidData,
            io::ErrorKind::UnexpectedEof => Self::UnexpectedEof,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::StorageFull => Self::StorageFull,
            io::ErrorKind::QuotaExceeded => Self::QuotaExceeded,
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl FromStr for ErrorKind {
    type Err = Error;

    /// Reads a [`code`](Self::code). Any other text is [`InvalidInput`](Self::InvalidInput), and the error lists the codes.
    fn from_str(code: &str) -> Result<Self, Error> {
        Self::ALL.iter().find(|kind| kind.code() == code).copied().ok_or_else(|| {
            let codes: Vec<_> = Self::ALL.iter().map(|kind| kind.code()).collect();
            Error::new(Self::InvalidInput).with_message(format!(
                "unknown error code `{}` (expected one of {})",
                shortened(code),
                codes.join(", ")
            ))
        })
    }
}
