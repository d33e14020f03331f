//! The scheme `openai+vector`: files in an OpenAI vector store.

use std::sync::Arc;

use super::{BackendUri, Parameters};
use crate::backend::AsyncFileBackend;
use crate::backends::openai::{
    OpenAIConfig, OpenAIEncoding, OpenAIReadMode, OpenAIVectorStoreFileBackend,
};
use crate::core::duration::Seconds;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::secret::SecretSource;

/// The settings in an `openai+vector` URI.
///
/// `openai+vector://vs_123?cache_ttl=5`: the text after the slashes is the id of the vector store.
///
/// | parameter | |
/// | --- | --- |
/// | `api_key` | the key, or `env:NAME` or `file:/path`; `env:OPENAI_API_KEY` by default |
/// | `base_url`, `allow_http` | the address of the service; `allow_http=true` allows plain HTTP to another machine |
/// | `cache_ttl` | in seconds |
/// | `encoding` | `auto`, `raw` or `framed` |
/// | `read` | `auto`, `files_content` or `vector_store_text` |
/// | `organization`, `project`, `purpose`, `retries`, `concurrency`, `send_beta_header` | as in [`OpenAIConfig`] |
#[derive(Debug)]
pub(super) struct OpenAIUri;

impl OpenAIUri {
    pub(super) async fn config(uri: &BackendUri) -> Result<OpenAIConfig> {
        if uri.authority().contains('@') {
            return Err(
                uri.invalid("it contains a user name; put the key in the parameter `api_key`")
            );
        }
        if uri.location().is_empty() || !uri.raw_path().is_empty() {
            return Err(uri.invalid("the vector store is missing; write `openai+vector://vs_123`"));
        }
        let mut config = OpenAIConfig::new(uri.location());
        let mut parameters = uri.parameters();
        if let Some(api_key) = parameters.secret("api_key").await? {
            config.api_key = api_key.into();
        }
        read_service(&mut parameters, &mut config)?;
        read_settings(&mut parameters, &mut config)?;
        parameters.finish()?;
        check(uri, &config)?;
        Ok(config)
    }
}

/// Opens an `openai+vector` URI.
pub(super) async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    let config = OpenAIUri::config(&uri).await?;
    Ok(Arc::new(OpenAIVectorStoreFileBackend::open(config).await?))
}

fn read_service(parameters: &mut Parameters<'_>, config: &mut OpenAIConfig) -> Result<()> {
    if let Some(base_url) = parameters.text("base_url") {
        base_url.clone_into(&mut config.base_url);
    }
    config.allow_http = parameters.bool("allow_http")?.unwrap_or(config.allow_http);
    config.organization = parameters.text("organization").map(str::to_owned);
    config.project = parameters.text("project").map(str::to_owned);
    if let Some(purpose) = parameters.text("purpose") {
        purpose.clone_into(&mut config.purpose);
    }
    let send_beta_header = parameters.bool("send_beta_header")?;
    config.send_beta_header = send_beta_header.unwrap_or(config.send_beta_header);
    Ok(())
}

fn read_settings(parameters: &mut Parameters<'_>, config: &mut OpenAIConfig) -> Result<()> {
    if let Some(Seconds(duration)) = parameters.parse("cache_ttl", Seconds::ACCEPTED)? {
        config.cache_ttl = duration;
    }
    let encoding = parameters.parse("encoding", OpenAIEncoding::ACCEPTED)?;
    config.encoding = encoding.unwrap_or(config.encoding);
    let read = parameters.parse("read", OpenAIReadMode::ACCEPTED)?;
    config.read = read.unwrap_or(config.read);
    let retries = parameters.parse("retries", "a number, from 0 to 20")?;
    config.retries = retries.unwrap_or(config.retries);
    let concurrency = parameters.parse("concurrency", "a number, from 1 to 256")?;
    config.concurrency = concurrency.unwrap_or(config.concurrency);
    Ok(())
}

/// Checks the configuration, so that its errors name the URI.
fn check(uri: &BackendUri, config: &OpenAIConfig) -> Result<()> {
    let api_key = match &config.api_key {
        SecretSource::Value(api_key) => Some(api_key),
        _ => None,
    };
    let failing =
        |error: Error| error.with_kind(ErrorKind::InvalidUri).with_subject(uri.to_string());
    config.check(api_key).map_err(failing)
}

#[cfg(test)]
mod tests;
