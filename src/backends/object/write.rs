//! Writes of whole files.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;

use super::bucket::{Attributes, Condition, Get, Object, Written};
use super::metadata;
use super::read::RESUMPTIONS;
use super::session::check_lease;
use super::store::Store;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::options::{CreateDirOptions, DirMode, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::single;
use crate::core::target::{Existing, WriteTarget};
use crate::core::version::VersionId;
use crate::sys::pool;

/// How often a write is tried again because another writer came first.
pub(super) const ATTEMPTS: u32 = 16;

/// Content of this size is hashed on a thread for such work.
const MANY_BYTES: usize = 64 * 1024;

/// A write whose path and options were checked.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) path: FilePath,
    pub(super) target: WriteTarget,
    pub(super) attributes: Attributes,
}

impl Store {
    pub(super) async fn write(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let plan = self.plan(path, &options)?;
        let checked = match options.check_size(data.len() as u64) {
            Ok(()) => check_checksum(&data, options.checksum.as_ref()).await,
            wrong => wrong,
        };
        if let Err(wrong) = checked {
            // What is at the path comes first.
            self.check_target(&plan).await?;
            return Err(wrong);
        }
        if data.len() as u64 > 2 * self.options.part_size && plan.target.mode != WriteMode::Append {
            // In parts it is faster, and has no limit.
            return self.stream_write(path, single(data), options).await;
        }
        self.publish(plan, data).await
    }

    /// Checks what can be checked without asking the service.
    pub(super) fn plan(&self, path: &str, options: &WriteOptions) -> Result<Plan> {
        let path = self.parse_entry(path)?;
        options.expect_replace()?;
        self.capabilities().check_metadata(&options.metadata)?;
        metadata::check_size(&options.metadata)?;
        let target = WriteTarget::from(options);
        self.expect_conditions(&target)?;
        Ok(Plan { path, target, attributes: metadata::attributes(&options.metadata) })
    }

    /// Refuses a condition that the service ignores.
    pub(super) fn expect_conditions(&self, target: &WriteTarget) -> Result<()> {
        let abilities = &self.abilities;
        let missing = match target.mode {
            WriteMode::Create if !abilities.put.absent => {
                "the service ignores the condition that nothing exists, so a file of another writer could be lost; `write` replaces it"
            }
            WriteMode::IfMatch(_) | WriteMode::Append if !abilities.put.etag => {
                "the service ignores the condition on the etag"
            }
            _ if target.condition.has_etags() && !abilities.put.etag => {
                "the service ignores the condition on the etag"
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported).with_message(missing))
    }

    /// Writes a file in one request, or appends to it. Runs to its end even if the caller is dropped, so that the request of a dropped call
    /// does not come after those of later calls.
    pub(super) async fn publish(&self, plan: Plan, data: Bytes) -> Result<FileInfo> {
        let (store, lease) = (self.clone(), self.held_lease());
        pool::spawn_to_completion(Box::pin(async move {
            let _guard = store.shared.path_locks.lock(vec![plan.path.clone()]).await;
            check_lease(lease.as_deref())?;
            store.put(plan, data).await
        }))
        .await
    }

    async fn put(&self, plan: Plan, data: Bytes) -> Result<FileInfo> {
        for _ in 0..ATTEMPTS {
            let Plan { path, target, attributes } = &plan;
            self.check_target_place(path, target).await?;
            let state = self.target_state(path, target).await?;
            let (attributes, data) = match (&state.old, &target.mode) {
                // The service copies what is there.
                (Some(old), WriteMode::Append) if old.size > self.options.part_size => {
                    return self.append_to_large(&plan, &data).await;
                }
                (Some(old), WriteMode::Append) => {
                    match self.appended(old, attributes, &data).await? {
                        Some(appended) => appended,
                        None => continue,
                    }
                }
                _ => (attributes.clone(), data.clone()),
            };
            let size = data.len() as u64;
            let (key, condition) = (self.keys.file(path), state.condition.clone());
            match self.bucket.put(&key, data, attributes.clone(), condition).await {
                Ok(written) => return Ok(self.written(path.clone(), size, attributes, written)),
                Err(error) => self.refused(error, target, &state)?,
            }
        }
        Err(contention())
    }

    /// Checks whether a file may be written, before its content is taken.
    pub(super) async fn check_target(&self, plan: &Plan) -> Result<()> {
        self.check_target_place(&plan.path, &plan.target).await?;
        let is_free = plan.target.mode == WriteMode::Overwrite && plan.target.condition.is_empty();
        if is_free { Ok(()) } else { self.looked_up(&plan.path, &plan.target).await.map(drop) }
    }

    /// Checks that a file may be put at a path, with the error that the mode of the write calls for.
    pub(super) async fn check_target_place(
        &self,
        path: &FilePath,
        target: &WriteTarget,
    ) -> Result<()> {
        match self.check_place(path).await {
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                target.check(Existing::Directory)
            }
            checked => checked,
        }
    }

    /// Looks at the file that a write replaces, if that decides, and returns the condition under which it may be written.
    pub(super) async fn target_state(
        &self,
        path: &FilePath,
        target: &WriteTarget,
    ) -> Result<TargetState> {
        let is_open = target.condition.is_empty();
        let condition = match &target.mode {
            WriteMode::Overwrite if is_open => Condition::None,
            WriteMode::Create if is_open => Condition::Absent,
            WriteMode::IfMatch(etag) if is_open => Condition::Etag(etag.as_str().to_owned()),
            _ => return self.looked_up(path, target).await,
        };
        Ok(TargetState { condition, old: None, was_looked_up: false })
    }

    async fn looked_up(&self, path: &FilePath, target: &WriteTarget) -> Result<TargetState> {
        let old = match self.bucket.head(&self.keys.file(path), None).await {
            Ok(object) => Some(object),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let info = old.as_ref().map(|object| metadata::info(path.clone(), object));
        target.check(info.as_ref().map_or(Existing::Nothing, |info| Existing::File(info)))?;
        let etag = old.as_ref().and_then(|old| old.etag.clone());
        let condition = match etag {
            Some(etag) if self.abilities.put.etag => Condition::Etag(etag),
            None if old.is_none() && self.abilities.put.absent => Condition::Absent,
            _ => Condition::None,
        };
        Ok(TargetState { condition, old, was_looked_up: true })
    }

    /// Returns what the service's refusal of a write means; nothing if the write may be tried again.
    pub(super) fn refused(
        &self,
        error: Error,
        target: &WriteTarget,
        state: &TargetState,
    ) -> Result<()> {
        let is_gone =
            error.kind() == ErrorKind::NotFound && matches!(state.condition, Condition::Etag(_));
        if error.kind() != ErrorKind::PreconditionFailed && !is_gone {
            return Err(error);
        }
        if error.has_unknown_outcome() {
            // An attempt whose answer was lost may have been made and replaced. To try again could make the change twice.
            return Err(match (state.was_looked_up, &target.mode) {
                (true, _) => error.with_kind(ErrorKind::Contention),
                (false, WriteMode::Create) => error.with_kind(ErrorKind::AlreadyExists),
                (false, _) => error.with_kind(ErrorKind::PreconditionFailed),
            });
        }
        if state.was_looked_up {
            return Ok(());
        }
        match target.mode {
            WriteMode::Create => Err(ErrorKind::AlreadyExists.into()),
            _ => {
                let message = if is_gone { "there is no file" } else { "the etag has changed" };
                Err(Error::new(ErrorKind::PreconditionFailed).with_message(message))
            }
        }
    }

    /// Returns the old content with more at its end. `None` if the old content was replaced in the meantime.
    async fn appended(
        &self,
        old: &Object,
        attributes: &Attributes,
        data: &Bytes,
    ) -> Result<Option<(Attributes, Bytes)>> {
        let attributes = kept_attributes(old, attributes);
        let content = self.content_of(old).await?;
        Ok(content.map(|content| (attributes, [content, data.clone()].concat().into())))
    }

    /// Returns the content of this version of an object. `None` if it was replaced in the meantime, or damaged on the way.
    pub(super) async fn content_of(&self, object: &Object) -> Result<Option<Bytes>> {
        let mut losses = 0;
        let whole = loop {
            match self.whole_of(object).await {
                // The connection was lost.
                Err(error) if error.is_temporary() && losses < RESUMPTIONS => losses += 1,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::PreconditionFailed | ErrorKind::NotFound
                    ) =>
                {
                    return Ok(None);
                }
                whole => break whole?,
            }
        };
        // What was damaged on the way must not become the content.
        let expected = object.sha256.as_deref();
        let expected = expected.and_then(|hex| Checksum::new(ChecksumAlgorithm::Sha256, hex).ok());
        Ok(check_checksum(&whole, expected.as_ref()).await.is_ok().then_some(whole))
    }

    async fn whole_of(&self, object: &Object) -> Result<Bytes> {
        if object.size == 0 {
            return Ok(Bytes::new());
        }
        let get = Get { if_match: object.etag.clone(), ..Get::default() };
        let mut content = self.bucket.get(&object.key, get).await?;
        let mut whole = BytesMut::with_capacity(usize::try_from(object.size).unwrap_or_default());
        while let Some(chunk) = content.stream.try_next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Notes a finished write and returns the metadata of the file.
    pub(super) fn written(
        &self,
        path: FilePath,
        size: u64,
        attributes: Attributes,
        written: Written,
    ) -> FileInfo {
        self.shared.directories.forget(&path);
        self.shared.directories.made(&path);
        let Written { etag, version, modified_at } = written;
        let object = Object { size, modified_at, attributes, ..Object::default() };
        let mut info = metadata::info(path, &object);
        info.etag = etag.map(Etag::new);
        info.version = version.map(VersionId::new);
        info
    }

    pub(super) async fn create_dir(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let path = self.parse_entry(path)?;
        let (store, lease) = (self.clone(), self.held_lease());
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            check_lease(lease.as_deref())?;
            store.put_marker(path, options.mode).await
        })
        .await
    }

    async fn put_marker(&self, path: FilePath, mode: DirMode) -> Result<()> {
        match self.check_place(&path).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                return match mode {
                    DirMode::Create => Err(ErrorKind::AlreadyExists.into()),
                    DirMode::Overwrite => Ok(()),
                };
            }
            Err(error) => return Err(error),
        }
        match self.bucket.head(&self.keys.file(&path), None).await {
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let condition = if self.abilities.put.absent { Condition::Absent } else { Condition::None };
        let key = self.keys.directory(&path);
        let put = self.bucket.put(&key, Bytes::new(), Attributes::default(), condition).await;
        match put {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => match mode {
                DirMode::Create => return Err(ErrorKind::AlreadyExists.into()),
                DirMode::Overwrite => {}
            },
            put => drop(put?),
        }
        // As for an entry of it, so that it is a directory itself.
        if let Ok(entry) = path.join("entry") {
            self.shared.directories.made(&entry);
        }
        Ok(())
    }
}

/// The condition of a write, and what was there.
pub(super) struct TargetState {
    pub(super) condition: Condition,
    pub(super) old: Option<Object>,
    /// Whether the condition comes from a look-up, so that the write is tried again if it does not hold any more.
    pub(super) was_looked_up: bool,
}

/// Returns the attributes of a file after an append.
pub(super) fn kept_attributes(old: &Object, new: &Attributes) -> Attributes {
    let mut kept = new.clone();
    if kept.content_type.is_none() {
        kept.content_type.clone_from(&old.attributes.content_type);
    }
    // A time alone replaces nothing else.
    let sets_pairs = kept.metadata.keys().any(|name| !metadata::is_time(name));
    if !sets_pairs {
        let pairs = old.attributes.metadata.iter().filter(|(name, _)| metadata::is_pair(name));
        kept.metadata.extend(pairs.map(|(name, value)| (name.clone(), value.clone())));
    }
    kept
}

pub(super) fn contention() -> Error {
    let message = "other writers replaced the file during each attempt";
    Error::new(ErrorKind::Contention).with_message(message)
}

/// Compares content with the checksum that it must have.
pub(super) async fn check_checksum(data: &Bytes, expected: Option<&Checksum>) -> Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    let (data, algorithm, is_small) = (data.clone(), expected.algorithm(), data.len() < MANY_BYTES);
    let compute = move || Ok(Checksum::of(algorithm, &data));
    let found = if is_small { compute()? } else { pool::run(compute).await? };
    expected.expect(&found)
}
