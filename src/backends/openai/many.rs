//! Creating many files at once, with a request for each hundred attachments instead of one for each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};

use super::api::Attributes;
use super::attributes::Entry;
use super::body::Content;
use super::store::{Store, info_of_entry};
use super::write::{file_kind, not_of_the_path, writable};
use crate::{CreateOptions, Error, ErrorKind, FileInfo, FilePath, Result, WriteMode, offload};

/// How many files one request attaches. The service takes more, and is said to be unsteady then.
const BATCH: usize = 100;

/// A file on its way, by its place among those to be created.
struct Upload {
    place: usize,
    path: FilePath,
    entry: Entry,
    attributes: Attributes,
    old: Option<Entry>,
}

/// What became of an upload, and its place.
type Uploaded = (usize, Result<Upload>);

impl Store {
    /// Creates many files, each as if by itself: what one fails with is in its place.
    pub(super) async fn create_many(
        self: &Arc<Self>,
        files: Vec<(String, Bytes)>,
        options: CreateOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        if matches!(options.mode, WriteMode::IfMatch(_)) || options.checksum.is_some() {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("an etag or a checksum is of one file, not of many"));
        }
        self.index.fresh().await?;
        let store = Arc::clone(self);
        let creation = async move {
            let created = store.create_all(files, &options.mode);
            store.index.change(created).await
        };
        offload::to_the_end(creation).await
    }

    async fn create_all(
        &self,
        files: Vec<(String, Bytes)>,
        mode: &WriteMode,
    ) -> Result<Vec<Result<FileInfo>>> {
        let paths = distinct(files.iter().map(|(path, _)| path));
        let claimed = paths.iter().filter_map(|path| path.as_ref().ok()).cloned().collect();
        let _claim = self.turns.claim(claimed).await;
        self.index.fresh_for_writing().await?;
        let mut outcomes: Vec<Option<Result<FileInfo>>> = Vec::new();
        outcomes.resize_with(files.len(), || None);
        let uploads = paths.into_iter().zip(files).enumerate().map(|(place, (path, (_, data)))| {
            async move { (place, self.upload_one(place, path, data, mode).await) }.boxed()
        });
        // Batches are attached beside the uploads: those hold turns at calls, and must not stand still for what waits for a turn.
        let batches = self.side_by_side(uploads).chunks(BATCH);
        let mut batches =
            batches.map(|batch| self.attach_batch(batch).boxed()).buffer_unordered(usize::MAX);
        let mut attached = Vec::new();
        while let Some(batch) = batches.next().await {
            for (place, upload) in batch {
                match upload {
                    Ok(upload) => attached.push(upload),
                    Err(error) => outcomes[place] = Some(Err(error)),
                }
            }
        }
        self.confirm(attached, &mut outcomes).await;
        let lost = || Err(Error::new(ErrorKind::Internal));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect())
    }

    async fn upload_one(
        &self,
        place: usize,
        path: Result<FilePath>,
        data: Bytes,
        mode: &WriteMode,
    ) -> Result<Upload> {
        let path = path?;
        let failing = |error: Error| error.with_path(path.as_str());
        let uploaded = async {
            let old = self.index.read(|entries| {
                entries.check_write(&path, mode)?;
                Ok::<_, Error>(entries.file(&path).cloned())
            })?;
            let content = Content::from_bytes(data).await?;
            let encoding = content.encoding(self.config.encoding)?;
            let id = self.upload(&path, &content, encoding).await?;
            let entry = Self::new_entry(id, file_kind(&content, encoding), old.as_ref());
            let attributes = entry.to_attributes(&path)?;
            Ok(Upload { place, path: path.clone(), entry, attributes, old })
        };
        uploaded.await.map_err(failing)
    }

    /// Attaches what has been uploaded with one request, or one by one where all are refused together. What cannot be attached is deleted
    /// again.
    async fn attach_batch(&self, batch: Vec<Uploaded>) -> Vec<Uploaded> {
        let uploads = batch.iter().filter_map(|(_, upload)| upload.as_ref().ok());
        let named = uploads.map(|upload| (upload.entry.id.clone(), upload.attributes.clone()));
        let Err(error) = self.client.attach_batch(&named.collect::<Vec<_>>()).await else {
            return batch;
        };
        let refused = batch.into_iter().map(|(place, upload)| {
            let error = error.clone();
            let attached = async move {
                let upload = match upload {
                    Ok(upload) => self.attach_alone(upload, error).await,
                    failed => failed,
                };
                (place, upload)
            };
            attached.boxed()
        });
        self.side_by_side(refused).collect().await
    }

    /// Attaches one of a batch that failed with `error`, if that may be the fault of another one in it.
    async fn attach_alone(&self, upload: Upload, error: Error) -> Result<Upload> {
        let may_be_of_another = matches!(error.kind(), ErrorKind::Remote | ErrorKind::NotFound)
            && !error.is_retryable();
        let attached = match may_be_of_another {
            true => self.client.attach(&upload.entry.id, &upload.attributes).await,
            false => Err(error),
        };
        let Err(error) = attached else { return Ok(upload) };
        self.withdraw(&upload.path, &upload.entry.id).await;
        Err(not_of_the_path(error).with_path(upload.path.as_str()))
    }

    /// Makes sure that what a batch was to attach is attached: its answer does not say so of each file.
    async fn confirm(&self, attached: Vec<Upload>, outcomes: &mut [Option<Result<FileInfo>>]) {
        if attached.is_empty() {
            return;
        }
        let has_looked = self.index.fresh_within(Duration::ZERO).await.is_ok();
        let confirmations = attached.into_iter().map(move |upload| {
            let id = &upload.entry.id;
            let is_it = |now: &Entry| now.id == *id;
            let is_listed =
                self.index.read(|entries| entries.file(&upload.path).is_some_and(is_it));
            let is_known = has_looked && is_listed;
            let confirmed = async move {
                let confirmed = if is_known { Ok(()) } else { self.attach_missing(&upload).await };
                (upload.place, self.settle(upload, confirmed).await)
            };
            confirmed.boxed()
        });
        let mut confirmed = self.side_by_side(confirmations);
        while let Some((place, outcome)) = confirmed.next().await {
            outcomes[place] = Some(outcome);
        }
    }

    async fn attach_missing(&self, upload: &Upload) -> Result<()> {
        if self.client.attached(&upload.entry.id).await?.is_none() {
            self.client.attach(&upload.entry.id, &upload.attributes).await?;
        }
        Ok(())
    }

    async fn settle(&self, upload: Upload, confirmed: Result<()>) -> Result<FileInfo> {
        let Upload { path, entry, old, .. } = upload;
        if let Err(error) = confirmed {
            self.withdraw(&path, &entry.id).await;
            return Err(not_of_the_path(error).with_path(path.as_str()));
        }
        self.index.insert(&path, entry.clone());
        if let Some(old) = old {
            // As in any write, what is left of the old version is hidden.
            self.tidy(&path, &old.id).await;
        }
        Ok(info_of_entry(path, &entry))
    }
}

/// The paths, of which none may be another's, or lie below it.
fn distinct<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<Result<FilePath>> {
    let (mut files, mut directories) = (BTreeSet::new(), BTreeSet::new());
    let refused = |path: &FilePath| {
        Error::new(ErrorKind::InvalidInput)
            .with_path(path.as_str())
            .with_message("it is named before, or lies below or above a file that is")
    };
    let check = paths.map(|path| {
        let path = writable(path)?;
        let above: Vec<FilePath> = std::iter::successors(path.parent(), FilePath::parent).collect();
        if directories.contains(&path)
            || above.iter().any(|above| files.contains(above))
            || !files.insert(path.clone())
        {
            return Err(refused(&path));
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
    fn no_path_is_named_twice_or_lies_below_another() {
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
            let outcomes = distinct(paths.iter());
            assert_eq!(outcomes.len(), paths.len());
            for (place, outcome) in outcomes.into_iter().enumerate() {
                match outcome {
                    Ok(path) => {
                        assert!(!refused.contains(&place), "{paths:?}: {place}");
                        assert_eq!(path, FilePath::parse(&paths[place]).unwrap());
                    }
                    Err(error) => {
                        assert!(refused.contains(&place), "{paths:?}: {place}");
                        assert_eq!(error.kind(), ErrorKind::InvalidInput);
                        assert!(error.path().is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_path_of_a_file_keeps_its_own_error() {
        let long = "x/".repeat(1025);
        let paths = ["..", "", "a", ".f9/x", &long].map(str::to_owned);
        let kinds =
            distinct(paths.iter()).into_iter().map(|path| path.map_err(|error| error.kind()));
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
