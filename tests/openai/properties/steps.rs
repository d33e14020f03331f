//! Random steps and their outcomes.

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    ByteRange, ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions,
    Depth, DirMode, ErrorKind, Etag, FileInfo, ListOptions, MemoryFileBackend,
    OpenAIVectorStoreFileBackend, ReadOptions, RenameOptions, Result, UpdateMode, UpdateOptions,
    WriteMode, WriteOptions, async_trait,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::rng::Rng;

/// Few paths, so that steps collide: some are a file in one step and a directory in another, and some sort around `d/`.
const PATHS: [&str; 13] =
    ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/b", "d/a/b/c", "d-", "d.x", "d0", "/d//e/./é"];

const PATTERNS: [&str; 10] =
    ["*", "**", "d/*", "d/**", "**/a", "{a,d}/*", "*/[!b]", "?", "[", "nowhere/*"];

/// One call of a verb.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create { path: &'static str, content: Bytes, mode: Mode },
    StreamWrite { path: &'static str, content: Bytes, mode: Mode },
    CreateMany { paths: Vec<&'static str>, content: Bytes, mode: WriteMode },
    CreateDir { path: &'static str, mode: DirMode },
    Update { path: &'static str, content: Bytes, mode: UpdateMode, matches: Option<Mode> },
    Delete { path: &'static str, depth: Depth },
    Copy { from: &'static str, to: &'static str, mode: Mode },
    Rename { from: &'static str, to: &'static str, mode: Mode },
    Read { path: &'static str, range: Option<ByteRange> },
    Info { path: &'static str },
    List { prefix: &'static str, depth: Depth },
    Glob { pattern: &'static str },
    Checksum { path: &'static str, algorithm: ChecksumAlgorithm },
}

/// The precondition of a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Create,
    Overwrite,
    /// With the current etag.
    Current,
    /// With another etag.
    Stale,
}

/// The result of a call, without times and etags, which differ between stores.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Nothing,
    Entry(Entry),
    Bytes(Bytes),
    Entries(Vec<Entry>),
    Paths(Vec<String>),
    Sum(String),
    Many(Vec<Result<Entry, ErrorKind>>),
}

/// A path, and the size if it is a file.
pub(crate) type Entry = (String, Option<u64>);

pub(crate) fn entry(info: &FileInfo) -> Entry {
    (info.path.to_string(), info.size)
}

/// A store to run steps in.
#[async_trait]
pub(crate) trait Subject: AsyncFileBackend {
    async fn create_all(
        &self,
        paths: &[&str],
        content: &Bytes,
        mode: &WriteMode,
    ) -> Result<Vec<Result<FileInfo>>>;
}

#[async_trait]
impl Subject for OpenAIVectorStoreFileBackend {
    async fn create_all(
        &self,
        paths: &[&str],
        content: &Bytes,
        mode: &WriteMode,
    ) -> Result<Vec<Result<FileInfo>>> {
        let files = paths.iter().map(|path| (*path, content.clone()));
        self.create_many_with(files, CreateOptions::default().with_mode(mode.clone())).await
    }
}

#[async_trait]
impl Subject for MemoryFileBackend {
    async fn create_all(
        &self,
        paths: &[&str],
        content: &Bytes,
        mode: &WriteMode,
    ) -> Result<Vec<Result<FileInfo>>> {
        let mut outcomes = Vec::new();
        for path in paths {
            let options = CreateOptions::default().with_mode(mode.clone());
            outcomes.push(self.create_with(path, content.clone(), options).await);
        }
        Ok(outcomes)
    }
}

impl Step {
    /// Returns a random step, with text as content if `text_only`.
    pub(crate) fn any(rng: &mut Rng, text_only: bool) -> Self {
        let (path, to) = (pick(rng, &PATHS), pick(rng, &PATHS));
        let content = content(rng, text_only);
        let mode = pick(
            rng,
            &[Mode::Create, Mode::Overwrite, Mode::Overwrite, Mode::Current, Mode::Stale],
        );
        let depth = pick(rng, &[Depth::One, Depth::All]);
        match rng.below(26) {
            0..4 => Self::Create { path, content, mode },
            4..6 => Self::StreamWrite { path, content, mode },
            6..8 => {
                let mode = pick(rng, &[WriteMode::Create, WriteMode::Overwrite]);
                Self::CreateMany { paths: some_paths(rng), content, mode }
            }
            8 => Self::CreateDir { path, mode: pick(rng, &[DirMode::Create, DirMode::Overwrite]) },
            9..12 => {
                let matches = [None, None, None, Some(Mode::Current), Some(Mode::Stale)];
                let matches = pick(rng, &matches);
                let mode = pick(rng, &[UpdateMode::Replace, UpdateMode::Append]);
                Self::Update { path, content, mode, matches }
            }
            12..15 => Self::Delete { path, depth },
            15..17 => Self::Copy { from: path, to, mode },
            17..20 => Self::Rename { from: path, to, mode },
            20..22 => Self::Read { path, range: range(rng) },
            22 => Self::Info { path: pick(rng, &["", path]) },
            23 => Self::List { prefix: pick(rng, &["", path]), depth },
            24 => Self::Glob { pattern: pick(rng, &PATTERNS) },
            _ => {
                let algorithms = [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Md5];
                Self::Checksum { path, algorithm: pick(rng, &algorithms) }
            }
        }
    }

    pub(crate) fn changes_nothing(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Info { .. }
                | Self::List { .. }
                | Self::Glob { .. }
                | Self::Checksum { .. }
        )
    }

    /// Returns the etag for the precondition of the step, if it has one.
    pub(crate) async fn etag(&self, files: &dyn Subject) -> Option<Etag> {
        let (path, mode) = match self {
            Self::Create { path, mode, .. }
            | Self::StreamWrite { path, mode, .. }
            | Self::Update { path, matches: Some(mode), .. }
            | Self::Copy { to: path, mode, .. }
            | Self::Rename { to: path, mode, .. } => (path, mode),
            _ => return None,
        };
        let current = async { files.info(path).await.ok()?.etag };
        match mode {
            Mode::Current => current.await.or_else(|| Some(Etag::new("none"))),
            Mode::Stale => Some(Etag::new("stale")),
            Mode::Create | Mode::Overwrite => None,
        }
    }

    pub(crate) async fn take(&self, files: &dyn Subject, etag: Option<Etag>) -> Result<Answer> {
        let write_mode = |mode: Mode| match (mode, etag.clone()) {
            (Mode::Create, _) => WriteMode::Create,
            (_, Some(etag)) => WriteMode::IfMatch(etag),
            _ => WriteMode::Overwrite,
        };
        let info = match self {
            Self::Create { path, content, mode } => {
                let options = CreateOptions::default().with_mode(write_mode(*mode));
                files.create_with(path, content.clone(), options).await?
            }
            Self::StreamWrite { path, content, mode } => {
                let pieces: Vec<_> =
                    content.chunks(1000).map(Bytes::copy_from_slice).map(Ok).collect();
                let options = WriteOptions::default().with_mode(write_mode(*mode));
                files
                    .stream_write_with(path, futures::stream::iter(pieces).boxed(), options)
                    .await?
            }
            Self::Update { path, content, mode, .. } => {
                let mut options = UpdateOptions::default().with_mode(*mode);
                if let Some(etag) = etag {
                    options = options.with_if_match(etag);
                }
                files.update_with(path, content.clone(), options).await?
            }
            Self::Copy { from, to, mode } => {
                let options = CopyOptions::default().with_mode(write_mode(*mode));
                files.copy_with(from, to, options).await?
            }
            Self::Rename { from, to, mode } => {
                let options = RenameOptions::default().with_mode(write_mode(*mode));
                files.rename_with(from, to, options).await?
            }
            Self::Info { path } => files.info(path).await?,
            _ => return self.take_another(files).await,
        };
        Ok(Answer::Entry(entry(&info)))
    }

    async fn take_another(&self, files: &dyn Subject) -> Result<Answer> {
        Ok(match self {
            Self::CreateMany { paths, content, mode } => {
                let outcomes = files.create_all(paths, content, mode).await?;
                let outcome = |outcome: Result<FileInfo>| match outcome {
                    Ok(info) => Ok(entry(&info)),
                    Err(error) => Err(error.kind()),
                };
                Answer::Many(outcomes.into_iter().map(outcome).collect())
            }
            Self::CreateDir { path, mode } => {
                files.create_dir_with(path, CreateDirOptions::default().with_mode(*mode)).await?;
                Answer::Nothing
            }
            Self::Delete { path, depth } => {
                files.delete_with(path, DeleteOptions::default().with_depth(*depth)).await?;
                Answer::Nothing
            }
            Self::Read { path, range } => {
                let mut options = ReadOptions::default();
                options.range.clone_from(range);
                Answer::Bytes(files.read_with(path, options).await?)
            }
            Self::List { prefix, depth } => {
                let options = ListOptions::default().with_depth(*depth);
                let entries = files.list_with(prefix, options).await?;
                Answer::Entries(entries.map_ok(|info| entry(&info)).try_collect().await?)
            }
            Self::Glob { pattern } => {
                let found = files.glob(pattern).await?;
                Answer::Paths(found.into_iter().map(String::from).collect())
            }
            Self::Checksum { path, algorithm } => {
                Answer::Sum(files.checksum(path, *algorithm).await?.into_hex())
            }
            other => panic!("{other:?} gives an entry"),
        })
    }
}

pub(crate) fn pick<T: Clone>(rng: &mut Rng, items: &[T]) -> T {
    rng.pick(items).unwrap().clone()
}

/// Returns paths of which none lies below another.
fn some_paths(rng: &mut Rng) -> Vec<&'static str> {
    let mut paths: Vec<&str> = Vec::new();
    for _ in 0..=rng.below(6) {
        let path = pick(rng, &PATHS[..PATHS.len() - 1]);
        let is_below = |one: &str, other: &str| one.starts_with(&format!("{other}/"));
        if paths
            .iter()
            .all(|other| path != *other && !is_below(path, other) && !is_below(other, path))
        {
            paths.push(path);
        }
    }
    paths
}

fn content(rng: &mut Rng, text_only: bool) -> Bytes {
    let first = rng.below(1_000_000);
    let words = |count: u64| {
        let words = (first..first + count).map(|number| format!("word{number}\n"));
        Bytes::from(words.collect::<String>())
    };
    match rng.below(12) {
        0 => Bytes::new(),
        1 => words(700),
        2..6 if !text_only => {
            let bytes = (0..=u8::MAX).cycle().skip(usize::try_from(first % 251).unwrap());
            bytes.step_by(7).take(usize::try_from(first % 400).unwrap()).collect()
        }
        2 if !text_only => Bytes::from(vec![0xff; 9000]),
        3 => Bytes::from(format!("é {first} 日本 😀")),
        _ => words(1 + first % 3),
    }
}

fn range(rng: &mut Rng) -> Option<ByteRange> {
    let offsets = [0, 1, 2, 3, 8, 9, 50, 5000, u64::MAX];
    let (start, end) = (pick(rng, &offsets), pick(rng, &offsets));
    match rng.below(6) {
        0 => Some(ByteRange::Bounded(start..end)),
        1 => Some(ByteRange::From(start)),
        2 => Some(ByteRange::Suffix(start)),
        _ => None,
    }
}
