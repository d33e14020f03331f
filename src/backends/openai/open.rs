//! Opens a vector store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::api::Client;
use super::config::OpenAIConfig;
use super::index::Index;
use super::shared::Shared;
use super::store::Store;
use crate::core::error::Result;
use crate::sys::pool;

impl Store {
    pub(super) async fn open(config: OpenAIConfig) -> Result<Arc<Self>> {
        let key = config.read_api_key().await?;
        config.check(Some(&key))?;
        let url = config.base_url.trim_end_matches('/');
        let shared = Shared::of(&format!("{url} {}", config.vector_store_id));
        let client = {
            let (config, recent_writes) = (config.clone(), Arc::clone(&shared.recent_writes));
            // It reads the system's certificates.
            pool::run(move || Client::new(&config, key, recent_writes)).await?
        };
        let recent_writes = Arc::clone(&shared.recent_writes);
        Ok(Arc::new(Self {
            index: Index::new(client.clone(), config.cache_ttl, recent_writes),
            shared,
            is_download_forbidden: AtomicBool::new(false),
            client,
            config,
        }))
    }
}
