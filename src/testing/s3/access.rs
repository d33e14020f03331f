//! Who may do what: the one key, for the right region.

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3ErrorCode, S3Result};

use super::buckets::REGION;
use super::errors::{custom, error};
use super::operations::Operations;

/// The key that signs requests.
#[derive(Debug)]
pub(super) struct Key {
    id: String,
    secret: SecretKey,
}

impl Key {
    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.into() }
    }
}

#[async_trait]
impl S3Auth for Key {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        if id != self.id {
            return Err(error(
                S3ErrorCode::InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records.",
            ));
        }
        Ok(self.secret.clone())
    }
}

/// Accepts requests with a signature for [`REGION`], and others if the rules say so.
#[derive(Debug)]
pub(super) struct Access(Operations);

impl Access {
    pub(super) fn new(operations: Operations) -> Self {
        Self(operations)
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            if self.0.state().rules.anonymous {
                return Ok(());
            }
            return Err(error(S3ErrorCode::AccessDenied, "Access Denied"));
        }
        match signed_region(context) {
            Some(region) if region != REGION => Err(custom(
                StatusCode::BAD_REQUEST,
                "AuthorizationHeaderMalformed",
                format!(
                    "The authorization header is malformed; the region '{region}' is wrong; expecting '{REGION}'"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Returns the region in the scope of a signature: `KEY/20260101/REGION/s3/aws4_request`.
fn signed_region(context: &S3AccessContext<'_>) -> Option<String> {
    let header = context.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) => header.split_once("Credential=")?.1.to_owned(),
        None => {
            let encoded = context.uri().query()?.split_once("X-Amz-Credential=")?.1;
            let encoded = encoded.split('&').next().unwrap_or_default();
            percent_encoding::percent_decode_str(encoded).decode_utf8_lossy().into_owned()
        }
    };
    credential.split('/').nth(2).map(str::to_owned)
}
