use super::*;

/// Every kind with its text and its `io::ErrorKind`.
const TABLE: &[(ErrorKind, &str, io::ErrorKind)] = &[
    (ErrorKind::NotFound, "not found", io::ErrorKind::NotFound),
    (ErrorKind::AlreadyExists, "already exists", io::ErrorKind::AlreadyExists),
    (ErrorKind::IsADirectory, "is a directory", io::ErrorKind::IsADirectory),
    (ErrorKind::NotADirectory, "not a directory", io::ErrorKind::NotADirectory),
    (ErrorKind::NotAFile, "neither a file nor a directory", io::ErrorKind::InvalidInput),
    (ErrorKind::DirectoryNotEmpty, "directory not empty", io::ErrorKind::DirectoryNotEmpty),
    (ErrorKind::PathEscapesRoot, "the path leads out of the root", io::ErrorKind::PermissionDenied),
    (ErrorKind::InvalidPath, "invalid path", io::ErrorKind::InvalidFilename),
    (ErrorKind::ReservedPath, "the name is reserved by f9", io::ErrorKind::PermissionDenied),
    (ErrorKind::RootGone, "the root does not exist", io::ErrorKind::NotFound),
    (ErrorKind::LinkLoop, "too many levels of symbolic links", io::ErrorKind::Other),
    (ErrorKind::InvalidRange, "invalid range", io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidPattern, "invalid pattern", io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidUri, "invalid URI", io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidInput, "invalid input", io::ErrorKind::InvalidInput),
    (ErrorKind::InvalidData, "invalid data", io::ErrorKind::InvalidData),
    (ErrorKind::PreconditionFailed, "precondition failed", io::ErrorKind::Other),
    (ErrorKind::Conflict, "conflicting changes", io::ErrorKind::Other),
    (
        ErrorKind::Diverged,
        "the remote's history is not a continuation of the local one",
        io::ErrorKind::Other,
    ),
    (ErrorKind::Contention, "others kept publishing at the same time", io::ErrorKind::ResourceBusy),
    (ErrorKind::InvalidOperation, "not possible in this state", io::ErrorKind::Other),
    (ErrorKind::Corrupted, "the store is damaged", io::ErrorKind::InvalidData),
    (
        ErrorKind::Unauthenticated,
        "the credentials were not accepted",
        io::ErrorKind::PermissionDenied,
    ),
    (
        ErrorKind::UntrustedServer,
        "the server could not prove its identity",
        io::ErrorKind::PermissionDenied,
    ),
    (ErrorKind::Unreachable, "the server cannot be reached", io::ErrorKind::HostUnreachable),
    (ErrorKind::RateLimited, "too many requests", io::ErrorKind::ResourceBusy),
    (
        ErrorKind::DownloadForbidden,
        "the service does not give the content back",
        io::ErrorKind::PermissionDenied,
    ),
    (ErrorKind::Remote, "the service failed", io::ErrorKind::Other),
    (ErrorKind::SourceFailed, "the source of the content failed", io::ErrorKind::Other),
    (ErrorKind::LengthMismatch, "length mismatch", io::ErrorKind::InvalidData),
    (ErrorKind::IntegrityMismatch, "checksum mismatch", io::ErrorKind::InvalidData),
    (ErrorKind::UnexpectedEof, "unexpected end of file", io::ErrorKind::UnexpectedEof),
    (ErrorKind::PermissionDenied, "permission denied", io::ErrorKind::PermissionDenied),
    (ErrorKind::ReadOnly, "read-only", io::ErrorKind::ReadOnlyFilesystem),
    (ErrorKind::StorageFull, "no space left", io::ErrorKind::StorageFull),
    (ErrorKind::QuotaExceeded, "quota exceeded", io::ErrorKind::QuotaExceeded),
    (ErrorKind::TooLarge, "too large", io::ErrorKind::FileTooLarge),
    (ErrorKind::TooManyOpenFiles, "too many open files", io::ErrorKind::Other),
    (ErrorKind::LockTimeout, "timed out waiting for the lock", io::ErrorKind::TimedOut),
    (ErrorKind::Timeout, "timed out", io::ErrorKind::TimedOut),
    (ErrorKind::Cancelled, "cancelled", io::ErrorKind::Other),
    (ErrorKind::NotModified, "not modified", io::ErrorKind::Other),
    (
        ErrorKind::DurabilityUnknown,
        "done, but not confirmed to be on stable storage",
        io::ErrorKind::Other,
    ),
    (ErrorKind::Unsupported, "not supported by this backend", io::ErrorKind::Unsupported),
    (ErrorKind::Internal, "internal error", io::ErrorKind::Other),
    (ErrorKind::Io, "input/output error", io::ErrorKind::Other),
];

#[test]
fn every_kind_has_its_text_and_its_io_kind() {
    for &(kind, text, io_kind) in TABLE {
        let error = Error::new(kind).with_operation("copy").with_path("a").with_target("b");
        assert_eq!(error.to_string(), format!("cannot copy `a` to `b`: {text}"));
        assert_eq!(kind.to_string(), text);
        let io = io::Error::from(error);
        assert_eq!(io.kind(), io_kind, "{kind:?}");
        let back = Error::from(io);
        assert_eq!(back.kind(), kind, "the nested error is returned unchanged");
        assert_eq!(back.target(), Some("b"));
    }
    let described: std::collections::HashSet<_> = TABLE.iter().map(|row| row.1).collect();
    assert_eq!(described.len(), TABLE.len(), "no two kinds share a text");
    assert_eq!(TABLE.len(), ErrorKind::ALL.len(), "the table has every kind");
}

#[test]
fn every_kind_has_a_code_that_reads_back() {
    for &kind in ErrorKind::ALL {
        let code = kind.code();
        assert_eq!(code.parse::<ErrorKind>().unwrap(), kind);
        // The name of the variant in kebab case.
        let words = format!("{kind:?}").chars().fold(String::new(), |words, c| {
            let dash = if c.is_uppercase() && !words.is_empty() { "-" } else { "" };
            format!("{words}{dash}{}", c.to_lowercase())
        });
        assert_eq!(code, words);
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{code}\""));
        assert_eq!(serde_json::from_str::<ErrorKind>(&json).unwrap(), kind);
    }
    let error = "not found".parse::<ErrorKind>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = error.message().unwrap();
    assert!(message.starts_with("unknown error code `not found` (expected one of not-found, "));
    assert!(ErrorKind::ALL.iter().all(|kind| message.contains(kind.code())), "{message}");
}

#[test]
fn a_subject_is_shown_like_a_path_but_is_none() {
    let error = Error::new(ErrorKind::InvalidUri).with_subject("s3://x").with_operation("resolve");
    assert_eq!((error.subject(), error.path()), (Some("s3://x"), None));
    assert_eq!(error.to_string(), "cannot resolve `s3://x`: invalid URI");
    let error = error.with_subject("another").map_paths(|_| unreachable!());
    assert_eq!(error.subject(), Some("s3://x"), "the innermost subject stays");
    let error = error.with_path("root");
    assert_eq!(error.to_string(), "cannot resolve `root`: invalid URI", "a path is more exact");
    assert!(format!("{error:?}").contains("subject: \"s3://x\""));
}

#[test]
fn system_errors_keep_their_kind() {
    use rustix::io::Errno;
    for (errno, kind) in [
        (Errno::NOENT, ErrorKind::NotFound),
        (Errno::EXIST, ErrorKind::AlreadyExists),
        (Errno::ISDIR, ErrorKind::IsADirectory),
        (Errno::NOTDIR, ErrorKind::NotADirectory),
        (Errno::NOTEMPTY, ErrorKind::DirectoryNotEmpty),
        (Errno::ACCESS, ErrorKind::PermissionDenied),
        (Errno::PERM, ErrorKind::PermissionDenied),
        (Errno::NAMETOOLONG, ErrorKind::InvalidPath),
        (Errno::LOOP, ErrorKind::LinkLoop),
        (Errno::XDEV, ErrorKind::Unsupported),
        (Errno::MFILE, ErrorKind::TooManyOpenFiles),
        (Errno::NFILE, ErrorKind::TooManyOpenFiles),
        (Errno::NXIO, ErrorKind::NotAFile),
        (Errno::NOSPC, ErrorKind::StorageFull),
        (Errno::DQUOT, ErrorKind::QuotaExceeded),
        (Errno::FBIG, ErrorKind::TooLarge),
        (Errno::ROFS, ErrorKind::ReadOnly),
        (Errno::TIMEDOUT, ErrorKind::Timeout),
        (Errno::IO, ErrorKind::Io),
        (Errno::BUSY, ErrorKind::InvalidOperation),
        (Errno::TXTBSY, ErrorKind::InvalidOperation),
        (Errno::STALE, ErrorKind::Io),
        (Errno::NOTCONN, ErrorKind::Unreachable),
        (Errno::NODEV, ErrorKind::NotAFile),
        (Errno::NOLCK, ErrorKind::Unsupported),
        (Errno::AGAIN, ErrorKind::Io),
        (Errno::UCLEAN, ErrorKind::Corrupted),
    ] {
        assert_eq!(Error::from(io::Error::from(errno)).kind(), kind, "{errno:?}");
    }
}

#[test]
fn a_system_error_says_what_it_is_and_what_to_do() {
    use rustix::io::Errno;
    let text = |errno: Errno| {
        let error = Error::from(io::Error::from(errno)).with_operation("write").with_path("a");
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(errno.raw_os_error()), "the source is the error");
        error.to_string()
    };
    for (errno, words) in [
        (Errno::IO, &["the disk or the file system failed", "log of the kernel", "os error 5"][..]),
        (Errno::BUSY, &["mount point", "unmount", "os error 16"]),
        (Errno::XDEV, &["different file systems", "copy and delete"]),
        (Errno::STALE, &["file server", "open the root again"]),
        (Errno::DQUOT, &["quota exceeded", "raise the quota"]),
        (Errno::NOTCONN, &["program that serves the file system", "mount it again"]),
        (Errno::NODEV, &["device is missing"]),
        (Errno::NXIO, &["socket", "device"]),
        (Errno::ROFS, &["read-only", "mounted"]),
        (Errno::TXTBSY, &["program that is running"]),
        (Errno::NOLCK, &["no locks", "lock service"]),
        (Errno::MFILE, &["too many open files", "ulimit -n"]),
        (Errno::NFILE, &["too many open files", "whole system"]),
        (Errno::AGAIN, &["threads", "try again", "ulimit -u"]),
        (Errno::NOMEM, &["no memory"]),
    ] {
        let text = text(errno);
        assert!(words.iter().all(|word| text.contains(word)), "{errno:?}: {text}");
        assert!(!text.contains("uncategorized") && text.lines().count() == 1, "{text}");
    }
    let busy = Error::from(io::Error::from(Errno::BUSY));
    assert_eq!(io::Error::from(busy).kind(), io::ErrorKind::ResourceBusy, "the kind is kept");
}

#[test]
fn the_text_has_the_code_of_an_unclassified_system_error_and_not_its_source() {
    let system_error = |code| Error::from(io::Error::from_raw_os_error(code));
    let error = system_error(5).with_operation("read").with_path("a");
    assert!(error.to_string().contains("os error 5"), "{error}");
    let denied = system_error(13).with_operation("read").with_path("a");
    assert_eq!(denied.to_string(), "cannot read `a`: permission denied");
    assert!(denied.source().unwrap().to_string().contains("os error 13"));
}

#[test]
fn the_io_kind_of_an_unclassified_failure_is_kept() {
    let error = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::BrokenPipe);
    let interrupted = Error::from(io::Error::from(io::ErrorKind::Interrupted));
    assert_eq!(
        io::Error::from(interrupted).kind(),
        io::ErrorKind::Other,
        "a caller must not repeat the call"
    );
}

#[test]
fn a_failing_source_differs_from_a_failing_disk() {
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "peer gone");
    let error = Error::from(reset).with_operation("write").with_path("a");
    assert_eq!(error.to_string(), "cannot write `a`: input/output error: connection reset");
    assert_eq!(error.source().unwrap().to_string(), "peer gone");
}

#[test]
fn an_error_after_the_change_is_not_retryable() {
    let failed = Error::new(ErrorKind::Unreachable);
    assert!(failed.is_retryable() && !failed.is_applied());
    let applied = failed.with_applied();
    assert!(applied.is_applied() && !applied.is_retryable());
    assert!(Error::new(ErrorKind::DurabilityUnknown).is_applied());
}

#[test]
fn an_error_with_an_unknown_outcome_is_not_retryable_and_says_so() {
    let lost = Error::new(ErrorKind::Unreachable).with_unknown_outcome();
    assert!(lost.has_unknown_outcome() && !lost.is_retryable() && !lost.is_applied());
    assert!(lost.to_string().ends_with("; it is not known whether the change was made"), "{lost}");
    assert!(format!("{lost:?}").contains("has_unknown_outcome: true"), "{lost:?}");
    let known = lost.with_applied();
    assert!(known.is_applied() && !known.has_unknown_outcome() && !known.is_retryable());
    assert!(!known.to_string().contains("not known"), "{known}");
}

#[test]
fn the_root_is_called_the_root() {
    let error = Error::new(ErrorKind::InvalidPath).with_operation("delete").with_path("");
    assert_eq!(error.to_string(), "cannot delete the root: invalid path");
}

#[test]
fn a_bad_destination_does_not_hide_the_source() {
    let error = Error::new(ErrorKind::PathEscapesRoot).with_path("../x").with_operation("rename");
    let error = error.between("a", "../x");
    assert_eq!((error.path(), error.target()), (Some("a"), Some("../x")));
}

#[test]
fn an_error_is_one_pointer_wide() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
}

#[test]
fn the_innermost_operation_and_path_win() {
    let error = Error::new(ErrorKind::NotFound).with_operation("read").with_path("inner");
    let error = error.with_operation("copy").with_path("outer").with_backend("local");
    assert_eq!(error.operation(), Some("read"));
    assert_eq!(error.path(), Some("inner"));
    assert_eq!(error.backend(), Some("local"));
}

#[test]
fn control_characters_in_a_path_are_escaped() {
    let error =
        Error::new(ErrorKind::NotFound).with_path("a\n\u{1b}[2J\u{202e}b\u{61c}\u{2060}\"é");
    let text = error.to_string();
    assert_eq!(text, "`a\\n\\u{1b}[2J\\u{202e}b\\u{61c}\\u{2060}\"é`: not found");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn only_temporary_failures_are_retryable() {
    for &(kind, ..) in TABLE {
        let expected = matches!(
            kind,
            ErrorKind::LockTimeout
                | ErrorKind::Timeout
                | ErrorKind::TooManyOpenFiles
                | ErrorKind::Unreachable
                | ErrorKind::RateLimited
                | ErrorKind::Contention
        );
        assert_eq!(Error::new(kind).is_retryable(), expected, "{kind:?}");
    }
}

#[test]
fn a_clone_has_the_same_text_and_the_same_cause() {
    let error = Error::from(io::Error::other("broken"));
    let error = error.with_operation("read").with_path("a").with_message("why");
    let clone = error.clone();
    assert_eq!(format!("{clone:?}"), format!("{error:?}"));
    assert_eq!(clone.to_string(), "cannot read `a`: input/output error: why");
    let cause = clone.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(cause.unwrap().to_string(), "broken");
    assert_eq!(io::Error::from(clone).kind(), io::ErrorKind::Other);
}
