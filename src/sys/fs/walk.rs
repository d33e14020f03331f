//! Listings and glob searches.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::dir_stack::{DirStack, kept_open};
use super::errno::system_error;
use super::list_start::ListStart;
use super::open_beneath::{DIRECTORY, open_beneath};
use super::read_dir::{Entry, Names, Wanted, name_path};
use super::reserved::Reserved;
use super::root::Root;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::glob::{GlobPattern, Progress};
use crate::core::info::FileInfo;
use crate::core::options::{Depth, GlobKind};
use crate::core::path::FilePath;
use crate::core::selection::Selection;
use crate::sys::pool::{Cancelled, max_open_files};

/// Returns the limit of parts in a batch. Each part keeps a directory open.
fn max_parts() -> usize {
    (max_open_files() / 16).clamp(1, 32)
}

/// The limit of names that one batch looks at, so that a pattern without a match does not keep a thread for long.
const MAX_SEEN: usize = 16 * 1024;

/// The state of a listing, which returns the names in order, without the reserved ones. [`Batch::look_up`] reads their metadata
/// separately, so that several threads can share that work.
#[derive(Debug)]
pub(crate) struct Walk {
    dirs: DirStack,
    levels: Vec<Level>,
    depth: Depth,
    selection: Selection,
    reserved: Reserved,
}

#[derive(Debug)]
struct Level {
    path: Arc<str>,
    names: Names,
    start: ListStart,
}

impl Level {
    fn new(path: &str) -> Self {
        Self::after(path, None)
    }

    fn after(path: &str, start: Option<&str>) -> Self {
        Self { path: path.into(), names: Names::default(), start: ListStart::of(path, start) }
    }
}

fn path_below(path: &str, name: &str) -> FilePath {
    FilePath::found(if path.is_empty() { name.to_owned() } else { [path, "/", name].concat() })
}

impl Walk {
    /// How many files are open during a call of [`next_batch`](Self::next_batch), with those of the returned batch.
    pub(crate) fn files() -> usize {
        kept_open() + max_parts() + 1
    }

    /// Starts a listing of the directory at `path`.
    pub(crate) fn start(
        root: &Root,
        path: &FilePath,
        depth: Depth,
        selection: Selection,
    ) -> Result<Self> {
        root.expect_present()?;
        let dirs = DirStack::start(root.open_directory(path)?)?;
        let levels = vec![Level::after(path, selection.start_after.as_deref())];
        Ok(Self { dirs, levels, depth, selection, reserved: root.reserved() })
    }

    /// Returns how many names of a directory are needed at a time.
    fn names_at_a_time(&self) -> usize {
        match self.selection.limit {
            Some(limit) if self.depth == Depth::One => limit,
            // The directory that holds the start is read, but not returned.
            Some(limit) if self.selection.pattern.is_none() => limit.saturating_add(1),
            _ => usize::MAX,
        }
    }

    /// Returns up to `limit` further names; `None` at the end.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        let (mut batch, mut names, mut seen) = (Batch::default(), 0, 0);
        let (count, max_parts) = (self.names_at_a_time(), max_parts());
        while names < limit && batch.0.len() < max_parts && seen < MAX_SEEN {
            seen += 1;
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            let Level { path, names: level_names, start } = level;
            let is_deep = self.depth != Depth::One;
            let (pattern, reserved) = (self.selection.pattern.as_ref(), self.reserved);
            // A name that is not UTF-8 is an error, whatever the pattern.
            let matches = |name: &[u8], is_dir| match (pattern, std::str::from_utf8(name)) {
                (Some(pattern), Ok(name)) => {
                    pattern.is_for(is_dir) && pattern.matches(&path_below(path, name))
                }
                _ => true,
            };
            let is_shown =
                |name: &[u8], is_dir| start.is_before(name, is_dir) && matches(name, is_dir);
            let accepts = |name: &[u8], is_dir: bool| {
                let is_entered =
                    || is_deep && is_dir && (start.is_before(name, is_dir) || start.is_in(name));
                !reserved.contains_bytes(name) && (is_entered() || is_shown(name, is_dir))
            };
            match level_names.next(self.dirs.here(), &Wanted { accepts: &accepts, count }) {
                Ok(Some(entry)) => {
                    let below = (is_deep && entry.is_dir()).then(|| entry.clone());
                    if is_shown(entry.name(), entry.is_dir()) {
                        batch.push(path, &self.dirs, entry);
                        names += 1;
                    }
                    if let Some(below) = below
                        && let Ok(name) = std::str::from_utf8(below.name())
                    {
                        self.enter(name, &mut batch);
                    }
                }
                Ok(None) => self.leave(&mut batch),
                Err(error) => {
                    batch.fail(error, path);
                    self.leave(&mut batch);
                }
            }
        }
        // The next call may come late.
        self.dirs.close_above();
        (!batch.0.is_empty() || !self.is_over()).then_some(batch)
    }

    /// Whether the listing has no more names.
    pub(crate) fn is_over(&self) -> bool {
        self.levels.is_empty()
    }

    fn enter(&mut self, name: &str, batch: &mut Batch) {
        let Some(level) = self.levels.last() else {
            return;
        };
        let path = path_below(&level.path, name);
        match self.dirs.enter(name) {
            Ok(()) => {
                let start = self.selection.start_after.as_deref();
                self.levels.push(Level::after(&path, start));
            }
            // The directory was deleted or replaced.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => batch.fail(system_error(errno), &path),
        }
    }

    fn leave(&mut self, batch: &mut Batch) {
        let left = self.levels.pop();
        if self.levels.is_empty() {
            return;
        }
        if let Err(error) = self.dirs.leave() {
            batch.fail(error, left.as_ref().map_or("", |level| &level.path));
            self.levels.clear();
        }
    }
}

/// Returns how many files a search or a recursive deletion has open.
pub(crate) fn files_of_deep_operation() -> usize {
    kept_open() + 3
}

/// Consecutive names of a listing.
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
    fn push(&mut self, directory: &Arc<str>, dirs: &DirStack, entry: Entry) {
        match self.0.last_mut() {
            Some(Part::Names { path, names, .. }) if Arc::ptr_eq(path, directory) => {
                names.push(entry);
            }
            _ => self.0.push(Part::Names {
                path: Arc::clone(directory),
                dir: dirs.share_here(),
                names: vec![entry],
            }),
        }
    }

    fn fail(&mut self, error: Error, path: &str) {
        self.0.push(Part::Failed(error.with_path(path)));
    }

    /// Returns how many directories the batch has open.
    pub(crate) fn files(&self) -> usize {
        self.0.len()
    }

    /// Returns the metadata of these names, without those that were deleted in the meantime.
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

/// Returns the metadata of one name; `None` if it was deleted.
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
        Err(errno) => Some(Err(system_error(errno).with_path(path_below(directory, text)))),
    }
}

/// Returns the paths that match `pattern`; `None` if the literal prefix leads through a link, which the search does not follow. Reads only
/// directories that can contain matches, and looks up names that the pattern lists.
pub(crate) fn glob(
    root: &Root,
    pattern: &GlobPattern,
    kind: GlobKind,
    cancelled: &Cancelled,
) -> Result<Option<Vec<FilePath>>> {
    let (base, _) = pattern.base();
    let has_link = |base: &str| {
        let opened = open_beneath(root.fd(), Path::new(base), DIRECTORY);
        matches!(opened, Err(Errno::LOOP | Errno::NOTDIR))
    };
    if !base.is_root() && has_link(&base) {
        return Ok(None);
    }
    let mut search = Search { pattern, kind, reserved: root.reserved(), found: Vec::new() };
    root.expect_present()?;
    let mut dirs = DirStack::start(root.open_directory("")?)?;
    let mut levels = vec![search.level("", pattern.start())];
    while let Some(level) = levels.last_mut() {
        cancelled.check()?;
        let entry = level.next(&dirs);
        match entry.map_err(|error| error.with_path(&*level.level.path))? {
            Some((name, is_dir)) => {
                if let Some((path, progress)) = search.visit(level, &name, is_dir) {
                    match dirs.enter(&name) {
                        Ok(()) => levels.push(search.level(&path, progress)),
                        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                        Err(errno) => return Err(system_error(errno).with_path(path)),
                    }
                }
            }
            None => {
                levels.pop();
                if !levels.is_empty() {
                    dirs.leave()?;
                }
            }
        }
    }
    search.found.sort_unstable();
    Ok(Some(search.found))
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
    /// The names to look up, if the pattern lists all names that can match here.
    literals: Option<std::vec::IntoIter<String>>,
}

impl SearchLevel {
    fn next(&mut self, dirs: &DirStack) -> Result<Option<(String, bool)>> {
        let Some(literals) = &mut self.literals else {
            // A name that is not UTF-8 matches no pattern.
            while let Some(entry) = self.level.names.next(dirs.here(), &Wanted::ALL)? {
                if let Ok(name) = std::str::from_utf8(entry.name()) {
                    return Ok(Some((name.to_owned(), entry.is_dir())));
                }
            }
            return Ok(None);
        };
        for name in literals {
            match Stat::of_name(dirs.here(), name.as_ref()) {
                Ok(stat) => return Ok(Some((name, stat.is_dir()))),
                Err(Errno::NOENT | Errno::NAMETOOLONG) => {}
                Err(errno) => return Err(system_error(errno)),
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

    /// Collects the entry if it matches, and returns the state for its entries if any of them can match.
    fn visit(
        &mut self,
        level: &SearchLevel,
        name: &str,
        is_dir: bool,
    ) -> Option<(FilePath, Progress)> {
        if self.reserved.contains(name) {
            return None;
        }
        let (matched, below) = self.pattern.advance(&level.progress, name);
        let path = path_below(&level.level.path, name);
        if matched && self.kind.accepts(is_dir) && self.pattern.is_for(is_dir) {
            self.found.push(path.clone());
        }
        (is_dir && !below.is_over()).then_some((path, below))
    }
}
