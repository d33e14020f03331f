//! Runs the conformance suite on a real object store: `cargo test -p f9-object-servers`.
//!
//! `F9_S3_ENDPOINT` and `F9_S3_BUCKET` name it, and Amazon's variables the credentials. Each case uses a prefix of its own, and leaves its objects
//! there.

#![allow(clippy::unwrap_used, reason = "a test fails if the server does not answer")]

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use f9::testing::{Fixture, Scale, every_case};
use f9::{AsyncFileBackend, ObjectStoreFileBackend, S3Config};

every_case!(server, Bucket::new());

/// A prefix of the bucket.
struct Bucket {
    config: S3Config,
}

impl Bucket {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let variable = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let prefix = format!("{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let config = S3Config::new(variable("F9_S3_BUCKET").unwrap())
            .with_endpoint(variable("F9_S3_ENDPOINT").unwrap())
            .with_prefix(prefix);
        Self { config }
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(ObjectStoreFileBackend::open_s3(self.config.clone()).await.unwrap())
    }
}

#[async_trait]
impl Fixture for Bucket {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    fn scale(&self) -> Scale {
        Scale::Small
    }
}
