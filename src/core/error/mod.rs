//! The one error type of the crate and its kinds.
//!
//! An [`Error`] is one pointer wide, so that a `Result` stays small on hot paths. Its text is one line with the operation, the
//! path and the reason. The cause is available through [`source`](std::error::Error::source) and is not repeated in the text.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::core::path::{FilePath, shortened};

mod context;
mod convert;
mod kind;
mod system;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use context::ErrorContext;
pub use kind::ErrorKind;

/// The result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Shared, because one failure is returned to every caller that waited for the same work.
type Source = Arc<dyn StdError + Send + Sync>;

/// An error with its kind, its operation, and the path or other subject that failed.
///
/// Branch on [`kind`](Self::kind) and show the text to people. The error converts into an [`io::Error`] with the nearest
/// [`io::ErrorKind`]; `Error::from(io_error)` returns the original error.
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
    subject: Option<String>,
    message: Option<Cow<'static, str>>,
    conflicts: Vec<FilePath>,
    transient: bool,
    applied: bool,
    unknown: bool,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

impl Error {
    /// Creates an error of this kind. The `with_*` methods add the rest.
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
            subject: None,
            message: None,
            conflicts: Vec::new(),
            transient: false,
            applied: false,
            unknown: false,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds the details that the kind does not say. They must not contain a secret.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Sets the path that failed, unless it is set already.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path.get_or_insert_with(|| path.into());
        self
    }

    /// Sets the second path of a copy or rename, unless it is set already.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.0.target.get_or_insert_with(|| target.into());
        self
    }

    /// Sets the URI, glob pattern or vault that failed, unless it is set already.
    ///
    /// The text of the error shows it if there is no path.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = f9::GlobPattern::parse("[").unwrap_err();
    /// assert_eq!((error.subject(), error.path()), (Some("["), None));
    /// assert_eq!(error.to_string(), "`[`: invalid pattern: `[` at byte 0 is not closed");
    /// ```
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject.get_or_insert_with(|| subject.into());
        self
    }

    /// Sets both paths of a copy or rename, and replaces those that are set.
    #[must_use]
    pub(crate) fn between(mut self, from: &str, to: &str) -> Self {
        self.0.path = Some(shortened(from));
        self.0.target = Some(shortened(to));
        self
    }

    /// Sets the operation, a verb such as `"create"`, unless it is set already: the innermost operation is the exact one.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Sets the operation, and replaces that of the steps it consists of.
    #[must_use]
    pub(crate) fn in_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Sets the backend, unless it is set already.
    #[must_use]
    pub fn with_backend(mut self, backend: &'static str) -> Self {
        self.0.backend.get_or_insert(backend);
        self
    }

    /// Sets the backend, and replaces the name of the backend that it is built on.
    #[must_use]
    pub(crate) fn in_backend(mut self, backend: &'static str) -> Self {
        self.0.backend = Some(backend);
        self
    }

    /// Sets the cause, which [`source`](std::error::Error::source) returns.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Sets the files with conflicting local and remote changes.
    #[must_use]
    pub fn with_conflicts(mut self, paths: impl IntoIterator<Item = FilePath>) -> Self {
        self.0.conflicts = paths.into_iter().collect();
        self
    }

    /// Sets after how long the same call may be tried again.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Marks the error as retryable, whatever its kind.
    #[cfg(any(feature = "object-store", feature = "openai"))]
    #[must_use]
    pub(crate) fn transient(mut self) -> Self {
        self.0.transient = true;
        self
    }

    /// Marks that the change was made although the operation failed. For backends.
    #[must_use]
    pub fn with_applied(mut self) -> Self {
        self.0.applied = true;
        self
    }

    /// Marks that the change may have been made or not, for example because the answer of a service was lost. For backends.
    #[must_use]
    pub fn with_unknown_outcome(mut self) -> Self {
        self.0.unknown = true;
        self
    }

    /// Takes back [`with_unknown_outcome`](Self::with_unknown_outcome), because the change was undone or to make it again does no harm.
    #[cfg(feature = "openai")]
    #[must_use]
    pub(crate) fn without_unknown_outcome(mut self) -> Self {
        self.0.unknown = false;
        self
    }

    /// Replaces the kind, where the caller knows better than the system what the failure means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Returns the class of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the path that failed, relative to the root; for `open`, the path of the root itself.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Returns the second path of a copy or rename.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.0.target.as_deref()
    }

    /// Returns the URI, the glob pattern or the name of the vault that failed.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// Returns the files with conflicting local and remote changes, in byte order.
    #[must_use]
    pub fn conflicts(&self) -> &[FilePath] {
        &self.0.conflicts
    }

    /// Returns after how long the same call may be tried again, if the service said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the details that the kind does not say.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Applies `map` to both paths, for a backend that shows the files of another backend under different paths.
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

    /// Whether a call that must not wait would have waited (`EAGAIN`).
    pub(crate) fn would_wait(&self) -> bool {
        let source = self.0.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::WouldBlock)
    }

    /// Returns the operation that failed, as a verb.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Returns the name of the backend that failed, such as `"local"`.
    #[must_use]
    pub fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// Whether the change was made although the operation failed afterwards, for example because it could not be confirmed to be on stable
    /// storage, or because an automatic push failed. A repetition would make the change twice.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.0.applied || self.kind() == ErrorKind::DurabilityUnknown
    }

    /// Whether it is not known if the change was made, for example because the answer of a service was lost. Look at the store before you
    /// repeat the call: a repetition may make the change twice.
    #[must_use]
    pub fn has_unknown_outcome(&self) -> bool {
        self.0.unknown && !self.is_applied()
    }

    /// Whether the same call may succeed later without any other change. Never if the change [was made](Self::is_applied) or
    /// [may have been made](Self::has_unknown_outcome), so a loop over this makes no change twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !self.is_applied() && !self.0.unknown && self.is_temporary()
    }

    /// Whether the cause may pass, whatever became of the change.
    pub(crate) fn is_temporary(&self) -> bool {
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

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}
