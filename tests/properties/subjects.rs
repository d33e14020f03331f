//! The stores that are compared with the model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use f9::prelude::*;
use f9::{
    ByteStream, Capabilities, Checksum, ChecksumAlgorithm, CopyOptions, CreateDirOptions,
    CreateOptions, DeleteOptions, Error, ErrorKind, Etag, FileContent, FileInfo, GlobOptions,
    InfoOptions, InfoStream, ListOptions, LocalFileBackend, MemoryFileBackend, Precondition,
    ReadOptions, RenameOptions, Result, UpdateOptions, WriteMode, WriteOptions, async_trait,
};
use futures::{StreamExt as _, TryStreamExt as _};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::config;
use crate::model::{Answer, Entry, Model, State, is_below};
use crate::operations::{Mode, Operation, Part, Source, Sum, operations};
use crate::reference::names_of;

const SHA: ChecksumAlgorithm = ChecksumAlgorithm::Sha256;

/// A store, with the last seen etags.
struct Subject {
    name: &'static str,
    files: Arc<dyn AsyncFileBackend>,
    seen: BTreeMap<String, Etag>,
}

/// A memory backend that uses the provided methods of the trait.
#[derive(Debug)]
struct Provided(MemoryFileBackend);

#[test]
fn every_store_behaves_like_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let checked = TestRunner::new(config()).run(&operations(), |operations| {
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(agree(&operations, dir.path()))
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn agree(operations: &[Operation], root: &Path) -> Result<(), TestCaseError> {
    let subject = |name, files| Subject { name, files, seen: BTreeMap::new() };
    let mut subjects = [
        subject("memory", Arc::new(MemoryFileBackend::new())),
        subject("provided", Arc::new(Provided(MemoryFileBackend::new()))),
        subject("local", Arc::new(LocalFileBackend::new(root).await.unwrap())),
    ];
    let mut model = Model::default();
    for (step, operation) in operations.iter().enumerate() {
        let (expected, state) = (model.apply(operation), model.state());
        for subject in &mut subjects {
            let outcome = match subject.apply(operation).await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(checked_kind(&error)?),
            };
            let place = format!("step {step}, {operation:?} in {}", subject.name);
            prop_assert!(outcome == expected, "{place}: {outcome:.300?}, not {expected:.300?}");
            let found = subject.state().await;
            prop_assert!(found == state, "after {place}: {found:.500?}, not {state:.500?}");
        }
    }
    let names: Vec<String> = model.state().into_iter().map(|(name, _)| name).collect();
    prop_assert_eq!(names_on_disk(root), names, "no other file is on the disk");
    Ok(())
}

fn checked_kind(error: &Error) -> Result<ErrorKind, TestCaseError> {
    // Only a glob has a pattern in place of a path.
    let pattern = error.subject().filter(|_| error.operation() == Some("glob"));
    let is_named = error.operation().is_some() && error.path().or(pattern).is_some();
    prop_assert!(is_named && !error.to_string().contains(char::is_control), "{error:?}");
    Ok(error.kind())
}

/// Returns every path below a directory, in the order of listings.
fn names_on_disk(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            names.push(if path.is_dir() { format!("{name}/") } else { name.to_owned() });
            if path.is_dir() {
                directories.push(path);
            }
        }
    }
    names.sort();
    names
}

fn entry(info: &FileInfo) -> Entry {
    Entry {
        path: info.path.to_string(),
        size: info.size,
        sum: info.checksum.as_ref().map(|sum| sum.hex().to_owned()),
    }
}

fn announced(sum: Sum, bytes: &[u8]) -> Option<Checksum> {
    match sum {
        Sum::None => None,
        Sum::Right => Some(Checksum::of(SHA, bytes)),
        Sum::Wrong => Some(Checksum::of(SHA, &[bytes, b"!"].concat())),
    }
}

fn stream_of(source: &Source) -> ByteStream<'static> {
    let pieces = source.pieces.iter().map(|piece| Ok(piece.bytes().into()));
    let end = source.fails.then(|| Err(ErrorKind::Timeout.into()));
    futures::stream::iter(pieces.chain(end).collect::<Vec<_>>()).boxed()
}

impl Subject {
    /// Returns the last seen etag at a path, or an etag that no file has.
    fn etag(&self, path: &str) -> Etag {
        let path = names_of(path).unwrap_or_default().join("/");
        self.seen.get(&path).cloned().unwrap_or_else(|| Etag::new("never seen"))
    }

    fn mode(&self, mode: Mode, path: &str) -> WriteMode {
        match mode {
            Mode::Create => WriteMode::Create,
            Mode::Overwrite => WriteMode::Overwrite,
            Mode::IfSeen => WriteMode::IfMatch(self.etag(path)),
        }
    }

    fn read_options(&self, path: &str, part: &Part) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.range.clone_from(&part.range);
        options.chunk_size = part.chunk_size;
        if part.if_seen {
            options = options.with_if_match(self.etag(path));
        }
        options
    }

    /// Returns the entry, and records its etag as seen after a conditional write.
    fn answer(&mut self, info: &FileInfo, sees: bool) -> Answer {
        if let Some(etag) = info.etag.clone().filter(|_| sees) {
            self.seen.insert(info.path.to_string(), etag);
        }
        Answer::Entry(entry(info))
    }

    async fn apply(&mut self, operation: &Operation) -> Result<Answer> {
        let files = Arc::clone(&self.files);
        match operation {
            Operation::Create { .. }
            | Operation::StreamWrite { .. }
            | Operation::Write { .. }
            | Operation::StreamAppend { .. }
            | Operation::Update { .. }
            | Operation::Copy { .. }
            | Operation::Rename { .. } => self.write(operation).await,
            Operation::CreateDir { path, mode } => {
                let options = CreateDirOptions::default().with_mode(*mode);
                files.create_dir_with(path, options).await.map(|()| Answer::Nothing)
            }
            Operation::Delete { path, depth } => {
                let options = DeleteOptions::default().with_depth(*depth);
                files.delete_with(path, options).await.map(|()| Answer::Nothing)
            }
            Operation::DeleteIfSeen { path, missing_ok } => {
                let mut options = DeleteOptions::default()
                    .with_condition(Precondition::if_match(self.etag(path)));
                if *missing_ok {
                    options = options.with_missing_ok();
                }
                files.delete_with(path, options).await.map(|()| Answer::Nothing)
            }
            Operation::DeleteMany { paths } => {
                let deleted = files.delete_many(paths).await?;
                let each = paths.iter().zip(deleted).map(|(path, deleted)| {
                    deleted.map_err(|error| error.kind())?;
                    let path = names_of(path).unwrap().join("/");
                    Ok(Entry { path, size: None, sum: None })
                });
                Ok(Answer::Each(each.collect()))
            }
            Operation::WriteMany { files: given, mode } => {
                let options = WriteOptions::default().with_mode(self.mode(*mode, ""));
                let given = given
                    .iter()
                    .map(|(path, content)| ((*path).to_owned(), content.bytes().into()));
                let written = files.write_many_with(given.collect(), options).await?;
                let sees = !matches!(mode, Mode::Overwrite);
                let each = written.into_iter().map(|written| {
                    let info = written.map_err(|error| error.kind())?;
                    self.answer(&info, sees);
                    Ok(entry(&info))
                });
                Ok(Answer::Each(each.collect()))
            }
            Operation::Info { path, sum } => {
                let mut options = InfoOptions::default();
                options.checksum = sum.then_some(SHA);
                let info = files.info_with(path, options).await?;
                Ok(self.answer(&info, true))
            }
            _ => self.look(operation).await,
        }
    }

    async fn write(&mut self, operation: &Operation) -> Result<Answer> {
        let files = Arc::clone(&self.files);
        let (info, sees) = match operation {
            Operation::Create { path, content, mode, sum } => {
                let mut options = CreateOptions::default().with_mode(self.mode(*mode, path));
                options.checksum = announced(*sum, &content.bytes());
                (files.create_with(path, content.bytes(), options).await?, mode)
            }
            Operation::StreamWrite { path, source, mode, sum } => {
                let mut options = WriteOptions::default().with_mode(self.mode(*mode, path));
                options.size = source.declared_size();
                options.checksum = announced(*sum, &source.bytes());
                (files.stream_write_with(path, stream_of(source), options).await?, mode)
            }
            Operation::Write { path, content } => {
                (files.write(path, content.bytes()).await?, &Mode::Overwrite)
            }
            Operation::StreamAppend { path, source, sum } => {
                let mut options = WriteOptions::append();
                options.size = source.declared_size();
                options.checksum = announced(*sum, &source.bytes());
                let info = files.stream_write_with(path, stream_of(source), options).await?;
                (info, &Mode::Overwrite)
            }
            Operation::Update { path, content, mode, if_seen } => {
                let mut options = UpdateOptions::default().with_mode(*mode);
                if *if_seen {
                    options = options.with_if_match(self.etag(path));
                }
                let info = files.update_with(path, content.bytes(), options).await?;
                (info, if *if_seen { &Mode::IfSeen } else { &Mode::Overwrite })
            }
            Operation::Copy { from, to, mode } => {
                let options = CopyOptions::default().with_mode(self.mode(*mode, to));
                (files.copy_with(from, to, options).await?, mode)
            }
            Operation::Rename { from, to, mode } => {
                let options = RenameOptions::default().with_mode(self.mode(*mode, to));
                let info = files.rename_with(from, to, options).await?;
                for moved in [names_of(from).unwrap().join("/"), info.path.to_string()] {
                    self.seen.retain(|path, _| *path != moved && !is_below(path, &moved));
                }
                (info, mode)
            }
            other => panic!("{other:?} writes nothing"),
        };
        Ok(self.answer(&info, !matches!(sees, Mode::Overwrite)))
    }

    async fn look(&self, operation: &Operation) -> Result<Answer> {
        let files = &self.files;
        Ok(match operation {
            Operation::Read { path, part } => {
                Answer::Bytes(files.read_with(path, self.read_options(path, part)).await?.into())
            }
            Operation::StreamRead { path, part } => {
                let chunks = files.stream_read_with(path, self.read_options(path, part)).await?;
                Answer::Chunks(chunks.map_ok(Vec::from).try_collect().await?)
            }
            Operation::Open { path, part } => {
                let content = files.open_with(path, self.read_options(path, part)).await?;
                let (info, range) = (entry(&content.info), content.range.clone());
                let bytes = content.bytes().await?;
                assert_eq!(range.end - range.start, bytes.len() as u64, "{range:?}");
                Answer::Opened(info, bytes.into())
            }
            Operation::ReadRanges { path, ranges } => {
                let read = files.read_ranges(path, ranges).await?;
                Answer::Chunks(read.into_iter().map(Vec::from).collect())
            }
            Operation::ListPage { prefix, depth, after, limit } => {
                let options = ListOptions::default().with_depth(*depth).with_limit(*limit);
                let options = options.with_start_after(*after);
                let entries = files.list_with(prefix, options).await?;
                Answer::Entries(entries.map_ok(|info| entry(&info)).try_collect().await?)
            }
            Operation::Exists { path } => Answer::Is(files.exists(path).await?),
            Operation::List { prefix, depth } => {
                let options = ListOptions::default().with_depth(*depth);
                let entries = files.list_with(prefix, options).await?;
                Answer::Entries(entries.map_ok(|info| entry(&info)).try_collect().await?)
            }
            Operation::Glob { pattern, kind } => {
                let options = GlobOptions::default().with_kind(*kind);
                let found = files.glob_with(pattern, options).await?;
                Answer::Paths(found.into_iter().map(String::from).collect())
            }
            Operation::Checksum { path } => {
                Answer::Sum(files.checksum(path, SHA).await?.into_hex())
            }
            Operation::ChecksumMany { paths } => {
                let sums = files.checksum_many(paths, SHA).await?;
                Answer::Sums(
                    sums.into_iter().map(|(path, sum)| (path.into(), sum.into_hex())).collect(),
                )
            }
            other => panic!("{other:?} is not a read"),
        })
    }

    async fn state(&self) -> State {
        let entries = self.files.list_with("", ListOptions::recursive()).await.unwrap();
        let entries: Vec<FileInfo> = entries.try_collect().await.unwrap();
        let mut state = State::new();
        for info in entries {
            state.push(if info.is_dir() {
                (format!("{}/", info.path), None)
            } else {
                let content = self.files.read(&info.path).await.unwrap();
                (info.path.to_string(), Some(content.into()))
            });
        }
        state
    }
}

#[async_trait]
impl AsyncFileBackend for Provided {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.0.stream_write_with(path, data, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.0.create_dir_with(path, options).await
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        self.0.open_with(path, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.0.delete_with(path, options).await
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.0.info_with(path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.0.list_with(prefix, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.0.rename_with(from, to, options).await
    }
}
