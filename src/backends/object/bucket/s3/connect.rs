//! Connects to a bucket.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqsign_aws_v4::{
    Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider,
};
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::{Context, OsEnv, ProvideCredential, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use reqsign_http_send_reqwest::ReqwestHttpSend;
use reqwest::Url;
use tokio::sync::Semaphore;

use super::S3;
use super::client::Client;
use super::failure::error;
use crate::backends::object::bucket::{Abilities, Honoured};
use crate::backends::object::config::{ObjectStoreOptions, S3Config, check_endpoint};
use crate::core::error::{ErrorKind, Result};
use crate::core::secret::{Secret, SecretSource};
use crate::net::address::is_this_machine;
use crate::net::resolve::SystemResolver;
use crate::net::retry::Backoff;
use crate::sys::pool;

/// Shorter than the idle timeout of common proxies.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// For the services that give credentials to a machine. Where there are none, nobody answers.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

const DEFAULT_REGION: &str = "us-east-1";

/// What S3 can do; some services of its kind less.
const ABILITIES: Abilities = Abilities {
    put: Honoured::ALL,
    finish: Honoured::ALL,
    copy: Honoured::ALL,
    delete_etag: true,
    versions: true,
    attributes: true,
    presign: true,
    resumable: true,
    deep_listing: true,
};

impl S3 {
    /// Reads the credentials and makes a client. Sends nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with the name of the field; `UntrustedServer` if the certificates of the system cannot be loaded.
    pub(in crate::backends::object) async fn connect(config: &S3Config) -> Result<Self> {
        config.check()?;
        let env = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        let region = config.region.clone();
        let region = region.or_else(|| env(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let endpoint = config.endpoint.clone();
        let endpoint = endpoint.or_else(|| env(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
        let base = base(config, endpoint.as_deref(), &region)?;
        let url = base.parse::<Url>().map_err(|_| error(ErrorKind::InvalidInput, "`endpoint`"))?;
        let options = config.options.clone();
        let (http_url, http_options) = (url.clone(), options.clone());
        // It reads the certificates of the system.
        let http = pool::run(move || http(&http_url, &http_options)).await?;
        let signer = match config.anonymous {
            true => None,
            false => Some(signer(config, &region, &http).await?),
        };
        let client = Client {
            http,
            signer,
            host: url.authority().to_owned(),
            base: base.clone(),
            timeouts: options.timeouts,
            backoff: Backoff { max_retries: options.retries, first: options.retry_delay },
            slots: Semaphore::new(options.requests),
            requests: AtomicU64::new(0),
            // Over TLS nobody can change them on the way.
            hashes_bodies: url.scheme() == "http",
        };
        Ok(Self {
            client: Arc::new(client),
            identity: format!("s3:{base}"),
            bucket: config.bucket.clone(),
            abilities: ABILITIES,
            sends_checksums: options.checksums,
        })
    }
}

/// Returns the address of the bucket.
fn base(config: &S3Config, endpoint: Option<&str>, region: &str) -> Result<String> {
    let bucket = &config.bucket;
    // A certificate for all buckets does not hold for a name with a dot.
    let path_style = config.path_style.unwrap_or(endpoint.is_some() || bucket.contains('.'));
    let Some(endpoint) = endpoint else {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        return Ok(match path_style {
            true => format!("https://s3.{region}.{suffix}/{bucket}"),
            false => format!("https://{bucket}.s3.{region}.{suffix}"),
        });
    };
    let url = check_endpoint(endpoint, config.allow_http)?;
    let path = url.path().trim_end_matches('/');
    Ok(match path_style {
        true => format!("{}://{}{path}/{bucket}", url.scheme(), url.authority()),
        false => format!("{}://{bucket}.{}{path}", url.scheme(), url.authority()),
    })
}

async fn signer(
    config: &S3Config,
    region: &str,
    http: &reqwest::Client,
) -> Result<Signer<Credential>> {
    let context = Context::new()
        .with_file_read(TokioFileRead)
        .with_http_send(ReqwestHttpSend::new(http.clone()))
        .with_command_execute(TokioCommandExecute)
        .with_env(OsEnv);
    let request = RequestSigner::new("s3", region);
    let (Some(access_key), Some(secret_key)) = (&config.access_key, &config.secret_key) else {
        let mut provider = DefaultCredentialProvider::builder();
        if let Some(profile) = &config.profile {
            provider = provider.with_profile(profile);
        }
        return Ok(Signer::new(context, Bounded(provider.build()), request));
    };
    let access_key = secret("access_key", access_key).await?;
    let secret_key = secret("secret_key", secret_key).await?;
    let mut provider = StaticCredentialProvider::new(access_key.expose(), secret_key.expose());
    if let Some(token) = &config.session_token {
        let token = secret("session_token", token).await?;
        provider = provider.with_session_token(token.expose());
    }
    Ok(Signer::new(context, provider, request))
}

/// Gives up when nobody answers.
#[derive(Debug)]
struct Bounded(DefaultCredentialProvider);

impl ProvideCredential for Bounded {
    type Credential = Credential;

    async fn provide_credential(
        &self,
        context: &Context,
    ) -> reqsign_core::Result<Option<Credential>> {
        let provided = self.0.provide_credential(context);
        tokio::time::timeout(CREDENTIALS_TIMEOUT, provided).await.unwrap_or(Ok(None))
    }
}

/// Reads a secret from its source.
async fn secret(field: &str, source: &SecretSource) -> Result<Secret> {
    let source = source.clone();
    // The file may be on a network or a FIFO, so reading may block.
    let read = pool::run(move || source.resolve()).await;
    read.map_err(|cause| {
        let reason = cause.message().unwrap_or("the secret cannot be read").to_owned();
        error(ErrorKind::InvalidInput, format!("`{field}`: {reason}")).with_source(cause)
    })
}

fn http(url: &Url, options: &ObjectStoreOptions) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("f9/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(SystemResolver)
        .connect_timeout(options.timeouts.connect)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(options.requests)
        .tcp_nodelay(true)
        .http1_only()
        // A redirect leads to another host, for which the signature does not hold.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never());
    if is_this_machine(url) {
        builder = builder.no_proxy();
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
    }
    builder
        .build()
        .map_err(|cause| error(ErrorKind::UntrustedServer, format!("cannot set up TLS: {cause}")))
}
