//! A vector store of the OpenAI simulator.

use std::time::Duration;

use f9::OpenAIVectorStoreFileBackend;
use f9::testing::openai::OpenAISimulator;

use super::{Arc, AsyncFileBackend, Fixture, Scale, async_trait};

pub(super) struct VectorStore {
    simulator: OpenAISimulator,
    cache_ttl: Duration,
}

impl VectorStore {
    /// A store of the strict simulator, listed before each operation.
    pub(super) fn strict() -> Self {
        Self { simulator: OpenAISimulator::start(), cache_ttl: Duration::ZERO }
    }

    /// A store of the lenient simulator, listed before each operation.
    pub(super) fn lenient() -> Self {
        Self { simulator: OpenAISimulator::lenient(), cache_ttl: Duration::ZERO }
    }

    /// Caches listings for a minute.
    pub(super) fn cached(self) -> Self {
        Self { cache_ttl: Duration::from_secs(60), ..self }
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let config = self.simulator.config().with_cache_ttl(self.cache_ttl);
        Arc::new(OpenAIVectorStoreFileBackend::open(config).await.unwrap())
    }
}

#[async_trait]
impl Fixture for VectorStore {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    async fn leftovers(&self) -> Vec<String> {
        let unattached = self.simulator.files().into_iter().filter(|file| !file.attached);
        unattached.map(|file| file.filename).collect()
    }

    /// Without a cache, each operation lists the store, which takes one request for 100 entries.
    fn scale(&self) -> Scale {
        Scale::Small
    }
}
