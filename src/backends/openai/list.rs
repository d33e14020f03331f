//! Metadata: `info`, `list` and `glob`, which read the cached tree.

use std::ops::Bound;

use futures::StreamExt as _;

use super::attributes::{Entry, FileMeta, corrupted};
use super::index::{Entries, entry_of};
use super::store::Store;
use crate::core::encoding::Encoding;
use crate::core::error::{Error, Result};
use crate::core::etag::Etag;
use crate::core::glob::{GlobPattern, Progress};
use crate::core::info::{FileInfo, FileType};
use crate::core::options::{
    EncodingMode, GlobKind, GlobOptions, InfoOptions, ListOptions, ReadOptions,
};
use crate::core::path::FilePath;
use crate::core::rfc3339;
use crate::core::selection::Selection;
use crate::core::stream::{InfoStream, checksum_and_sample};
use crate::core::tree::{Node, dir_key, listing, past_directory, path_of};

/// A path and its entry.
pub(super) type Located = (FilePath, Entry);

impl Store {
    pub(super) async fn info(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let path = FilePath::parse(path)?;
        options.expect_current()?;
        self.index.refresh().await?;
        let (mut info, entry) = self.index.read(|entries| {
            let info = info_at(entries, &path).and_then(intact)?;
            Ok::<_, Error>((info, entries.file(&path).cloned()))
        })?;
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let Some(entry) = entry else { return Ok(info) };
        let algorithm = options.checksum;
        let cached = entry.meta().and_then(FileMeta::checksum);
        let cached = cached.filter(|cached| algorithm == Some(cached.algorithm()));
        if algorithm.is_some() == cached.is_some() && options.encoding == EncodingMode::Skip {
            info.checksum = cached;
            return Ok(info);
        }
        let take = |content| checksum_and_sample(content, algorithm);
        // The file may have been replaced since the lookup, so the condition and all of the result are about the version that is read.
        let read = ReadOptions::default().with_condition(options.condition);
        let (entry, (checksum, sample)) = self.with_content(&path, &read, take).await?;
        let mut info = info_of_entry(path, &entry);
        info.checksum = checksum;
        if options.encoding == EncodingMode::Detect {
            info.encoding = Some(Encoding::detect(&sample, Some(sample.len() as u64) == info.size));
        }
        Ok(info)
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        options: ListOptions,
    ) -> Result<InfoStream<'static>> {
        let (directory, selection) = (FilePath::parse(prefix)?, Selection::of(&options)?);
        self.index.refresh().await?;
        let store = self.clone();
        let listed = listing(selection, move |after, size| {
            let page =
                |entries: &Entries| entries.page(&directory, options.depth, after, size, info_of);
            store.index.read(page)
        })?;
        Ok(listed.map(|info| info.and_then(intact)).boxed())
    }

    pub(super) async fn glob(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        let pattern = GlobPattern::parse(pattern)?;
        self.index.refresh().await?;
        Ok(self.index.read(|entries| matching(entries, &pattern, options.kind)))
    }
}

pub(super) fn info_at(entries: &Entries, path: &FilePath) -> Result<FileInfo> {
    if path.is_root() {
        return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
    }
    Ok(info_of(path, entries.found(path)?))
}

/// Returns the metadata of a node, as [`info`](crate::AsyncFileBackend::info_with) and listings return it.
pub(super) fn info_of(key: &str, node: &Node<Option<Entry>, Entry>) -> FileInfo {
    match entry_of(node) {
        Some(entry) => info_of_entry(path_of(key), entry),
        None => FileInfo::new(path_of(key), FileType::Directory),
    }
}

pub(super) fn info_of_entry(path: FilePath, entry: &Entry) -> FileInfo {
    let file_type = if entry.is_dir() { FileType::Directory } else { FileType::File };
    let mut info = FileInfo::new(path, file_type);
    info.created_at = Some(entry.created_at);
    info.modified_at = Some(entry.modified_at);
    if let Some(meta) = entry.meta() {
        info.size = Some(meta.size);
        info.etag = Some(Etag::new(&*entry.id));
    }
    info.extra.insert("file_id".to_owned(), entry.id.clone());
    if let Some(time) = entry.expires_at {
        info.extra.insert("expires_at".to_owned(), rfc3339::nearest(time).to_string());
    }
    info
}

/// Fails for a corrupted file, the only one without a size.
fn intact(info: FileInfo) -> Result<FileInfo> {
    if info.file_type == FileType::Directory || info.size.is_some() {
        return Ok(info);
    }
    let id = info.extra.get("file_id").map_or("", String::as_str);
    Err(corrupted(id).with_path(info.path.as_str()))
}

/// Returns the entry of the file or directory at `path`, if it has one.
pub(super) fn entry_at<'a>(entries: &'a Entries, path: &FilePath) -> Option<&'a Entry> {
    entries.file(path).or_else(|| entries.directory(path)?.as_ref())
}

/// Returns the entry of the file at `path`.
pub(super) fn file_at(entries: &Entries, path: &FilePath) -> Result<Entry> {
    entries.existing(path).cloned()
}

/// Returns the entries at and below `path`: those of directories, and the files.
pub(super) fn at_and_below(entries: &Entries, path: &FilePath) -> (Vec<Located>, Vec<Located>) {
    let keys = entries.below(path).into_iter().chain([dir_key(path), path.to_string()]);
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    for key in keys {
        if let Some(entry) = entries.at(&key).and_then(entry_of) {
            let kind = if entry.is_dir() { &mut directories } else { &mut files };
            kind.push((path_of(&key), entry.clone()));
        }
    }
    (directories, files)
}

/// Returns the matching paths in byte order. Compares names and skips directories that cannot contain a match.
fn matching(entries: &Entries, pattern: &GlobPattern, kind: GlobKind) -> Vec<FilePath> {
    let (base, _) = pattern.base();
    let begin = |progress: Progress, name| pattern.advance(&progress, name).1;
    let mut found = Vec::new();
    // The directories around the current entry, and the state of the pattern in each.
    let mut within = vec![(dir_key(&base), base.segments().fold(pattern.start(), begin))];
    let prefix = within[0].0.clone();
    let mut next = Bound::Excluded(prefix.clone());
    'from: loop {
        let from = next.clone();
        for (key, node) in entries.range_from(from.as_ref().map(String::as_str)) {
            if !key.starts_with(&prefix) {
                break 'from;
            }
            while within.len() > 1
                && within.last().is_some_and(|(directory, _)| !key.starts_with(directory))
            {
                within.pop();
            }
            let Some((directory, progress)) = within.last() else { break 'from };
            let name = key[directory.len()..].trim_end_matches('/');
            match node {
                Node::File(_) => {
                    if kind.accepts(false) && pattern.is_for(false) && pattern.meets(progress, name)
                    {
                        found.push(path_of(key));
                    }
                }
                Node::Directory(_) => {
                    let (is_met, below) = pattern.advance(progress, name);
                    if is_met && kind.accepts(true) {
                        found.push(path_of(key));
                    }
                    if below.is_over() {
                        next = Bound::Included(past_directory(key));
                        continue 'from;
                    }
                    within.push((key.to_owned(), below));
                }
            }
        }
        break;
    }
    // Keys of directories end in a slash, which sorts differently from paths.
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::backends::memory::MemoryFileBackend;
    use crate::backends::openai::attributes::Kind;
    use crate::prelude::*;

    fn directory() -> Entry {
        let (id, kind) = ("file-1".to_owned(), Kind::Directory);
        let (created_at, modified_at) = (UNIX_EPOCH, UNIX_EPOCH);
        Entry { id, kind, generation: 1, created_at, modified_at, attached_at: 0, expires_at: None }
    }

    fn path() -> impl Strategy<Value = String> {
        let name = select(vec!["a", "b", "ab", "é", "-", ".a", "a-", "a.", "a0", "0", "*"]);
        prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let piece = select(vec![
            "a",
            "b",
            "ab",
            "é",
            "-",
            ".a",
            "*",
            "**",
            "?",
            "/",
            "/",
            "**/",
            "/**",
            "[ab]",
            "[!a]",
            "{a,b}",
            "{a/,}",
            "a-",
            "{a/b,é}/",
        ]);
        prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn glob_finds_the_same_paths_as_the_memory_backend(
            entries in prop::collection::vec((path(), any::<bool>()), 0..12),
            patterns in prop::collection::vec(pattern(), 1..16),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let memory = MemoryFileBackend::new();
            let mut tree = Entries::default();
            for (path, is_dir) in &entries {
                let made = runtime.block_on(async {
                    if *is_dir {
                        memory.create_dir(path).await
                    } else {
                        memory.create(path, "").await.map(drop)
                    }
                });
                if made.is_ok() {
                    let path = FilePath::parse(path).unwrap();
                    if *is_dir {
                        tree.insert_dir(&path, Some(directory()), || None);
                    } else {
                        tree.insert_file(&path, directory(), || None);
                    }
                }
            }
            for pattern in &patterns {
                let Ok(compiled) = GlobPattern::parse(pattern) else { continue };
                for kind in [GlobKind::Any, GlobKind::Files, GlobKind::Directories] {
                    let options = GlobOptions::default().with_kind(kind);
                    let expected = runtime.block_on(memory.glob_with(pattern, options)).unwrap();
                    prop_assert_eq!(matching(&tree, &compiled, kind), expected, "{} {:?}", pattern, kind);
                }
            }
        }
    }
}
