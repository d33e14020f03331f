//! Deletions.

use std::collections::HashMap;

use super::bucket::{List, Object};
use super::metadata;
use super::session::check_lease;
use super::store::{Found, Store};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::{DeleteOptions, Depth};
use crate::core::path::FilePath;
use crate::sys::pool;

use super::write::{ATTEMPTS, contention};

impl Store {
    /// Deletes what is at a path. Runs to its end even if the caller is dropped.
    pub(super) async fn delete(&self, path: &str, options: &DeleteOptions) -> Result<()> {
        let path = self.parse_entry(path)?;
        if options.condition.has_etags() && !self.abilities.put.etag {
            let message = "the service ignores the condition on the etag";
            return Err(Error::new(ErrorKind::Unsupported).with_message(message));
        }
        let (store, options, lease) = (self.clone(), options.clone(), self.held_lease());
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            check_lease(lease.as_deref())?;
            let deleted = store.delete_found(&path, &options).await;
            store.shared.directories.forget(&path);
            deleted
        })
        .await
    }

    async fn delete_found(&self, path: &FilePath, options: &DeleteOptions) -> Result<()> {
        for _ in 0..ATTEMPTS {
            match self.found(path).await? {
                Found::File(object) => {
                    let info = metadata::info(path.clone(), &object);
                    options.condition.check_change(info.etag.as_ref(), info.modified_at)?;
                    // A deletion without a condition removes whatever is there.
                    let is_conditional =
                        !options.condition.is_empty() && self.abilities.delete_etag;
                    let etag = object.etag.as_deref().filter(|_| is_conditional);
                    match self.bucket.delete(&object.key, etag).await {
                        Err(error)
                            if error.kind() == ErrorKind::PreconditionFailed
                                && !error.has_unknown_outcome() => {}
                        deleted => return deleted,
                    }
                }
                Found::Directory(_) => {
                    options.condition.check_change(None, None)?;
                    return self.delete_directory(path, options.depth).await;
                }
            }
        }
        Err(contention())
    }

    async fn delete_directory(&self, path: &FilePath, depth: Depth) -> Result<()> {
        let prefix = self.keys.directory(path);
        if depth == Depth::One {
            let list = List { prefix: prefix.clone(), max: Some(2), ..List::default() };
            let page = self.bucket.list(list).await?;
            if page.objects.iter().any(|object| object.key != prefix) || page.next.is_some() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            return self.bucket.delete(&prefix, None).await;
        }
        self.delete_below(&prefix).await
    }

    /// Deletes all objects whose keys begin with a prefix. If it fails half-way, a further call goes on.
    pub(super) async fn delete_below(&self, prefix: &str) -> Result<()> {
        let mut list = List { prefix: prefix.to_owned(), ..List::default() };
        loop {
            let page = self.bucket.list(list.clone()).await?;
            let keys: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
            let failed = self.bucket.delete_many(keys).await?;
            if let Some((key, error)) = failed.into_iter().next() {
                let path = self.keys.relative(&key).unwrap_or(&key).to_owned();
                return Err(error.with_path(path));
            }
            match page.next {
                Some(token) => list.token = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// Deletes the objects of a directory that were moved. What others made or replaced since stays.
    pub(super) async fn delete_moved(
        &self,
        prefix: &str,
        moved: &HashMap<String, Option<String>>,
    ) -> Result<()> {
        let mut list = List { prefix: prefix.to_owned(), ..List::default() };
        loop {
            let page = self.bucket.list(list.clone()).await?;
            let is_moved =
                |object: &Object| moved.get(&object.key).is_some_and(|etag| *etag == object.etag);
            let keys = page.objects.into_iter().filter(is_moved).map(|object| object.key);
            if let Some((_, error)) =
                self.bucket.delete_many(keys.collect()).await?.into_iter().next()
            {
                return Err(error);
            }
            match page.next {
                Some(token) => list.token = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// Deletes the source of a rename if it is still the object that was copied. Returns whether it was.
    pub(super) async fn delete_copied(&self, key: &str, etag: Option<&str>) -> Result<bool> {
        if self.abilities.delete_etag {
            return match self.bucket.delete(key, etag).await {
                Ok(()) => Ok(true),
                // An attempt whose answer was lost may have deleted it, and what is there now is not what was copied.
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                    Ok(error.has_unknown_outcome())
                }
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
                Err(error) => Err(error),
            };
        }
        match self.bucket.head(key, None).await {
            Ok(object) if object.etag.as_deref() == etag => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        }
        self.bucket.delete(key, None).await.map(|()| true)
    }
}
