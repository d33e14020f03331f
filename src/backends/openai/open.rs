//! Opens a vector store.

use std::sync::Arc;

use super::api::Client;
use super::config::OpenAIConfig;
use super::index::Index;
use super::store::{Shared, Store};
use crate::core::error::Result;
use crate::sys::pool;

impl Store {
    pub(super) async fn open(config: OpenAIConfig) -> Result<Self> {
        let key = config.read_api_key().await?;
        config.check(Some(&key))?;
        let url = config.base_url.trim_end_matches('/');
        let shared = Shared::of(&format!("{url} {}", config.vector_store_id));
        let (settings, recent_writes) = (config.clone(), Arc::clone(&shared.recent_writes));
        // It reads the system's certificates.
        let client = pool::run(move || Client::new(&settings, key, recent_writes)).await?;
        let recent_writes = Arc::clone(&shared.recent_writes);
        let index = Index::new(client.clone(), config.cache_ttl, recent_writes);
        let (config, is_download_forbidden) = (Arc::new(config), Arc::default());
        Ok(Self { config, client, index, shared, is_download_forbidden })
    }
}
