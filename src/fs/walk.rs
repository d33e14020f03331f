//! Listings and glob searches.

use rustix::io::Errno;

use super::descent::Descent;
use super::names::{Names, name_path};
use super::root::Root;
use super::stat::Stat;
use crate::glob::Progress;
use crate::offload::Cancelled;
use crate::{
    Depth, Error, ErrorKind, FileInfo, FilePath, GlobKind, GlobPattern, Result, is_reserved_name,
};

/// A listing under way.
#[derive(Debug)]
pub(crate) struct Walk {
    descent: Descent,
    levels: Vec<Level>,
    depth: Depth,
}

#[derive(Debug)]
struct Level {
    path: String,
    names: Names,
}

impl Level {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned(), names: Names::default() }
    }

    fn path_of(&self, name: &str) -> FilePath {
        FilePath::found(if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        })
    }
}

impl Walk {
    /// Begins the listing of the directory at `path`.
    pub(crate) fn start(root: &Root, path: &FilePath, depth: Depth) -> Result<Self> {
        root.expect_present()?;
        let descent = Descent::start(root.open_directory(path)?)?;
        Ok(Self { descent, levels: vec![Level::new(path)], depth })
    }

    /// Up to `limit` further items; none at the end.
    pub(crate) fn next_items(&mut self, limit: usize) -> Vec<Result<FileInfo>> {
        let mut items = Vec::with_capacity(limit);
        while items.len() < limit {
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            match level.names.next(self.descent.here()) {
                Ok(Some(entry)) => {
                    if let Some(item) = self.item(entry.name(), entry.is_dir(), &mut items) {
                        items.push(item);
                    }
                }
                Ok(None) => self.leave(&mut items),
                Err(error) => {
                    items.push(Err(error.with_path(level.path.clone())));
                    self.leave(&mut items);
                }
            }
        }
        items
    }

    fn leave(&mut self, items: &mut Vec<Result<FileInfo>>) {
        let left = self.levels.pop();
        if self.levels.is_empty() {
            return;
        }
        if let Err(error) = self.descent.leave() {
            items.push(Err(error.with_path(left.map(|level| level.path).unwrap_or_default())));
            self.levels.clear();
        }
    }

    /// The item of one name, `None` for one that is hidden or gone; a directory is entered if the listing goes deeper.
    fn item(
        &mut self,
        name: &[u8],
        is_dir: bool,
        items: &mut Vec<Result<FileInfo>>,
    ) -> Option<Result<FileInfo>> {
        let level = self.levels.last()?;
        let Ok(text) = std::str::from_utf8(name) else {
            let shown = level.path_of(&String::from_utf8_lossy(name));
            return Some(Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shown)
                .with_message("the name is not UTF-8")));
        };
        if is_reserved_name(text) {
            return None;
        }
        let path = level.path_of(text);
        let stat = match Stat::of_name(self.descent.here(), name_path(name)) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return None,
            Err(errno) => return Some(Err(Error::from(errno).with_path(path))),
        };
        let info = stat.info(path.clone());
        if self.depth == Depth::One || !is_dir || !stat.is_dir() {
            return Some(Ok(info));
        }
        items.push(Ok(info));
        match self.descent.enter(text) {
            Ok(()) => self.levels.push(Level::new(&path)),
            // It went away, or something else took its name.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Some(Err(Error::from(errno).with_path(path))),
        }
        None
    }
}

/// Finds what matches `pattern`, reading only directories that it can reach and looking up names that it spells out.
pub(crate) fn glob(
    root: &Root,
    pattern: &GlobPattern,
    kind: GlobKind,
    cancelled: &Cancelled,
) -> Result<Vec<FilePath>> {
    let mut search = Search { pattern, kind, found: Vec::new() };
    root.expect_present()?;
    let mut descent = Descent::start(root.open_directory("")?)?;
    let mut levels = vec![search.level("", pattern.start())];
    while let Some(level) = levels.last_mut() {
        cancelled.check()?;
        let entry = level.next(&descent);
        match entry.map_err(|error| error.with_path(level.level.path.clone()))? {
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
        if is_reserved_name(name) {
            return None;
        }
        let (matched, below) = self.pattern.advance(&level.progress, name);
        let path = level.level.path_of(name);
        if matched && self.kind.accepts(is_dir) {
            self.found.push(path.clone());
        }
        (is_dir && !below.is_over()).then_some((path, below))
    }
}
