//! The failures of system calls: what each of them means, and what can be done about it.

use std::io;

use rustix::io::Errno;

use super::ErrorKind;

/// Returns the kind of a system error that [`io::ErrorKind`] does not describe well enough, and what it means in words.
pub(super) fn meaning(error: &io::Error) -> Option<(ErrorKind, &'static str)> {
    let errno = Errno::from_io_error(error)?;
    let (_, kind, text) = MEANINGS.iter().find(|(code, ..)| *code == errno)?;
    Some((*kind, text))
}

/// Whether the text of an error of this kind must show the number of the system error, because other failures have the same text.
pub(super) fn shows_code(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Io | ErrorKind::InvalidOperation)
}

const MEANINGS: &[(Errno, ErrorKind, &str)] = &[
    // The first one is part of every attempt that must not wait.
    (
        Errno::AGAIN,
        ErrorKind::Io,
        "the system has no threads or memory for it at the moment; try again, or raise the limit of processes (`ulimit -u`)",
    ),
    (
        Errno::IO,
        ErrorKind::Io,
        "the disk or the file system failed; look at the log of the kernel, and check the disk before you write again",
    ),
    (
        Errno::BUSY,
        ErrorKind::InvalidOperation,
        "it is a mount point, or the system uses it; unmount it first",
    ),
    (
        Errno::TXTBSY,
        ErrorKind::InvalidOperation,
        "it is a program that is running; replace the file, or stop the program",
    ),
    (
        Errno::XDEV,
        ErrorKind::Unsupported,
        "the two places are on different file systems or mounts; copy and delete instead",
    ),
    (
        Errno::STALE,
        ErrorKind::Io,
        "the file or its directory was removed on the file server; try again, and open the root again if that fails",
    ),
    (
        Errno::NOTCONN,
        ErrorKind::Unreachable,
        "the program that serves the file system has ended; mount it again",
    ),
    (
        Errno::CONNABORTED,
        ErrorKind::Unreachable,
        "the file system was disconnected; mount it again",
    ),
    (Errno::HOSTDOWN, ErrorKind::Unreachable, "the file server does not answer"),
    (
        Errno::DQUOT,
        ErrorKind::QuotaExceeded,
        "the user, the group or the project may use no more of the file system; delete files, or raise the quota",
    ),
    (Errno::ROFS, ErrorKind::ReadOnly, "the file system is mounted read-only"),
    (Errno::MFILE, ErrorKind::TooManyOpenFiles, "this process has reached its limit (`ulimit -n`)"),
    (
        Errno::NFILE,
        ErrorKind::TooManyOpenFiles,
        "the whole system has reached its limit (`fs.file-max`)",
    ),
    (
        Errno::NXIO,
        ErrorKind::NotAFile,
        "it is a socket, or a device that is missing or was removed",
    ),
    (Errno::NODEV, ErrorKind::NotAFile, "its device is missing or was removed"),
    (
        Errno::NOLCK,
        ErrorKind::Unsupported,
        "the file system has no locks to give; check its lock service",
    ),
    (Errno::NOMEM, ErrorKind::Io, "the system has no memory left; free some and try again"),
    (
        Errno::MLINK,
        ErrorKind::TooLarge,
        "the directory has as many directories, or the file as many names, as the file system allows",
    ),
    (
        Errno::FBIG,
        ErrorKind::TooLarge,
        "the file system or the limit of this process (`ulimit -f`) allows no larger file",
    ),
    (Errno::UCLEAN, ErrorKind::Corrupted, "the file system is damaged; unmount it and check it"),
    (
        Errno::BADMSG,
        ErrorKind::Corrupted,
        "a checksum of the file system does not match; unmount it and check it",
    ),
    (
        Errno::NOKEY,
        ErrorKind::PermissionDenied,
        "the key of the encrypted directory is not loaded; unlock the directory",
    ),
    (Errno::ILSEQ, ErrorKind::InvalidPath, "the file system does not allow this name"),
    (Errno::NAMETOOLONG, ErrorKind::InvalidPath, "a name is longer than the file system allows"),
];
