//! Requests that work without f9.

use std::time::Duration;

use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::presign::{PresignOperation, PresignedRequest};

/// A signature holds for a week at most.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Store {
    pub(super) async fn presign(
        &self,
        path: &str,
        operation: PresignOperation,
        expires_in: Duration,
    ) -> Result<PresignedRequest> {
        let path = self.parse_entry(path)?;
        if !self.abilities.presign {
            return Err(ErrorKind::Unsupported.into());
        }
        if expires_in < Duration::from_secs(1) || expires_in > LONGEST {
            let message = "a request expires after a second at least and after a week at most";
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        }
        self.bucket.presign(&self.keys.file(&path), &operation, expires_in).await
    }
}
