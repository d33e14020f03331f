//! How a case says that a call must fail.

use crate::{Error, ErrorKind, Result};

/// Checks that a call failed with `kind`, and that the error names the operation and a path.
#[track_caller]
pub(super) fn refused<T>(result: Result<T>, kind: ErrorKind) -> Error {
    refused_when(result, kind, "the call")
}

/// The same with words for the call, where one assertion stands for many.
#[track_caller]
pub(super) fn refused_when<T>(result: Result<T>, kind: ErrorKind, call: &str) -> Error {
    match result {
        Ok(_) => panic!("{call} succeeded, it should fail with {kind:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{call} failed with: {error}");
            assert!(error.operation().is_some(), "{call}: no operation named: {error:?}");
            assert!(error.path().is_some(), "{call}: no path named: {error:?}");
            error
        }
    }
}
