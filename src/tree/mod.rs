//! A tree of files and directories in memory, in the order in which they are listed, with the rules of what may stand where.
//!
//! A directory's key ends in a slash, a file's does not. So the order of the keys is the byte order that listings promise, what
//! lies below a directory is one range, and a file and a directory of one name are two keys of which only one may exist.

use std::collections::BTreeMap;
use std::ops::Bound;

use futures::future;
use futures::stream::{self, StreamExt as _};

use crate::stream::InfoStream;
use crate::{Depth, DirMode, Error, ErrorKind, Etag, FileInfo, FilePath, Result, WriteMode};

/// Directories, of which `D` is known, and files, of which `F` is.
#[derive(Clone, Debug)]
pub(crate) struct Tree<D, F> {
    nodes: BTreeMap<String, Node<D, F>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node<D, F> {
    Directory(D),
    File(F),
}

/// What conditions of writes ask of a file.
pub(crate) trait HasEtag {
    fn has_etag(&self, etag: &Etag) -> bool;
}

/// What a rename that is allowed has to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Source and target are one.
    Nothing,
    File,
    Directory,
}

/// The key of the directory at `path`; empty for the root.
pub(crate) fn dir_key(path: &FilePath) -> String {
    if path.is_root() { String::new() } else { format!("{path}/") }
}

/// The path that a key stands for.
pub(crate) fn path_of(key: &str) -> FilePath {
    FilePath::found(key.trim_end_matches('/').to_owned())
}

impl<D, F> Default for Tree<D, F> {
    fn default() -> Self {
        Self { nodes: BTreeMap::new() }
    }
}

impl<D, F: HasEtag> Tree<D, F> {
    pub(crate) fn is_dir(&self, path: &FilePath) -> bool {
        path.is_root() || self.nodes.contains_key(&dir_key(path))
    }

    #[cfg(feature = "openai")]
    pub(crate) fn directory(&self, path: &FilePath) -> Option<&D> {
        match self.nodes.get(&dir_key(path))? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    pub(crate) fn file(&self, path: &FilePath) -> Option<&F> {
        match self.nodes.get(path.as_str())? {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    /// Every key with what stands there, in order.
    #[cfg(feature = "openai")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<D, F>)> {
        self.nodes.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// The entries from `key` on, in order.
    pub(crate) fn range_from(&self, key: Bound<&str>) -> impl Iterator<Item = (&str, &Node<D, F>)> {
        let range = self.nodes.range::<str, _>((key, Bound::Unbounded));
        range.map(|(key, node)| (key.as_str(), node))
    }

    /// What stands at a key.
    #[cfg(feature = "openai")]
    pub(crate) fn at(&self, key: &str) -> Option<&Node<D, F>> {
        self.nodes.get(key)
    }

    /// The entry at `path`, which is not the root.
    ///
    /// # Errors
    ///
    /// `NotFound`; `NotADirectory` if a file stands on the way.
    pub(crate) fn found(&self, path: &FilePath) -> Result<&Node<D, F>> {
        self.check_way(path)?;
        let node = self.nodes.get(&dir_key(path)).or_else(|| self.nodes.get(path.as_str()));
        node.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The file at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`; `NotADirectory` if a file stands on the way.
    pub(crate) fn existing(&self, path: &FilePath) -> Result<&F> {
        match self.found(path)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
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

    /// Whether `mode` allows a file to be written at `path`.
    pub(crate) fn check_write(&self, path: &FilePath, mode: &WriteMode) -> Result<()> {
        self.check_way(path)?;
        let (file, is_dir) = (self.file(path), self.is_dir(path));
        match mode {
            WriteMode::Create if file.is_some() || is_dir => Err(ErrorKind::AlreadyExists.into()),
            _ if is_dir => Err(ErrorKind::IsADirectory.into()),
            WriteMode::IfMatch(etag) if file.is_none_or(|file| !file.has_etag(etag)) => {
                let found =
                    if file.is_some() { "the etag has changed" } else { "there is no file" };
                Err(Error::new(ErrorKind::PreconditionFailed).with_message(found))
            }
            _ => Ok(()),
        }
    }

    /// Whether a directory is to be made at `path`: `false` where it exists and may.
    pub(crate) fn check_create_dir(&self, path: &FilePath, mode: DirMode) -> Result<bool> {
        self.check_way(path)?;
        if self.file(path).is_some() {
            return Err(ErrorKind::NotADirectory.into());
        }
        match mode {
            DirMode::Create if self.is_dir(path) => Err(ErrorKind::AlreadyExists.into()),
            DirMode::Create | DirMode::Overwrite => Ok(!self.is_dir(path)),
        }
    }

    /// Whether what is at `path` may be deleted.
    pub(crate) fn check_delete(&self, path: &FilePath, depth: Depth) -> Result<()> {
        match self.found(path)? {
            Node::Directory(_) if depth == Depth::One && self.has_entries(path) => {
                Err(ErrorKind::DirectoryNotEmpty.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether `mode` allows what is at `from` to be moved to `to`.
    pub(crate) fn check_rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: &WriteMode,
    ) -> Result<Move> {
        let is_dir = matches!(self.found(from)?, Node::Directory(_));
        if from == to && *mode == WriteMode::Overwrite {
            return Ok(Move::Nothing);
        }
        if is_dir && to.starts_with(from) && from != to {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("a directory cannot be moved into itself"));
        }
        if is_dir {
            self.check_rename_dir(to, mode)?;
        } else {
            self.check_write(to, mode)?;
        }
        Ok(match is_dir {
            _ if from == to => Move::Nothing,
            true => Move::Directory,
            false => Move::File,
        })
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

    /// Puts a file at `path`, with the directories that are missing on the way.
    pub(crate) fn insert_file(&mut self, path: &FilePath, file: F, on_the_way: impl Fn() -> D) {
        self.make_parents(path, on_the_way);
        self.nodes.insert(path.as_str().to_owned(), Node::File(file));
    }

    /// Puts a directory at `path`, or replaces what is known of it, with the directories that are missing on the way.
    pub(crate) fn insert_dir(&mut self, path: &FilePath, directory: D, on_the_way: impl Fn() -> D) {
        self.make_parents(path, on_the_way);
        self.nodes.insert(dir_key(path), Node::Directory(directory));
    }

    fn make_parents(&mut self, path: &FilePath, on_the_way: impl Fn() -> D) {
        let mut above = path.parent();
        while let Some(path) = above.filter(|path| !self.is_dir(path)) {
            self.nodes.insert(dir_key(&path), Node::Directory(on_the_way()));
            above = path.parent();
        }
    }

    /// Takes out one entry, and nothing below it.
    #[cfg(feature = "openai")]
    pub(crate) fn remove(&mut self, key: &str) -> Option<Node<D, F>> {
        self.nodes.remove(key)
    }

    /// The keys below a directory, in order; all of them for the root.
    pub(crate) fn below(&self, directory: &FilePath) -> Vec<String> {
        let prefix = dir_key(directory);
        let from = (Bound::Excluded(prefix.as_str()), Bound::Unbounded);
        let keys = self.nodes.range::<str, _>(from).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(&prefix)).cloned().collect()
    }

    pub(crate) fn has_entries(&self, directory: &FilePath) -> bool {
        let prefix = dir_key(directory);
        let next = self.range_from(Bound::Excluded(&prefix)).next();
        next.is_some_and(|(key, _)| key.starts_with(&prefix))
    }

    /// Takes out what is at `path`, with all that lies below.
    pub(crate) fn take_out(&mut self, path: &FilePath) {
        for key in self.below(path).into_iter().chain([dir_key(path)]) {
            self.nodes.remove(&key);
        }
        self.nodes.remove(path.as_str());
    }

    /// Moves the entry at a key, as it is.
    fn move_entry(&mut self, from: &str, to: String) {
        if let Some(node) = self.nodes.remove(from) {
            self.nodes.insert(to, node);
        }
    }

    /// Makes the directories that are missing on the way to `to`, then moves what is at `from` there, with all that lies below.
    pub(crate) fn rename(&mut self, from: &FilePath, to: &FilePath, on_the_way: impl Fn() -> D) {
        self.make_parents(to, on_the_way);
        if self.file(from).is_some() {
            return self.move_entry(from, to.to_string());
        }
        let (old, new) = (dir_key(from), dir_key(to));
        for key in self.below(from).into_iter().chain([old.clone()]) {
            let moved = format!("{new}{}", &key[old.len()..]);
            self.move_entry(&key, moved);
        }
    }

    /// Up to `limit` entries of a listing, after the entry `after`, as `describe` tells them.
    ///
    /// # Errors
    ///
    /// `NotFound`, and `NotADirectory` if a file stands at `directory` or on the way.
    pub(crate) fn page(
        &self,
        directory: &FilePath,
        depth: Depth,
        after: Option<&FileInfo>,
        limit: usize,
        describe: impl Fn(&str, &Node<D, F>) -> FileInfo,
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
            let next = self.range_from(from.as_ref().map(String::as_str)).next();
            let Some((key, node)) = next else { break };
            if !key.starts_with(&prefix) {
                break;
            }
            page.push(describe(key, node));
            from = past(key.to_owned(), depth);
        }
        Ok(page)
    }
}

/// How many entries of a listing are copied at a time, so that a long one holds neither memory nor a lock for long.
pub(crate) const PAGE: usize = 256;

/// A listing from pages of [`PAGE`] entries, each after the last entry of the one before.
///
/// # Errors
///
/// Those of the first page. A directory that is deleted meanwhile has nothing more to list.
pub(crate) fn listing(
    page: impl Fn(Option<&FileInfo>) -> Result<Vec<FileInfo>> + Send + 'static,
) -> Result<InfoStream<'static>> {
    let first = page(None)?;
    let pages = stream::unfold(Some(first), move |entries| {
        let next = entries.map(|entries: Vec<FileInfo>| {
            let last = entries.last().filter(|_| entries.len() == PAGE);
            let next = last.map(|last| page(Some(last)).unwrap_or_default());
            (stream::iter(entries.into_iter().map(Ok)), next)
        });
        future::ready(next)
    });
    Ok(pages.flatten().boxed())
}

/// Where a listing goes on after `key`: for one level, past all that lies below it.
fn past(key: String, depth: Depth) -> Bound<String> {
    if depth == Depth::One && key.ends_with('/') {
        return Bound::Included(past_directory(&key));
    }
    Bound::Excluded(key)
}

/// The first key that lies behind the directory of this key and all below it.
pub(crate) fn past_directory(key: &str) -> String {
    // `0` follows `/`.
    format!("{}0", key.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
