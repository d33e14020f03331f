//! What a backend adds to the errors of its operations.

use super::Error;
use crate::core::path::shortened;

/// Adds an operation, a path and the name of a backend to errors. An operation or path that an error names already stays; the backend
/// is replaced, because the error may come from a backend below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorContext {
    backend: &'static str,
}

impl ErrorContext {
    /// Returns the context of the backend with this name.
    pub(crate) const fn of(backend: &'static str) -> Self {
        Self { backend }
    }

    /// Returns a function that adds an operation on no path, or on the whole store.
    pub(crate) fn operation(self, operation: &'static str) -> impl Fn(Error) -> Error + Copy {
        move |error| error.with_operation(operation).in_backend(self.backend)
    }

    /// Returns a function that adds an operation on a path.
    pub(crate) fn at<'a>(
        self,
        operation: &'static str,
        path: &'a str,
    ) -> impl Fn(Error) -> Error + Copy + 'a {
        move |error| self.operation(operation)(error.with_path(shortened(path)))
    }

    /// Returns a function that adds an operation on two paths.
    pub(crate) fn between<'a>(
        self,
        operation: &'static str,
        from: &'a str,
        to: &'a str,
    ) -> impl Fn(Error) -> Error + Copy + 'a {
        move |error| self.operation(operation)(error.between(from, to))
    }

    /// Returns a function that adds an operation on something other than a path, such as a pattern.
    #[cfg(feature = "git")]
    pub(crate) fn about<'a>(
        self,
        operation: &'static str,
        subject: &'a str,
    ) -> impl Fn(Error) -> Error + Copy + 'a {
        move |error| self.operation(operation)(error.with_subject(shortened(subject)))
    }
}
