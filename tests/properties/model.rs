//! The model of a store: a map, and a literal implementation of the contract.

use std::collections::{BTreeMap, BTreeSet};

use f9::{ByteRange, Depth, DirMode, ErrorKind, GlobKind, UpdateMode};

use crate::operations::{Content, Mode, Operation, Part, Source, Sum};
use crate::reference::{glob_matches, names_of};

/// The result of a call, without times and etags, which differ between stores.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Nothing,
    Entry(Entry),
    Bytes(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
    Opened(Entry, Vec<u8>),
    Each(Vec<Result<Entry, ErrorKind>>),
    Entries(Vec<Entry>),
    Paths(Vec<String>),
    Sum(String),
    Sums(Vec<(String, String)>),
    Is(bool),
}

/// A path, and the size of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) size: Option<u64>,
    pub(crate) sum: Option<String>,
}

pub(crate) type Outcome = Result<Answer, ErrorKind>;

/// The whole content of a store in the order of listings. The path of a directory ends with a slash.
pub(crate) type State = Vec<(String, Option<Vec<u8>>)>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// All entries except for the root.
    nodes: BTreeMap<String, Node>,
    /// The last seen version of each file, by path.
    seen: BTreeMap<String, u64>,
    versions: u64,
}

#[derive(Clone, Debug)]
enum Node {
    Directory,
    File { bytes: Vec<u8>, version: u64 },
}

fn path_of(text: &str) -> Result<String, ErrorKind> {
    Ok(names_of(text)?.join("/"))
}

fn entry_path_of(text: &str) -> Result<String, ErrorKind> {
    let path = path_of(text)?;
    if path.is_empty() { Err(ErrorKind::InvalidPath) } else { Ok(path) }
}

/// Returns the parents of a path without the root.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

pub(crate) fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

fn sum_of(bytes: &[u8]) -> String {
    f9::Checksum::of(f9::ChecksumAlgorithm::Sha256, bytes).into_hex()
}

fn slice(bytes: &[u8], range: Option<&ByteRange>) -> Result<Vec<u8>, ErrorKind> {
    let size = bytes.len() as u64;
    let (start, end) = match range {
        None => (0, size),
        Some(ByteRange::Bounded(range)) => (range.start, range.end),
        Some(&ByteRange::From(start)) => (start, size.max(start)),
        Some(&ByteRange::Suffix(length)) => (size - length.min(size), size),
        Some(other) => panic!("{other:?} is new"),
    };
    if start > end || start > size {
        return Err(ErrorKind::InvalidRange);
    }
    let offset = |at: u64| usize::try_from(at).unwrap();
    Ok(bytes[offset(start)..offset(end.min(size))].to_vec())
}

fn check_source(source: &Source, sum: Sum) -> Result<(), ErrorKind> {
    let given = source.bytes().len() as u64;
    match source.declared_size() {
        // A store notices this before the source fails.
        Some(declared) if given > declared => return Err(ErrorKind::LengthMismatch),
        _ if source.fails => return Err(ErrorKind::SourceFailed),
        Some(declared) if given < declared => return Err(ErrorKind::LengthMismatch),
        _ => {}
    }
    if matches!(sum, Sum::Wrong) { Err(ErrorKind::IntegrityMismatch) } else { Ok(()) }
}

impl Model {
    pub(crate) fn apply(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Create { path, content, mode, sum } => {
                let source = Source { pieces: vec![*content], fails: false, declared: None };
                self.write(path, &source, *mode, *sum)
            }
            Operation::StreamWrite { path, source, mode, sum } => {
                self.write(path, source, *mode, *sum)
            }
            Operation::CreateDir { path, mode } => self.create_dir(path, *mode),
            Operation::Write { path, content } => {
                let source = Source { pieces: vec![*content], fails: false, declared: None };
                self.write(path, &source, Mode::Overwrite, Sum::None)
            }
            Operation::StreamAppend { path, source, sum } => self.append(path, source, *sum),
            Operation::WriteMany { files, mode } => Ok(Answer::Each(self.write_many(files, *mode))),
            Operation::DeleteMany { paths } => {
                let deleted = paths.iter().map(|path| {
                    self.delete(path, Depth::One)?;
                    Ok(Entry { path: path_of(path)?, size: None, sum: None })
                });
                Ok(Answer::Each(deleted.collect()))
            }
            Operation::DeleteIfSeen { path, missing_ok } => self.delete_if_seen(path, *missing_ok),
            Operation::Update { path, content, mode, if_seen } => {
                self.update(path, *content, *mode, *if_seen)
            }
            Operation::Delete { path, depth } => self.delete(path, *depth),
            Operation::Info { path, sum } => self.info(path, *sum),
            Operation::Copy { from, to, mode } => self.copy(from, to, *mode),
            Operation::Rename { from, to, mode } => self.rename(from, to, *mode),
            _ => self.look(operation),
        }
    }

    fn look(&self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Read { path, part } => Ok(Answer::Bytes(self.read(path, part)?)),
            Operation::StreamRead { path, part } => {
                let bytes = self.read(path, part)?;
                let chunks = bytes.chunks(part.chunk_size.unwrap_or(f9::DEFAULT_CHUNK_SIZE));
                Ok(Answer::Chunks(chunks.map(<[u8]>::to_vec).collect()))
            }
            Operation::Open { path, part } => {
                let bytes = self.read(path, part)?;
                let path = path_of(path)?;
                Ok(Answer::Opened(entry(&path, &self.nodes[&path]), bytes))
            }
            Operation::ReadRanges { path, ranges } => {
                let whole = Part { range: None, chunk_size: None, if_seen: false };
                let bytes = self.read(path, &whole)?;
                let parts = ranges.iter().map(|range| slice(&bytes, Some(range)));
                Ok(Answer::Chunks(parts.collect::<Result<_, _>>()?))
            }
            Operation::ListPage { prefix, depth, after, limit } => {
                let Answer::Entries(mut entries) = self.list(prefix, *depth)? else {
                    panic!("a listing has entries")
                };
                let key = |entry: &Entry| match entry.size {
                    None => format!("{}/", entry.path),
                    Some(_) => entry.path.clone(),
                };
                entries.retain(|entry| key(entry).as_str() > *after);
                entries.truncate(*limit);
                Ok(Answer::Entries(entries))
            }
            Operation::Exists { path } => match self.at(&path_of(path)?) {
                Err(ErrorKind::NotADirectory) => Ok(Answer::Is(false)),
                found => Ok(Answer::Is(found?.is_some())),
            },
            Operation::List { prefix, depth } => self.list(prefix, *depth),
            Operation::Glob { pattern, kind } => self.glob(pattern, *kind),
            Operation::Checksum { path } => {
                let path = entry_path_of(path)?;
                Ok(Answer::Sum(sum_of(self.file(&path)?.0)))
            }
            Operation::ChecksumMany { paths } => self.checksum_many(paths),
            other => panic!("{other:?} is not a read"),
        }
    }

    pub(crate) fn state(&self) -> State {
        let key = |(path, node): (&String, &Node)| match node {
            Node::Directory => (format!("{path}/"), None),
            Node::File { bytes, .. } => (path.clone(), Some(bytes.clone())),
        };
        let mut state: State = self.nodes.iter().map(key).collect();
        state.sort();
        state
    }

    /// Returns the entry at a path. A parent that is a file is an error.
    fn at(&self, path: &str) -> Result<Option<&Node>, ErrorKind> {
        let is_file = |path| matches!(self.nodes.get(path), Some(Node::File { .. }));
        if above(path).any(is_file) {
            return Err(ErrorKind::NotADirectory);
        }
        if path.is_empty() { Ok(Some(&Node::Directory)) } else { Ok(self.nodes.get(path)) }
    }

    /// Returns the content and version of an existing file.
    fn file(&self, path: &str) -> Result<(&Vec<u8>, u64), ErrorKind> {
        match self.at(path)? {
            None => Err(ErrorKind::NotFound),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory),
            Some(Node::File { bytes, version }) => Ok((bytes, *version)),
        }
    }

    fn is_empty(&self, directory: &str) -> bool {
        !self.nodes.keys().any(|path| is_below(path, directory))
    }

    fn was_seen(&self, path: &str, version: u64) -> bool {
        self.seen.get(path) == Some(&version)
    }

    /// Returns the entries of a listing in order.
    fn below(&self, directory: &str, depth: Depth) -> Vec<Entry> {
        let mut found: Vec<_> =
            self.nodes.iter().filter(|(path, _)| is_below(path, directory)).collect();
        if depth == Depth::One {
            let level = |path: &str| path.matches('/').count();
            let own = if directory.is_empty() { 0 } else { level(directory) + 1 };
            found.retain(|(path, _)| level(path) == own);
        }
        found.sort_by_key(|(path, node)| match node {
            Node::Directory => format!("{path}/"),
            Node::File { .. } => (*path).clone(),
        });
        found.into_iter().map(|(path, node)| entry(path, node)).collect()
    }

    fn check_write(&self, path: &str, mode: Mode) -> Result<(), ErrorKind> {
        match (self.at(path)?, mode) {
            (None, Mode::Create | Mode::Overwrite) => Ok(()),
            (None, Mode::IfSeen) => Err(ErrorKind::PreconditionFailed),
            (Some(_), Mode::Create) => Err(ErrorKind::AlreadyExists),
            (Some(Node::Directory), _) => Err(ErrorKind::IsADirectory),
            (Some(Node::File { .. }), Mode::Overwrite) => Ok(()),
            (Some(Node::File { version, .. }), Mode::IfSeen) if self.was_seen(path, *version) => {
                Ok(())
            }
            (Some(Node::File { .. }), Mode::IfSeen) => Err(ErrorKind::PreconditionFailed),
        }
    }

    /// Replaces the content. After an unconditional overwrite, the version counts as not seen.
    fn put(&mut self, path: &str, bytes: Vec<u8>, sees: bool) -> Answer {
        self.make_directories(above(path));
        self.versions += 1;
        let node = Node::File { bytes, version: self.versions };
        let answer = Answer::Entry(entry(path, &node));
        self.nodes.insert(path.to_owned(), node);
        if sees {
            self.seen.insert(path.to_owned(), self.versions);
        }
        answer
    }

    fn make_directories<'a>(&mut self, paths: impl Iterator<Item = &'a str>) {
        for path in paths {
            self.nodes.insert(path.to_owned(), Node::Directory);
        }
    }

    fn write(&mut self, path: &str, source: &Source, mode: Mode, sum: Sum) -> Outcome {
        let path = entry_path_of(path)?;
        self.check_write(&path, mode)?;
        check_source(source, sum)?;
        Ok(self.put(&path, source.bytes(), !matches!(mode, Mode::Overwrite)))
    }

    /// Appends a stream. The size and the checksum are those of what is appended.
    fn append(&mut self, path: &str, source: &Source, sum: Sum) -> Outcome {
        let path = entry_path_of(path)?;
        let mut bytes = self.file(&path)?.0.clone();
        check_source(source, sum)?;
        bytes.extend(source.bytes());
        Ok(self.put(&path, bytes, false))
    }

    fn write_many(
        &mut self,
        files: &[(&str, Content)],
        mode: Mode,
    ) -> Vec<Result<Entry, ErrorKind>> {
        let mut given = BTreeSet::new();
        let written = files.iter().map(|(path, content)| {
            // The paths of this call have one spelling each.
            if !given.insert(path) {
                return Err(ErrorKind::InvalidInput);
            }
            let source = Source { pieces: vec![*content], fails: false, declared: None };
            match self.write(path, &source, mode, Sum::None)? {
                Answer::Entry(entry) => Ok(entry),
                other => panic!("{other:?} is no entry"),
            }
        });
        written.collect()
    }

    fn delete_if_seen(&mut self, path: &str, missing_ok: bool) -> Outcome {
        let path = entry_path_of(path)?;
        match self.file(&path) {
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory) if missing_ok => {
                Ok(Answer::Nothing)
            }
            Err(ErrorKind::IsADirectory) => Err(ErrorKind::PreconditionFailed),
            Ok((_, version)) if !self.was_seen(&path, version) => {
                Err(ErrorKind::PreconditionFailed)
            }
            found => found.map(drop).and_then(|()| self.delete(&path, Depth::One)),
        }
    }

    fn create_dir(&mut self, path: &str, mode: DirMode) -> Outcome {
        let path = entry_path_of(path)?;
        match self.at(&path)? {
            Some(Node::File { .. }) => Err(ErrorKind::NotADirectory),
            Some(Node::Directory) if mode == DirMode::Create => Err(ErrorKind::AlreadyExists),
            _ => {
                self.make_directories(above(&path).chain([path.as_str()]));
                Ok(Answer::Nothing)
            }
        }
    }

    fn read(&self, path: &str, part: &Part) -> Result<Vec<u8>, ErrorKind> {
        let path = entry_path_of(path)?;
        if part.chunk_size == Some(0) {
            return Err(ErrorKind::InvalidInput);
        }
        let (bytes, version) = self.file(&path)?;
        if part.if_seen && !self.was_seen(&path, version) {
            return Err(ErrorKind::PreconditionFailed);
        }
        slice(bytes, part.range.as_ref())
    }

    fn update(&mut self, path: &str, content: Content, mode: UpdateMode, if_seen: bool) -> Outcome {
        let path = entry_path_of(path)?;
        let (old, version) = self.file(&path)?;
        if if_seen && !self.was_seen(&path, version) {
            return Err(ErrorKind::PreconditionFailed);
        }
        let mut bytes = if mode == UpdateMode::Append { old.clone() } else { Vec::new() };
        bytes.extend(content.bytes());
        Ok(self.put(&path, bytes, if_seen))
    }

    fn delete(&mut self, path: &str, depth: Depth) -> Outcome {
        let path = entry_path_of(path)?;
        self.at(&path)?.ok_or(ErrorKind::NotFound)?;
        if depth == Depth::One && !self.is_empty(&path) {
            return Err(ErrorKind::DirectoryNotEmpty);
        }
        self.nodes.retain(|other, _| *other != path && !is_below(other, &path));
        Ok(Answer::Nothing)
    }

    fn info(&mut self, path: &str, sum: bool) -> Outcome {
        let path = path_of(path)?;
        let node = self.at(&path)?.ok_or(ErrorKind::NotFound)?.clone();
        let mut entry = entry(&path, &node);
        if let Node::File { bytes, version } = node {
            entry.sum = sum.then(|| sum_of(&bytes));
            self.seen.insert(path, version);
        }
        Ok(Answer::Entry(entry))
    }

    fn list(&self, prefix: &str, depth: Depth) -> Outcome {
        let path = path_of(prefix)?;
        match self.at(&path)? {
            None => Err(ErrorKind::NotFound),
            Some(Node::File { .. }) => Err(ErrorKind::NotADirectory),
            Some(Node::Directory) => Ok(Answer::Entries(self.below(&path, depth))),
        }
    }

    fn glob(&self, pattern: &str, kind: GlobKind) -> Outcome {
        glob_matches(pattern, &[]).ok_or(ErrorKind::InvalidPattern)?;
        let matches = |(path, node): &(&String, &Node)| {
            let names: Vec<&str> = path.split('/').collect();
            let of_kind = match kind {
                GlobKind::Files => matches!(node, Node::File { .. }),
                GlobKind::Directories => matches!(node, Node::Directory),
                _ => true,
            };
            of_kind && glob_matches(pattern, &names) == Some(true)
        };
        Ok(Answer::Paths(self.nodes.iter().filter(matches).map(|(path, _)| path.clone()).collect()))
    }

    fn checksum_many(&self, paths: &[&str]) -> Outcome {
        let paths = paths.iter().map(|path| entry_path_of(path)).collect::<Result<Vec<_>, _>>()?;
        let mut sums = BTreeMap::new();
        for path in paths {
            match self.file(&path) {
                Ok((bytes, _)) => drop(sums.insert(path, sum_of(bytes))),
                Err(ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) => {}
                Err(kind) => return Err(kind),
            }
        }
        Ok(Answer::Sums(sums.into_iter().collect()))
    }

    fn copy(&mut self, from: &str, to: &str, mode: Mode) -> Outcome {
        let (from, to) = (entry_path_of(from)?, entry_path_of(to)?);
        let bytes = self.file(&from)?.0.clone();
        let sees = !matches!(mode, Mode::Overwrite);
        if from == to && !sees {
            return Ok(Answer::Entry(entry(&to, &self.nodes[&to])));
        }
        self.check_write(&to, mode)?;
        Ok(self.put(&to, bytes, sees))
    }

    fn rename(&mut self, from: &str, to: &str, mode: Mode) -> Outcome {
        let (from, to) = (entry_path_of(from)?, entry_path_of(to)?);
        let source = self.at(&from)?.ok_or(ErrorKind::NotFound)?.clone();
        if matches!(source, Node::Directory) {
            if is_below(&to, &from) {
                return Err(ErrorKind::InvalidInput);
            }
            match (self.at(&to)?, mode) {
                (Some(_), Mode::Create) => return Err(ErrorKind::AlreadyExists),
                // Directories have no etag.
                (_, Mode::IfSeen) => return Err(ErrorKind::PreconditionFailed),
                (Some(Node::File { .. }), _) => return Err(ErrorKind::NotADirectory),
                (Some(Node::Directory), _) if from != to && !self.is_empty(&to) => {
                    return Err(ErrorKind::DirectoryNotEmpty);
                }
                _ => {}
            }
        } else {
            self.check_write(&to, mode)?;
        }
        self.forget(&from);
        self.forget(&to);
        if from != to {
            self.make_directories(above(&to));
            self.nodes.remove(&to);
            for (path, node) in std::mem::take(&mut self.nodes) {
                let moved = path == from || is_below(&path, &from);
                let path = if moved { format!("{to}{}", &path[from.len()..]) } else { path };
                self.nodes.insert(path, node);
            }
        }
        if let (Node::File { version, .. }, Mode::Create | Mode::IfSeen) = (&source, mode) {
            self.seen.insert(to.clone(), *version);
        }
        Ok(Answer::Entry(entry(&to, &source)))
    }

    /// A moved file may have another etag.
    fn forget(&mut self, moved: &str) {
        self.seen.retain(|path, _| path != moved && !is_below(path, moved));
    }
}

fn entry(path: &str, node: &Node) -> Entry {
    let size = match node {
        Node::Directory => None,
        Node::File { bytes, .. } => Some(bytes.len() as u64),
    };
    Entry { path: path.to_owned(), size, sum: None }
}
