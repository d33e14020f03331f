//! Assertions that a call fails.

use crate::core::error::{Error, ErrorKind, Result};

/// Asserts that a call failed with `kind`, and that the error names the operation and a path.
#[track_caller]
pub(super) fn refused<T>(result: Result<T>, kind: ErrorKind) -> Error {
    refused_when(result, kind, "the call")
}

/// Asserts the same. `call` describes the call, for cases that check many.
#[track_caller]
pub(super) fn refused_when<T>(result: Result<T>, kind: ErrorKind, call: &str) -> Error {
    match result {
        Ok(_) => panic!("{call} succeeded, but should fail with {kind:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{call} failed with: {error}");
            assert!(error.operation().is_some(), "{call}: the error names no operation: {error:?}");
            // Only a glob has a pattern in place of a path.
            let pattern = error.subject().filter(|_| error.operation() == Some("glob"));
            assert!(
                error.path().or(pattern).is_some(),
                "{call}: the error names no path: {error:?}"
            );
            error
        }
    }
}
