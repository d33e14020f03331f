//! The errors of S3 that the simulator responds with.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use s3s::{S3Error, S3ErrorCode};

/// Creates an error with this code and message.
pub(super) fn error(code: S3ErrorCode, message: &'static str) -> S3Error {
    S3Error::with_message(code, message)
}

/// Creates an error with a code that s3s does not know.
pub(super) fn custom(status: StatusCode, code: &'static str, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

pub(super) fn no_such_bucket() -> S3Error {
    error(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
}

pub(super) fn no_such_key() -> S3Error {
    error(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

pub(super) fn no_such_version() -> S3Error {
    error(S3ErrorCode::NoSuchVersion, "The specified version does not exist.")
}

pub(super) fn no_such_upload() -> S3Error {
    error(
        S3ErrorCode::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
}

pub(super) fn not_implemented() -> S3Error {
    error(
        S3ErrorCode::NotImplemented,
        "A header or a parameter you provided implies functionality that is not implemented",
    )
}

pub(super) fn precondition_failed() -> S3Error {
    error(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
    )
}

pub(super) fn bad_digest(name: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::BadDigest,
        format!("The {name} you specified did not match the calculated checksum."),
    )
}

pub(super) fn invalid_argument(message: &'static str) -> S3Error {
    error(S3ErrorCode::InvalidArgument, message)
}

pub(super) fn invalid_request(message: &'static str) -> S3Error {
    error(S3ErrorCode::InvalidRequest, message)
}

pub(super) fn malformed_xml() -> S3Error {
    error(
        S3ErrorCode::MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// Adds headers to the response of an error. Values that no header can have are left out.
pub(super) fn with_headers(mut error: S3Error, headers: &[(&'static str, String)]) -> S3Error {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(HeaderName::from_static(name), value);
        }
    }
    error.set_headers(map);
    error
}
