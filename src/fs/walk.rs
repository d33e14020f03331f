//! Listings and glob searches.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::descent::Descent;
use super::names::{Entry, Names, name_path};
use super::reserved::Reserved;
use super::root::Root;
use super::stat::Stat;
use crate::glob::Progress;
use crate::offload::Cancelled;
use crate::{Depth, Error, ErrorKind, FileInfo, FilePath, GlobKind, GlobPattern, Result};

/// How many runs of names, each in one directory that is kept open, a batch has at most.
const RUNS: usize = 32;

/// A listing under way: which names there are, in their order, without the reserved ones. What they are is looked up apart from that,
/// by [`Batch::look_up`], so that several threads can share the work.
#[derive(Debug)]
pub(crate) struct Walk {
    descent: Descent,
    levels: Vec<Level>,
    depth: Depth,
    reserved: Reserved,
}

#[derive(Debug)]
struct Level {
    path: Arc<str>,
    names: Names,
}

impl Level {
    fn new(path: &str) -> Self {
        Self { path: path.into(), names: Names::default() }
    }
}

fn path_below(path: &str, name: &str) -> FilePath {
    FilePath::found(if path.is_empty() { name.to_owned() } else { [path, "/", name].concat() })
}

impl Walk {
    /// Begins the listing of the directory at `path`.
    pub(crate) fn start(root: &Root, path: &FilePath, depth: Depth) -> Result<Self> {
        root.expect_present()?;
        let descent = Descent::start(root.open_directory(path)?)?;
        Ok(Self { descent, levels: vec![Level::new(path)], depth, reserved: root.reserved() })
    }

    /// Up to `limit` further names; `None` at the end.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        let (mut batch, mut names) = (Batch::default(), 0);
        while names < limit && batch.0.len() < RUNS {
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            match level.names.next(self.descent.here()) {
                Ok(Some(entry)) if self.reserved.holds_bytes(entry.name()) => {}
                Ok(Some(entry)) => {
                    let below = (self.depth != Depth::One && entry.is_dir()).then(|| entry.clone());
                    batch.push(&level.path, &self.descent, entry);
                    names += 1;
                    if let Some(below) = below
                        && let Ok(name) = std::str::from_utf8(below.name())
                    {
                        self.enter(name, &mut batch);
                    }
                }
                Ok(None) => self.leave(&mut batch),
                Err(error) => {
                    batch.fail(error, &level.path);
                    self.leave(&mut batch);
                }
            }
        }
        (!batch.0.is_empty()).then_some(batch)
    }

    /// Whether every name has been found.
    pub(crate) fn is_over(&self) -> bool {
        self.levels.is_empty()
    }

    fn enter(&mut self, name: &str, batch: &mut Batch) {
        let Some(level) = self.levels.last() else {
            return;
        };
        let path = path_below(&level.path, name);
        match self.descent.enter(name) {
            Ok(()) => self.levels.push(Level::new(&path)),
            // It went away, or something else took its name.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => batch.fail(errno.into(), &path),
        }
    }

    fn leave(&mut self, batch: &mut Batch) {
        let left = self.levels.pop();
        if self.levels.is_empty() {
            return;
        }
        if let Err(error) = self.descent.leave() {
            batch.fail(error, left.as_ref().map_or("", |level| &level.path));
            self.levels.clear();
        }
    }
}

/// Names that follow each other in a listing.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// Some of the names in one directory.
    Names {
        path: Arc<str>,
        dir: Arc<OwnedFd>,
        names: Vec<Entry>,
    },
    Failed(Error),
}

impl Batch {
    fn push(&mut self, directory: &Arc<str>, descent: &Descent, entry: Entry) {
        match self.0.last_mut() {
            Some(Part::Names { path, names, .. }) if Arc::ptr_eq(path, directory) => {
                names.push(entry);
            }
            _ => self.0.push(Part::Names {
                path: Arc::clone(directory),
                dir: descent.share_here(),
                names: vec![entry],
            }),
        }
    }

    fn fail(&mut self, error: Error, path: &str) {
        self.0.push(Part::Failed(error.with_path(path)));
    }

    /// What has these names: an item each, but for those that are gone.
    pub(crate) fn look_up(self) -> Vec<Result<FileInfo>> {
        let mut items = Vec::new();
        for part in self.0 {
            match part {
                Part::Names { path, dir, names } => {
                    let item = |entry: &Entry| look_up_name(&path, dir.as_fd(), entry.name());
                    items.extend(names.iter().filter_map(item));
                }
                Part::Failed(error) => items.push(Err(error)),
            }
        }
        items
    }
}

/// The item of one name, `None` for one that is gone.
fn look_up_name(directory: &str, dir: BorrowedFd<'_>, name: &[u8]) -> Option<Result<FileInfo>> {
    let Ok(text) = std::str::from_utf8(name) else {
        let shown = path_below(directory, &String::from_utf8_lossy(name));
        return Some(Err(Error::new(ErrorKind::InvalidPath)
            .with_path(shown)
            .with_message("the name is not UTF-8")));
    };
    match Stat::of_name(dir, name_path(name)) {
        Ok(stat) => Some(Ok(stat.info(path_below(directory, text)))),
        Err(Errno::NOENT) => None,
        Err(errno) => Some(Err(Error::from(errno).with_path(path_below(directory, text)))),
    }
}

/// Finds what matches `pattern`, reading only directories that it can reach and looking up names that it spells out.
pub(crate) fn glob(
    root: &Root,
    pattern: &GlobPattern,
    kind: GlobKind,
    cancelled: &Cancelled,
) -> Result<Vec<FilePath>> {
    let mut search = Search { pattern, kind, reserved: root.reserved(), found: Vec::new() };
    root.expect_present()?;
    let mut descent = Descent::start(root.open_directory("")?)?;
    let mut levels = vec![search.level("", pattern.start())];
    while let Some(level) = levels.last_mut() {
        cancelled.check()?;
        let entry = level.next(&descent);
        match entry.map_err(|error| error.with_path(&*level.level.path))? {
            Some((name, is_dir)) => {
                if let Some((path, progress)) = search.visit(level, &name, is_dir) {
                    match descent.enter(&name) {
                        Ok(()) => levels.push(search.level(&path, progress)),
                        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                        Err(errno) => return Err(Error::from(errno).with_path(path)),
                    }
                }
            }
            None => {
                levels.pop();
                if !levels.is_empty() {
                    descent.leave()?;
                }
            }
        }
    }
    search.found.sort_unstable();
    Ok(search.found)
}

struct Search<'a> {
    pattern: &'a GlobPattern,
    kind: GlobKind,
    reserved: Reserved,
    found: Vec<FilePath>,
}

struct SearchLevel {
    level: Level,
    progress: Progress,
    /// The names to look up, where the pattern spells out all that can match here.
    literals: Option<std::vec::IntoIter<String>>,
}

impl SearchLevel {
    fn next(&mut self, descent: &Descent) -> Result<Option<(String, bool)>> {
        let Some(literals) = &mut self.literals else {
            // A name that is not UTF-8 matches no pattern.
            while let Some(entry) = self.level.names.next(descent.here())? {
                if let Ok(name) = std::str::from_utf8(entry.name()) {
                    return Ok(Some((name.to_owned(), entry.is_dir())));
                }
            }
            return Ok(None);
        };
        for name in literals {
            match Stat::of_name(descent.here(), name.as_ref()) {
                Ok(stat) => return Ok(Some((name, stat.is_dir()))),
                Err(Errno::NOENT | Errno::NAMETOOLONG) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(None)
    }
}

impl Search<'_> {
    fn level(&self, path: &str, progress: Progress) -> SearchLevel {
        let literals = self.pattern.next_literals(&progress).map(|names| {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            names.into_iter()
        });
        SearchLevel { level: Level::new(path), progress, literals }
    }

    /// Keeps the entry if it matches; gives the way down if anything below may match.
    fn visit(
        &mut self,
        level: &SearchLevel,
        name: &str,
        is_dir: bool,
    ) -> Option<(FilePath, Progress)> {
        if self.reserved.holds(name) {
            return None;
        }
        let (matched, below) = self.pattern.advance(&level.progress, name);
        let path = path_below(&level.level.path, name);
        if matched && self.kind.accepts(is_dir) {
            self.found.push(path.clone());
        }
        (is_dir && !below.is_over()).then_some((path, below))
    }
}
