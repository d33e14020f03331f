//! The conformance suite over every store of the crate. A new one is a fixture and a line with `every_case!`.

use std::sync::Arc;

use async_trait::async_trait;
use f9::testing::{Fixture, every_case};
use f9::{AsyncFileBackend, MemoryFileBackend};

#[derive(Default)]
struct Memory(MemoryFileBackend);

#[async_trait]
impl Fixture for Memory {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(self.0.clone())
    }

    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(Arc::new(self.0.clone()))
    }
}

every_case!(memory, Memory::default());
