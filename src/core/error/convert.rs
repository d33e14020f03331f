//! Conversions from and to [`io::Error`].

use std::io;

use super::{Error, ErrorKind};

impl From<io::Error> for Error {
    /// Keeps the nearest kind. An f9 error inside the [`io::Error`] is returned unchanged.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => {
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

impl From<Error> for io::Error {
    /// Keeps the nearest [`io::ErrorKind`] and nests the error.
    fn from(error: Error) -> Self {
        let source = error.0.source.as_ref().and_then(|source| source.downcast_ref::<Self>());
        let kind = match (error.kind(), source.map(Self::kind)) {
            // Read and write loops repeat a call that was `Interrupted`, and so would lose the error.
            (ErrorKind::Io, Some(io::ErrorKind::Interrupted)) => io::ErrorKind::Other,
            (ErrorKind::Io, Some(kind)) => kind,
            (kind, _) => kind.to_io(),
        };
        Self::new(kind, error)
    }
}
