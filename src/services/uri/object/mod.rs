//! The scheme `s3`: a bucket of S3 or of a service with the same interface.

use std::sync::Arc;

use super::{BackendUri, Parameters};
use crate::backend::AsyncFileBackend;
use crate::backends::object::{Conditions, ObjectStoreFileBackend, ObjectStoreOptions, S3Config};
use crate::core::duration::Seconds;
use crate::core::error::{Error, ErrorKind, Result};

/// Returns the settings in an `s3` URI: `s3://bucket/prefix?region=…&endpoint=…`. The parameters are the fields of [`S3Config`] and of
/// [`ObjectStoreOptions`].
async fn config(uri: &BackendUri) -> Result<S3Config> {
    if uri.authority().contains('@') {
        return Err(uri.invalid(
            "it contains a user name; put the keys in the parameters `access_key` and `secret_key`",
        ));
    }
    if uri.authority().is_empty() {
        return Err(uri.invalid("the bucket is missing; write `s3://bucket/prefix`"));
    }
    let mut config = S3Config::new(uri.authority()).with_prefix(uri.path());
    let mut parameters = uri.parameters();
    config.region = parameters.text("region").map(str::to_owned);
    config.endpoint = parameters.text("endpoint").map(str::to_owned);
    config.path_style = parameters.bool("path_style")?;
    config.allow_http = parameters.bool("allow_http")?.unwrap_or(config.allow_http);
    config.anonymous = parameters.bool("anonymous")?.unwrap_or(config.anonymous);
    config.access_key = parameters.secret("access_key").await?.map(Into::into);
    config.secret_key = parameters.secret("secret_key").await?.map(Into::into);
    config.session_token = parameters.secret("session_token").await?.map(Into::into);
    config.profile = parameters.text("profile").map(str::to_owned);
    read_options(&mut parameters, &mut config.options)?;
    parameters.finish()?;
    let failing =
        |error: Error| error.with_kind(ErrorKind::InvalidUri).with_subject(uri.to_string());
    config.check().map_err(failing)?;
    Ok(config)
}

/// Opens an `s3` URI.
pub(super) async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    let config = config(&uri).await?;
    Ok(Arc::new(ObjectStoreFileBackend::open_s3(config).await?))
}

fn read_options(parameters: &mut Parameters<'_>, options: &mut ObjectStoreOptions) -> Result<()> {
    let part_size = parameters.parse("part_size", "a number of bytes, from 5242880")?;
    options.part_size = part_size.unwrap_or(options.part_size);
    let parts = parameters.parse("parts", "a number, from 1 to 64")?;
    options.parts = parts.unwrap_or(options.parts);
    let requests = parameters.parse("requests", "a number, from 1 to 1024")?;
    options.requests = requests.unwrap_or(options.requests);
    let retries = parameters.parse("retries", "a number, from 0 to 20")?;
    options.retries = retries.unwrap_or(options.retries);
    let conditions = parameters.parse("conditions", Conditions::ACCEPTED)?;
    options.conditions = conditions.unwrap_or(options.conditions);
    options.checksums = parameters.bool("checksums")?.unwrap_or(options.checksums);
    for (name, field) in [
        ("retry_delay", &mut options.retry_delay),
        ("directory_ttl", &mut options.directory_ttl),
        ("session_ttl", &mut options.session_ttl),
    ] {
        if let Some(Seconds(duration)) = parameters.parse(name, Seconds::ACCEPTED)? {
            *field = duration;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
