//! A vector store of the OpenAI simulator.

use std::time::Duration;

use f9::testing::openai::{OpenAISimulator, Rules};
use f9::{OpenAIEncoding, OpenAIVectorStoreFileBackend};

use super::{Arc, AsyncFileBackend, Fixture, Scale, async_trait};

pub(super) struct VectorStore {
    simulator: OpenAISimulator,
    cache_ttl: Duration,
    encoding: OpenAIEncoding,
}

impl VectorStore {
    /// A store of the strict simulator, listed before each operation.
    pub(super) fn strict() -> Self {
        Self::new(OpenAISimulator::start())
    }

    /// A store of the lenient simulator, listed before each operation.
    pub(super) fn lenient() -> Self {
        Self::new(OpenAISimulator::lenient())
    }

    /// A store of the worst server, whose parsed text only framed content survives.
    pub(super) fn worst() -> Self {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| *rules = Rules::worst());
        Self { encoding: OpenAIEncoding::Framed, ..Self::new(simulator) }
    }

    fn new(simulator: OpenAISimulator) -> Self {
        let (cache_ttl, encoding) = (Duration::ZERO, OpenAIEncoding::default());
        Self { simulator, cache_ttl, encoding }
    }

    /// Caches listings for a minute.
    pub(super) fn cached(self) -> Self {
        Self { cache_ttl: Duration::from_secs(60), ..self }
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let config =
            self.simulator.config().with_cache_ttl(self.cache_ttl).with_encoding(self.encoding);
        // A busy machine notices late which connections the server has reset, and takes several of them.
        let config = config.with_retries(20);
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
