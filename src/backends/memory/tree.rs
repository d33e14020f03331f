//! The tree of files and directories, and the changes of each verb.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use bytes::Bytes;

use super::content::{Content, Times};
use super::history::History;
use super::watchers::Watchers;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::file_version::FileVersion;
use crate::core::info::{FileInfo, FileType};
use crate::core::metadata::FileMetadata;
use crate::core::options::{
    CopyOptions, DeleteOptions, Depth, DirMode, InfoChanges, RenameOptions, VersionOptions,
    WriteMode,
};
use crate::core::path::FilePath;
use crate::core::settler::Happened;
use crate::core::target::WriteTarget;
use crate::core::tree::{Move, Node, Tree as Entries, path_of};
use crate::core::version::VersionId;

#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Entries<Times, Content>,
    changes: Changes,
    history: History,
    pub(super) watchers: Watchers,
}

/// The number of changes. Each content gets the current number as its etag, so etags are unique.
#[derive(Debug)]
struct Changes(u64);

impl Default for Changes {
    /// Starts at random, so that the etags of two stores, or of a store before and after a restart, differ.
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl Tree {
    /// Creates a tree that keeps the versions of its files.
    pub(super) fn with_versions() -> Self {
        Self { history: History::kept(), ..Self::default() }
    }

    pub(super) fn keeps_versions(&self) -> bool {
        self.history.is_kept()
    }

    /// Checks whether `target` allows a write at `path`.
    pub(super) fn check_write(&self, path: &FilePath, target: &WriteTarget) -> Result<()> {
        self.entries.check_write(path, target)
    }

    /// Writes a file, or appends to it.
    pub(super) fn write(
        &mut self,
        path: &FilePath,
        data: Bytes,
        target: &WriteTarget,
        metadata: &FileMetadata,
    ) -> Result<FileInfo> {
        self.check_write(path, target)?;
        let old = self.entries.file(path);
        let mut times = Times::now();
        let mut file = Content {
            times,
            bytes: data,
            etag: Etag::new(""),
            content_type: metadata.content_type.clone(),
            user_metadata: metadata.user_metadata.clone(),
            permissions: metadata.permissions,
        };
        if let Some(old) = old {
            times.created = old.times.created;
            file.permissions = file.permissions.or(old.permissions);
            if target.mode == WriteMode::Append {
                file.bytes = [&old.bytes[..], &file.bytes[..]].concat().into();
                if file.content_type.is_none() {
                    file.content_type.clone_from(&old.content_type);
                }
                if file.user_metadata.is_empty() {
                    file.user_metadata.clone_from(&old.user_metadata);
                }
            }
        }
        times.modified = metadata.modified_at.unwrap_or(times.modified);
        file.times = times;
        self.insert(path, file)
    }

    /// Inserts a file with a new etag.
    fn insert(&mut self, path: &FilePath, mut file: Content) -> Result<FileInfo> {
        self.changes.0 = self.changes.0.wrapping_add(1);
        file.etag = Etag::new(format!("{:x}", self.changes.0));
        self.history.add(path, Some(&file));
        let is_new = self.entries.file(path).is_none();
        self.report_parents(path);
        self.entries.insert_file(path, file, Times::now);
        let happened = if is_new { Happened::Created } else { Happened::Modified };
        self.watchers.report(happened, path, false);
        self.info(path)
    }

    pub(super) fn create_dir(&mut self, path: &FilePath, mode: DirMode) -> Result<()> {
        if self.entries.check_create_dir(path, mode)? {
            self.report_parents(path);
            self.entries.insert_dir(path, Times::now(), Times::now);
            self.watchers.report(Happened::Created, path, true);
        }
        Ok(())
    }

    /// Returns the metadata of the file at `path`, and its whole content.
    pub(super) fn open(&self, path: &FilePath) -> Result<(FileInfo, Bytes)> {
        let content = self.entries.existing(path)?.bytes.clone();
        Ok((self.info(path)?, content))
    }

    /// Returns the metadata and the whole content of a version of the file at `path`; of the current one if it is `None`.
    pub(super) fn open_version(
        &self,
        path: &FilePath,
        version: Option<&VersionId>,
    ) -> Result<(FileInfo, Bytes)> {
        let Some(id) = version else { return self.open(path) };
        let content = self.history.content(path, id)?;
        Ok((version_info(path, id, content), content.bytes.clone()))
    }

    /// Returns up to `limit` versions of the file at `path`, the newest first.
    pub(super) fn versions(
        &self,
        path: &FilePath,
        options: &VersionOptions,
    ) -> Result<Vec<FileVersion>> {
        self.history.check()?;
        let versions = self.history.of(path);
        if versions.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let newest_first = versions.iter().rev().take(options.limit.unwrap_or(usize::MAX));
        let described = newest_first.enumerate().map(|(age, version)| {
            let content = version.content.as_ref();
            let info = content.map(|content| version_info(path, &version.id, content));
            let mut described = FileVersion::new(version.id.clone(), info);
            described.created_at = Some(version.created_at);
            described.is_current = age == 0 && content.is_some();
            described
        });
        Ok(described.collect())
    }

    pub(super) fn info(&self, path: &FilePath) -> Result<FileInfo> {
        if path.is_root() {
            return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
        }
        Ok(self.info_of(path, self.entries.found(path)?))
    }

    fn info_of(&self, key: &str, node: &Node<Times, Content>) -> FileInfo {
        let path = path_of(key);
        match node {
            Node::Directory(times) => {
                let mut info = FileInfo::new(path, FileType::Directory);
                info.created_at = Some(times.created);
                info.modified_at = Some(times.modified);
                info
            }
            Node::File(file) => {
                let mut info = FileInfo::new(path, FileType::File);
                file.describe(&mut info);
                info.version = self.history.current(key).cloned();
                info
            }
        }
    }

    /// Returns the files at and below `path`. Empty if the store keeps no versions, because nothing else needs them.
    fn files_at(&self, path: &FilePath) -> Vec<FilePath> {
        if !self.keeps_versions() {
            return Vec::new();
        }
        let below = self.entries.below(path).into_iter().filter(|key| !key.ends_with('/'));
        let itself = self.entries.file(path).map(|_| path.clone());
        below.map(|key| path_of(&key)).chain(itself).collect()
    }

    /// Returns up to `limit` entries of a listing after the key `after`.
    pub(super) fn page(
        &self,
        directory: &FilePath,
        depth: Depth,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>> {
        self.entries.page(directory, depth, after, limit, |key, node| self.info_of(key, node))
    }

    pub(super) fn delete(&mut self, path: &FilePath, options: &DeleteOptions) -> Result<()> {
        self.entries.check_delete(path, options)?;
        for file in self.files_at(path) {
            self.history.add(&file, None);
        }
        let is_dir = self.entries.is_dir(path);
        self.entries.remove_all(path);
        self.watchers.report(Happened::Removed, path, is_dir);
        Ok(())
    }

    pub(super) fn copy(
        &mut self,
        from: &FilePath,
        to: &FilePath,
        options: &CopyOptions,
    ) -> Result<FileInfo> {
        let target = WriteTarget::from(options);
        target.expect_no_append()?;
        let mut file = match &options.version {
            Some(id) => {
                let file = self.history.content(from, id)?.clone();
                options.source.check_change(Some(&file.etag), Some(file.times.modified))?;
                file
            }
            None => {
                let file = self.entries.existing(from)?.clone();
                self.entries.check_condition(from, &options.source)?;
                file
            }
        };
        self.check_write(to, &target)?;
        if from == to && options.version.is_none() {
            return self.info(from);
        }
        file.times = Times { modified: file.times.modified, ..Times::now() };
        if let Some(old) = self.entries.file(to) {
            file.times.created = old.times.created;
        }
        self.insert(to, file)
    }

    pub(super) fn set_info(&mut self, path: &FilePath, changes: &InfoChanges) -> Result<FileInfo> {
        changes.check()?;
        let is_kept = changes.accessed_at.is_none()
            && changes.owner_uid.is_none()
            && changes.owner_gid.is_none()
            && changes.attributes.is_empty();
        if !is_kept {
            let error = Error::new(ErrorKind::Unsupported);
            return Err(error.with_message("memory keeps no access time, owner and attributes"));
        }
        let is_dir = matches!(self.entries.found(path)?, Node::Directory(_));
        self.entries.check_condition(path, &changes.condition)?;
        if is_dir {
            let refused = InfoChanges { modified_at: None, ..changes.clone() };
            if refused != InfoChanges::default().with_condition(changes.condition.clone()) {
                let error = Error::new(ErrorKind::Unsupported);
                return Err(error.with_message("memory keeps only the time of a directory"));
            }
            let mut times = self.times_of_directory(path);
            times.modified = changes.modified_at.unwrap_or(times.modified);
            self.entries.insert_dir(path, times, Times::now);
            self.watchers.report(Happened::Modified, path, true);
            return self.info(path);
        }
        let mut file = self.entries.existing(path)?.clone();
        file.times.modified = changes.modified_at.unwrap_or(file.times.modified);
        file.permissions = changes.permissions.or(file.permissions);
        if let Some(content_type) = &changes.content_type {
            file.content_type = Some(content_type.clone()).filter(|text| !text.is_empty());
        }
        if let Some(user_metadata) = &changes.user_metadata {
            file.user_metadata.clone_from(user_metadata);
        }
        self.insert(path, file)
    }

    fn times_of_directory(&self, path: &FilePath) -> Times {
        match self.entries.found(path) {
            Ok(Node::Directory(times)) => *times,
            _ => Times::now(),
        }
    }

    pub(super) fn rename(
        &mut self,
        from: &FilePath,
        to: &FilePath,
        options: &RenameOptions,
    ) -> Result<FileInfo> {
        let target = WriteTarget::from(options);
        if self.entries.check_rename(from, to, &options.source, &target)? != Move::Nothing {
            for file in self.files_at(from) {
                self.history.add(&file, None);
            }
            let replaced = self.entries.is_dir(to) || self.entries.file(to).is_some();
            self.report_parents(to);
            self.entries.rename(from, to, Times::now);
            self.report_rename(from, to, replaced);
            for file in self.files_at(to) {
                self.history.add(&file, self.entries.file(&file));
            }
        }
        self.info(to)
    }

    /// Reports the missing parents of `path`, which are about to be created.
    fn report_parents(&mut self, path: &FilePath) {
        if self.watchers.are_none() {
            return;
        }
        let parents = std::iter::successors(path.parent(), FilePath::parent);
        let missing: Vec<_> = parents.take_while(|path| !self.entries.is_dir(path)).collect();
        for parent in missing.iter().rev() {
            self.watchers.report(Happened::Created, parent, true);
        }
    }

    fn report_rename(&mut self, from: &FilePath, to: &FilePath, replaced: bool) {
        if self.watchers.are_none() {
            return;
        }
        let is_dir = self.entries.is_dir(to);
        let below = if is_dir { self.entries.below(to) } else { Vec::new() };
        let below = below.into_iter().map(|key| (path_of(&key), key.ends_with('/')));
        let moved: Vec<_> = [(to.clone(), is_dir)].into_iter().chain(below).collect();
        self.watchers.report_rename((from, to), replaced, &moved);
    }
}

fn version_info(path: &FilePath, id: &VersionId, content: &Content) -> FileInfo {
    let mut info = FileInfo::new(path.clone(), FileType::File);
    content.describe(&mut info);
    info.version = Some(id.clone());
    info
}
