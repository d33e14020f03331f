//! The files and directories, in the order in which they are listed.
//!
//! A directory's key ends in a slash, a file's does not. So the order of the keys is the byte order that listings promise, what
//! lies below a directory is one range, and a file and a directory of one name are two keys of which only one may exist.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use crate::{
    Depth, DirMode, Error, ErrorKind, Etag, FileInfo, FilePath, FileType, ReadOptions, Result,
    UpdateMode, UpdateOptions, WriteMode,
};

#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Counts changes; no two contents of the whole tree share a number.
    version: u64,
}

#[derive(Clone, Debug)]
struct Node {
    created: SystemTime,
    modified: SystemTime,
    /// `None` for a directory.
    file: Option<Content>,
}

#[derive(Clone, Debug)]
struct Content {
    bytes: Bytes,
    etag: Etag,
}

fn dir_key(path: &FilePath) -> String {
    if path.is_root() { String::new() } else { format!("{path}/") }
}

/// The path that a key stands for.
fn path_of(key: &str) -> FilePath {
    FilePath::found(key.trim_end_matches('/').to_owned())
}

fn info_of(key: &str, node: &Node) -> FileInfo {
    let file_type = if node.file.is_some() { FileType::File } else { FileType::Directory };
    let mut info = FileInfo::new(path_of(key), file_type);
    info.created_at = Some(node.created);
    info.modified_at = Some(node.modified);
    info.size = node.file.as_ref().map(|file| file.bytes.len() as u64);
    info.etag = node.file.as_ref().map(|file| file.etag.clone());
    info
}

impl Tree {
    fn is_dir(&self, path: &FilePath) -> bool {
        path.is_root() || self.nodes.contains_key(&dir_key(path))
    }

    fn file(&self, path: &FilePath) -> Option<&Content> {
        self.nodes.get(path.as_str())?.file.as_ref()
    }

    /// Whether anything but directories stands on the way to `path`.
    fn check_way(&self, path: &FilePath) -> Result<()> {
        let mut above = path.parent();
        while let Some(path) = above {
            if self.file(&path).is_some() {
                return Err(ErrorKind::NotADirectory.into());
            }
            above = path.parent();
        }
        Ok(())
    }

    /// The content at `path`, which must be a file.
    fn existing(&self, path: &FilePath) -> Result<&Content> {
        self.check_way(path)?;
        if self.is_dir(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.file(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Whether `mode` allows a file to be written at `path`.
    pub(super) fn check_write(&self, path: &FilePath, mode: &WriteMode) -> Result<()> {
        self.check_way(path)?;
        let (file, is_dir) = (self.file(path), self.is_dir(path));
        match mode {
            WriteMode::Create if file.is_some() || is_dir => Err(ErrorKind::AlreadyExists.into()),
            _ if is_dir => Err(ErrorKind::IsADirectory.into()),
            WriteMode::IfMatch(etag) if file.is_none_or(|file| file.etag != *etag) => {
                let found =
                    if file.is_some() { "the etag has changed" } else { "there is no file" };
                Err(Error::new(ErrorKind::PreconditionFailed).with_message(found))
            }
            _ => Ok(()),
        }
    }

    fn make_parents(&mut self, path: &FilePath) {
        let mut above = path.parent();
        while let Some(path) = above {
            if self.is_dir(&path) {
                break;
            }
            self.insert_dir(&path);
            above = path.parent();
        }
    }

    fn insert_dir(&mut self, path: &FilePath) {
        let now = SystemTime::now();
        self.nodes.insert(dir_key(path), Node { created: now, modified: now, file: None });
    }

    pub(super) fn write(
        &mut self,
        path: &FilePath,
        bytes: Bytes,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        self.check_write(path, mode)?;
        self.make_parents(path);
        let now = SystemTime::now();
        self.version += 1;
        let file = Some(Content { bytes, etag: Etag::new(format!("{:x}", self.version)) });
        let created = self.nodes.get(path.as_str()).map_or(now, |old| old.created);
        let node = Node { created, modified: now, file };
        let info = info_of(path, &node);
        self.nodes.insert(path.as_str().to_owned(), node);
        Ok(info)
    }

    pub(super) fn update(
        &mut self,
        path: &FilePath,
        data: Bytes,
        options: &UpdateOptions,
    ) -> Result<FileInfo> {
        let old = self.existing(path)?;
        if options.if_match.as_ref().is_some_and(|etag| *etag != old.etag) {
            return Err(ErrorKind::PreconditionFailed.into());
        }
        let content = match options.mode {
            UpdateMode::Replace => data,
            UpdateMode::Append => {
                let mut whole = BytesMut::from(&old.bytes[..]);
                whole.extend_from_slice(&data);
                whole.freeze()
            }
        };
        self.write(path, content, &WriteMode::Overwrite)
    }

    pub(super) fn create_dir(&mut self, path: &FilePath, mode: DirMode) -> Result<()> {
        self.check_way(path)?;
        if self.file(path).is_some() {
            return Err(ErrorKind::NotADirectory.into());
        }
        match mode {
            DirMode::Create if self.is_dir(path) => Err(ErrorKind::AlreadyExists.into()),
            DirMode::Overwrite if self.is_dir(path) => Ok(()),
            DirMode::Create | DirMode::Overwrite => {
                self.make_parents(path);
                self.insert_dir(path);
                Ok(())
            }
        }
    }

    pub(super) fn read(&self, path: &FilePath, options: &ReadOptions) -> Result<Bytes> {
        let content = self.existing(path)?;
        options.check_etag(Some(&content.etag))?;
        let range = options.resolve_range(content.bytes.len() as u64)?;
        let offset = |at| usize::try_from(at).map_err(|_| Error::new(ErrorKind::InvalidRange));
        Ok(content.bytes.slice(offset(range.start)?..offset(range.end)?))
    }

    pub(super) fn info(&self, path: &FilePath) -> Result<FileInfo> {
        if path.is_root() {
            return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
        }
        self.check_way(path)?;
        let key = if self.is_dir(path) { dir_key(path) } else { path.to_string() };
        let node = self.nodes.get(&key).ok_or(ErrorKind::NotFound)?;
        Ok(info_of(&key, node))
    }

    /// The keys below a directory, in order; all of them for the root.
    fn below(&self, directory: &FilePath) -> Vec<String> {
        let prefix = dir_key(directory);
        let from = (Bound::Excluded(prefix.as_str()), Bound::Unbounded);
        let keys = self.nodes.range::<str, _>(from).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(&prefix)).cloned().collect()
    }

    fn has_entries(&self, directory: &FilePath) -> bool {
        let prefix = dir_key(directory);
        let from = (Bound::Excluded(prefix.as_str()), Bound::Unbounded);
        self.nodes.range::<str, _>(from).next().is_some_and(|(key, _)| key.starts_with(&prefix))
    }

    /// Up to `limit` entries of a listing, after the entry `after`.
    pub(super) fn page(
        &self,
        directory: &FilePath,
        depth: Depth,
        after: Option<&FileInfo>,
        limit: usize,
    ) -> Result<Vec<FileInfo>> {
        self.check_way(directory)?;
        if self.file(directory).is_some() {
            return Err(ErrorKind::NotADirectory.into());
        }
        if !self.is_dir(directory) {
            return Err(ErrorKind::NotFound.into());
        }
        let prefix = dir_key(directory);
        let mut from = match after {
            None => Bound::Excluded(prefix.clone()),
            Some(last) if last.is_dir() => past(dir_key(&last.path), depth),
            Some(last) => Bound::Excluded(last.path.to_string()),
        };
        let mut page = Vec::new();
        while page.len() < limit {
            let bounds = (from.as_ref().map(String::as_str), Bound::Unbounded);
            let Some((key, node)) = self.nodes.range::<str, _>(bounds).next() else {
                break;
            };
            if !key.starts_with(&prefix) {
                break;
            }
            page.push(info_of(key, node));
            from = past(key.clone(), depth);
        }
        Ok(page)
    }

    pub(super) fn delete(&mut self, path: &FilePath, depth: Depth) -> Result<()> {
        self.check_way(path)?;
        if self.is_dir(path) {
            if depth == Depth::One && self.has_entries(path) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            for key in self.below(path) {
                self.nodes.remove(&key);
            }
            self.nodes.remove(&dir_key(path));
            return Ok(());
        }
        self.nodes.remove(path.as_str()).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn copy(
        &mut self,
        from: &FilePath,
        to: &FilePath,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        let bytes = self.existing(from)?.bytes.clone();
        if from == to && *mode == WriteMode::Overwrite {
            return self.info(from);
        }
        self.write(to, bytes, mode)
    }

    pub(super) fn rename(
        &mut self,
        from: &FilePath,
        to: &FilePath,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        let source = self.info(from)?;
        if from == to && *mode == WriteMode::Overwrite {
            return Ok(source);
        }
        if source.is_dir() && to.starts_with(from) && from != to {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("a directory cannot be moved into itself"));
        }
        if source.is_dir() {
            self.check_rename_dir(to, mode)?;
        } else {
            self.check_write(to, mode)?;
        }
        if from == to {
            return Ok(source);
        }
        self.make_parents(to);
        if !source.is_dir() {
            if let Some(node) = self.nodes.remove(from.as_str()) {
                self.nodes.insert(to.to_string(), node);
            }
            return self.info(to);
        }
        let (old, new) = (dir_key(from), dir_key(to));
        for key in self.below(from).into_iter().chain([old.clone()]) {
            if let Some(node) = self.nodes.remove(&key) {
                self.nodes.insert(format!("{new}{}", &key[old.len()..]), node);
            }
        }
        self.info(to)
    }

    /// Whether a directory may be moved to `to`: where nothing is, or an empty directory.
    fn check_rename_dir(&self, to: &FilePath, mode: &WriteMode) -> Result<()> {
        self.check_way(to)?;
        let occupied = self.is_dir(to) || self.file(to).is_some();
        match mode {
            WriteMode::Create if occupied => Err(ErrorKind::AlreadyExists.into()),
            // Directories have no etag, so there is none to match.
            WriteMode::IfMatch(_) => Err(ErrorKind::PreconditionFailed.into()),
            _ if self.file(to).is_some() => Err(ErrorKind::NotADirectory.into()),
            _ if self.is_dir(to) && self.has_entries(to) => {
                Err(ErrorKind::DirectoryNotEmpty.into())
            }
            _ => Ok(()),
        }
    }
}

/// Where a listing goes on after `key`: for one level, past all that lies below it.
fn past(mut key: String, depth: Depth) -> Bound<String> {
    if depth == Depth::One && key.ends_with('/') {
        // The first text that does not begin with the directory's key, as `0` follows `/`.
        key.pop();
        key.push('0');
        return Bound::Included(key);
    }
    Bound::Excluded(key)
}
