//! The configuration of object stores.

mod options;
mod s3;

pub use options::{Conditions, ObjectStoreOptions, ObjectStoreTimeouts};
pub use s3::S3Config;
pub(super) use s3::check_endpoint;
