//! Helpers that open a vector store and inspect its content and the requests to the service.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::testing::openai::{OpenAISimulator, Route};
use f9::{FileType, ListOptions, OpenAIConfig, OpenAIVectorStoreFileBackend, Result};
use futures::TryStreamExt as _;

/// Longer than any test.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Not text, so that it is written framed.
pub(crate) const BINARY: [u8; 200] = [0xfe; 200];

/// The content of the file at each path; `None` for a directory.
pub(crate) type Tree = BTreeMap<String, Option<Bytes>>;

/// Opens a handle that lists the vector store once.
pub(crate) async fn open(openai: &OpenAISimulator) -> OpenAIVectorStoreFileBackend {
    opened(openai.config().with_cache_ttl(HOUR)).await
}

pub(crate) async fn opened(config: OpenAIConfig) -> OpenAIVectorStoreFileBackend {
    OpenAIVectorStoreFileBackend::open(config).await.unwrap()
}

/// Returns all files and directories.
pub(crate) async fn tree(notes: &OpenAIVectorStoreFileBackend) -> Result<Tree> {
    let listed: Vec<_> = notes.list_with("", ListOptions::recursive()).await?.try_collect().await?;
    let mut tree = Tree::new();
    for info in listed {
        let content = match info.file_type {
            FileType::File => Some(notes.read(&info.path).await?),
            _ => None,
        };
        tree.insert(info.path.to_string(), content);
    }
    Ok(tree)
}

/// Returns the requests since the last call, in order.
pub(crate) fn asked(openai: &OpenAISimulator) -> Vec<Route> {
    openai.take_requests().into_iter().map(|request| request.route).collect()
}
