//! Creates many files with one request per hundred attachments instead of one per file.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _, future};

use super::api::Attributes;
use super::attributes::Entry;
use super::body::{Content, Measure};
use super::error::CONTEXT;
use super::list::info_of_entry;
use super::store::Store;
use super::write::{file_meta, writable};
use super::{CAPABILITIES, OpenAIVectorStoreFileBackend};
use crate::backend::check_options_of_many;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{CreateOptions, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::target::WriteTarget;
use crate::sys::pool;

/// How many files one request attaches. The service accepts more, but is reported to be unreliable then.
const BATCH: usize = 100;

/// How many entries one page of a listing has.
const PAGE: usize = 100;

impl OpenAIVectorStoreFileBackend {
    /// Creates many files with one request per hundred attachments instead of one per file.
    ///
    /// Uploads run concurrently, up to [`concurrency`](crate::OpenAIConfig::concurrency). If the service refuses a batch of a hundred,
    /// each file is attached individually. Returns one result per file in the given order; a file that fails does not affect the
    /// others.
    ///
    /// # Errors
    ///
    /// Those of listing the vector store, such as [`RootGone`](ErrorKind::RootGone). All other errors are reported per file: those
    /// of `create`, and [`InvalidInput`](ErrorKind::InvalidInput) for a path that is given twice or lies below another.
    ///
    /// # Cancel safety
    ///
    /// Once started, the operation runs to its end even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{OpenAIVectorStoreFileBackend, testing::openai::OpenAISimulator};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// let files = (0..250).map(|day| (format!("2026/{day}.md"), format!("Day {day}")));
    /// for created in notes.create_many(files).await? {
    ///     created?;
    /// }
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn create_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.create_many_with(files, CreateOptions::default()).await
    }

    /// Creates or replaces many files; see [`create_many`](Self::create_many).
    ///
    /// # Errors
    ///
    /// Those of [`create_many`](Self::create_many), and [`InvalidInput`](ErrorKind::InvalidInput) for a size, a checksum or an etag in the
    /// options, which apply to a single file, and for [`Append`](WriteMode::Append).
    pub async fn create_many_with(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
        options: CreateOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        let files = files.into_iter().map(|(path, data)| (path.into(), data.into())).collect();
        let options = WriteOptions::from(options);
        let failing = CONTEXT.operation(options.mode.operation());
        if options.mode == WriteMode::Append {
            let message = "files cannot be appended to in a batch; use `write_many_with`";
            return Err(failing(Error::new(ErrorKind::InvalidInput).with_message(message)));
        }
        self.store.index.refresh().await.map_err(failing)?;
        self.store.create_many(files, options).await
    }
}

/// An uploaded file.
struct Upload {
    path: FilePath,
    entry: Entry,
    old: Option<Entry>,
}

/// The position of a file in the caller's list, and what became of the file.
type Outcome<T> = (usize, Result<T>);

/// Whether the files may be written in batches with these options. A batch is not attached under a condition, nor in the order that
/// equal and nested paths need.
fn may_batch(files: &[(String, Bytes)], options: &WriteOptions) -> bool {
    let is_ordered = |path: &Result<FilePath>| {
        path.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput)
    };
    options.mode != WriteMode::Append
        && options.condition.is_empty()
        && options.metadata.is_empty()
        && !parse_distinct(files.iter().map(|(path, _)| path)).iter().any(is_ordered)
}

impl Store {
    /// Whether batches, and the listing that confirms them, need fewer requests than an attachment of each file.
    pub(super) async fn should_batch(
        &self,
        files: &[(String, Bytes)],
        options: &WriteOptions,
    ) -> Result<bool> {
        // Two files need two attachments, or a batch and a page of the listing.
        if files.len() < 3 || !may_batch(files, options) {
            return Ok(false);
        }
        self.index.refresh().await?;
        let entries = self.index.read(|entries| entries.iter().count()) + files.len();
        Ok(files.len().div_ceil(BATCH) + entries.div_ceil(PAGE) < files.len())
    }

    /// Creates many files and returns one result per file, in the caller's order. The caller has refreshed the tree.
    pub(super) async fn create_many(
        &self,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        let operation = options.mode.operation();
        let names: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let creation = async {
            check_options_of_many(&options)?;
            CAPABILITIES.check_metadata(&options.metadata)?;
            options.expect_replace()?;
            let store = self.clone();
            let target = WriteTarget::from(options.mode);
            pool::spawn_to_completion(async move {
                let created = store.create_all(files, &target);
                store.index.change(created).await
            })
            .await
        };
        let created = creation.await.map_err(CONTEXT.operation(operation))?;
        let created = names.iter().zip(created);
        Ok(created.map(|(path, created)| created.map_err(CONTEXT.at(operation, path))).collect())
    }

    async fn create_all(
        &self,
        files: Vec<(String, Bytes)>,
        target: &WriteTarget,
    ) -> Result<Vec<Result<FileInfo>>> {
        let paths = parse_distinct(files.iter().map(|(path, _)| path));
        let valid_paths = paths.iter().filter_map(|path| path.as_ref().ok()).cloned().collect();
        let _guard = self.shared.path_locks.lock(valid_paths).await;
        self.index.refresh_for_writing().await?;
        let uploads =
            paths.into_iter().zip(files).enumerate().map(|(position, (path, (_, data)))| {
                async move { (position, self.upload_one(path, data, target).await) }.boxed()
            });
        // Batches are attached concurrently with the uploads: a stalled upload would hold its slot while the batch waits for one.
        let batches = self.concurrently(uploads).chunks(BATCH);
        let batches = batches.map(|batch| self.attach_batch(batch).boxed());
        let uploads = batches.buffer_unordered(usize::MAX).concat().await;
        let mut created = self.confirm(uploads).await;
        created.sort_unstable_by_key(|(position, _)| *position);
        Ok(created.into_iter().map(|(_, created)| created).collect())
    }

    async fn upload_one(
        &self,
        path: Result<FilePath>,
        data: Bytes,
        target: &WriteTarget,
    ) -> Result<Upload> {
        let path = path?;
        let uploaded = async {
            let old = self.index.read(|entries| {
                entries.check_write(&path, target)?;
                Ok::<_, Error>(entries.file(&path).cloned())
            })?;
            let content = Content::in_memory(vec![data], Measure::new(None)).await?;
            let encoding = content.encoding(self.config.encoding)?;
            let file = self.upload(&path, &content, encoding).await?;
            let entry = Self::new_entry(file, file_meta(&content, encoding), old.as_ref());
            Ok(Upload { path: path.clone(), entry, old })
        };
        uploaded.await.map_err(|error: Error| error.with_path(path.as_str()))
    }

    /// Attaches uploads with one request, or one by one if the service refuses the batch. Deletes the uploads that cannot be
    /// attached.
    async fn attach_batch(&self, batch: Vec<Outcome<Upload>>) -> Vec<Outcome<Upload>> {
        let uploads = batch.iter().filter_map(|(_, upload)| upload.as_ref().ok());
        let files: Result<Vec<(String, Attributes)>> = uploads
            .map(|Upload { path, entry, .. }| Ok((entry.id.clone(), self.attributes(path, entry)?)))
            .collect();
        let attached = async { self.client.attach_batch(&files?).await };
        let Err(mut error) = attached.await else { return batch };
        // A server without batches answers like one without the vector store.
        if error.kind() == ErrorKind::RootGone
            && matches!(self.client.is_vector_store_expired().await, Ok(false))
        {
            error = error.with_kind(ErrorKind::Remote);
        }
        let refused = batch.into_iter().map(|(position, upload)| {
            let error = error.clone();
            let attach = move |upload| self.attach_individually(upload, error);
            let attached = future::ready(upload).and_then(attach);
            attached.map(move |attached| (position, attached)).boxed()
        });
        self.concurrently(refused).collect().await
    }

    /// Attaches one file of a batch that failed with `error`, if another file may have caused the error.
    async fn attach_individually(&self, upload: Upload, error: Error) -> Result<Upload> {
        let may_be_caused_by_another =
            matches!(error.kind(), ErrorKind::Remote | ErrorKind::NotFound)
                && !error.is_temporary();
        let attached = match may_be_caused_by_another {
            true => self.attach_entry(&upload.path, &upload.entry).await.map(drop),
            false => Err(error),
        };
        let Err(error) = attached else { return Ok(upload) };
        let error = self.undo_upload(&upload.path, &upload.entry.id, error).await;
        Err(error.with_path(upload.path.as_str()))
    }

    /// Makes sure that the files of accepted batches are attached: the response does not report each file.
    async fn confirm(&self, uploads: Vec<Outcome<Upload>>) -> Vec<Outcome<FileInfo>> {
        let is_any_attached = uploads.iter().any(|(_, upload)| upload.is_ok());
        let is_listing_fresh = is_any_attached && self.index.refresh_now().await.is_ok();
        let confirmations = uploads.into_iter().map(|(position, upload)| {
            let finish = move |upload| self.finish(upload, is_listing_fresh);
            let finished = future::ready(upload).and_then(finish);
            finished.map(move |finished| (position, finished)).boxed()
        });
        self.concurrently(confirmations).collect().await
    }

    /// Attaches a file that the batch left out, or gives it the attributes that the service did not keep.
    async fn complete(&self, path: &FilePath, entry: &Entry) -> Result<()> {
        // Some servers ignore the files of a batch, and others show an entry late. Attaching a file twice does no harm.
        match self.client.attached_now(&entry.id).await? {
            Some(answer) => {
                self.ensure_kept(path, entry, self.attributes(path, entry)?, answer).await?
            }
            None => self.attach_entry(path, entry).await?,
        };
        Ok(())
    }

    async fn finish(&self, upload: Upload, is_listing_fresh: bool) -> Result<FileInfo> {
        let Upload { path, entry, old } = upload;
        let is_same = |listed: &Entry| listed.id == entry.id && listed.is_same_version(&entry);
        let is_listed = self.index.read(|entries| entries.file(&path).is_some_and(is_same));
        if !(is_listing_fresh && is_listed)
            && let Err(error) = self.complete(&path, &entry).await
        {
            // The service has accepted the batch.
            let error = error.with_unknown_outcome();
            let error = self.undo_upload(&path, &entry.id, error).await;
            return Err(error.with_path(path.as_str()));
        }
        self.index.insert(&path, entry.clone());
        if let Some(old) = old {
            // As after any write, an old version that cannot be removed is hidden.
            self.remove_old_version(&path, &old.id).await;
        }
        Ok(info_of_entry(path, &entry))
    }
}

/// Parses the paths and refuses those that equal another or lie below or above it.
fn parse_distinct<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<Result<FilePath>> {
    let (mut files, mut directories) = (BTreeSet::new(), BTreeSet::new());
    let check = paths.map(|path| {
        let path = writable(path)?;
        let above: Vec<FilePath> = std::iter::successors(path.parent(), FilePath::parent).collect();
        if directories.contains(&path)
            || above.iter().any(|above| files.contains(above))
            || !files.insert(path.clone())
        {
            let message =
                "the path equals, or lies below or above, an earlier path of the same call";
            let refused = Error::new(ErrorKind::InvalidInput).with_message(message);
            return Err(refused.with_path(path.as_str()));
        }
        directories.extend(above);
        Ok(path)
    });
    check.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_and_nested_paths_are_refused() {
        for (paths, refused) in [
            (&["a", "b", "a/"][..], &[2][..]),
            (&["a", "./a", "/a", "b"], &[1, 2]),
            (&["a", "a/b", "a/c/d", "ab"], &[1, 2]),
            (&["a/b/c", "a/b", "a", "a/c", "a/b/d"], &[1, 2]),
            (&["a/b", "a", "a"], &[1, 2]),
            (&["d/a", "d-", "d0", "d/b"], &[]),
            (&["a/b", "a/b/c", "a/b/c/d", "a/x"], &[1, 2]),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let results = parse_distinct(paths.iter());
            assert_eq!(results.len(), paths.len());
            for (position, outcome) in results.into_iter().enumerate() {
                match outcome {
                    Ok(path) => {
                        assert!(!refused.contains(&position), "{paths:?}: {position}");
                        assert_eq!(path, FilePath::parse(&paths[position]).unwrap());
                    }
                    Err(error) => {
                        assert!(refused.contains(&position), "{paths:?}: {position}");
                        assert_eq!(error.kind(), ErrorKind::InvalidInput);
                        assert!(error.path().is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn invalid_paths_keep_their_own_error() {
        let long = "x/".repeat(1025);
        let paths = ["..", "", "a", ".f9/x", &long].map(str::to_owned);
        let kinds =
            parse_distinct(paths.iter()).into_iter().map(|path| path.map_err(|error| error.kind()));
        let expected = [
            Err(ErrorKind::PathEscapesRoot),
            Err(ErrorKind::InvalidPath),
            Ok(FilePath::parse("a").unwrap()),
            Err(ErrorKind::ReservedPath),
            Err(ErrorKind::InvalidPath),
        ];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
    }
}
