//! Uploads that another process can continue.
//!
//! Parts of the service must be large, and callers may bring small pieces. So what does not fill a part waits in an object of its own, named
//! by the offset at its end, and a record says which parts and which offset belong together. The record is only changed under the condition
//! that nobody else has changed it.

use std::sync::PoisonError;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::bucket::{Attributes, Condition, Get, UploadedPart};
use super::keys::Keys;
use super::metadata;
use super::session::check_lease;
use super::store::Store;
use super::write::Plan;
use crate::core::checksum::Hasher;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{WriteMode, WriteOptions};
use crate::core::stream::{ByteStream, collect, from_caller};
use crate::core::upload::ResumableUpload;
use crate::sys::{pool, random};

/// What the store knows of an upload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    /// The upload in parts, once there is a part.
    multipart: Option<String>,
    /// The parts that belong to the offset.
    parts: Vec<Stored>,
    /// The number of bytes in the parts and in the rest.
    offset: u64,
    /// The parts after those, from a call whose result the caller does not have. They do not count, and new parts replace them.
    #[serde(default)]
    discarded: Vec<Stored>,
    /// A random text, so that no two records are the same.
    #[serde(default)]
    turn: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    id: String,
    size: u64,
}

impl Record {
    /// The offset at which the rest begins, after the parts.
    fn parts_end(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

/// Where the parts of an upload are made and where its objects are.
struct Names {
    directory: String,
    content: String,
}

impl Names {
    fn of(keys: &Keys, id: &str) -> Result<Self> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ErrorKind::NotFound.into());
        }
        let directory = keys.private(&format!("uploads/{id}/"));
        let content = format!("{directory}content");
        Ok(Self { directory, content })
    }

    fn record(&self) -> String {
        format!("{}record", self.directory)
    }

    fn rest(&self, end: u64) -> String {
        format!("{}{end}", self.directory)
    }
}

/// The mark that a caller of this process works on an upload.
struct Busy<'a> {
    store: &'a Store,
    id: &'a str,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let busy = &self.store.shared.busy_uploads;
        busy.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

impl Store {
    fn occupy<'a>(&'a self, id: &'a str) -> Result<Busy<'a>> {
        let busy = &self.shared.busy_uploads;
        if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            return Err(in_use());
        }
        Ok(Busy { store: self, id })
    }

    pub(super) async fn begin_upload(
        &self,
        path: &str,
        options: WriteOptions,
    ) -> Result<ResumableUpload> {
        self.expect_uploads()?;
        let plan = self.plan(path, &options)?;
        self.check_target(&plan).await?;
        let id = random::hex::<16>()?;
        let names = Names::of(&self.keys, &id)?;
        self.write_record(&names, &Record::default(), Condition::Absent).await?;
        Ok(ResumableUpload::new(path, options, id))
    }

    fn expect_uploads(&self) -> Result<()> {
        let abilities = &self.abilities;
        if abilities.resumable && abilities.put.absent && abilities.put.etag {
            return Ok(());
        }
        Err(ErrorKind::Unsupported.into())
    }

    pub(super) async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        let _busy = self.occupy(&upload.id)?;
        let names = Names::of(&self.keys, &upload.id)?;
        let (found, etag) = self.read_record(&names).await?;
        let listed = self.listed_parts(&names, &found).await?;
        if listed.is_empty() && !found.parts.is_empty() && self.is_there(&names.content).await? {
            let message =
                "its parts were put together by an attempt to finish it; finish or abandon it";
            return Err(Error::new(ErrorKind::InvalidOperation).with_message(message));
        }
        let newest = current(&found, &listed);
        upload.expect_offset(newest.offset)?;
        let mut record = self.record_at(&names, &newest, upload.offset).await?;
        // Parts after this offset are from a call whose result the caller does not have.
        let kept = record.parts.len();
        record.discarded = listed.iter().skip(kept).map(stored).collect();
        let etag = self.write_record(&names, &record, Condition::Etag(etag)).await?;
        let mut written = (record.clone(), etag);
        let attributes = metadata::attributes(&upload.options.metadata);
        let mut rest = self.read_rest(&names, &record).await?;
        let part_size = self.part_size(upload.options.size);
        let mut data = from_caller(data);
        let mut failed = None;
        loop {
            match data.try_next().await {
                Ok(Some(chunk)) => {
                    record.offset += chunk.len() as u64;
                    upload.options.check_size_so_far(record.offset)?;
                    rest.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            while rest.len() >= part_size {
                let part = rest.split_to(part_size).freeze();
                if record.multipart.is_none() {
                    let id = self.bucket.begin(&names.content, attributes.clone()).await?;
                    // Known before its first part, so that no part is lost.
                    written.0.multipart = Some(id.clone());
                    let condition = Condition::Etag(written.1);
                    written.1 = self.write_record(&names, &written.0, condition).await?;
                    record.multipart = Some(id);
                }
                self.add_part(&names, &mut record, part).await?;
            }
        }
        if !rest.is_empty() {
            let key = names.rest(record.offset);
            let content = rest.freeze();
            self.bucket.put(&key, content, Attributes::default(), Condition::None).await?;
        }
        record.discarded.clear();
        self.write_record(&names, &record, Condition::Etag(written.1)).await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(state_of(upload, &record)),
        }
    }

    async fn add_part(&self, names: &Names, record: &mut Record, part: Bytes) -> Result<()> {
        let upload = record.multipart.clone().unwrap_or_default();
        let number = u32::try_from(record.parts.len() + 1).unwrap_or(u32::MAX);
        let size = part.len() as u64;
        let id = self.bucket.put_part(&names.content, &upload, number, part).await?;
        record.parts.push(Stored { id, size });
        Ok(())
    }

    pub(super) async fn upload_state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        let names = Names::of(&self.keys, &upload.id)?;
        let (found, _) = self.read_record(&names).await?;
        let listed = self.listed_parts(&names, &found).await?;
        Ok(state_of(upload, &current(&found, &listed)))
    }

    /// Publishes an upload. Runs to its end even if the caller is dropped.
    pub(super) async fn finish_upload(&self, upload: &ResumableUpload) -> Result<FileInfo> {
        let plan = self.plan(&upload.path, &upload.options)?;
        let (store, upload, lease) = (self.clone(), upload.clone(), self.held_lease());
        pool::spawn_to_completion(Box::pin(async move {
            check_lease(lease.as_deref())?;
            let _busy = store.occupy(&upload.id)?;
            let names = Names::of(&store.keys, &upload.id)?;
            let (found, etag) = store.read_record(&names).await?;
            let listed = store.listed_parts(&names, &found).await?;
            let record = current(&found, &listed);
            upload.expect_end(record.offset)?;
            upload.options.check_size(record.offset)?;
            let rest = store.read_rest(&names, &record).await?.freeze();
            // Once the parts are an object, they are not listed any more.
            store.write_record(&names, &record, Condition::Etag(etag)).await?;
            let info = match &record.multipart {
                Some(_) => store.finish_parts(plan, &names, record, rest, &upload.options).await?,
                None => {
                    if let Some(expected) = &upload.options.checksum {
                        let mut hasher = Hasher::new(expected.algorithm());
                        hasher.update(&rest);
                        expected.expect(&hasher.finish())?;
                    }
                    store.publish(plan, rest).await?
                }
            };
            // What is left is found by a repair.
            drop(store.delete_below(&names.directory).await);
            Ok(info)
        }))
        .await
    }

    /// Makes an object of the parts, and then the file of the object.
    async fn finish_parts(
        &self,
        plan: Plan,
        names: &Names,
        record: Record,
        rest: Bytes,
        options: &WriteOptions,
    ) -> Result<FileInfo> {
        let id = record.multipart.clone().unwrap_or_default();
        let is_made = self.is_there(&names.content).await?;
        if !is_made {
            let mut parts: Vec<_> = record.parts.iter().map(|part| part.id.clone()).collect();
            if !rest.is_empty() {
                let number = u32::try_from(parts.len() + 1).unwrap_or(u32::MAX);
                parts.push(self.bucket.put_part(&names.content, &id, number, rest).await?);
            }
            self.bucket.finish(&names.content, &id, parts, Condition::None).await?;
        }
        let content = self.bucket.get(&names.content, Get::default()).await?;
        if content.object.size != record.offset {
            return Err(
                Error::new(ErrorKind::Corrupted).with_message("parts of the upload are missing")
            );
        }
        if plan.target.mode != WriteMode::Append && options.checksum.is_none() {
            let source = content.object.clone();
            drop(content);
            return self.publish_copy(plan, &source).await;
        }
        let options = options.clone().with_size(record.offset);
        let written = self.stream_write(plan.path.as_str(), content.stream, options).await;
        written.map_err(Error::into_error_of_source)
    }

    pub(super) async fn abandon_upload(&self, upload: &ResumableUpload) -> Result<()> {
        let Ok(names) = Names::of(&self.keys, &upload.id) else { return Ok(()) };
        match self.read_record(&names).await {
            Ok((Record { multipart: Some(id), .. }, _)) => {
                self.bucket.abort(&names.content, &id).await?;
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.delete_below(&names.directory).await
    }

    async fn is_there(&self, key: &str) -> Result<bool> {
        match self.bucket.head(key, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read_record(&self, names: &Names) -> Result<(Record, String)> {
        let content = self.bucket.get(&names.record(), Get::default()).await?;
        let etag = content.object.etag.clone().unwrap_or_default();
        let bytes = collect(content.stream).await?;
        let record = serde_json::from_slice(&bytes).map_err(|cause| {
            let message = format!("the record of the upload cannot be read: {cause}");
            Error::new(ErrorKind::Corrupted).with_message(message)
        })?;
        Ok((record, etag))
    }

    async fn write_record(
        &self,
        names: &Names,
        record: &Record,
        condition: Condition,
    ) -> Result<String> {
        let record = Record { turn: random::hex::<8>()?, ..record.clone() };
        let json = serde_json::to_vec(&record).map_err(|_| ErrorKind::Internal)?;
        let key = names.record();
        let put = self.bucket.put(&key, json.into(), Attributes::default(), condition).await;
        let written = put.map_err(|error| match error.kind() {
            ErrorKind::PreconditionFailed => in_use(),
            _ => error,
        })?;
        Ok(written.etag.unwrap_or_default())
    }

    async fn listed_parts(&self, names: &Names, record: &Record) -> Result<Vec<UploadedPart>> {
        let Some(id) = &record.multipart else { return Ok(Vec::new()) };
        match self.bucket.parts(&names.content, id).await {
            // The parts have become an object.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            parts => parts,
        }
    }

    /// Returns the record of an earlier offset.
    async fn record_at(&self, names: &Names, newest: &Record, offset: u64) -> Result<Record> {
        if offset == newest.offset {
            return Ok(newest.clone());
        }
        let (mut parts, mut end) = (Vec::new(), 0);
        for part in &newest.parts {
            if end + part.size > offset {
                break;
            }
            end += part.size;
            parts.push(part.clone());
        }
        let record = Record { parts, offset, ..newest.clone() };
        if end < offset && !self.is_there(&names.rest(offset)).await? {
            let message =
                format!("the upload cannot go back to {offset}; `upload_state` returns its state");
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        }
        Ok(record)
    }

    /// Reads what comes after the parts.
    async fn read_rest(&self, names: &Names, record: &Record) -> Result<BytesMut> {
        let size = record.offset - record.parts_end();
        if size == 0 {
            return Ok(BytesMut::new());
        }
        let content = self.bucket.get(&names.rest(record.offset), Get::default()).await?;
        let bytes = collect(content.stream).await?;
        if bytes.len() as u64 != size {
            return Err(
                Error::new(ErrorKind::Corrupted).with_message("the upload has lost its end")
            );
        }
        Ok(bytes.into())
    }
}

/// Returns the newest record: parts that were uploaded after the record was written count if they follow its parts.
fn current(record: &Record, listed: &[UploadedPart]) -> Record {
    let mut newest = record.clone();
    let known = record.parts.len();
    let is_next = |(index, part): &(usize, &UploadedPart)| {
        usize::try_from(part.number).is_ok_and(|number| number == index + 1)
    };
    let later = listed.iter().enumerate().take_while(is_next).skip(known);
    let later: Vec<Stored> = later
        .map(|(_, part)| stored(part))
        .enumerate()
        .take_while(|(index, part)| record.discarded.get(*index) != Some(part))
        .map(|(_, part)| part)
        .collect();
    let end: u64 = record.parts_end() + later.iter().map(|part| part.size).sum::<u64>();
    if end > record.offset {
        newest.parts.extend(later);
        newest.offset = end;
        newest.discarded.clear();
    }
    newest
}

fn stored(part: &UploadedPart) -> Stored {
    Stored { id: part.id.clone(), size: part.size }
}

fn state_of(upload: &ResumableUpload, record: &Record) -> ResumableUpload {
    let mut state = upload.clone();
    state.offset = record.offset;
    state.parts = record.parts.iter().map(|part| part.id.clone()).collect();
    state
}

fn in_use() -> Error {
    let message = "another caller works on the upload";
    Error::new(ErrorKind::InvalidOperation).with_message(message)
}
