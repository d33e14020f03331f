//! What the file system of the working tree makes of the names in a branch.
//!
//! It cannot hold long names. Those that git protects are not written anywhere, whatever the file system is. On some file systems two
//! names are one: case is ignored, or characters are composed. No table says which names a file system takes for one, so it is asked.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::parse::{RawPath, SYMLINK, TreeEntry};
use super::protected_names;
use super::twins::{Traces, Twins};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::random;

/// Three forms of a name: with an upper-case letter, and with an accent as a character of its own.
const FORMS: [&str; 3] = ["f\u{e9}", "F\u{e9}", "fe\u{301}"];

/// Why a file cannot be in the working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its name or path is too long, as this says.
    Long(String),
    /// Git protects its name.
    Protected,
    /// Its name is that of the file or directory at this path.
    Twin(RawPath),
    /// The twin is gone, so that the next pull checks it out.
    Returns,
}

impl Reason {
    pub(super) fn is_about_twins(&self) -> bool {
        matches!(self, Self::Twin(_) | Self::Returns)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(excess) => f.write_str(excess),
            Self::Protected => f.write_str("git protects the name, which may be `.git` elsewhere"),
            Self::Twin(path) => {
                write!(f, "on this file system it has the same name as `{}`", path.to_text())
            }
            Self::Returns => {
                f.write_str("the file with the same name is gone; pull to get this one")
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The longest name in bytes.
    longest: usize,
    /// A directory to try names in.
    dir: PathBuf,
    folds: bool,
}

impl Names {
    /// Finds out what the file system does. `dir` is a directory for trying names in, in f9's own directory. The longest name has `longest`
    /// bytes.
    pub(super) fn probe(dir: &Path, longest: usize) -> Self {
        // On a full disk no name can be tried, but case can: this is f9's own directory.
        let ignores_case = || dir.with_file_name("HOME").exists();
        let names = Self { longest, dir: dir.to_owned(), folds: false };
        let classes = names.classes(&FORMS.map(str::as_bytes));
        let folds = classes.map_or_else(|_| ignores_case(), |classes| classes != [0, 1, 2]);
        Self { folds, ..names }
    }

    /// Whether different names may be one.
    pub(super) fn folds(&self) -> bool {
        self.folds
    }

    /// Returns why no file can be at `path`, whatever else is in the tree; `None` if one can.
    pub(super) fn objection(&self, path: &RawPath) -> Option<Reason> {
        let excess = path.excess(self.longest).map(Reason::Long);
        excess.or_else(|| is_protected(path).then_some(Reason::Protected))
    }

    /// Returns those of `files` that cannot be in the working tree. Of twins, the first that is not `absent` can.
    pub(super) fn left_out(
        &self,
        files: Vec<TreeEntry>,
        absent: impl Fn(&RawPath) -> bool,
    ) -> Result<Vec<TreeEntry>> {
        let traces = |path: &RawPath| Traces { absence: u8::from(absent(path)), seen: 0 };
        let twins = self.twins(files.iter().map(|file| (&file.path, traces(&file.path))))?;
        let is_left_out = |file: &TreeEntry| {
            self.objection(&file.path).is_some() || twins.instead_of(&file.path).is_some()
        };
        Ok(files.into_iter().filter(is_left_out).collect())
    }

    /// Finds the twins among the paths of the files of a branch. See [`Twins::find`].
    pub(super) fn twins<'a>(
        &self,
        files: impl Iterator<Item = (&'a RawPath, Traces)>,
    ) -> Result<Twins> {
        if !self.folds {
            return Ok(Twins::default());
        }
        let files = files.filter(|(path, _)| self.objection(path).is_none());
        Twins::find(files, |names| self.classes(names))
    }

    /// Whether the file system takes two paths whose names are probably one for one path.
    pub(super) fn are_one(&self, one: &RawPath, other: &RawPath) -> Result<bool> {
        let is_slash = |byte: &u8| *byte == b'/';
        for (one, other) in one.0.split(is_slash).zip(other.0.split(is_slash)) {
            if one != other && self.classes(&[one, other])? != [0, 0] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds out which of `names` are one, in a new directory. Returns for each the position of the first name that is the same. A name that
    /// the file system refuses is the same as no other.
    fn classes(&self, names: &[&[u8]]) -> Result<Vec<usize>> {
        // Other processes do the same.
        let dir = self.dir.join(random::hex::<8>()?);
        fs::create_dir_all(&dir)?;
        let classes = names.iter().enumerate().map(|(number, name)| {
            let file = dir.join(OsStr::from_bytes(name));
            match File::options().write(true).create_new(true).open(&file) {
                Ok(mut file) => {
                    file.write_all(number.to_string().as_bytes())?;
                    Ok(number)
                }
                Err(error) if error.kind() == IoKind::AlreadyExists => {
                    let first = fs::read_to_string(&file)?;
                    first.parse().map_err(|_| ErrorKind::Internal.into())
                }
                Err(error) if is_about_the_name(&error) => Ok(number),
                Err(error) => Err(error.into()),
            }
        });
        let classes = classes.collect();
        remove_tried(&dir);
        classes
    }
}

/// Removes a directory of tried names. A FUSE file system keeps a deleted file under another name until it has noticed that nobody has it
/// open. What is left does no harm.
fn remove_tried(dir: &Path) {
    for _ in 0..50 {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == IoKind::DirectoryNotEmpty => {
                thread::sleep(Duration::from_millis(2));
            }
            _ => return,
        }
    }
}

/// Whether the file system refuses a name.
fn is_about_the_name(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG | Errno::NOENT))
}

/// Whether git protects a name in `path`.
fn is_protected(path: &RawPath) -> bool {
    path.0.split(|&byte| byte == b'/').any(protected_names::is_protected)
}

/// Refuses files, each with its mode, that no index can hold: below `.git` in any case, links named `.gitmodules`, and names that are none.
///
/// # Errors
///
/// [`InvalidData`](ErrorKind::InvalidData).
pub(super) fn refuse_impossible<'a>(
    files: impl IntoIterator<Item = (u32, &'a RawPath)>,
) -> Result<()> {
    let is_impossible = |mode: u32, name: &[u8]| {
        name.eq_ignore_ascii_case(b".git")
            || matches!(name, b"" | b"." | b"..")
            || (mode == SYMLINK && name.eq_ignore_ascii_case(b".gitmodules"))
    };
    for (mode, path) in files {
        if path.0.split(|&byte| byte == b'/').any(|name| is_impossible(mode, name)) {
            return Err(Error::new(ErrorKind::InvalidData).with_message(format!(
                "the remote's commit has a file at `{}`, which git accepts nowhere",
                path.to_text()
            )));
        }
    }
    Ok(())
}
