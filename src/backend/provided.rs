//! Provided methods that need more than a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{AsyncFileBackend, Capability};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;
use crate::core::options::{
    ByteRange, CopyOptions, DeleteOptions, Depth, GlobOptions, InfoOptions, ListOptions,
    ReadOptions, WriteMode, WriteOptions,
};
use crate::core::path::{FilePath, shortened};
use crate::core::precondition::Precondition;
use crate::core::ranges;
use crate::core::stream::PathStream;
use crate::core::target::{Existing, WriteTarget};

/// How often ranges are read again because the file was replaced between two reads.
const ATTEMPTS: usize = 16;

/// The number of ranges of one file that are read concurrently.
const CONCURRENT_RANGES: usize = 8;

/// Reads ranges of one version with [`open_with`](AsyncFileBackend::open_with).
pub(crate) async fn read_ranges<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    path: &str,
    ranges: &[ByteRange],
    options: ReadOptions,
) -> Result<Vec<Bytes>> {
    let failing = |error: Error| error.with_operation("read").with_path(path);
    if options.range.is_some() {
        let message = "the options have a range beside the list of ranges";
        return Err(failing(Error::new(ErrorKind::InvalidInput).with_message(message)));
    }
    if let Some(span) = single_span(ranges) {
        let content = backend.open_with(path, options.with_range(span)).await?;
        let size = content.info.size.ok_or_else(|| failing(ErrorKind::Internal.into()))?;
        let resolved = ranges.iter().map(|range| range.resolve(size));
        let resolved = resolved.collect::<Result<Vec<_>>>().map_err(failing)?;
        let (span, read) = ([content.range.clone()], [content.bytes().await?]);
        let parts = resolved.iter().map(|range| ranges::slice(range, &span, &read));
        let truncated = || failing(ErrorKind::UnexpectedEof.into());
        return parts.collect::<Option<Vec<_>>>().ok_or_else(truncated);
    }
    for _ in 0..ATTEMPTS {
        // An empty range, to learn the size and the etag.
        let first = options.clone().with_range(0..0);
        let info = backend.open_with(path, first).await?.info;
        let size = info.size.ok_or_else(|| failing(ErrorKind::Internal.into()))?;
        let resolved = ranges.iter().map(|range| range.resolve(size));
        let resolved = resolved.collect::<Result<Vec<_>>>().map_err(failing)?;
        let merged = ranges::merge(&resolved);
        let mut part = options.clone();
        let pinned = pinned(backend, &info);
        let is_pinned = pinned.is_some();
        part.condition = pinned.unwrap_or(part.condition);
        let read = async |range| {
            let content = backend.open_with(path, part.clone().with_range(range)).await?;
            let is_replaced = !content.info.is_same_version(&info);
            if is_replaced { Ok(None) } else { content.bytes().await.map(Some) }
        };
        let reads = stream::iter(merged.clone()).map(read).buffered(CONCURRENT_RANGES);
        let read: Option<Vec<Bytes>> = match reads.try_collect::<Vec<_>>().await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed && is_pinned => continue,
            read => read?.into_iter().collect(),
        };
        let Some(read) = read else { continue };
        let parts = resolved.iter().map(|range| ranges::slice(range, &merged, &read));
        if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
            return Ok(parts);
        }
    }
    let message = "the file was replaced during each attempt to read it";
    Err(failing(Error::new(ErrorKind::Contention).with_message(message)))
}

/// Returns the condition under which further reads of a file are answered only from the version of `info`, if the store has conditions.
pub(crate) fn pinned<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    info: &FileInfo,
) -> Option<Precondition> {
    let has_conditions = backend.capabilities().has(Capability::ConditionalWrite);
    info.etag.clone().filter(|_| has_conditions).map(Precondition::if_match)
}

/// Returns the range that holds all `ranges`, if it is known without the size of the file and small enough to be read at once.
fn single_span(ranges: &[ByteRange]) -> Option<Range<u64>> {
    let bounded = ranges.iter().map(|range| match range {
        ByteRange::Bounded(range) if range.start <= range.end => Some(range.clone()),
        _ => None,
    });
    let mut merged = ranges::merge(&bounded.collect::<Option<Vec<_>>>()?);
    if merged.len() == 1 { merged.pop() } else { None }
}

/// The number of files of one call that are written or deleted concurrently.
const CONCURRENT_FILES: usize = 16;

/// Refuses options that make sense for a single file only.
pub(crate) fn check_options_of_many(options: &WriteOptions) -> Result<()> {
    let is_single = options.size.is_some()
        || options.checksum.is_some()
        || options.condition.has_etags()
        || matches!(options.mode, WriteMode::IfMatch(_));
    if is_single {
        let message = "a size, a checksum or an etag applies to a single file";
        let error = Error::new(ErrorKind::InvalidInput).with_operation(options.mode.operation());
        return Err(error.with_message(message));
    }
    Ok(())
}

/// Refuses the paths of one call that were given before. Whether a path is valid is for the verb to check.
pub(crate) fn distinct<'a>(
    paths: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = Result<&'a str>> {
    let mut seen = BTreeSet::new();
    paths.into_iter().map(move |path| {
        if seen.insert(FilePath::accepted(path)) {
            return Ok(path);
        }
        let error = Error::new(ErrorKind::InvalidInput).with_path(shortened(path));
        Err(error.with_message("the path is given twice"))
    })
}

/// Writes files concurrently with [`write_bytes`](AsyncFileBackend::write_bytes).
pub(crate) async fn write_many<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    files: Vec<(String, Bytes)>,
    options: WriteOptions,
) -> Result<Vec<Result<FileInfo>>> {
    check_options_of_many(&options)?;
    let operation = options.mode.operation();
    let repeated = distinct(files.iter().map(|(path, _)| &**path)).map(Result::err);
    let repeated: Vec<Option<Error>> = repeated.collect();
    let writes = stream::iter(repeated.into_iter().zip(files)).map(|(repeated, (path, data))| {
        let options = options.clone();
        async move {
            match repeated {
                Some(error) => Err(error.with_operation(operation)),
                None => backend.write_bytes(&path, data, options).await,
            }
        }
    });
    Ok(writes.buffered(CONCURRENT_FILES).collect().await)
}

/// Deletes files concurrently with [`delete_with`](AsyncFileBackend::delete_with).
pub(super) async fn delete_many<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    paths: &[&str],
    options: DeleteOptions,
) -> Result<Vec<Result<()>>> {
    let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
    let deletes = stream::iter(paths).map(|path| {
        let options = options.clone();
        async move { backend.delete_with(&path, options).await }
    });
    Ok(deletes.buffered(CONCURRENT_FILES).collect().await)
}

/// The number of checksums that the provided [`checksum_many`](AsyncFileBackend::checksum_many) computes concurrently.
const CONCURRENT_CHECKSUMS: usize = 8;

/// Hashes files concurrently with [`checksum`](AsyncFileBackend::checksum), which checks the paths.
pub(super) async fn checksum_many<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    paths: &[&str],
    algorithm: ChecksumAlgorithm,
) -> Result<BTreeMap<FilePath, Checksum>> {
    for path in paths {
        let failing = |error: Error| error.with_operation("checksum").with_path(shortened(path));
        check_entry(backend, path).await.map_err(failing)?;
    }
    let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
    let checksums = stream::iter(paths).map(|path| async move {
        match backend.checksum(&path, algorithm).await {
            Ok(checksum) => Ok(Some((FilePath::accepted(&path), checksum))),
            Err(error) if is_skipped(&error) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let found = checksums.buffer_unordered(CONCURRENT_CHECKSUMS);
    found.try_filter_map(|found| future::ready(Ok(found))).try_collect().await
}

/// Whether a look-up, which follows links, finds an entry.
pub(super) async fn exists<B: AsyncFileBackend + ?Sized>(backend: &B, path: &str) -> Result<bool> {
    match backend.info_with(path, InfoOptions::default()).await {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error means that there is nothing at a path, also below a file.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether [`checksum_many`](AsyncFileBackend::checksum_many) skips a path with this error.
pub(crate) fn is_skipped(error: &Error) -> bool {
    is_missing(error) || error.kind() == ErrorKind::IsADirectory
}

/// Collects [`glob_stream`] in byte order.
pub(crate) async fn glob<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    pattern: &str,
    options: GlobOptions,
) -> Result<Vec<FilePath>> {
    let found = glob_stream(backend, pattern, options).await?;
    let mut found: Vec<FilePath> = found.try_collect().await?;
    found.sort_unstable();
    Ok(found)
}

/// Filters a listing of the literal prefix of a pattern.
pub(super) async fn glob_stream<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    pattern: &str,
    options: GlobOptions,
) -> Result<PathStream<'static>> {
    let pattern = GlobPattern::parse(pattern).map_err(|error| error.with_operation("glob"))?;
    let (base, deep) = pattern.base();
    let depth = if deep { Depth::All } else { Depth::One };
    let entries = match backend.list_with(&base, ListOptions::default().with_depth(depth)).await {
        Ok(entries) => entries,
        // Reserved names are hidden.
        Err(error) if is_missing(&error) || error.kind() == ErrorKind::ReservedPath => {
            return Ok(stream::empty().boxed());
        }
        Err(error) => return Err(error),
    };
    let found = entries.filter_map(move |entry| {
        future::ready(match entry {
            Ok(info) => {
                let is_dir = info.is_dir();
                let is_accepted = options.kind.accepts(is_dir) && pattern.is_for(is_dir);
                (is_accepted && pattern.matches(&info.path)).then_some(Ok(info.path))
            }
            // A name that cannot be represented matches nothing.
            Err(error) if error.kind() == ErrorKind::InvalidPath => None,
            Err(error) => Some(Err(error)),
        })
    });
    Ok(found.boxed())
}

/// Copies a file of another store through this process, with the metadata that the store can keep.
pub(crate) async fn copy_from<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    source: &dyn AsyncFileBackend,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let kept = |info: &FileInfo| backend.capabilities().keepable(info.kept());
    copy_keeping(backend, source, (from, to), options, kept).await
}

/// Copies a file of any store through this process, with the metadata that `kept` returns.
pub(crate) async fn copy_keeping<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    source: &dyn AsyncFileBackend,
    (from, to): (&str, &str),
    options: CopyOptions,
    kept: impl Fn(&FileInfo) -> FileMetadata + Send,
) -> Result<FileInfo> {
    let failing = |error: Error| error.in_operation("copy").between(from, to);
    check_entry(backend, to).await.map_err(failing)?;
    let (read, wanted) = parts_of_copy(options).map_err(failing)?;
    let content = source.open_with(from, read).await.map_err(unmet).map_err(failing)?;
    let metadata = kept(&content.info);
    write_copy(backend, to, content, wanted, metadata).await.map_err(failing)
}

/// Copies a file within a store through this process.
pub(super) async fn copy<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let failing = |error: Error| error.in_operation("copy").between(from, to);
    check_entry(backend, from).await.map_err(failing)?;
    check_entry(backend, to).await.map_err(failing)?;
    let (read, wanted) = parts_of_copy(options).map_err(failing)?;
    let is_current = read.version.is_none();
    let content = backend.open_with(from, read).await.map_err(unmet).map_err(failing)?;
    let is_same = FilePath::accepted(from) == FilePath::accepted(to);
    if is_same && !wanted.is_new() && is_current {
        wanted.check(Existing::File(&content.info)).map_err(failing)?;
        return Ok(content.info);
    }
    let metadata = backend.capabilities().keepable(content.info.kept());
    write_copy(backend, to, content, wanted, metadata).await.map_err(failing)
}

/// Checks a path before anything is read. Whether a reserved path is one of its private view, only the store knows.
async fn check_entry<B: AsyncFileBackend + ?Sized>(backend: &B, path: &str) -> Result<()> {
    match FilePath::parse_entry(path) {
        Err(error) if error.kind() == ErrorKind::ReservedPath => {
            backend.exists(path).await.map(drop)
        }
        parsed => parsed.map(drop),
    }
}

/// Returns how the source is read and what the target must be.
fn parts_of_copy(options: CopyOptions) -> Result<(ReadOptions, WriteTarget)> {
    let wanted = WriteTarget::from(&options);
    wanted.expect_no_append()?;
    let mut read = ReadOptions::default().with_condition(options.source);
    read.version = options.version;
    Ok((read, wanted))
}

/// For a copy, a source that is not modified is an unmet condition like any other.
fn unmet(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotModified => error.with_kind(ErrorKind::PreconditionFailed),
        _ => error,
    }
}

async fn write_copy<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    target: &str,
    content: FileContent,
    wanted: WriteTarget,
    metadata: FileMetadata,
) -> Result<FileInfo> {
    let mut options = WriteOptions::default()
        .with_mode(wanted.mode)
        .with_condition(wanted.condition)
        .with_metadata(metadata);
    // A stream of another length is not the version that was opened.
    options.size = content.info.size;
    let written = backend.stream_write_with(target, content.stream, options).await;
    written.map_err(Error::into_error_of_source)
}
