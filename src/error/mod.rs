//! The one error type of the crate and its kinds.
//!
//! An [`Error`] is one pointer wide, so that a `Result` stays small on every hot path. Its text is one line that names the
//! operation, the path and the reason; the cause below it is reached through [`source`](std::error::Error::source) and is
//! never repeated in the text.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

use crate::FilePath;
use crate::path::shortened;

/// Shared, so that one failure can be told to all who waited for the same work.
type Source = Arc<dyn StdError + Send + Sync>;

/// What went wrong, where, and in which operation.
///
/// Decide by [`kind`](Self::kind); show the text to people. The error converts into [`io::Error`] with the nearest
/// [`io::ErrorKind`], and is found again inside it by `Error::from(io_error)`.
///
/// # Examples
///
/// ```
/// # use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = f9::MemoryFileBackend::new();
/// let error = backend.read("notes/a.txt").await.unwrap_err();
/// assert_eq!(error.kind(), f9::ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "cannot read `notes/a.txt`: not found");
/// # }
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    operation: Option<&'static str>,
    backend: Option<&'static str>,
    path: Option<String>,
    target: Option<String>,
    message: Option<Cow<'static, str>>,
    conflicts: Vec<FilePath>,
    transient: bool,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// The class of an [`Error`], named after [`io::ErrorKind`] where that has a name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing exists at the path, or a symbolic link there leads nowhere.
    NotFound,
    /// Something exists at the path that the call was told not to replace.
    AlreadyExists,
    /// The call needs a file and found a directory.
    IsADirectory,
    /// The call needs a directory and found something else, also on the way to the path.
    NotADirectory,
    /// The path names neither a file nor a directory: a FIFO, a socket, a device.
    NotAFile,
    /// The directory has entries and the call was not told to remove them too.
    DirectoryNotEmpty,
    /// The path, or a symbolic link on the way, leads out of the root.
    PathEscapesRoot,
    /// The text is no path that this call accepts: it holds NUL, is too long, or names the root where a file is needed.
    InvalidPath,
    /// The name is one that f9 keeps for itself.
    ReservedPath,
    /// The root of the backend has been removed since it was opened, or what stands for it with a service is not there.
    RootGone,
    /// More symbolic links on the way than the system follows.
    LinkLoop,
    /// A byte range that starts past the end or ends before it starts.
    InvalidRange,
    /// The text is no glob pattern.
    InvalidPattern,
    /// The text is no URI of a backend: malformed, of an unknown scheme, or with an unknown or repeated parameter.
    InvalidUri,
    /// An option or argument outside its range.
    InvalidInput,
    /// The content is not what the call needs, such as text that is not UTF-8.
    InvalidData,
    /// The file is not in the state that the call was conditional on.
    PreconditionFailed,
    /// Local and remote changes contradict each other; [`Error::conflicts`] names the files.
    Conflict,
    /// The remote's history is no continuation of the one known here: it was rewritten, or is another repository's.
    Diverged,
    /// Others published again and again while this was tried.
    Contention,
    /// The call does not fit the state that things are in.
    InvalidOperation,
    /// What the store keeps for itself is damaged.
    Corrupted,
    /// The source gave more or fewer bytes than declared.
    LengthMismatch,
    /// The bytes do not have the expected checksum.
    IntegrityMismatch,
    /// The content ended early, for example because the file was truncated while it was streamed.
    UnexpectedEof,
    /// The system or the service refused access.
    PermissionDenied,
    /// The service does not accept the credentials, or was given none.
    Unauthenticated,
    /// The server could not prove that it is the one that was meant: an unknown host key, an invalid certificate.
    UntrustedServer,
    /// The server could not be reached, or broke off.
    Unreachable,
    /// The service asked for fewer calls in its time; [`Error::retry_after`] tells when the next may come, where known.
    RateLimited,
    /// The service keeps the content and does not give it back in this way. The message tells what would change that; until then only a
    /// copy from elsewhere helps.
    DownloadForbidden,
    /// The service failed, or refused the call for a reason of its own.
    Remote,
    /// The store is mounted or opened read-only.
    ReadOnly,
    /// No space is left.
    StorageFull,
    /// The user's or project's quota is used up.
    QuotaExceeded,
    /// The content is larger than the store or the limit allows.
    TooLarge,
    /// The process or the system has no file descriptors left.
    TooManyOpenFiles,
    /// A lock or session did not come free in time.
    LockTimeout,
    /// The operation did not finish in time.
    Timeout,
    /// The operation was stopped before it finished, for example because the runtime shut down.
    Cancelled,
    /// The change is visible but could not be confirmed to be on stable storage.
    DurabilityUnknown,
    /// This store cannot do what was asked.
    Unsupported,
    /// A defect in f9 or in a backend.
    Internal,
    /// Any other failure of the system; the [source](std::error::Error::source) tells which.
    Io,
}

impl ErrorKind {
    /// The reason in words, as it stands in the text of an [`Error`].
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::IsADirectory => "is a directory",
            Self::NotADirectory => "not a directory",
            Self::NotAFile => "neither a file nor a directory",
            Self::DirectoryNotEmpty => "directory not empty",
            Self::PathEscapesRoot => "the path leads out of the root",
            Self::InvalidPath => "invalid path",
            Self::ReservedPath => "the name is reserved by f9",
            Self::RootGone => "the root does not exist",
            Self::LinkLoop => "too many levels of symbolic links",
            Self::InvalidRange => "invalid range",
            Self::InvalidPattern => "invalid pattern",
            Self::InvalidUri => "invalid URI",
            Self::InvalidInput => "invalid input",
            Self::InvalidData => "invalid data",
            Self::PreconditionFailed => "precondition failed",
            Self::Conflict => "conflicting changes",
            Self::Diverged => "the remote's history is not a continuation of the local one",
            Self::Contention => "others kept publishing at the same time",
            Self::InvalidOperation => "not possible in this state",
            Self::Corrupted => "the store is damaged",
            Self::LengthMismatch => "length mismatch",
            Self::IntegrityMismatch => "checksum mismatch",
            Self::UnexpectedEof => "unexpected end of file",
            Self::PermissionDenied => "permission denied",
            Self::Unauthenticated => "the credentials were not accepted",
            Self::UntrustedServer => "the server could not prove its identity",
            Self::Unreachable => "the server cannot be reached",
            Self::RateLimited => "too many requests",
            Self::DownloadForbidden => "the service does not give the content back",
            Self::Remote => "the service failed",
            Self::ReadOnly => "read-only",
            Self::StorageFull => "no space left",
            Self::QuotaExceeded => "quota exceeded",
            Self::TooLarge => "too large",
            Self::TooManyOpenFiles => "too many open files",
            Self::LockTimeout => "timed out waiting for the lock",
            Self::Timeout => "timed out",
            Self::Cancelled => "cancelled",
            Self::DurabilityUnknown => "done, but not confirmed to be on stable storage",
            Self::Unsupported => "not supported by this backend",
            Self::Internal => "internal error",
            Self::Io => "input/output error",
        }
    }

    /// The nearest [`io::ErrorKind`]; [`io::ErrorKind::Other`] where there is none.
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
            // `Cancelled` is not `Interrupted`: std's read and write loops would retry that for ever.
            Self::LinkLoop
            | Self::PreconditionFailed
            | Self::Conflict
            | Self::Diverged
            | Self::InvalidOperation
            | Self::TooManyOpenFiles
            | Self::Cancelled
            | Self::DurabilityUnknown
            | Self::Remote
            | Self::Internal
            | Self::Io => io::ErrorKind::Other,
        }
    }

    fn of_io(error: &io::Error) -> Self {
        use rustix::io::Errno;
        if let Some(errno) = Errno::from_io_error(error) {
            match errno {
                Errno::NAMETOOLONG => return Self::InvalidPath,
                Errno::LOOP => return Self::LinkLoop,
                Errno::XDEV => return Self::Unsupported,
                Errno::MFILE | Errno::NFILE => return Self::TooManyOpenFiles,
                Errno::NXIO | Errno::NODEV => return Self::NotAFile,
                _ => {}
            }
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

impl Error {
    /// An error of this kind, to be completed with the `with_*` methods.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = f9::Error::new(f9::ErrorKind::TooLarge)
    ///     .with_operation("upload")
    ///     .with_path("a.iso")
    ///     .with_message("the service accepts 512 MB");
    /// assert_eq!(error.to_string(), "cannot upload `a.iso`: too large: the service accepts 512 MB");
    /// ```
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: None,
            backend: None,
            path: None,
            target: None,
            message: None,
            conflicts: Vec::new(),
            transient: false,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds what the kind alone does not say. Must not hold a secret.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Names the path that failed, unless one is named already.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path.get_or_insert_with(|| path.into());
        self
    }

    /// Names the second path of a copy or rename, unless one is named already.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.0.target.get_or_insert_with(|| target.into());
        self
    }

    /// Names both paths of a copy or rename, also where one of them was named as the cause already.
    #[must_use]
    pub(crate) fn between(mut self, from: &str, to: &str) -> Self {
        self.0.path = Some(shortened(from));
        self.0.target = Some(shortened(to));
        self
    }

    /// Names the operation as a verb ("create"), unless one is named already: the innermost is the exact one.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Names the backend, unless one is named already.
    #[must_use]
    pub fn with_backend(mut self, backend: &'static str) -> Self {
        self.0.backend.get_or_insert(backend);
        self
    }

    /// Names the backend, also where another was named that it keeps its files through.
    #[cfg(feature = "git")]
    #[must_use]
    pub(crate) fn in_backend(mut self, backend: &'static str) -> Self {
        self.0.backend = Some(backend);
        self
    }

    /// Keeps the cause, for [`source`](std::error::Error::source).
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Names the files in which local and remote changes contradict each other.
    #[must_use]
    pub fn with_conflicts(mut self, paths: impl IntoIterator<Item = FilePath>) -> Self {
        self.0.conflicts = paths.into_iter().collect();
        self
    }

    /// Tells when the same call may be tried again.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Says that the failure passes by itself, whatever its kind.
    #[cfg(feature = "openai")]
    #[must_use]
    pub(crate) fn transient(mut self) -> Self {
        self.0.transient = true;
        self
    }

    /// Replaces the kind, where the caller knows better than the system what a failure means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What class of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The path that failed, relative to the root.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// The second path of a copy or rename.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.0.target.as_deref()
    }

    /// The files in which local and remote changes contradict each other, in byte order.
    #[must_use]
    pub fn conflicts(&self) -> &[FilePath] {
        &self.0.conflicts
    }

    /// After how long the same call may be tried again, where the service said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What the kind alone does not say.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Replaces the paths by what `map` makes of them: for a backend that shows the files of another under other paths.
    ///
    /// # Examples
    ///
    /// ```
    /// let inner = f9::Error::new(f9::ErrorKind::NotFound).with_path("tenants/7/a.txt");
    /// let outer = inner.map_paths(|path| path.trim_start_matches("tenants/7/").to_owned());
    /// assert_eq!(outer.path(), Some("a.txt"));
    /// ```
    #[must_use]
    pub fn map_paths(mut self, map: impl Fn(&str) -> String) -> Self {
        for path in [&mut self.0.path, &mut self.0.target] {
            *path = path.as_deref().map(&map);
        }
        self
    }

    /// Whether the system would have had to wait, and was asked not to (`EAGAIN`).
    pub(crate) fn would_wait(&self) -> bool {
        let source = self.0.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::WouldBlock)
    }

    /// The operation that failed, as a verb.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The backend that failed, such as `"local"`.
    #[must_use]
    pub fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.transient
            || matches!(
                self.kind(),
                ErrorKind::LockTimeout
                    | ErrorKind::Timeout
                    | ErrorKind::TooManyOpenFiles
                    | ErrorKind::Unreachable
                    | ErrorKind::RateLimited
                    | ErrorKind::Contention
            )
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind);
        for (name, value) in [
            ("operation", self.0.operation),
            ("path", self.0.path.as_deref()),
            ("target", self.0.target.as_deref()),
            ("backend", self.0.backend),
            ("message", self.0.message.as_deref()),
        ] {
            if let Some(value) = value {
                out.field(name, &value);
            }
        }
        if !self.0.conflicts.is_empty() {
            out.field("conflicts", &self.0.conflicts);
        }
        if let Some(retry_after) = &self.0.retry_after {
            out.field("retry_after", retry_after);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operation, &self.path) {
            (Some(operation), Some(path)) => {
                write!(f, "cannot {operation} {}", Quoted(path))?;
                if let Some(target) = &self.target {
                    write!(f, " to {}", Quoted(target))?;
                }
                f.write_str(": ")?;
            }
            (Some(operation), None) => write!(f, "cannot {operation}: ")?,
            (None, Some(path)) => write!(f, "{}: ", Quoted(path))?,
            (None, None) => {}
        }
        f.write_str(self.kind.description())?;
        if let Some(message) = &self.message {
            f.write_str(": ")?;
            write_escaped(f, message)?;
        }
        Ok(())
    }
}

/// A path as it stands in an error text: in back-quotes, on one line, with nothing that steers a terminal.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the root");
        }
        f.write_char('`')?;
        write_escaped(f, self.0)?;
        f.write_char('`')
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        // Zero-width and direction-changing characters make one name look like another.
        let misleading = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if misleading {
            write!(f, "{}", c.escape_unicode())?;
        } else if c.is_control() {
            write!(f, "{}", c.escape_debug())?;
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<io::Error> for Error {
    /// Keeps the nearest kind; an f9 error that travelled inside the [`io::Error`] comes back as it was.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => {
                let kind = ErrorKind::of_io(&error);
                let mut own = Self::new(kind);
                // The kind alone would not tell what broke; the whole text is the source's to tell.
                match error.raw_os_error() {
                    Some(code) if kind == ErrorKind::Io => {
                        own = own.with_message(format!("{} (os error {code})", error.kind()));
                    }
                    None if kind == ErrorKind::Io && error.kind() != io::ErrorKind::Other => {
                        own = own.with_message(error.kind().to_string());
                    }
                    _ => {}
                }
                own.with_source(error)
            }
        }
    }
}

// For the use of this crate; what it makes its errors from is no part of the contract.
#[doc(hidden)]
impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::from(io::Error::from(errno))
    }
}

impl From<Error> for io::Error {
    /// Keeps the nearest [`io::ErrorKind`] and nests the error.
    fn from(error: Error) -> Self {
        let source = error.0.source.as_ref().and_then(|source| source.downcast_ref::<Self>());
        let kind = match (error.kind(), source.map(Self::kind)) {
            // Whoever reads or writes in a loop takes it for a call to be repeated, and would lose the error.
            (ErrorKind::Io, Some(io::ErrorKind::Interrupted)) => io::ErrorKind::Other,
            (ErrorKind::Io, Some(kind)) => kind,
            (kind, _) => kind.to_io(),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;
