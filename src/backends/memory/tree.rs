//! The tree of files and directories, and the changes of each verb.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::{FileInfo, FileType};
use crate::core::options::{Depth, DirMode, ReadOptions, UpdateMode, UpdateOptions, WriteMode};
use crate::core::path::FilePath;
use crate::core::tree::{HasEtag, Move, Node, Tree as Entries, path_of};

#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Entries<Times, Content>,
    /// The number of changes. Each content gets the current number as its etag, so etags are unique.
    version: u64,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    created: SystemTime,
    modified: SystemTime,
}

impl Times {
    fn now() -> Self {
        let now = SystemTime::now();
        Self { created: now, modified: now }
    }
}

#[derive(Clone, Debug)]
struct Content {
    times: Times,
    bytes: Bytes,
    etag: Etag,
}

impl HasEtag for Content {
    fn has_etag(&self, etag: &Etag) -> bool {
        self.etag == *etag
    }
}

fn info_of(key: &str, node: &Node<Times, Content>) -> FileInfo {
    let (file_type, times) = match node {
        Node::Directory(times) => (FileType::Directory, times),
        Node::File(file) => (FileType::File, &file.times),
    };
    let mut info = FileInfo::new(path_of(key), file_type);
    info.created_at = Some(times.created);
    info.modified_at = Some(times.modified);
    if let Node::File(file) = node {
        info.size = Some(file.bytes.len() as u64);
        info.etag = Some(file.etag.clone());
    }
    info
}

impl Tree {
    /// Checks whether `mode` allows a write at `path`.
    pub(super) fn check_write(&self, path: &FilePath, mode: &WriteMode) -> Result<()> {
        self.entries.check_write(path, mode)
    }

    pub(super) fn write(
        &mut self,
        path: &FilePath,
        bytes: Bytes,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        self.check_write(path, mode)?;
        self.version += 1;
        let mut times = Times::now();
        if let Some(old) = self.entries.file(path) {
            times.created = old.times.created;
        }
        let file = Content { times, bytes, etag: Etag::new(format!("{:x}", self.version)) };
        self.entries.insert_file(path, file, Times::now);
        self.info(path)
    }

    pub(super) fn update(
        &mut self,
        path: &FilePath,
        data: Bytes,
        options: &UpdateOptions,
    ) -> Result<FileInfo> {
        let old = self.entries.existing(path)?;
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
        if self.entries.check_create_dir(path, mode)? {
            self.entries.insert_dir(path, Times::now(), Times::now);
        }
        Ok(())
    }

    pub(super) fn read(&self, path: &FilePath, options: &ReadOptions) -> Result<Bytes> {
        let content = self.entries.existing(path)?;
        options.check_etag(Some(&content.etag))?;
        let range = options.resolve_range(content.bytes.len() as u64)?;
        let offset = |at| usize::try_from(at).map_err(|_| Error::new(ErrorKind::InvalidRange));
        Ok(content.bytes.slice(offset(range.start)?..offset(range.end)?))
    }

    pub(super) fn info(&self, path: &FilePath) -> Result<FileInfo> {
        if path.is_root() {
            return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
        }
        Ok(info_of(path, self.entries.found(path)?))
    }

    /// Returns up to `limit` entries of a listing after the entry `after`.
    pub(super) fn page(
        &self,
        directory: &FilePath,
        depth: Depth,
        after: Option<&FileInfo>,
        limit: usize,
    ) -> Result<Vec<FileInfo>> {
        self.entries.page(directory, depth, after, limit, info_of)
    }

    pub(super) fn delete(&mut self, path: &FilePath, depth: Depth) -> Result<()> {
        self.entries.check_delete(path, depth)?;
        self.entries.remove_all(path);
        Ok(())
    }

    pub(super) fn copy(
        &mut self,
        from: &FilePath,
        to: &FilePath,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        let bytes = self.entries.existing(from)?.bytes.clone();
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
        if self.entries.check_rename(from, to, mode)? != Move::Nothing {
            self.entries.rename(from, to, Times::now);
        }
        self.info(to)
    }
}
