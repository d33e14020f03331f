//! The handlers of the schemes. This is the only place that knows all backends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use futures::future::BoxFuture;

#[cfg(feature = "git")]
use super::git;
#[cfg(feature = "object-store")]
use super::object;
#[cfg(feature = "openai")]
use super::openai;
use super::{BackendUri, file, parse};
use crate::backend::AsyncFileBackend;
use crate::backends::memory::MemoryFileBackend;
use crate::core::error::{Error, Result};

type Opened = Result<Arc<dyn AsyncFileBackend>>;
type Handler = Arc<dyn Fn(BackendUri) -> BoxFuture<'static, Opened> + Send + Sync>;

/// Opens backends by URI. Each scheme has its own handler.
///
/// Clones share their handlers. Most programs use [`resolve_backend`] and [`register_backend`], which work on one factory for the whole
/// process.
///
/// # Examples
///
/// A custom scheme, here `scratch://name?quota=…`:
///
/// ```
/// use std::sync::Arc;
/// use f9::{AsyncFileBackend, BackendFactory, BackendUri, MemoryFileBackend};
///
/// async fn open(uri: BackendUri) -> f9::Result<Arc<dyn AsyncFileBackend>> {
///     let mut parameters = uri.parameters();
///     let _quota: Option<u64> = parameters.parse("quota", "a number of bytes")?;
///     parameters.finish()?;
///     Ok(Arc::new(MemoryFileBackend::new()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let factory = BackendFactory::new();
/// factory.register("scratch", open)?;
/// assert!(factory.schemes().contains(&"scratch".to_owned()));
/// let backend = factory.resolve("scratch://tmp?quota=1000").await?;
/// # let _ = backend;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackendFactory {
    handlers: Arc<RwLock<BTreeMap<String, Handler>>>,
}

impl BackendFactory {
    /// Creates a factory with all backends of this build.
    #[must_use]
    pub fn new() -> Self {
        let factory = Self::empty();
        factory.insert("file".to_owned(), boxed(file::open));
        factory.insert("memory".to_owned(), boxed(open_memory));
        #[cfg(feature = "git")]
        for scheme in ["git", "git+file", "git+http", "git+https", "git+ssh"] {
            factory.insert(scheme.to_owned(), boxed(git::open));
        }
        #[cfg(feature = "object-store")]
        factory.insert("s3".to_owned(), boxed(object::open));
        #[cfg(feature = "openai")]
        factory.insert("openai+vector".to_owned(), boxed(openai::open));
        factory
    }

    /// Creates a factory without schemes.
    #[must_use]
    pub fn empty() -> Self {
        Self { handlers: Arc::default() }
    }

    /// Registers the handler of a scheme. Replaces an earlier handler of the same scheme.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if `scheme` is not a valid scheme.
    pub fn register<H, F>(&self, scheme: &str, handler: H) -> Result<()>
    where
        H: Fn(BackendUri) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Arc<dyn AsyncFileBackend>>> + Send + 'static,
    {
        let scheme = parse::check_scheme(scheme)
            .map_err(|error| error.with_operation("register").with_subject(scheme))?;
        self.insert(scheme, boxed(handler));
        Ok(())
    }

    /// Opens the backend that `uri` names.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if the URI is malformed, its scheme is not registered, or the handler does not know
    /// one of its parameters; any failure to open the backend. The error contains no secrets.
    pub async fn resolve(&self, uri: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        let resolving = |error: Error| error.with_operation("resolve");
        let uri = parse::parse(uri).map_err(resolving)?;
        let shown = uri.to_string();
        let opened = self.handler(&uri).map_err(resolving)?(uri).await;
        opened.map_err(|error| resolving(error).with_subject(shown))
    }

    /// Parses a URI of any scheme, registered or not, without opening it.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if the URI is malformed.
    pub fn parse_uri(&self, uri: &str) -> Result<BackendUri> {
        uri.parse()
    }

    /// Returns the registered schemes, sorted.
    #[must_use]
    pub fn schemes(&self) -> Vec<String> {
        let handlers = self.handlers.read();
        let handlers = handlers.unwrap_or_else(PoisonError::into_inner);
        handlers.keys().cloned().collect()
    }

    fn insert(&self, scheme: String, handler: Handler) {
        let handlers = self.handlers.write();
        let mut handlers = handlers.unwrap_or_else(PoisonError::into_inner);
        handlers.insert(scheme, handler);
    }

    /// Returns the handler of a URI. The lock is released before the handler runs, so a handler may register others.
    fn handler(&self, uri: &BackendUri) -> Result<Handler> {
        let handlers = self.handlers.read();
        let handlers = handlers.unwrap_or_else(PoisonError::into_inner);
        handlers.get(uri.scheme()).cloned().ok_or_else(|| {
            let known: Vec<_> = handlers.keys().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "no scheme is registered".to_owned(),
                known => format!("expected one of {}", known.join(", ")),
            };
            uri.invalid(format!("unknown scheme `{}`; {known}", uri.scheme()))
        })
    }
}

impl Default for BackendFactory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BackendFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendFactory").field("schemes", &self.schemes()).finish()
    }
}

fn boxed<H, F>(handler: H) -> Handler
where
    H: Fn(BackendUri) -> F + Send + Sync + 'static,
    F: Future<Output = Opened> + Send + 'static,
{
    Arc::new(move |uri| Box::pin(handler(uri)))
}

async fn open_memory(uri: BackendUri) -> Opened {
    uri.parameters().finish()?;
    // Accepts the slashes of `memory:///name` and `memory://name/`.
    match uri.location().trim_matches('/') {
        "" => Err(uri.invalid("the name is missing; write `memory://name`")),
        name => Ok(Arc::new(MemoryFileBackend::named(name))),
    }
}

static GLOBAL: LazyLock<BackendFactory> = LazyLock::new(BackendFactory::new);

/// Opens the backend that `uri` names, with the handlers of the process.
///
/// | URI | backend |
/// | --- | --- |
/// | `file:///abs/dir`, `file://rel/dir` | a directory |
/// | `memory://name` | memory, shared by name within the process |
/// | `git+https://host/org/repo@branch?path=…`, `git@host:org/repo.git@branch` | a git working tree (feature `git`) |
/// | `openai+vector://vs_123?cache_ttl=5` | an OpenAI vector store (feature `openai`) |
/// | `s3://bucket/prefix?region=…&endpoint=…` | a bucket of S3 or of a service with the same interface (feature `object-store`) |
///
/// Paths and parameters are percent-decoded. A fragment (`#`) and a parameter that is unknown or repeated are errors. The result has
/// the verbs of every backend; [`as_sync`](AsyncFileBackend::as_sync) returns `push`, `pull` and the conflicts of a backend that has a
/// remote.
///
/// # Parameters of `file`
///
/// `create_root=false` fails if the directory does not exist, `durability=synced` makes writes survive a power loss, and `sweep=false`
/// leaves temporary files of dead processes in place.
///
/// # Parameters of git
///
/// The schemes are `git+https`, `git+ssh`, `git+file`, `git` and, with `allow_http=true`, `git+http`. The branch follows the last `@`
/// of the path, and is `main` without one. Write an `@` in the name of the repository or branch as `%40`. `path` is the directory of the
/// working tree. Without it, the working tree is in `$XDG_CACHE_HOME/f9/git/`, or in `~/.cache/f9/git/`, in a directory named by a hash of
/// the remote and the branch. Also optional are `username`, `password` (may be `env:NAME` or `file:/path`), `ssh_key`, `known_hosts`, and
/// the fields `author_name`, `author_email`, `auto_pull`, `auto_push`, `max_staleness`, `on_unreachable` and `history_times` of `GitConfig`.
///
/// `user@host:path`, as in `git@host:org/repo.git@branch`, is a `git+ssh` URI with a path that is relative to the user's home. User and host
/// consist of letters, digits, `.`, `-` and `_`. A branch can only follow `.git`, because other text before an `@` may be a password.
///
/// # Parameters of `openai+vector`
///
/// All are fields of `OpenAIConfig`: `api_key` (the key, `env:NAME` or `file:/path`; `env:OPENAI_API_KEY` by default), `base_url`,
/// `allow_http`, `organization`, `project`, `purpose`, `cache_ttl`, `encoding`, `read`, `retries`, `concurrency`, `send_beta_header`.
///
/// # Parameters of `s3`
///
/// All are fields of `S3Config` and `ObjectStoreOptions`: `region`, `endpoint`, `path_style`, `allow_http`, `anonymous`, `access_key`,
/// `secret_key`, `session_token` (the value, `env:NAME` or `file:/path`), `profile`, `part_size`, `parts`, `requests`, `retries`,
/// `retry_delay`, `conditions`, `checksums`, `directory_ttl`, `session_ttl`.
///
/// # Errors
///
/// Those of [`BackendFactory::resolve`].
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let notes = f9::resolve_backend("memory://notes").await?;
/// notes.create("a.txt", "hello").await?;
/// let again = f9::resolve_backend("memory://notes").await?;
/// assert_eq!(again.read("a.txt").await?, "hello");
/// if let Some(remote) = again.as_sync() {
///     remote.pull().await?;
/// }
/// # Ok(())
/// # }
/// ```
pub async fn resolve_backend(uri: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.resolve(uri).await
}

/// Registers the handler of a scheme for the whole process. See [`BackendFactory::register`].
///
/// # Errors
///
/// [`InvalidUri`](crate::ErrorKind::InvalidUri) if `scheme` is not a valid scheme.
///
/// # Examples
///
/// ```
/// # use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// f9::register_backend("scratch", |_uri| async {
///     Ok(std::sync::Arc::new(f9::MemoryFileBackend::new()) as _)
/// })?;
/// let backend = f9::resolve_backend("scratch://tmp").await?;
/// backend.create("a.txt", "hello").await?;
/// # Ok(())
/// # }
/// ```
pub fn register_backend<H, F>(scheme: &str, handler: H) -> Result<()>
where
    H: Fn(BackendUri) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Arc<dyn AsyncFileBackend>>> + Send + 'static,
{
    GLOBAL.register(scheme, handler)
}

/// Parses a URI of any scheme without opening it.
///
/// # Errors
///
/// [`InvalidUri`](crate::ErrorKind::InvalidUri) if the URI is malformed.
pub fn parse_uri(uri: &str) -> Result<BackendUri> {
    uri.parse()
}
