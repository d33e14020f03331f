//! A tree of files and directories in memory, with the checks that each verb makes before it changes the tree.
//!
//! The key of a directory ends with a slash, the key of a file does not. So the keys are in the byte order of listings, and all
//! entries below a directory are one range. A file and a directory of the same name have two keys, of which only one may exist.

use std::collections::BTreeMap;
use std::ops::Bound;

use futures::future;
use futures::stream::{self, StreamExt as _};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{DeleteOptions, Depth, DirMode};
use crate::core::path::FilePath;
use crate::core::precondition::Precondition;
use crate::core::selection::Selection;
use crate::core::stream::InfoStream;
use crate::core::target::{Existing, FileState, WriteTarget};

/// A tree with data of type `D` for each directory and `F` for each file.
#[derive(Clone, Debug)]
pub(crate) struct Tree<D, F> {
    nodes: BTreeMap<String, Node<D, F>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node<D, F> {
    Directory(D),
    File(F),
}

/// The kind of entry that an allowed rename moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The source is the target.
    Nothing,
    File,
    Directory,
}

/// Returns the key of the directory at `path`; empty for the root.
pub(crate) fn dir_key(path: &FilePath) -> String {
    if path.is_root() { String::new() } else { format!("{path}/") }
}

/// Returns the path of a key.
pub(crate) fn path_of(key: &str) -> FilePath {
    FilePath::found(key.trim_end_matches('/').to_owned())
}

impl<D, F> Default for Tree<D, F> {
    fn default() -> Self {
        Self { nodes: BTreeMap::new() }
    }
}

impl<D, F: FileState> Tree<D, F> {
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

    /// Returns all entries with their keys, in order.
    #[cfg(feature = "openai")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<D, F>)> {
        self.nodes.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Returns the entries from `key` onwards, in order.
    pub(crate) fn range_from(&self, key: Bound<&str>) -> impl Iterator<Item = (&str, &Node<D, F>)> {
        let range = self.nodes.range::<str, _>((key, Bound::Unbounded));
        range.map(|(key, node)| (key.as_str(), node))
    }

    /// Returns the entry at a key.
    #[cfg(feature = "openai")]
    pub(crate) fn at(&self, key: &str) -> Option<&Node<D, F>> {
        self.nodes.get(key)
    }

    /// Returns the entry at `path`, which must not be the root.
    ///
    /// # Errors
    ///
    /// `NotFound`; `NotADirectory` if a parent is a file.
    pub(crate) fn found(&self, path: &FilePath) -> Result<&Node<D, F>> {
        self.check_parents(path)?;
        let node = self.nodes.get(&dir_key(path)).or_else(|| self.nodes.get(path.as_str()));
        node.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Returns the file at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`; `NotADirectory` if a parent is a file.
    pub(crate) fn existing(&self, path: &FilePath) -> Result<&F> {
        match self.found(path)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Checks that no parent of `path` is a file.
    fn check_parents(&self, path: &FilePath) -> Result<()> {
        let mut above = path.parent();
        while let Some(path) = above {
            if self.file(&path).is_some() {
                return Err(ErrorKind::NotADirectory.into());
            }
            above = path.parent();
        }
        Ok(())
    }

    /// Returns what exists at `path`.
    fn existing_at(&self, path: &FilePath) -> Existing<'_> {
        match self.file(path) {
            Some(file) => Existing::File(file),
            None if self.is_dir(path) => Existing::Directory,
            None => Existing::Nothing,
        }
    }

    /// Checks whether `target` allows a write at `path`.
    pub(crate) fn check_write(&self, path: &FilePath, target: &WriteTarget) -> Result<()> {
        self.check_parents(path)?;
        target.check(self.existing_at(path))
    }

    /// Checks a condition on the entry at `path`, which is changed or read for a change.
    pub(crate) fn check_condition(&self, path: &FilePath, condition: &Precondition) -> Result<()> {
        match self.existing_at(path) {
            Existing::File(file) if !condition.is_empty() => {
                condition.check_change(file.etag().as_ref(), file.modified_at())
            }
            Existing::Directory => condition.check_change(None, None),
            _ => Ok(()),
        }
    }

    /// Checks whether `mode` allows a directory at `path`, and returns whether it must be created.
    pub(crate) fn check_create_dir(&self, path: &FilePath, mode: DirMode) -> Result<bool> {
        self.check_parents(path)?;
        if self.file(path).is_some() {
            return Err(ErrorKind::NotADirectory.into());
        }
        match mode {
            DirMode::Create if self.is_dir(path) => Err(ErrorKind::AlreadyExists.into()),
            DirMode::Create | DirMode::Overwrite => Ok(!self.is_dir(path)),
        }
    }

    /// Checks whether the entry at `path` can be deleted.
    pub(crate) fn check_delete(&self, path: &FilePath, options: &DeleteOptions) -> Result<()> {
        let is_dir = matches!(self.found(path)?, Node::Directory(_));
        self.check_condition(path, &options.condition)?;
        if is_dir && options.depth == Depth::One && self.has_entries(path) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        Ok(())
    }

    /// Checks whether `source` and `target` allow a rename of `from` to `to`.
    pub(crate) fn check_rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        source: &Precondition,
        target: &WriteTarget,
    ) -> Result<Move> {
        target.expect_no_append()?;
        let is_dir = matches!(self.found(from)?, Node::Directory(_));
        self.check_condition(from, source)?;
        if is_dir && to.starts_with(from) && from != to {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("a directory cannot be moved into itself"));
        }
        if is_dir {
            self.check_parents(to)?;
            target.check_for_directory(self.existing_at(to))?;
            if from != to && self.is_dir(to) && self.has_entries(to) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
        } else {
            self.check_write(to, target)?;
        }
        Ok(match is_dir {
            _ if from == to => Move::Nothing,
            true => Move::Directory,
            false => Move::File,
        })
    }

    /// Inserts a file at `path`, and the parents that are missing.
    pub(crate) fn insert_file(&mut self, path: &FilePath, file: F, new_parent: impl Fn() -> D) {
        self.create_parents(path, new_parent);
        self.nodes.insert(path.as_str().to_owned(), Node::File(file));
    }

    /// Inserts a directory at `path` or replaces its data, and inserts the parents that are missing.
    pub(crate) fn insert_dir(&mut self, path: &FilePath, directory: D, new_parent: impl Fn() -> D) {
        self.create_parents(path, new_parent);
        self.nodes.insert(dir_key(path), Node::Directory(directory));
    }

    fn create_parents(&mut self, path: &FilePath, new_parent: impl Fn() -> D) {
        let mut above = path.parent();
        while let Some(path) = above.filter(|path| !self.is_dir(path)) {
            self.nodes.insert(dir_key(&path), Node::Directory(new_parent()));
            above = path.parent();
        }
    }

    /// Removes the entry at a key, without the entries below it.
    #[cfg(feature = "openai")]
    pub(crate) fn remove(&mut self, key: &str) -> Option<Node<D, F>> {
        self.nodes.remove(key)
    }

    /// Returns the keys below a directory, in order.
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

    /// Removes the entry at `path` with all entries below it.
    pub(crate) fn remove_all(&mut self, path: &FilePath) {
        for key in self.below(path).into_iter().chain([dir_key(path)]) {
            self.nodes.remove(&key);
        }
        self.nodes.remove(path.as_str());
    }

    /// Moves the entry at a key to another key.
    fn move_entry(&mut self, from: &str, to: String) {
        if let Some(node) = self.nodes.remove(from) {
            self.nodes.insert(to, node);
        }
    }

    /// Moves the entry at `from` to `to` with all entries below it, and inserts the parents that are missing.
    pub(crate) fn rename(&mut self, from: &FilePath, to: &FilePath, new_parent: impl Fn() -> D) {
        self.create_parents(to, new_parent);
        if self.file(from).is_some() {
            return self.move_entry(from, to.to_string());
        }
        let (old, new) = (dir_key(from), dir_key(to));
        for key in self.below(from).into_iter().chain([old.clone()]) {
            let moved = format!("{new}{}", &key[old.len()..]);
            self.move_entry(&key, moved);
        }
    }

    /// Returns up to `limit` entries of a listing after the key `after`, converted by `describe`.
    ///
    /// # Errors
    ///
    /// `NotFound`; `NotADirectory` if `directory` or a parent is a file.
    pub(crate) fn page(
        &self,
        directory: &FilePath,
        depth: Depth,
        after: Option<&str>,
        limit: usize,
        describe: impl Fn(&str, &Node<D, F>) -> FileInfo,
    ) -> Result<Vec<FileInfo>> {
        self.check_parents(directory)?;
        if self.file(directory).is_some() {
            return Err(ErrorKind::NotADirectory.into());
        }
        if !self.is_dir(directory) {
            return Err(ErrorKind::NotFound.into());
        }
        let prefix = dir_key(directory);
        let mut from = match after {
            Some(key) if key > prefix.as_str() => past(key, &prefix, depth),
            _ => Bound::Excluded(prefix.clone()),
        };
        let mut page = Vec::new();
        while page.len() < limit {
            let next = self.range_from(from.as_ref().map(String::as_str)).next();
            let Some((key, node)) = next else { break };
            if !key.starts_with(&prefix) {
                break;
            }
            if prefix.is_empty() && key.starts_with(PRIVATE_KEY) {
                // The files of services are hidden.
                from = Bound::Included(past_directory(PRIVATE_KEY));
                continue;
            }
            page.push(describe(key, node));
            from = past(key, &prefix, depth);
        }
        Ok(page)
    }
}

/// The key of the directory with the files of services.
const PRIVATE_KEY: &str = ".f9/";

/// The number of entries of a page. Pages bound the memory of a long listing and the time that it holds a lock.
pub(crate) const PAGE: usize = 256;

/// Returns a listing as a stream, from pages of up to [`PAGE`] entries. `page` takes the key before the page and its size.
///
/// # Errors
///
/// Those of the first page. If the directory is deleted during the listing, the stream ends.
pub(crate) fn listing(
    selection: Selection,
    page: impl Fn(Option<&str>, usize) -> Result<Vec<FileInfo>> + Send + 'static,
) -> Result<InfoStream<'static>> {
    let size = match selection.limit {
        Some(limit) if selection.pattern.is_none() => limit.clamp(1, PAGE),
        _ => PAGE,
    };
    let first = page(selection.start_after.as_deref(), size)?;
    let pages = stream::unfold(Some(first), move |entries| {
        let next = entries.map(|entries: Vec<FileInfo>| {
            let last = entries.last().filter(|_| entries.len() == size);
            let next = last.map(|last| page(Some(&key_of(last)), size).unwrap_or_default());
            (stream::iter(entries.into_iter().map(Ok)), next)
        });
        future::ready(next)
    });
    Ok(selection.apply(pages.flatten().boxed()))
}

/// Returns the key of an entry of a listing.
fn key_of(entry: &FileInfo) -> String {
    if entry.is_dir() { dir_key(&entry.path) } else { entry.path.to_string() }
}

/// Returns where a listing of the directory with the key `prefix` continues after `key`. A listing of one level skips everything below
/// the directory that `key` is or is in.
fn past(key: &str, prefix: &str, depth: Depth) -> Bound<String> {
    let below = key.strip_prefix(prefix).and_then(|rest| rest.find('/'));
    match below {
        Some(slash) if depth == Depth::One => {
            Bound::Included(past_directory(&key[..=prefix.len() + slash]))
        }
        _ => Bound::Excluded(key.to_owned()),
    }
}

/// Returns the first possible key after a directory and all entries below it.
pub(crate) fn past_directory(key: &str) -> String {
    // In ASCII, `0` is the character after `/`.
    format!("{}0", key.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
