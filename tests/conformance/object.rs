//! A bucket of the simulator of S3.

use f9::ObjectStoreFileBackend;
use f9::testing::s3::S3Simulator;

use super::{Arc, AsyncFileBackend, Fixture, async_trait};

pub(super) struct Bucket {
    simulator: S3Simulator,
    prefix: &'static str,
}

impl Bucket {
    /// The whole of a bucket.
    pub(super) fn new() -> Self {
        Self { simulator: S3Simulator::start(), prefix: "" }
    }

    /// The whole of a bucket that keeps versions.
    pub(super) fn versioned() -> Self {
        let bucket = Self::new();
        bucket.simulator.enable_versioning();
        bucket
    }

    /// A directory of a bucket.
    pub(super) fn with_prefix(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let config = self.simulator.config().with_prefix(self.prefix);
        Arc::new(ObjectStoreFileBackend::open_s3(config).await.unwrap())
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

    async fn leftovers(&self) -> Vec<String> {
        let unfinished = self.simulator.uploads().into_iter().map(|upload| upload.key);
        let private = self.simulator.objects().into_iter().map(|object| object.key);
        let private =
            private.filter(|key| key.contains(".f9/uploads/") || key.contains(".f9/probe/"));
        unfinished.chain(private).collect()
    }
}
