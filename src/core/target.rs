//! What a write requires of the entry that it replaces.

use std::time::SystemTime;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::options::{CopyOptions, RenameOptions, WriteMode, WriteOptions};
use crate::core::precondition::Precondition;

/// The requirements of a write on its target. Each write checks them twice: before it takes the content, and when it publishes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTarget {
    pub(crate) mode: WriteMode,
    pub(crate) condition: Precondition,
}

/// What exists at the target.
#[derive(Clone, Copy)]
pub(crate) enum Existing<'a> {
    Nothing,
    File(&'a dyn FileState),
    Directory,
    /// A FIFO, socket or device.
    Special,
}

/// What conditions compare.
pub(crate) trait FileState {
    fn etag(&self) -> Option<Etag>;
    fn modified_at(&self) -> Option<SystemTime>;
}

impl From<WriteMode> for WriteTarget {
    fn from(mode: WriteMode) -> Self {
        Self { mode, condition: Precondition::default() }
    }
}

impl From<&WriteOptions> for WriteTarget {
    fn from(options: &WriteOptions) -> Self {
        Self { mode: options.mode.clone(), condition: options.condition.clone() }
    }
}

impl From<&CopyOptions> for WriteTarget {
    fn from(options: &CopyOptions) -> Self {
        Self { mode: options.mode.clone(), condition: options.target.clone() }
    }
}

impl From<&RenameOptions> for WriteTarget {
    fn from(options: &RenameOptions) -> Self {
        Self { mode: options.mode.clone(), condition: options.target.clone() }
    }
}

impl WriteTarget {
    /// Whether nothing may exist at the target.
    pub(crate) fn is_new(&self) -> bool {
        self.mode == WriteMode::Create
    }

    /// Whether the state of an existing file decides, so that nobody may change it between the check and the write.
    pub(crate) fn is_conditional(&self) -> bool {
        matches!(self.mode, WriteMode::IfMatch(_)) || !self.condition.is_empty()
    }

    /// Checks whether a file may be written.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `NotFound`, `IsADirectory`, `NotAFile`, `PreconditionFailed`.
    pub(crate) fn check(&self, existing: Existing<'_>) -> Result<()> {
        let file = match existing {
            Existing::Nothing => return self.check_missing(),
            _ if self.is_new() => return Err(ErrorKind::AlreadyExists.into()),
            Existing::Directory => return Err(ErrorKind::IsADirectory.into()),
            Existing::Special => return Err(ErrorKind::NotAFile.into()),
            Existing::File(file) => file,
        };
        match &self.mode {
            WriteMode::IfMatch(etag) if file.etag().as_ref() != Some(etag) => {
                return Err(etag_changed());
            }
            _ => {}
        }
        if self.condition.is_empty() {
            return Ok(());
        }
        self.condition.check_change(file.etag().as_ref(), file.modified_at())
    }

    /// Checks whether a directory may be moved here. Whether an existing directory is empty is for the caller to check.
    pub(crate) fn check_for_directory(&self, existing: Existing<'_>) -> Result<()> {
        match existing {
            Existing::Nothing => self.check_missing(),
            _ if self.is_new() => Err(ErrorKind::AlreadyExists.into()),
            // Directories have no etag.
            _ if matches!(self.mode, WriteMode::IfMatch(_)) => Err(etag_changed()),
            Existing::Directory => self.condition.check_change(None, None),
            Existing::File(_) | Existing::Special => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn check_missing(&self) -> Result<()> {
        match &self.mode {
            WriteMode::Replace | WriteMode::Append => Err(ErrorKind::NotFound.into()),
            WriteMode::IfMatch(_) => {
                Err(Error::new(ErrorKind::PreconditionFailed).with_message("there is no file"))
            }
            WriteMode::Create | WriteMode::Overwrite => self.condition.check_missing(),
        }
    }

    /// Refuses to append, for copies and renames.
    pub(crate) fn expect_no_append(&self) -> Result<()> {
        if self.mode == WriteMode::Append {
            let error = Error::new(ErrorKind::InvalidInput);
            return Err(error.with_message("a copy or rename cannot append"));
        }
        Ok(())
    }
}

fn etag_changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed).with_message("the etag has changed")
}

impl FileState for FileInfo {
    fn etag(&self) -> Option<Etag> {
        self.etag.clone()
    }

    fn modified_at(&self) -> Option<SystemTime> {
        self.modified_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    struct A;

    impl FileState for A {
        fn etag(&self) -> Option<Etag> {
            Some(Etag::new("a"))
        }

        fn modified_at(&self) -> Option<SystemTime> {
            Some(UNIX_EPOCH)
        }
    }

    #[test]
    fn each_mode_allows_some_targets() {
        use ErrorKind::{
            AlreadyExists, IsADirectory, NotADirectory, NotAFile, NotFound, PreconditionFailed,
        };
        let if_match = |etag: &str| WriteTarget::from(WriteMode::IfMatch(etag.into()));
        let on = |mode, condition| WriteTarget { mode, condition };
        let other = Precondition::if_match(Etag::new("b"));
        let rows = [
            // The target; then what it says to nothing, a file, a directory and a special file, as the place of a file.
            (
                WriteMode::Create.into(),
                [None, Some(AlreadyExists), Some(AlreadyExists), Some(AlreadyExists)],
            ),
            (WriteMode::Overwrite.into(), [None, None, Some(IsADirectory), Some(NotAFile)]),
            (WriteMode::Replace.into(), [Some(NotFound), None, Some(IsADirectory), Some(NotAFile)]),
            (WriteMode::Append.into(), [Some(NotFound), None, Some(IsADirectory), Some(NotAFile)]),
            (if_match("a"), [Some(PreconditionFailed), None, Some(IsADirectory), Some(NotAFile)]),
            (
                if_match("b"),
                [
                    Some(PreconditionFailed),
                    Some(PreconditionFailed),
                    Some(IsADirectory),
                    Some(NotAFile),
                ],
            ),
            (
                on(WriteMode::Overwrite, other.clone()),
                [
                    Some(PreconditionFailed),
                    Some(PreconditionFailed),
                    Some(IsADirectory),
                    Some(NotAFile),
                ],
            ),
            (
                on(WriteMode::Replace, other),
                [Some(NotFound), Some(PreconditionFailed), Some(IsADirectory), Some(NotAFile)],
            ),
        ];
        for (target, expected) in rows {
            let found =
                [Existing::Nothing, Existing::File(&A), Existing::Directory, Existing::Special]
                    .map(|existing| target.check(existing).err().map(|error| error.kind()));
            assert_eq!(found, expected, "{target:?}");
        }
        let directory = |target: WriteTarget, existing| {
            target.check_for_directory(existing).err().map(|error| error.kind())
        };
        assert_eq!(directory(WriteMode::Overwrite.into(), Existing::Directory), None);
        assert_eq!(directory(WriteMode::Overwrite.into(), Existing::File(&A)), Some(NotADirectory));
        assert_eq!(directory(WriteMode::Create.into(), Existing::Directory), Some(AlreadyExists));
        assert_eq!(directory(WriteMode::Replace.into(), Existing::Nothing), Some(NotFound));
        assert_eq!(directory(if_match("a"), Existing::Directory), Some(PreconditionFailed));
    }
}
