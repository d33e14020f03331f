//! The configuration of a bucket of S3.

use std::fmt;

use serde::Deserialize;

use super::options::{ObjectStoreOptions, refused};
use crate::core::error::Result;
use crate::core::options::setters;
use crate::core::secret::SecretSource;
use crate::net::address;

/// A bucket of Amazon S3, or of a service with the same interface (`MinIO`, Ceph, R2, Garage, `LocalStack`).
///
/// Only `bucket` is required. Credentials that are not given are searched as Amazon's own tools do it: in the variables `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, in the profile (`AWS_PROFILE`, `~/.aws/config`, `~/.aws/credentials`, with single
/// sign-on and `credential_process`), in a web identity token, and in the role of the container or the machine. `Debug` shows no secret.
///
/// # Examples
///
/// ```
/// let config = f9::S3Config::new("photos")
///     .with_endpoint("http://127.0.0.1:9000")
///     .with_access_key("env:STORE_KEY")
///     .with_secret_key("file:/run/secrets/store");
///
/// let json = r#"{
///     "bucket": "photos",
///     "endpoint": "http://127.0.0.1:9000",
///     "access_key": "env:STORE_KEY",
///     "secret_key": "file:/run/secrets/store"
/// }"#;
/// assert_eq!(serde_json::from_str::<f9::S3Config>(json)?, config);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct S3Config {
    /// The bucket. It must exist.
    pub bucket: String,
    /// The directory of the bucket that becomes the root; the whole bucket by default.
    #[serde(default)]
    pub prefix: String,
    /// The region; `AWS_REGION` or `AWS_DEFAULT_REGION` by default, and `us-east-1` without them.
    #[serde(default)]
    pub region: Option<String>,
    /// The address of the service; `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` by default, and Amazon's without them.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the bucket is in the path of URLs, not in the host; by default only with an endpoint or a bucket whose name has a dot.
    #[serde(default)]
    pub path_style: Option<bool>,
    /// Whether the endpoint may be plain HTTP to another machine; `false` by default. Over HTTP, everybody on the network can read the files.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether requests are sent without credentials, for public buckets.
    #[serde(default)]
    pub anonymous: bool,
    /// The id of the access key, or its source.
    #[serde(default)]
    pub access_key: Option<SecretSource>,
    /// The secret of the access key, or its source.
    #[serde(default)]
    pub secret_key: Option<SecretSource>,
    /// The token of temporary credentials, or its source.
    #[serde(default)]
    pub session_token: Option<SecretSource>,
    /// The profile in Amazon's configuration files.
    #[serde(default)]
    pub profile: Option<String>,
    /// How the store is used.
    #[serde(default)]
    pub options: ObjectStoreOptions,
}

impl S3Config {
    /// Creates the configuration of a bucket with defaults for everything else.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            path_style: None,
            allow_http: false,
            anonymous: false,
            access_key: None,
            secret_key: None,
            session_token: None,
            profile: None,
            options: ObjectStoreOptions::default(),
        }
    }

    /// Checks the configuration without I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with the name of the field, and never a secret.
    pub(crate) fn check(&self) -> Result<()> {
        check_bucket(&self.bucket).map_err(|reason| refused("bucket", reason))?;
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint, self.allow_http)?;
        }
        if let Some(region) = &self.region {
            check_name(region).map_err(|reason| refused("region", reason))?;
        }
        if self.access_key.is_some() != self.secret_key.is_some() {
            return Err(refused("access_key", "`access_key` and `secret_key` belong together"));
        }
        if self.session_token.is_some() && self.access_key.is_none() {
            return Err(refused("session_token", "needs `access_key` and `secret_key`"));
        }
        let has_credentials = self.access_key.is_some() || self.profile.is_some();
        if self.anonymous && has_credentials {
            return Err(refused("anonymous", "must not be set together with credentials"));
        }
        self.options.check()
    }
}

/// Checks the address of the service.
pub(crate) fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<reqwest::Url> {
    let url = address::parse(endpoint).map_err(|reason| refused("endpoint", reason))?;
    if url.scheme() == "http" && !allow_http && !address::is_this_machine(&url) {
        let reason = "over HTTP, everybody on the network can read the files; use `https://`, or set `allow_http`";
        return Err(refused("endpoint", reason));
    }
    Ok(url)
}

/// Checks the name of a bucket. Services differ in what they accept, so only what would change a URL is refused.
fn check_bucket(bucket: &str) -> Result<(), &'static str> {
    match bucket {
        "" => Err("is empty"),
        "." | ".." => Err("is no name of a bucket"),
        _ => check_name(bucket),
    }
}

fn check_name(text: &str) -> Result<(), &'static str> {
    let is_accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > 255 {
        return Err("must have from 1 to 255 characters");
    }
    if !text.bytes().all(is_accepted) {
        return Err("may have only letters, digits, `.`, `-` and `_`");
    }
    Ok(())
}

setters!(S3Config {
    /// Sets the directory of the bucket that becomes the root.
    with_prefix(prefix: impl Into<String>) => prefix.into();
    /// Sets the region.
    with_region(region: impl Into<String>) => Some(region.into());
    /// Sets the address of the service.
    with_endpoint(endpoint: impl Into<String>) => Some(endpoint.into());
    /// Sets whether the bucket is in the path of URLs.
    with_path_style(path_style: bool) => Some(path_style);
    /// Sets whether plain HTTP to another machine is allowed.
    with_allow_http(allow_http: bool) => allow_http;
    /// Sets whether requests are sent without credentials.
    with_anonymous(anonymous: bool) => anonymous;
    /// Sets the id of the access key, or its source.
    with_access_key(access_key: impl Into<SecretSource>) => Some(access_key.into());
    /// Sets the secret of the access key, or its source.
    with_secret_key(secret_key: impl Into<SecretSource>) => Some(secret_key.into());
    /// Sets the token of temporary credentials, or its source.
    with_session_token(session_token: impl Into<SecretSource>) => Some(session_token.into());
    /// Sets the profile.
    with_profile(profile: impl Into<String>) => Some(profile.into());
    /// Sets how the store is used.
    with_options(options: ObjectStoreOptions) => options;
});

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An endpoint that is not valid may hold a password by mistake.
        let is_shown = |text: &&String| address::parse(text).is_ok();
        f.debug_struct("S3Config")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("region", &self.region)
            .field(
                "endpoint",
                &self.endpoint.as_ref().map(|text| if is_shown(&text) { text } else { "***" }),
            )
            .field("path_style", &self.path_style)
            .field("allow_http", &self.allow_http)
            .field("anonymous", &self.anonymous)
            .field("access_key", &self.access_key)
            .field("secret_key", &self.secret_key)
            .field("session_token", &self.session_token)
            .field("profile", &self.profile)
            .field("options", &self.options)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::ErrorKind;

    #[test]
    fn a_wrong_field_is_named_and_no_secret_is_shown() {
        let new = || S3Config::new("photos");
        new().check().unwrap();
        for (field, config) in [
            ("bucket", S3Config::new("")),
            ("bucket", S3Config::new("..")),
            ("bucket", S3Config::new("a/b")),
            ("bucket", S3Config::new("a?b")),
            ("endpoint", new().with_endpoint("ftp://host")),
            ("endpoint", new().with_endpoint("https://key:s3cret@host")),
            ("endpoint", new().with_endpoint("http://example.com")),
            ("region", new().with_region("a b")),
            ("access_key", new().with_access_key("s3cret")),
            ("session_token", new().with_session_token("s3cret")),
            ("anonymous", new().with_anonymous(true).with_profile("p")),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().unwrap().starts_with(&format!("`{field}`")), "{error}");
            assert!(!format!("{error} {config:?}").contains("s3cret"), "{error} {config:?}");
        }
        new().with_endpoint("http://example.com").with_allow_http(true).check().unwrap();
        new().with_endpoint("http://[::1]:9000").check().unwrap();
    }
}
