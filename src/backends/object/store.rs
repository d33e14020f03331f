//! What all operations share: the bucket, the keys, the locks, and the look-ups by path.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use futures::future::try_join_all;

use super::bucket::{Abilities, Bucket, List, Object};
use super::config::ObjectStoreOptions;
use super::directories::Directories;
use super::keys::Keys;
use super::lease::Lease;
use super::metadata;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::{FileInfo, FileType};
use crate::core::path::FilePath;
use crate::core::registry::Registry;
use crate::sys::lock::{PathLocks, SessionLock};

/// Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) keys: Keys,
    pub(super) options: Arc<ObjectStoreOptions>,
    /// What the service was found to do.
    pub(super) abilities: Abilities,
    pub(super) shared: Arc<Shared>,
    /// The name of the private directory that this handle shows.
    pub(super) view: Option<Arc<str>>,
}

/// State that the handles of this process for one bucket and prefix share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) path_locks: Arc<PathLocks>,
    pub(super) session: Arc<SessionLock>,
    /// What the holder of that lock holds among processes.
    pub(super) lease: Mutex<Weak<Lease>>,
    pub(super) directories: Directories,
    /// The uploads on which a caller of this process works.
    pub(super) busy_uploads: Mutex<BTreeSet<String>>,
}

impl Shared {
    /// Returns the state for the store of this name, which is dropped with its last handle. A store without a name has its own.
    pub(super) fn of(store: Option<String>) -> Arc<Self> {
        static STORES: Registry<String, Shared> = Registry::new();
        store.map_or_else(Arc::default, |store| STORES.get(store))
    }
}

/// What exists at a path.
#[derive(Debug)]
pub(super) enum Found {
    File(Object),
    /// With the object that marks it, if it has one.
    Directory(Option<Object>),
}

impl Store {
    pub(super) fn parse(&self, path: &str) -> Result<FilePath> {
        let parsed = FilePath::parse_in_view(path, self.view.as_deref())?;
        let (bytes, limit) = (parsed.as_str().len(), self.max_path_bytes());
        if bytes > limit {
            let message = format!("the path has {bytes} bytes, at most {limit} are allowed");
            return Err(Error::new(ErrorKind::InvalidPath).with_message(message));
        }
        Ok(parsed)
    }

    pub(super) fn parse_entry(&self, text: &str) -> Result<FilePath> {
        let path = self.parse(text)?;
        path.expect_entry(text)?;
        Ok(path)
    }

    pub(super) fn max_path_bytes(&self) -> usize {
        let key = self.bucket.max_key_bytes().saturating_sub(self.keys.prefix().len());
        key.min(crate::core::path::MAX_PATH_BYTES)
    }

    /// Returns what exists at a path other than the root.
    ///
    /// # Errors
    ///
    /// `NotFound`; `NotADirectory` if a parent is a file.
    pub(super) async fn found(&self, path: &FilePath) -> Result<Found> {
        match self.bucket.head(&self.keys.file(path), None).await {
            Ok(object) => Ok(Found::File(object)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self.directory(path).await? {
                    Some(marker) => Ok(Found::Directory(marker)),
                    None => Err(self.missing(path).await?),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the file at a path.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`.
    pub(super) async fn file(&self, path: &FilePath) -> Result<Object> {
        match self.found(path).await? {
            Found::File(object) => Ok(object),
            Found::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Returns why there is no file at a path where the service has no object.
    pub(super) async fn no_file(&self, path: &FilePath) -> Error {
        match self.found(path).await {
            // It was made in the meantime.
            Ok(Found::File(_)) => ErrorKind::NotFound.into(),
            Ok(Found::Directory(_)) => ErrorKind::IsADirectory.into(),
            Err(error) => error,
        }
    }

    /// Whether there is a directory at a path, and the object that marks it.
    pub(super) async fn directory(&self, path: &FilePath) -> Result<Option<Option<Object>>> {
        let key = self.keys.directory(path);
        let list = List { prefix: key.clone(), max: Some(1), ..List::default() };
        let page = self.bucket.list(list).await?;
        let first = page.objects.into_iter().next();
        Ok(first.map(|object| Some(object).filter(|object| object.key == key)))
    }

    /// Returns why nothing exists at a path.
    async fn missing(&self, path: &FilePath) -> Result<Error> {
        let parents = std::iter::successors(path.parent(), FilePath::parent);
        let parents = parents.filter(|path| !path.is_root());
        let is_below_a_file = self.any_is_file(parents.collect()).await?;
        let kind = if is_below_a_file { ErrorKind::NotADirectory } else { ErrorKind::NotFound };
        Ok(kind.into())
    }

    async fn any_is_file(&self, paths: Vec<FilePath>) -> Result<bool> {
        let looked_up = paths.iter().map(async |path| {
            match self.bucket.head(&self.keys.file(path), None).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        });
        Ok(try_join_all(looked_up).await?.contains(&true))
    }

    /// Checks that a file may be put at a path: it is no directory, and no parent is a file.
    ///
    /// # Errors
    ///
    /// `IsADirectory`, `NotADirectory`.
    pub(super) async fn check_place(&self, path: &FilePath) -> Result<()> {
        let directories = &self.shared.directories;
        if directories.allow(path, self.options.directory_ttl) {
            return Ok(());
        }
        let Some(parent) = path.parent() else { return Ok(()) };
        let moment = directories.moment();
        let prefix = self.keys.directory(&parent);
        let list = List { prefix: prefix.clone(), is_grouped: true, ..List::default() };
        let page = self.bucket.list(list).await?;
        let is_empty = page.objects.is_empty() && page.groups.is_empty();
        if is_empty && !parent.is_root() {
            let parents = std::iter::successors(Some(parent.clone()), FilePath::parent);
            let parents = parents.filter(|path| !path.is_root());
            if self.any_is_file(parents.collect()).await? {
                return Err(ErrorKind::NotADirectory.into());
            }
        }
        if page.next.is_none() {
            let names = page.groups.iter().filter_map(|group| group.strip_prefix(&prefix));
            let names: BTreeSet<_> =
                names.map(|name| name.trim_end_matches('/').to_owned()).collect();
            let is_directory = path.name().is_some_and(|name| names.contains(name));
            directories.learn(parent, moment, names);
            return if is_directory { Err(ErrorKind::IsADirectory.into()) } else { Ok(()) };
        }
        // The directory is too large to be known.
        match self.directory(path).await? {
            Some(_) => Err(ErrorKind::IsADirectory.into()),
            None => Ok(()),
        }
    }

    /// Returns the metadata of what exists at a path.
    pub(super) fn info_of(&self, path: FilePath, found: &Found) -> FileInfo {
        match found {
            Found::File(object) => metadata::info(path, object),
            Found::Directory(marker) => directory_info(path, marker.as_ref()),
        }
    }
}

/// Returns the metadata of a directory.
pub(super) fn directory_info(path: FilePath, marker: Option<&Object>) -> FileInfo {
    let mut info = FileInfo::new(path, FileType::Directory);
    info.modified_at = marker.and_then(|marker| marker.modified_at);
    info
}
