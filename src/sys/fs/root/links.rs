//! Symbolic links in a path: they are followed beneath the root, and refused if they lead out of it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Root;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::fs::open_beneath::{ATTEMPTS, open_beneath, open_error};

/// The number of attempts for a path with a file as a parent. Usually it stays one, but a file may also be replaced by a directory
/// during the resolution.
const ATTEMPTS_AT_A_FILE: u64 = 8;

impl Root {
    #[cold]
    pub(super) fn open_through_links(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        for _ in 0..ATTEMPTS {
            let expanded = if flags.contains(OFlags::NOFOLLOW) {
                let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
                self.expand(parent)?.join(name)
            } else {
                self.expand(path)?
            };
            match open_beneath(self.fd(), &expanded, flags) {
                // A name in the expanded path became a link in the meantime.
                Err(Errno::LOOP) => {}
                opened => return opened.map_err(open_error),
            }
        }
        Err(ErrorKind::LinkLoop.into())
    }

    /// Follows all symbolic links in `path` beneath the root, and returns the path without links.
    pub(in crate::sys::fs) fn expand(&self, path: &str) -> Result<PathBuf> {
        let (mut at_a_file, mut changed) = (0, 0);
        let expanded = loop {
            let expanded = self.dir.canonicalize(path);
            match expanded.as_ref().map_err(Errno::from_io_error) {
                // cap-std does not repeat an interrupted call.
                Err(Some(Errno::INTR)) => {}
                // cap-std resolves one name at a time. Both errors also occur if a link and a directory are swapped between.
                Err(Some(Errno::NOTDIR)) if at_a_file < ATTEMPTS_AT_A_FILE => at_a_file += 1,
                Err(Some(Errno::INVAL)) if changed < ATTEMPTS => {
                    changed += 1;
                    at_a_file = 0;
                }
                _ => break expanded,
            }
        };
        let expanded = expanded.map_err(expand_error)?;
        let is_private = expanded.to_str().is_some_and(|path| self.is_private(path));
        let names = expanded.iter().skip(if is_private { 2 } else { 0 });
        if names.filter_map(|name| name.to_str()).any(|name| self.reserved.contains(name)) {
            return Err(Error::new(ErrorKind::ReservedPath)
                .with_message("a symbolic link leads to a reserved name"));
        }
        Ok(if expanded.as_os_str().is_empty() { ".".into() } else { expanded })
    }
}

/// Converts the error of a path whose links could not be followed.
fn expand_error(error: io::Error) -> Error {
    // cap-std reports a path that leads out with its own text, without a system error.
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        return Error::new(ErrorKind::PathEscapesRoot).with_source(error);
    }
    match Errno::from_io_error(&error) {
        // The path changed during every attempt. This is reported like a loop of links.
        Some(Errno::INVAL) => Error::new(ErrorKind::LinkLoop).with_source(error),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_path_that_changes_during_every_attempt_is_a_link_loop_with_the_system_error() {
        let error = expand_error(Errno::INVAL.into());
        assert_eq!(error.kind(), ErrorKind::LinkLoop);
        let system = io::Error::from(Errno::INVAL).to_string();
        assert_eq!(error.source().unwrap().to_string(), system);
    }
}
