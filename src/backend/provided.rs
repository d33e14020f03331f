//! Provided methods that need more than a few lines.

use std::collections::BTreeSet;
use std::future;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::contract::is_no_directory;
use super::{AsyncFileBackend, Capability};
use crate::core::content::FileContent;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, DeleteOptions, Depth, GlobOptions, ListOptions, ReadOptions, WriteMode,
    WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::ranges;
use crate::core::stream::PathStream;
use crate::core::target::{Existing, WriteTarget};

/// How often ranges are read again because the file was replaced between two reads.
const ATTEMPTS: usize = 16;

/// The number of ranges of one file that are read concurrently.
const CONCURRENT_RANGES: usize = 8;

/// Reads ranges of one version with [`open_with`](AsyncFileBackend::open_with).
pub(super) async fn read_ranges<B: AsyncFileBackend + ?Sized>(
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
        let etag = info.etag.filter(|_| backend.capabilities().has(Capability::ConditionalWrite));
        let is_pinned = etag.is_some();
        if let Some(etag) = etag {
            part = part.with_if_match(etag);
        }
        let reads = stream::iter(merged.clone())
            .map(|range| backend.read_with(path, part.clone().with_range(range)));
        let read = match reads.buffered(CONCURRENT_RANGES).try_collect::<Vec<_>>().await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed && is_pinned => continue,
            read => read?,
        };
        let parts = resolved.iter().map(|range| ranges::slice(range, &merged, &read));
        if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
            return Ok(parts);
        }
    }
    let message = "the file was replaced during each attempt to read it";
    Err(failing(Error::new(ErrorKind::Contention).with_message(message)))
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

/// Parses the paths of one call. A path that is given twice is an error the second time.
pub(crate) fn parse_distinct<'a>(
    paths: impl IntoIterator<Item = &'a str>,
) -> Vec<Result<FilePath>> {
    let mut seen = BTreeSet::new();
    let parse = |path: &str| {
        let parsed = FilePath::parse_entry(path)?;
        if seen.insert(parsed.clone()) {
            return Ok(parsed);
        }
        let error = Error::new(ErrorKind::InvalidInput).with_path(parsed.as_str());
        Err(error.with_message("the path is given twice"))
    };
    paths.into_iter().map(parse).collect()
}

/// Writes files concurrently with [`write_bytes`](AsyncFileBackend::write_bytes).
pub(crate) async fn write_many<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    files: Vec<(String, Bytes)>,
    options: WriteOptions,
) -> Result<Vec<Result<FileInfo>>> {
    check_options_of_many(&options)?;
    let operation = options.mode.operation();
    let paths = parse_distinct(files.iter().map(|(path, _)| &**path));
    let writes = stream::iter(paths.into_iter().zip(files)).map(|(path, (_, data))| {
        let options = options.clone();
        async move {
            let path = path.map_err(|error| error.with_operation(operation))?;
            backend.write_bytes(&path, data, options).await
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
        Err(error) if is_no_directory(&error) => return Ok(stream::empty().boxed()),
        Err(error) => return Err(error),
    };
    let found = entries.filter_map(move |entry| {
        future::ready(match entry {
            Ok(info) if options.kind.accepts(info.is_dir()) && pattern.matches(&info.path) => {
                Some(Ok(info.path))
            }
            Ok(_) => None,
            // A name that cannot be represented matches nothing.
            Err(error) if error.kind() == ErrorKind::InvalidPath => None,
            Err(error) => Some(Err(error)),
        })
    });
    Ok(found.boxed())
}

/// Copies a file of another store through this process.
pub(crate) async fn copy_from<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    source: &dyn AsyncFileBackend,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let failing = |error: Error| error.with_operation("copy").between(from, to);
    let (read, wanted) = parts_of_copy(options).map_err(failing)?;
    let target = FilePath::parse_entry(to).map_err(failing)?;
    let content = source.open_with(from, read).await.map_err(unmet).map_err(failing)?;
    write_copy(backend, &target, content, wanted).await
}

/// Copies a file within a store through this process.
pub(super) async fn copy<B: AsyncFileBackend + ?Sized>(
    backend: &B,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let failing = |error: Error| error.with_operation("copy").between(from, to);
    let (read, wanted) = parts_of_copy(options).map_err(failing)?;
    let source = FilePath::parse_entry(from).map_err(failing)?;
    let target = FilePath::parse_entry(to).map_err(failing)?;
    let is_current = read.version.is_none();
    let content = backend.open_with(&source, read).await.map_err(unmet).map_err(failing)?;
    if source == target && !wanted.is_new() && is_current {
        wanted.check(Existing::File(&content.info)).map_err(failing)?;
        return Ok(content.info);
    }
    write_copy(backend, &target, content, wanted).await
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
    target: &FilePath,
    content: FileContent,
    wanted: WriteTarget,
) -> Result<FileInfo> {
    let mut options = WriteOptions::default()
        .with_mode(wanted.mode)
        .with_condition(wanted.condition)
        .with_metadata(backend.capabilities().keepable(content.info.kept()));
    // A stream of another length is not the version that was opened.
    options.size = content.info.size;
    backend.stream_write_with(target, content.stream, options).await
}
