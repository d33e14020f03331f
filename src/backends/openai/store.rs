//! What every verb works with: the client, what is known of the vector store, and the turns of writers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};

use super::api::Client;
use super::attributes::{Entry, Kind};
use super::claims::Turns;
use super::config::OpenAIConfig;
use super::index::{Entries, Hidden, Index};
use crate::tree::{Node, path_of};
use crate::{ErrorKind, Etag, FileInfo, FilePath, FileType, Result, offload};

/// The shortest time that a finished write waits for the removal of what it replaced. With a total time limit above the default, it
/// waits for a sixtieth of that limit.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Store {
    pub(super) config: OpenAIConfig,
    pub(super) client: Client,
    pub(super) index: Arc<Index>,
    pub(super) turns: Arc<Turns>,
    /// Whether the service has refused to give a file back.
    pub(super) is_download_forbidden: AtomicBool,
}

impl Store {
    pub(super) async fn open(config: OpenAIConfig) -> Result<Arc<Self>> {
        let key = config.read_api_key().await?;
        config.check(Some(&key))?;
        let url = config.base_url.trim_end_matches('/');
        let turns = Turns::of(&format!("{url} {}", config.vector_store_id));
        let client = {
            let (config, attached) = (config.clone(), Arc::clone(&turns.attached));
            // It reads the certificates of the system.
            offload::run(move || Client::new(&config, key, attached)).await?
        };
        Ok(Arc::new(Self {
            index: Index::new(client.clone(), config.cache_ttl, Arc::clone(&turns)),
            turns,
            is_download_forbidden: AtomicBool::new(false),
            client,
            config,
        }))
    }

    /// What the names of all uploads for this vector store hold.
    pub(super) fn store_tag(&self) -> String {
        let hash = blake3::hash(self.config.vector_store_id.as_bytes());
        format!("f9-{}", &hash.to_hex()[..8])
    }

    /// What the name of one upload holds, so that it can be told from all others.
    pub(super) fn upload_tag(&self) -> Result<String> {
        let mut random = [0_u8; 8];
        retry_on_intr(|| getrandom(&mut random, GetRandomFlags::empty()))?;
        Ok(format!("{}-{}", self.store_tag(), hex::encode(random)))
    }

    /// What is known of what is at `path`.
    pub(super) fn info(&self, path: &FilePath) -> Result<FileInfo> {
        self.index.read(|entries| info_at(entries, path))
    }

    /// A directory or a file that is new, or a new version of `old`.
    ///
    /// Its generation is the time in microseconds, so that it is also newer than a version that another process has written and this one does
    /// not know of; and greater than that of `old`, whatever the clocks say.
    pub(super) fn new_entry(id: String, kind: Kind, old: Option<&Entry>) -> Entry {
        let now = SystemTime::now();
        Entry {
            id,
            kind,
            generation: old.map_or(1, |old| old.generation + 1).max(micros(now)),
            created_at: old.map_or(now, |old| old.created_at),
            modified_at: now,
            attached_at: 0,
        }
    }

    /// Does much, some of it at a time; what comes of it is in no order.
    pub(super) fn side_by_side<'a, T: Send + 'a>(
        &self,
        work: impl Iterator<Item = BoxFuture<'a, T>> + Send + 'a,
    ) -> impl Stream<Item = T> + Send + 'a {
        stream::iter(work).buffer_unordered(self.config.concurrency)
    }

    /// Removes an entry and its file, and tells whether it was there.
    pub(super) async fn discard(&self, path: &FilePath, id: &str) -> Result<bool> {
        // In this order: a file that is deleted first leaves its traces in the vector store.
        let was_there = self.index.detach(path, id).await?;
        self.client.delete_file(id).await?;
        Ok(was_there)
    }

    /// Removes what has become superfluous, as far as that goes within a moment: what is left is found by a repair.
    pub(super) async fn tidy(&self, path: &FilePath, id: &str) {
        self.briefly(self.discard(path, id)).await;
    }

    /// Removes an upload that could not be attached, as far as that goes within a moment. It may be attached all the same, where the answer
    /// was lost; what cannot be removed either is garbage that a repair finds, or a whole new version.
    pub(super) async fn withdraw(&self, path: &FilePath, id: &str) {
        let withdrawn = async {
            match self.index.detach(path, id).await {
                // Nothing is attached to a vector store that is gone.
                Err(error) if error.kind() != ErrorKind::RootGone => Err(error),
                _ => self.client.delete_file(id).await,
            }
        };
        self.briefly(withdrawn).await;
    }

    /// Waits for a removal, but not for long.
    async fn briefly<T>(&self, removal: impl Future<Output = Result<T>>) {
        let patience = PATIENCE.max(self.config.timeouts.total / 60);
        drop(tokio::time::timeout(patience, removal).await);
    }

    /// Removes older versions at and below `path`, which would be seen again once the newest is gone; with `all` also files that what is
    /// seen there stands in the way of.
    pub(super) async fn discard_hidden(&self, path: &FilePath, all: bool) -> Result<()> {
        let hidden = self.index.hidden().into_iter();
        for Hidden { path, entry, .. } in
            hidden.filter(|hidden| hidden.path.starts_with(path) && (all || !hidden.is_shadowed))
        {
            self.discard(&path, &entry.id).await?;
        }
        Ok(())
    }
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

pub(super) fn info_at(entries: &Entries, path: &FilePath) -> Result<FileInfo> {
    if path.is_root() {
        return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
    }
    Ok(info_of(path, entries.found(path)?))
}

/// What [`info`](crate::AsyncFileBackend::info_with) and listings tell.
pub(super) fn info_of(key: &str, node: &Node<Option<Entry>, Entry>) -> FileInfo {
    match node {
        Node::File(entry) => info_of_entry(path_of(key), entry),
        Node::Directory(Some(entry)) => info_of_entry(path_of(key), entry),
        Node::Directory(None) => FileInfo::new(path_of(key), FileType::Directory),
    }
}

pub(super) fn info_of_entry(path: FilePath, entry: &Entry) -> FileInfo {
    let file_type = if entry.is_dir() { FileType::Directory } else { FileType::File };
    let mut info = FileInfo::new(path, file_type);
    info.created_at = Some(entry.created_at);
    info.modified_at = Some(entry.modified_at);
    if let Some(file) = entry.file() {
        info.size = Some(file.size);
        info.etag = Some(Etag::new(&*entry.id));
    }
    info.metadata.insert("file_id".to_owned(), entry.id.clone());
    info
}

/// The entry that stands for what is at `path`, if one does.
pub(super) fn entry_at<'a>(entries: &'a Entries, path: &FilePath) -> Option<&'a Entry> {
    entries.file(path).or_else(|| entries.directory(path)?.as_ref())
}

/// The entry at `path`, which must be a file.
pub(super) fn file_at(entries: &Entries, path: &FilePath) -> Result<Entry> {
    entries.existing(path).cloned()
}
