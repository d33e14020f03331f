//! The state that all operations share: the client, the cached tree and the locks.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};

use super::api::{Client, StoredFile};
use super::attributes::{Entry, Kind};
use super::config::OpenAIConfig;
use super::error::not_of_the_path;
use super::index::{Hidden, Index};
use super::recent_writes::RecentWrites;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::core::registry::Registry;
use crate::sys::lock::{PathLocks, SessionLock};
use crate::sys::pool;

/// How long a finished write waits for the removal of the old version. With a total timeout above the default, it waits for a
/// sixtieth of that timeout.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Clones are cheap and share everything.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) config: Arc<OpenAIConfig>,
    pub(super) client: Client,
    pub(super) index: Arc<Index>,
    pub(super) shared: Arc<Shared>,
    /// Whether the service has refused a download.
    pub(super) is_download_forbidden: Arc<AtomicBool>,
}

/// State that the handles of this process for one vector store share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) session: Arc<SessionLock>,
    pub(super) path_locks: Arc<PathLocks>,
    pub(super) recent_writes: Arc<RecentWrites>,
    pub(super) kept_attributes: Mutex<KeptAttributes>,
}

/// Which attributes the service keeps, as far as the writes of this process have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeptAttributes {
    #[default]
    Unknown,
    All,
    /// It has dropped numbers and booleans.
    OnlyText,
}

impl Shared {
    /// Returns the state for the vector store of this name, which is dropped with its last handle.
    pub(super) fn of(store: &str) -> Arc<Self> {
        static STORES: Registry<String, Shared> = Registry::new();
        STORES.get(store.to_owned())
    }
}

impl Store {
    pub(super) async fn open(config: OpenAIConfig) -> Result<Self> {
        let key = config.read_api_key().await?;
        config.check(Some(&key))?;
        let url = config.base_url.trim_end_matches('/');
        let shared = Shared::of(&format!("{url} {}", config.vector_store_id));
        let config = Arc::new(config);
        let (settings, recent_writes) = (Arc::clone(&config), Arc::clone(&shared.recent_writes));
        // It reads the system's certificates.
        let client = pool::run(move || Client::new(&settings, key, recent_writes)).await?;
        let recent_writes = Arc::clone(&shared.recent_writes);
        let index = Index::new(client.clone(), config.cache_ttl, recent_writes);
        Ok(Self { config, client, index, shared, is_download_forbidden: Arc::default() })
    }

    /// Returns the common part of the names of all uploads for this vector store.
    pub(super) fn store_tag(&self) -> String {
        let hash = blake3::hash(self.config.vector_store_id.as_bytes());
        format!("f9-{}", &hash.to_hex()[..8])
    }

    /// Returns the entry of a new directory or file that was uploaded as `file`, or of a new version of `old`.
    ///
    /// Its generation is the time in microseconds, so that it is newer than an unknown version of another process, and at least one
    /// more than that of `old`, even if the clocks differ.
    pub(super) fn new_entry(file: StoredFile, kind: Kind, old: Option<&Entry>) -> Entry {
        let now = SystemTime::now();
        let micros = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let next = old.map_or(1, |old| old.generation.saturating_add(1));
        let expires_at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Entry {
            id: file.id,
            kind,
            generation: next.max(u64::try_from(micros).unwrap_or_default()),
            created_at: old.map_or(now, |old| old.created_at),
            modified_at: now,
            attached_at: 0,
            expires_at: file.expires_at.and_then(expires_at),
        }
    }

    /// Runs the futures with bounded concurrency and yields results in completion order.
    pub(super) fn concurrently<'a, T: Send + 'a>(
        &self,
        futures: impl Iterator<Item = BoxFuture<'a, T>> + Send + 'a,
    ) -> impl Stream<Item = T> + Send + 'a {
        stream::iter(futures).buffer_unordered(self.config.concurrency)
    }

    /// Removes an entry that is not visible, and its file. To remove it again does no harm.
    pub(super) async fn remove_entry(&self, path: &FilePath, id: &str) -> Result<()> {
        let removed = async {
            // In this order, because the vector store keeps traces of a file that is deleted first.
            self.index.detach(path, id).await?;
            self.client.delete_file(id).await
        };
        removed.await.map_err(Error::without_unknown_outcome)
    }

    /// Removes an old version, for a limited time. A repair finds it if that fails.
    pub(super) async fn remove_old_version(&self, path: &FilePath, id: &str) {
        self.with_cleanup_timeout(self.remove_entry(path, id)).await;
    }

    /// Removes an upload that could not be attached, for a limited time. It may be attached nevertheless if the response was lost.
    /// If it cannot be removed, it is a leftover for a repair or a complete new version. Returns the error of the attachment, whose outcome
    /// is known if the upload is gone.
    pub(super) async fn undo_upload(&self, path: &FilePath, id: &str, error: Error) -> Error {
        let removal = async {
            match self.index.detach(path, id).await {
                // Nothing is attached to a vector store that is gone.
                Err(error) if error.kind() != ErrorKind::RootGone => Err(error),
                _ => self.client.delete_file(id).await,
            }
        };
        let is_gone = self.with_cleanup_timeout(removal).await;
        not_of_the_path(if is_gone { error.without_unknown_outcome() } else { error })
    }

    /// Waits for a removal, for a limited time, and returns whether it succeeded.
    async fn with_cleanup_timeout(&self, removal: impl Future<Output = Result<()>>) -> bool {
        let timeout = CLEANUP_TIMEOUT.max(self.config.timeouts.total / 60);
        matches!(tokio::time::timeout(timeout, removal).await, Ok(Ok(())))
    }

    /// Removes older versions at and below `path`, which would become visible once the newest is gone; with `all` also files that a
    /// directory hides. Damaged versions that may be newer stay, and so do entries without an id, which cannot be removed.
    pub(super) async fn remove_hidden(&self, path: &FilePath, all: bool) -> Result<()> {
        let hidden = self.index.hidden().into_iter();
        for Hidden { path, entry, .. } in
            hidden.filter(|hidden| hidden.path.starts_with(path) && (all || !hidden.is_shadowed))
        {
            let may_be_newer = self.index.read(|entries| {
                entries.file(&path).is_some_and(|visible| entry.may_be_newer(visible))
            });
            if !may_be_newer && !entry.id.is_empty() {
                self.remove_entry(&path, &entry.id).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_one_store_share_state_and_others_do_not() {
        let one = Shared::of("http://a/v1 vs_1");
        assert!(Arc::ptr_eq(&one, &Shared::of("http://a/v1 vs_1")));
        assert!(!Arc::ptr_eq(&one, &Shared::of("http://a/v1 vs_2")));
        let weak = Arc::downgrade(&one);
        drop(one);
        assert!(weak.upgrade().is_none());
    }
}
