//! Conversions from and to [`io::Error`].

use std::io;

use super::system::{meaning, shows_code};
use super::{Error, ErrorKind};

impl From<io::Error> for Error {
    /// Keeps the nearest kind. An f9 error inside the [`io::Error`] is returned unchanged.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => {
                if let Some((kind, text)) = meaning(&error) {
                    let code = error.raw_os_error().filter(|_| shows_code(kind));
                    // The error of an attempt that must not wait is common and never shown.
                    let is_common = error.kind() == io::ErrorKind::WouldBlock;
                    let own = Self::new(kind).with_source(error);
                    return match code.filter(|_| !is_common) {
                        Some(code) => own.with_message(format!("{text} (os error {code})")),
                        None => own.with_message(text),
                    };
                }
                let kind = ErrorKind::of_io(&error);
                let mut own = Self::new(kind);
                // `Io` alone says too little. The full text stays with the source, so only the class is added here.
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

impl Error {
    /// Makes the error of a source of content the cause of the failed write.
    pub(crate) fn of_source(error: Self) -> Self {
        // An error that was converted keeps its text in its own cause.
        let text = match &error.0.source {
            Some(cause) if error.0.operation.is_none() => cause.to_string(),
            _ => error.to_string(),
        };
        Self::new(ErrorKind::SourceFailed).with_message(text).with_source(error)
    }

    /// Returns the error that the source of the content had, if this is [`SourceFailed`](ErrorKind::SourceFailed) and that was an error of
    /// f9; otherwise this error.
    ///
    /// For a backend that gives content to another one: an error that it put into the stream itself is its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use f9::prelude::*;
    /// use f9::{Error, ErrorKind};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let backend = f9::MemoryFileBackend::new();
    /// let checked = futures::stream::iter([Ok("the start"), Err(Error::new(ErrorKind::TooLarge))]);
    /// let error = backend.stream_write("a", checked).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::SourceFailed);
    /// assert_eq!(error.into_error_of_source().kind(), ErrorKind::TooLarge);
    /// # }
    /// ```
    #[must_use]
    pub fn into_error_of_source(self) -> Self {
        let Some(mut own) = self.error_of_source().cloned() else { return self };
        let (inner, outer) = (&mut own.0, self.0);
        inner.operation = inner.operation.or(outer.operation);
        inner.path = inner.path.take().or(outer.path);
        inner.backend = inner.backend.or(outer.backend);
        own
    }

    fn error_of_source(&self) -> Option<&Self> {
        let cause = self.0.source.as_ref().filter(|_| self.kind() == ErrorKind::SourceFailed)?;
        cause.downcast_ref()
    }
}

impl From<Error> for io::Error {
    /// Keeps the nearest [`io::ErrorKind`] and nests the error. If the source of the content failed, the kind is that of its error.
    fn from(error: Error) -> Self {
        let failed = error.error_of_source().unwrap_or(&error);
        let source = failed.0.source.as_ref().and_then(|source| source.downcast_ref::<Self>());
        let kind = match (failed.kind(), source.map(Self::kind)) {
            // Read and write loops repeat a call that was `Interrupted`, and so would lose the error.
            (ErrorKind::Io, Some(io::ErrorKind::Interrupted)) => io::ErrorKind::Other,
            // Several kinds of the system are one of these.
            (ErrorKind::Io | ErrorKind::InvalidOperation, Some(kind)) => kind,
            (kind, _) => kind.to_io(),
        };
        Self::new(kind, error)
    }
}
