//! Copies and renames.

use std::collections::HashMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::bucket::{Attributes, Condition, Copy, List, Object, Written};
use super::metadata;
use super::session::check_lease;
use super::store::{Found, Store};
use super::stream::pieces;
use super::write::{ATTEMPTS, Plan, TargetState, contention};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{CopyOptions, RenameOptions};
use crate::core::path::FilePath;
use crate::core::target::{Existing, WriteTarget};
use crate::core::version::VersionId;
use crate::sys::pool;

/// The number of objects of a directory that are copied at a time.
const CONCURRENT_COPIES: usize = 16;

impl Store {
    /// Copies a file. Runs to its end even if the caller is dropped.
    pub(super) async fn copy(
        &self,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (self.parse_entry(from)?, self.parse_entry(to)?);
        let target = WriteTarget::from(&options);
        target.expect_no_append()?;
        self.expect_conditions(&target)?;
        if options.version.is_some() {
            self.expect_versions()?;
        }
        let (store, lease) = (self.clone(), self.held_lease());
        pool::spawn_to_completion(Box::pin(async move {
            let _guard = store.shared.path_locks.lock(vec![to.clone()]).await;
            check_lease(lease.as_deref())?;
            for _ in 0..ATTEMPTS {
                let mut source = match &options.version {
                    Some(id) => store.version_of(&from, id).await?,
                    None => store.file(&from).await?,
                };
                let info = metadata::info(from.clone(), &source);
                options.source.check_change(info.etag.as_ref(), info.modified_at)?;
                if from == to && options.version.is_none() {
                    target.check(Existing::File(&info))?;
                    return Ok(info);
                }
                source.version = options.version.as_ref().map(|id| id.as_str().to_owned());
                match store.copy_to(&source, &to, &target).await {
                    Ok(Some(info)) => return Ok(info),
                    Ok(None) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(contention())
        }))
        .await
    }

    /// Makes the file of an object of f9 itself. The caller holds no lock.
    pub(super) async fn publish_copy(&self, plan: Plan, source: &Object) -> Result<FileInfo> {
        let _guard = self.shared.path_locks.lock(vec![plan.path.clone()]).await;
        for _ in 0..ATTEMPTS {
            if let Some(info) = self.copy_to(source, &plan.path, &plan.target).await? {
                return Ok(info);
            }
        }
        Err(contention())
    }

    async fn version_of(&self, path: &FilePath, id: &VersionId) -> Result<Object> {
        self.bucket.head(&self.keys.file(path), Some(id.as_str())).await
    }

    /// Copies an object to a path. `None` if the source or the target changed, so that it has to be tried again.
    async fn copy_to(
        &self,
        source: &Object,
        to: &FilePath,
        target: &WriteTarget,
    ) -> Result<Option<FileInfo>> {
        self.check_target_place(to, target).await?;
        let state = self.target_state(to, target).await?;
        match self.copy_object(source, &self.keys.file(to), &state).await {
            Ok(written) => {
                let mut info =
                    self.written(to.clone(), source.size, source.attributes.clone(), written);
                info.path = to.clone();
                Ok(Some(info))
            }
            Err(error) => {
                let is_doubtful =
                    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound)
                        && !error.has_unknown_outcome();
                let is_source_gone = is_doubtful && self.is_changed(source).await?;
                if is_source_gone {
                    return Ok(None);
                }
                self.refused(error, target, &state).map(|()| None)
            }
        }
    }

    /// Whether an object is not any more what it was.
    async fn is_changed(&self, object: &Object) -> Result<bool> {
        match self.bucket.head(&object.key, object.version.as_deref()).await {
            Ok(now) => Ok(now.etag != object.etag),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Copies an object in the way that the service has for it.
    async fn copy_object(&self, source: &Object, to: &str, state: &TargetState) -> Result<Written> {
        let condition = state.condition.clone();
        if self.abilities.copy.has(&condition) {
            let copy = Copy {
                version: source.version.clone(),
                if_match: source.etag.clone(),
                condition: condition.clone(),
                attributes: None,
            };
            match self.bucket.copy(source, to, copy).await {
                // The object is too large for one request.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                copied => return copied,
            }
        }
        let in_parts = self.abilities.resumable && self.abilities.finish.has(&condition);
        if in_parts && source.size > 0 {
            return self.copy_in_parts(source, to, condition).await;
        }
        // Through this process.
        if source.size > self.options.part_size {
            let message = "the service cannot copy a file of this size under a condition";
            return Err(Error::new(ErrorKind::Unsupported).with_message(message));
        }
        let changed = || Error::from(ErrorKind::PreconditionFailed);
        let content = self.content_of(source).await?.ok_or_else(changed)?;
        self.bucket.put(to, content, source.attributes.clone(), condition).await
    }

    async fn copy_in_parts(
        &self,
        source: &Object,
        to: &str,
        condition: Condition,
    ) -> Result<Written> {
        // A listing does not tell them.
        let found = self.bucket.head(&source.key, source.version.as_deref()).await?.attributes;
        let attributes = Attributes { metadata: own_pairs(&found), ..found };
        let id = self.bucket.begin(to, attributes).await?;
        let pieces = stream::iter(pieces(source.size).enumerate());
        let parts = pieces.map(async |(index, piece)| {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            self.bucket.copy_part(to, &id, number, source, piece).await
        });
        let copied = async {
            let parts: Vec<_> = parts.buffered(self.options.parts).try_collect().await?;
            self.bucket.finish(to, &id, parts, condition).await
        };
        let copied = copied.await;
        if copied.is_err() {
            drop(self.bucket.abort(to, &id).await);
        }
        copied
    }

    /// Renames a file or a directory: copies it and then deletes the source. Runs to its end even if the caller is dropped.
    pub(super) async fn rename(
        &self,
        from: &str,
        to: &str,
        options: RenameOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (self.parse_entry(from)?, self.parse_entry(to)?);
        let target = WriteTarget::from(&options);
        target.expect_no_append()?;
        self.expect_conditions(&target)?;
        let (store, lease) = (self.clone(), self.held_lease());
        pool::spawn_to_completion(Box::pin(async move {
            let _guard = store.shared.path_locks.lock(vec![from.clone(), to.clone()]).await;
            check_lease(lease.as_deref())?;
            let renamed = store.rename_found(&from, &to, &options, &target).await;
            store.shared.directories.forget(&from);
            renamed
        }))
        .await
    }

    async fn rename_found(
        &self,
        from: &FilePath,
        to: &FilePath,
        options: &RenameOptions,
        target: &WriteTarget,
    ) -> Result<FileInfo> {
        for _ in 0..ATTEMPTS {
            let source = match self.found(from).await? {
                Found::File(object) => object,
                Found::Directory(marker) => {
                    options.source.check_change(None, None)?;
                    let found = Found::Directory(marker);
                    return self.rename_directory(from, to, target, &found).await;
                }
            };
            let info = metadata::info(from.clone(), &source);
            options.source.check_change(info.etag.as_ref(), info.modified_at)?;
            if from == to {
                target.check(Existing::File(&info))?;
                return Ok(info);
            }
            let source = Object { version: None, ..source };
            let Some(info) = self.copy_to(&source, to, target).await? else { continue };
            if self.delete_copied(&source.key, source.etag.as_deref()).await? {
                return Ok(info);
            }
            // It was replaced in the meantime, so the new content is moved too. The target is our own copy.
            return self.move_again(from, to, info).await;
        }
        Err(contention())
    }

    /// Moves the content that replaced the source during a rename.
    async fn move_again(&self, from: &FilePath, to: &FilePath, own: FileInfo) -> Result<FileInfo> {
        let mut own = own;
        for _ in 0..ATTEMPTS {
            let source = match self.found(from).await {
                Ok(Found::File(object)) => Object { version: None, ..object },
                Ok(Found::Directory(_)) => return Ok(own),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(own),
                Err(error) => return Err(error.with_applied()),
            };
            let target = match own.etag.clone().filter(|_| self.abilities.put.etag) {
                Some(etag) => WriteTarget::from(crate::core::options::WriteMode::IfMatch(etag)),
                None => WriteTarget::from(crate::core::options::WriteMode::Overwrite),
            };
            match self.copy_to(&source, to, &target).await {
                Ok(Some(info)) => own = info,
                Ok(None) => continue,
                Err(error) => return Err(error.with_applied()),
            }
            if self.delete_copied(&source.key, source.etag.as_deref()).await? {
                return Ok(own);
            }
        }
        Err(contention().with_applied())
    }

    async fn rename_directory(
        &self,
        from: &FilePath,
        to: &FilePath,
        target: &WriteTarget,
        found: &Found,
    ) -> Result<FileInfo> {
        if to.starts_with(from) && from != to {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("a directory cannot be moved into itself"));
        }
        self.check_directory_target(from, to, target).await?;
        if from == to {
            return Ok(self.info_of(from.clone(), found));
        }
        let (old, new) = (self.keys.directory(from), self.keys.directory(to));
        let mut list = List { prefix: old.clone(), ..List::default() };
        // The sources stay until everything is copied, so that a rename that fails loses nothing.
        let mut copied = HashMap::new();
        loop {
            let page = self.bucket.list(list.clone()).await?;
            let seen = page.objects.iter().map(|object| (object.key.clone(), object.etag.clone()));
            copied.extend(seen);
            let copies = stream::iter(page.objects).map(async |object| {
                let key = format!("{new}{}", &object.key[old.len()..]);
                let state =
                    TargetState { condition: Condition::None, old: None, was_looked_up: false };
                let source = Object { version: None, ..object };
                self.copy_object(&source, &key, &state).await
            });
            copies.buffer_unordered(CONCURRENT_COPIES).try_for_each(async |_| Ok(())).await?;
            match page.next {
                Some(token) => list.token = Some(token),
                None => break,
            }
        }
        self.delete_moved(&old, &copied).await.map_err(Error::with_applied)?;
        self.shared.directories.forget(to);
        if let Ok(entry) = to.join("entry") {
            self.shared.directories.made(&entry);
        }
        match self.directory(to).await? {
            Some(marker) => Ok(self.info_of(to.clone(), &Found::Directory(marker))),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Checks that a directory may be moved to a path.
    async fn check_directory_target(
        &self,
        from: &FilePath,
        to: &FilePath,
        target: &WriteTarget,
    ) -> Result<()> {
        match self.found(to).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                target.check_for_directory(Existing::Nothing)
            }
            Err(error) => Err(error),
            Ok(Found::File(object)) => {
                let info = metadata::info(to.clone(), &object);
                target.check_for_directory(Existing::File(&info))
            }
            Ok(Found::Directory(_)) => {
                target.check_for_directory(Existing::Directory)?;
                let prefix = self.keys.directory(to);
                let list = List { prefix: prefix.clone(), max: Some(2), ..List::default() };
                let page = self.bucket.list(list).await?;
                let has_entries = page.objects.iter().any(|object| object.key != prefix);
                if from != to && has_entries {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                Ok(())
            }
        }
    }
}

/// The pairs that a copy keeps: those of the user and the modification time.
fn own_pairs(attributes: &Attributes) -> std::collections::BTreeMap<String, String> {
    let kept = |name: &str| metadata::is_pair(name) || metadata::is_time(name);
    let pairs = attributes.metadata.iter().filter(|(name, _)| kept(name));
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}
