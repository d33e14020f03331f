//! Which scheme is opened by whom: the one place that knows the backends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use futures::future::BoxFuture;

#[cfg(feature = "git")]
use super::git;
#[cfg(feature = "openai")]
use super::openai;
use super::{BackendUri, file, parse};
use crate::{AsyncFileBackend, Error, MemoryFileBackend, Result};

type Opened = Result<Arc<dyn AsyncFileBackend>>;
type Handler = Arc<dyn Fn(BackendUri) -> BoxFuture<'static, Opened> + Send + Sync>;

/// Opens backends by URI, each scheme with its own handler.
///
/// Clones share their handlers. Most programs need none of their own: [`resolve_backend`] and [`register_backend`] work on one
/// for the whole process.
///
/// # Examples
///
/// A scheme of one's own, here `scratch://name?quota=…`:
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
    /// A factory that knows every backend of this build.
    #[must_use]
    pub fn new() -> Self {
        let factory = Self::empty();
        factory.insert("file".to_owned(), boxed(file::open));
        factory.insert("memory".to_owned(), boxed(open_memory));
        #[cfg(feature = "git")]
        for scheme in ["git", "git+file", "git+http", "git+https", "git+ssh"] {
            factory.insert(scheme.to_owned(), boxed(git::open));
        }
        #[cfg(feature = "openai")]
        factory.insert("openai+vector".to_owned(), boxed(openai::open));
        factory
    }

    /// A factory that knows no scheme yet.
    #[must_use]
    pub fn empty() -> Self {
        Self { handlers: Arc::default() }
    }

    /// Opens URIs of `scheme` with `handler` from now on; an earlier handler of the scheme is replaced.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if no URI can have this scheme.
    pub fn register<H, F>(&self, scheme: &str, handler: H) -> Result<()>
    where
        H: Fn(BackendUri) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Arc<dyn AsyncFileBackend>>> + Send + 'static,
    {
        let scheme = parse::check_scheme(scheme)
            .map_err(|error| error.with_operation("register").with_path(scheme))?;
        self.insert(scheme, boxed(handler));
        Ok(())
    }

    /// Opens the backend that `uri` names.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if it is malformed, of a scheme that is not registered, or has parameters that the
    /// handler does not know; otherwise what keeps the backend from being opened. Passwords and the like are not in the error.
    pub async fn resolve(&self, uri: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        let resolving = |error: Error| error.with_operation("resolve");
        let uri = parse::parse(uri).map_err(resolving)?;
        let shown = uri.to_string();
        let opened = self.handler(&uri).map_err(resolving)?(uri).await;
        opened.map_err(|error| resolving(error).with_path(shown))
    }

    /// Takes a URI apart without opening anything. It may be of any scheme, registered or not.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri) if it is malformed.
    pub fn parse_uri(&self, uri: &str) -> Result<BackendUri> {
        uri.parse()
    }

    /// The schemes that are registered, sorted.
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

    /// The handler of a URI. The lock is not held while it runs, so it may register others.
    fn handler(&self, uri: &BackendUri) -> Result<Handler> {
        let handlers = self.handlers.read();
        let handlers = handlers.unwrap_or_else(PoisonError::into_inner);
        handlers.get(uri.scheme()).cloned().ok_or_else(|| {
            let known: Vec<_> = handlers.keys().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "none is registered".to_owned(),
                known => format!("known are {}", known.join(", ")),
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
    // Those who think of `file:///` write three slashes, and those who think of directories one at the end.
    match uri.location().trim_matches('/') {
        "" => Err(uri.invalid("a name is needed, as in `memory://name`")),
        name => Ok(Arc::new(MemoryFileBackend::named(name))),
    }
}

static GLOBAL: LazyLock<BackendFactory> = LazyLock::new(BackendFactory::new);

/// Opens the backend that `uri` names, with the handlers of the whole process.
///
/// | URI | backend |
/// | --- | --- |
/// | `file:///abs/dir`, `file://rel/dir` | a directory; `create_root=false` if it must exist, `durability=synced` |
/// | `memory://name` | a store in memory, shared by name within the process |
/// | `git+https://host/org/repo@branch?path=…` | a working tree of git, see below (feature `git`) |
/// | `openai+vector://vs_123?cache_ttl=5` | an OpenAI vector store, see below (feature `openai`) |
///
/// The schemes of git are `git+https`, `git+ssh`, `git+file`, `git` and, with `allow_http=true`, `git+http`. The branch follows the last
/// `@` of the path and is `main` if there is none; an `@` of the repository's or branch's own is written `%40`. Parameters are `path`,
/// the directory of the working tree, which is required; `username`, `password` (maybe `env:NAME` or `file:/path`), `ssh_key`,
/// `known_hosts`, and the fields of `GitConfig` of these names: `author_name`, `author_email`, `auto_pull`, `auto_push`,
/// `max_staleness`, `history_times`.
///
/// The parameters of `openai+vector` are fields of `OpenAIConfig`: `api_key` (the key, `env:NAME` or `file:/path`; `env:OPENAI_API_KEY` if
/// there is none), `base_url`, `allow_http`, `organization`, `project`, `purpose`, `cache_ttl`, `encoding`, `read`, `retries`,
/// `concurrency` and `send_beta_header`.
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
/// # Ok(())
/// # }
/// ```
pub async fn resolve_backend(uri: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.resolve(uri).await
}

/// Opens URIs of `scheme` with `handler` from now on, in the whole process. See [`BackendFactory::register`].
///
/// # Errors
///
/// [`InvalidUri`](crate::ErrorKind::InvalidUri) if no URI can have this scheme.
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

/// Takes a URI apart without opening anything. It may be of any scheme.
///
/// # Errors
///
/// [`InvalidUri`](crate::ErrorKind::InvalidUri) if it is malformed.
pub fn parse_uri(uri: &str) -> Result<BackendUri> {
    uri.parse()
}
