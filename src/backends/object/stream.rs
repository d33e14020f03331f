//! Writes of content of any size: small content is one request, large content an upload in parts.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime::Handle;

use super::bucket::{Attributes, Bucket, Condition, Copy, Honoured, Written};
use super::session::check_lease;
use super::store::Store;
use super::write::{ATTEMPTS, Plan, check_checksum, contention, kept_attributes};
use crate::core::checksum::Hasher;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{WriteMode, WriteOptions};
use crate::core::stream::{ByteStream, from_caller};
use crate::sys::{pool, random};

/// The most parts of an upload that every service accepts.
const MAX_PARTS: u64 = 10_000;

/// The largest part that is copied from an object.
const MAX_COPIED_PART: u64 = 1024 * 1024 * 1024;

/// Returns the parts in which an object is copied. They are of one size, so that none is too small.
pub(super) fn pieces(size: u64) -> impl Iterator<Item = Range<u64>> {
    let piece = size.div_ceil(size.div_ceil(MAX_COPIED_PART).max(1)).max(1);
    let count = size.div_ceil(piece);
    (0..count).map(move |index| index * piece..size.min((index + 1) * piece))
}

impl Store {
    pub(super) async fn stream_write(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let plan = self.plan(path, &options)?;
        // Checked again when the file is published.
        self.check_target(&plan).await?;
        let part_size = self.part_size(options.size);
        let mut source = Source::new(data, &options, part_size);
        let first = source.next_part().await?;
        if source.is_at_end() {
            options.check_size(first.len() as u64)?;
            check_checksum(&first, options.checksum.as_ref()).await?;
            return self.publish(plan, first).await;
        }
        self.upload(plan, first, source, &options).await
    }

    /// The size of the parts, so that content of a declared size has not too many.
    pub(super) fn part_size(&self, size: Option<u64>) -> usize {
        let needed = size.unwrap_or_default().div_ceil(MAX_PARTS);
        usize::try_from(needed.max(self.options.part_size)).unwrap_or(usize::MAX)
    }

    async fn upload(
        &self,
        plan: Plan,
        first: Bytes,
        mut source: Source<'_>,
        options: &WriteOptions,
    ) -> Result<FileInfo> {
        let place = self.upload_place(&plan)?;
        let mut upload = self.begin(&plan, place).await?;
        let mut parts = Parts::new(Arc::clone(&self.bucket), self.options.parts, &upload);
        let beginning = std::mem::take(&mut upload.beginning);
        let is_new = beginning.is_empty();
        parts.add(if is_new { first } else { [beginning, first].concat().into() }).await?;
        while !source.is_at_end() {
            let part = parts.while_uploading(source.next_part()).await?;
            if !part.is_empty() {
                parts.add(part).await?;
            }
        }
        source.check(options)?;
        upload.parts.extend(parts.finish().await?);
        upload.size += source.taken;
        let (store, lease) = (self.clone(), self.held_lease());
        // From here on the upload may be published, so it runs to its end.
        pool::spawn_to_completion(Box::pin(async move {
            let _guard = store.shared.path_locks.lock(vec![plan.path.clone()]).await;
            check_lease(lease.as_deref())?;
            store.finish(plan, upload).await
        }))
        .await
    }

    /// Appends to a file that is larger than a part, without reading it.
    /// The caller holds the lock of the path.
    pub(super) async fn append_to_large(&self, plan: &Plan, data: &Bytes) -> Result<FileInfo> {
        for _ in 0..ATTEMPTS {
            let mut upload = self.begin(plan, self.upload_place(plan)?).await?;
            let mut parts = Parts::new(Arc::clone(&self.bucket), self.options.parts, &upload);
            let beginning = std::mem::take(&mut upload.beginning);
            let is_new = beginning.is_empty();
            parts
                .add(if is_new { data.clone() } else { [beginning, data.clone()].concat().into() })
                .await?;
            upload.parts.extend(parts.finish().await?);
            upload.size += data.len() as u64;
            match self.finish(plan.clone(), upload).await {
                Err(error)
                    if error.kind() == ErrorKind::Contention && !error.has_unknown_outcome() => {}
                finished => return finished,
            }
        }
        Err(contention())
    }

    /// Chooses where an upload is made.
    fn upload_place(&self, plan: &Plan) -> Result<Place> {
        let is_free = plan.target.mode == WriteMode::Overwrite && plan.target.condition.is_empty();
        let needed = match plan.target.mode {
            _ if is_free => Honoured::NONE,
            WriteMode::Create if plan.target.condition.is_empty() => {
                Honoured { absent: true, etag: false }
            }
            WriteMode::IfMatch(_) | WriteMode::Append => Honoured { absent: false, etag: true },
            _ => Honoured::ALL,
        };
        let has =
            |honoured: Honoured| honoured.absent >= needed.absent && honoured.etag >= needed.etag;
        if has(self.abilities.finish) {
            return Ok(Place::Target);
        }
        if has(self.abilities.copy) {
            return Ok(Place::Aside);
        }
        let message = "the service cannot finish an upload in parts under a condition";
        Err(Error::new(ErrorKind::Unsupported).with_message(message))
    }

    /// Begins an upload. For an append, the old content becomes the first parts.
    async fn begin(&self, plan: &Plan, place: Place) -> Result<Upload> {
        for _ in 0..ATTEMPTS {
            let mut attributes = plan.attributes.clone();
            let state = match plan.target.mode {
                WriteMode::Append => Some(self.target_state(&plan.path, &plan.target).await?),
                _ => None,
            };
            let old = state.and_then(|state| state.old);
            if let Some(old) = &old {
                attributes = kept_attributes(old, &attributes);
            }
            let key = match place {
                Place::Target => self.keys.file(&plan.path),
                Place::Aside => self.keys.private(&format!("uploads/{}", random::hex::<16>()?)),
            };
            let id = self.bucket.begin(&key, attributes.clone()).await?;
            let mut upload = Upload {
                bucket: Arc::clone(&self.bucket),
                key,
                id: Some(id),
                place,
                parts: Vec::new(),
                size: 0,
                attributes,
                appended_to: old.as_ref().and_then(|old| old.etag.clone()),
                beginning: Bytes::new(),
            };
            let Some(old) = old else { return Ok(upload) };
            if old.size < self.bucket.min_part_bytes() {
                // Too small to be a part of its own.
                match self.content_of(&old).await? {
                    Some(content) => upload.beginning = content,
                    None => continue,
                }
                upload.size = old.size;
                return Ok(upload);
            }
            let mut end = 0;
            for piece in pieces(old.size) {
                let number = u32::try_from(upload.parts.len() + 1).unwrap_or(u32::MAX);
                let id = upload.id.clone().unwrap_or_default();
                let copied =
                    self.bucket.copy_part(&upload.key, &id, number, &old, piece.clone()).await;
                match copied {
                    Ok(part) => upload.parts.push(part),
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => break,
                    Err(error) => return Err(error),
                }
                end = piece.end;
            }
            if end >= old.size {
                upload.size = old.size;
                return Ok(upload);
            }
        }
        Err(contention())
    }

    /// Publishes an upload.
    pub(super) async fn finish(&self, plan: Plan, mut upload: Upload) -> Result<FileInfo> {
        for _ in 0..ATTEMPTS {
            self.check_target_place(&plan.path, &plan.target).await?;
            let mut state = self.target_state(&plan.path, &plan.target).await?;
            if plan.target.mode == WriteMode::Append {
                // The parts begin with the content that the file had.
                state.condition = match &upload.appended_to {
                    Some(etag) => Condition::Etag(etag.clone()),
                    None => state.condition,
                };
                state.was_looked_up = upload.appended_to.is_none();
            }
            match self.finish_at(&plan, &mut upload, &state.condition).await {
                Ok(written) => {
                    let (size, attributes) = (upload.size, upload.attributes.clone());
                    upload.id = None;
                    return Ok(self.written(plan.path, size, attributes, written));
                }
                Err(error) => self.refused(error, &plan.target, &state).map_err(|error| {
                    let is_append = plan.target.mode == WriteMode::Append;
                    match error.kind() {
                        ErrorKind::PreconditionFailed if is_append => {
                            error.with_kind(ErrorKind::Contention)
                        }
                        _ => error,
                    }
                })?,
            }
        }
        Err(contention())
    }

    async fn finish_at(
        &self,
        plan: &Plan,
        upload: &mut Upload,
        condition: &Condition,
    ) -> Result<Written> {
        let id = upload.id.clone().unwrap_or_default();
        if upload.place == Place::Target {
            let parts = upload.parts.clone();
            return self.bucket.finish(&upload.key, &id, parts, condition.clone()).await;
        }
        if !id.is_empty() {
            let parts = std::mem::take(&mut upload.parts);
            self.bucket.finish(&upload.key, &id, parts, Condition::None).await?;
            upload.id = None;
        }
        let source = self.bucket.head(&upload.key, None).await?;
        let copy = Copy { condition: condition.clone(), ..Copy::default() };
        let copied = self.bucket.copy(&source, &self.keys.file(&plan.path), copy).await;
        // Kept if the write is tried again.
        if copied.is_ok() {
            drop(self.bucket.delete(&upload.key, None).await);
        }
        copied
    }
}

/// Where the parts of an upload become an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Target,
    /// Under a name of f9, from which it is copied under the condition that an upload cannot have.
    Aside,
}

/// An upload that is not published. It is removed when it is dropped.
pub(super) struct Upload {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) key: String,
    /// `None` once it is published.
    pub(super) id: Option<String>,
    pub(super) place: Place,
    pub(super) parts: Vec<String>,
    pub(super) size: u64,
    pub(super) attributes: Attributes,
    /// The etag of the file whose content it begins with.
    pub(super) appended_to: Option<String>,
    /// That content, if it is too small to be a part.
    pub(super) beginning: Bytes,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (bucket, key) = (Arc::clone(&self.bucket), std::mem::take(&mut self.key));
        let Ok(runtime) = Handle::try_current() else { return };
        match self.id.take() {
            Some(id) => drop(runtime.spawn(async move { bucket.abort(&key, &id).await })),
            None if self.place == Place::Aside => {
                drop(runtime.spawn(async move { bucket.delete(&key, None).await }));
            }
            None => {}
        }
    }
}

type Uploading = BoxFuture<'static, Result<(usize, String)>>;

/// The parts of an upload that are sent at the same time.
struct Parts {
    bucket: Arc<dyn Bucket>,
    key: Arc<str>,
    id: Arc<str>,
    most: usize,
    /// The number of parts before these.
    before: usize,
    running: FuturesUnordered<Uploading>,
    ids: Vec<Option<String>>,
}

impl Parts {
    fn new(bucket: Arc<dyn Bucket>, most: usize, upload: &Upload) -> Self {
        Self {
            bucket,
            key: upload.key.as_str().into(),
            id: upload.id.as_deref().unwrap_or_default().into(),
            most,
            before: upload.parts.len(),
            running: FuturesUnordered::new(),
            ids: Vec::new(),
        }
    }

    /// Starts to send a part. Waits until fewer than the most are on their way.
    async fn add(&mut self, data: Bytes) -> Result<()> {
        while self.running.len() >= self.most {
            self.take_finished().await?;
        }
        let at = self.ids.len();
        self.ids.push(None);
        let number = u32::try_from(self.before + at + 1).unwrap_or(u32::MAX);
        if u64::from(number) > MAX_PARTS {
            let message = format!(
                "more than {MAX_PARTS} parts; declare the size, or set a larger `part_size`"
            );
            return Err(Error::new(ErrorKind::TooLarge).with_message(message));
        }
        let (bucket, key, id) =
            (Arc::clone(&self.bucket), Arc::clone(&self.key), Arc::clone(&self.id));
        self.running.push(Box::pin(async move {
            let part = bucket.put_part(&key, &id, number, data).await?;
            Ok((at, part))
        }));
        Ok(())
    }

    /// Waits for `other`, and sends parts meanwhile.
    async fn while_uploading<T>(&mut self, other: impl Future<Output = Result<T>>) -> Result<T> {
        let mut other = std::pin::pin!(other);
        loop {
            if self.running.is_empty() {
                return other.await;
            }
            match select(other.as_mut(), self.running.next()).await {
                Either::Left((done, _)) => return done,
                Either::Right((finished, _)) => self.note(finished)?,
            }
        }
    }

    async fn take_finished(&mut self) -> Result<()> {
        let finished = self.running.next().await;
        self.note(finished)
    }

    fn note(&mut self, finished: Option<Result<(usize, String)>>) -> Result<()> {
        if let Some(finished) = finished {
            let (at, id) = finished?;
            self.ids[at] = Some(id);
        }
        Ok(())
    }

    /// Waits for all parts and returns their ids in order.
    async fn finish(mut self) -> Result<Vec<String>> {
        while !self.running.is_empty() {
            self.take_finished().await?;
        }
        Ok(self.ids.into_iter().flatten().collect())
    }
}

/// The content of a write, in parts of one size.
struct Source<'a> {
    chunks: ByteStream<'a>,
    /// What came after the last part.
    rest: Bytes,
    part_size: usize,
    is_over: bool,
    hasher: Option<Hasher>,
    size: Option<u64>,
    taken: u64,
}

impl<'a> Source<'a> {
    fn new(data: ByteStream<'a>, options: &WriteOptions, part_size: usize) -> Self {
        Self {
            chunks: from_caller(data),
            rest: Bytes::new(),
            part_size,
            is_over: false,
            hasher: options.checksum.as_ref().map(|checksum| Hasher::new(checksum.algorithm())),
            size: options.size,
            taken: 0,
        }
    }

    fn is_at_end(&self) -> bool {
        self.is_over && self.rest.is_empty()
    }

    /// Returns the next part. Only the last one is smaller than the others, or empty.
    async fn next_part(&mut self) -> Result<Bytes> {
        let mut part = BytesMut::new();
        loop {
            let missing = self.part_size - part.len();
            let taken = self.rest.split_to(missing.min(self.rest.len()));
            if part.is_empty() && taken.len() == self.part_size {
                // A chunk of the source that is as large as a part is not copied.
                self.hash(&taken);
                self.look_ahead().await?;
                return Ok(taken);
            }
            if part.len() > self.part_size / 4 {
                // Growing by doubling would take up to twice the memory.
                part.reserve(self.part_size - part.len());
            }
            part.extend_from_slice(&taken);
            if part.len() == self.part_size || self.is_over {
                let part = part.freeze();
                self.hash(&part);
                self.look_ahead().await?;
                return Ok(part);
            }
            self.take_chunk().await?;
        }
    }

    /// Finds out whether more follows.
    async fn look_ahead(&mut self) -> Result<()> {
        while self.rest.is_empty() && !self.is_over {
            self.take_chunk().await?;
        }
        Ok(())
    }

    async fn take_chunk(&mut self) -> Result<()> {
        match self.chunks.next().await {
            Some(chunk) => {
                self.rest = chunk?;
                self.taken += self.rest.len() as u64;
                if let Some(size) = self.size {
                    WriteOptions::default().with_size(size).check_size_so_far(self.taken)?;
                }
            }
            None => self.is_over = true,
        }
        Ok(())
    }

    fn hash(&mut self, part: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(part);
        }
    }

    /// Compares the whole content with the options.
    fn check(&mut self, options: &WriteOptions) -> Result<()> {
        options.check_size(self.taken)?;
        match (self.hasher.take(), &options.checksum) {
            (Some(hasher), Some(expected)) => expected.expect(&hasher.finish()),
            _ => Ok(()),
        }
    }
}
