//! The texts of git, curl and OpenSSH for the reason of a failure. Those of git are from version 2.47.
//!
//! `*` is any text, most often a name. A message of git is looked up without its `fatal: ` or `error: `. The first row that matches
//! counts. So texts that end in an unquoted name come before texts that begin with `*`.

use super::failure::Failure;
use crate::core::error::ErrorKind;

/// A text with `*` for any part of it, and its meaning.
pub(super) type Sign = (&'static str, Failure);

const fn kind(kind: ErrorKind) -> Failure {
    Failure::Kind(kind)
}

const STORAGE_FULL: Failure = kind(ErrorKind::StorageFull);
const CORRUPTED: Failure = kind(ErrorKind::Corrupted);
const DENIED: Failure = kind(ErrorKind::PermissionDenied);
const NOT_FOUND: Failure = kind(ErrorKind::NotFound);
const UNREACHABLE: Failure = kind(ErrorKind::Unreachable);
const UNTRUSTED: Failure = kind(ErrorKind::UntrustedServer);
const UNAUTHENTICATED: Failure = kind(ErrorKind::Unauthenticated);

/// Messages about the repository and the working tree. Commands that reach the remote print them, too.
pub(super) const LOCAL: &[Sign] = &[
    // Git does not print the reason. A file that it cannot open has another text.
    ("unable to write file *", STORAGE_FULL),
    ("unable to read sha1 file of *", CORRUPTED),
    ("Unable to process path *", kind(ErrorKind::Io)),
    (
        "Your local changes to the following files would be overwritten by merge:",
        Failure::WouldOverwrite,
    ),
    (
        "The following untracked working tree files would be overwritten by merge:",
        Failure::WouldOverwrite,
    ),
    (
        "The following untracked working tree files would be removed by merge:",
        Failure::WouldOverwrite,
    ),
    (
        "Updating the following directories would lose untracked files in them:",
        Failure::WouldOverwrite,
    ),
    ("Untracked working tree file '*' would be overwritten by merge.", Failure::WouldOverwrite),
    ("Untracked working tree file '*' would be removed by merge.", Failure::WouldOverwrite),
    ("Updating '*' would lose untracked files in it", Failure::WouldOverwrite),
    ("Entry '*' would be overwritten by merge. Cannot merge.", Failure::WouldOverwrite),
    ("Entry '*' not uptodate. Cannot merge.", Failure::WouldOverwrite),
    ("'*' does not have a commit checked out", kind(ErrorKind::InvalidOperation)),
    ("invalid path '*'", kind(ErrorKind::InvalidData)),
    ("open(\"*\"): No such file or directory", Failure::FileVanished),
    ("open(\"*\"): Not a directory", Failure::FileVanished),
    ("readlink(\"*\"): No such file or directory", Failure::FileVanished),
    ("readlink(\"*\"): Not a directory", Failure::FileVanished),
    ("unable to stat '*': No such file or directory", Failure::FileVanished),
    ("unable to stat '*': Not a directory", Failure::FileVanished),
    ("Not possible to fast-forward, aborting.", Failure::NonFastForward),
    ("refusing to merge unrelated histories", Failure::NonFastForward),
    ("Unable to create '*.lock': File exists.", Failure::Locked),
    ("*: No space left on device", STORAGE_FULL),
    ("* write error. Out of diskspace", STORAGE_FULL),
    ("*: Disk quota exceeded", kind(ErrorKind::QuotaExceeded)),
    ("*: Read-only file system", kind(ErrorKind::ReadOnly)),
    ("*: Too many open files", kind(ErrorKind::TooManyOpenFiles)),
    ("*: Permission denied", DENIED),
    ("insufficient permission for adding an object to repository database *", DENIED),
    ("cannot lock ref '*': '*' exists; cannot create '*'", kind(ErrorKind::InvalidOperation)),
    ("cannot lock ref '*': *", Failure::Locked),
    ("update_ref failed for ref '*': cannot lock ref '*': *", Failure::Locked),
    ("not a git repository*", CORRUPTED),
    ("bad object *", CORRUPTED),
    ("bad tree object*", CORRUPTED),
    ("object file * is empty", CORRUPTED),
    ("loose object * (stored in *) is corrupt", CORRUPTED),
    ("packed object * (stored in *) is corrupt", CORRUPTED),
    ("corrupt loose object '*'", CORRUPTED),
    ("corrupt packed object for *", CORRUPTED),
    ("garbage at end of loose object '*'", CORRUPTED),
    ("inflate: *", CORRUPTED),
    ("unable to unpack * header", CORRUPTED),
    ("unable to read *", CORRUPTED),
    ("invalid object *", CORRUPTED),
    ("failed to traverse parents of commit *", CORRUPTED),
    ("Failed to traverse parents of commit *", CORRUPTED),
    ("update_ref failed for ref '*': trying to write ref '*' with nonexistent object *", CORRUPTED),
    ("cannot update ref '*': trying to write ref '*' with nonexistent object *", CORRUPTED),
    ("trying to write ref '*' with nonexistent object *", CORRUPTED),
    ("not a valid object*", CORRUPTED),
    ("Not a valid object*", CORRUPTED),
    ("* is not a valid object", CORRUPTED),
    ("unexpected line in *", CORRUPTED),
    ("bad signature 0x*", CORRUPTED),
    ("bad index *", CORRUPTED),
    ("index file corrupt", CORRUPTED),
    ("index uses * extension, which we do not understand", CORRUPTED),
    ("*: index file smaller than expected", CORRUPTED),
];

/// Messages about the remote over all protocols.
pub(super) const REMOTE: &[Sign] = &[
    ("couldn't find remote ref *", Failure::NoSuchBranch),
    ("could not parse commit *", Failure::MissingParents),
    ("'*' does not appear to be a git repository", NOT_FOUND),
    ("mismatched algorithms: client *; server *", kind(ErrorKind::Unsupported)),
    (
        "the receiving end does not support this repository's hash algorithm",
        kind(ErrorKind::Unsupported),
    ),
    ("transport '*' not allowed", kind(ErrorKind::InvalidInput)),
    ("the remote end hung up *", UNREACHABLE),
    ("early EOF", UNREACHABLE),
    ("*: Connection reset by peer", UNREACHABLE),
    ("*: Connection refused", UNREACHABLE),
    ("*: Connection timed out", UNREACHABLE),
    ("remote error: access denied or repository not exported: *", NOT_FOUND),
    ("remote error: no such repository: *", NOT_FOUND),
    ("remote error: repository not exported: *", NOT_FOUND),
    ("remote error: service not enabled: *", DENIED),
    ("remote error: *Repository not found.", NOT_FOUND),
];

/// Whole lines about the remote that have no `fatal: ` or `error: `.
pub(super) const STATUS_LINES: &[Sign] = &[
    (" ! [rejected] * (non-fast-forward)", Failure::NonFastForward),
    ("fetch-pack: unexpected disconnect while reading sideband packet", UNREACHABLE),
    ("send-pack: unexpected disconnect while reading sideband packet", UNREACHABLE),
];

/// Whole lines of the remote's git during a fetch.
pub(super) const SIDEBAND: &[Sign] =
    &[("remote: aborting due to possible repository corruption on the remote side.", CORRUPTED)];

/// Messages about a web server, without those that contain a reason of curl.
pub(super) const HTTP: &[Sign] = &[
    ("could not read Username for '*': terminal prompts disabled", Failure::NoCredentials),
    ("could not read Password for '*': terminal prompts disabled", Failure::NoCredentials),
    ("could not read Username for '*", UNAUTHENTICATED),
    ("could not read Password for '*", UNAUTHENTICATED),
    ("Authentication failed for '*'", UNAUTHENTICATED),
    ("repository '*' not found", NOT_FOUND),
    ("dumb http transport does not support *", Failure::NotAGitServer),
    ("git-http-push failed", Failure::NotAGitServer),
    ("*info/refs not valid: is this a git repository?", Failure::NotAGitServer),
    (
        "*info/refs not valid: could not determine hash algorithm; is this a git repository?",
        Failure::NotAGitServer,
    ),
];

/// The reasons of curl with `OpenSSL` or `GnuTLS`, without HTTP statuses.
pub(super) const CURL: &[Sign] = &[
    ("Could not resolve host: *", UNREACHABLE),
    ("Could not resolve proxy: *", UNREACHABLE),
    ("Resolving timed out after *", UNREACHABLE),
    ("Failed to connect to *", UNREACHABLE),
    ("Couldn't connect to server*", UNREACHABLE),
    ("Connection timed out after *", UNREACHABLE),
    ("Connection timeout after *", UNREACHABLE),
    ("Operation timed out after *", UNREACHABLE),
    ("Operation too slow. *", UNREACHABLE),
    ("end of response with * bytes missing", UNREACHABLE),
    ("SSL connection timeout", UNREACHABLE),
    ("Empty reply from server", UNREACHABLE),
    ("Recv failure: *", UNREACHABLE),
    ("Send failure: *", UNREACHABLE),
    ("transfer closed with *", UNREACHABLE),
    ("HTTP/2 stream * was not closed cleanly*", UNREACHABLE),
    ("GnuTLS recv error *", UNREACHABLE),
    ("gnutls_handshake() failed: The TLS connection was non-properly terminated.", UNREACHABLE),
    ("gnutls_handshake() failed: Error in the pull function.", UNREACHABLE),
    ("*SSL_read: *", UNREACHABLE),
    ("*SSL_connect: SSL_ERROR_SYSCALL in connection to *", UNREACHABLE),
    ("*SSL_connect: Connection reset by peer in connection to *", UNREACHABLE),
    ("server certificate verification failed*", UNTRUSTED),
    ("SSL certificate problem: *", UNTRUSTED),
    ("SSL peer certificate or SSH remote key was not OK", UNTRUSTED),
    ("SSL connect error", UNTRUSTED),
    ("SSL: *", UNTRUSTED),
    ("*SSL_connect: *", UNTRUSTED),
    ("TLS connect error: *", UNTRUSTED),
    ("gnutls_handshake() failed: *", UNTRUSTED),
    ("error:*:SSL routines:*", UNTRUSTED),
    ("error setting certificate *", UNTRUSTED),
    ("Problem with the SSL CA cert *", UNTRUSTED),
];

/// Messages about a remote in a directory of this machine.
pub(super) const FILE: &[Sign] =
    &[("detected dubious ownership in repository at '*", Failure::OwnedByAnother)];

/// Messages of git on a server behind ssh.
pub(super) const SSH_SERVER: &[Sign] =
    &[("detected dubious ownership in repository at '*", Failure::OwnedByAnotherThere)];

/// Messages about a git daemon.
pub(super) const GIT_DAEMON: &[Sign] =
    &[("unable to connect to *", UNREACHABLE), ("unable to look up *", UNREACHABLE)];

/// Whole lines of ssh, and of the shells and servers that it reaches.
pub(super) const SSH: &[Sign] = &[
    ("Host key verification failed.", UNTRUSTED),
    ("@*WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!*@", UNTRUSTED),
    ("No * host key is known for * and you have requested strict checking.", UNTRUSTED),
    ("@*WARNING: UNPROTECTED PRIVATE KEY FILE!*@", UNAUTHENTICATED),
    ("*: Permission denied (*).", UNAUTHENTICATED),
    ("Received disconnect from *: Too many authentication failures", UNAUTHENTICATED),
    ("ssh: Could not resolve hostname *", UNREACHABLE),
    ("ssh: connect to host *", UNREACHABLE),
    ("ssh_exchange_identification: *", UNREACHABLE),
    ("kex_exchange_identification: *", UNREACHABLE),
    ("banner exchange: *", UNREACHABLE),
    ("ssh_dispatch_run_fatal: Connection to *", UNREACHABLE),
    ("client_loop: send disconnect: *", UNREACHABLE),
    ("Connection closed by *", UNREACHABLE),
    ("Connection reset by *", UNREACHABLE),
    ("Connection to * closed by remote host.", UNREACHABLE),
    ("Connection timed out during banner exchange", UNREACHABLE),
    ("Read from remote host *", UNREACHABLE),
    ("Timeout, server * not responding.", UNREACHABLE),
    ("*git-upload-pack: *not found", NOT_FOUND),
    ("*git-receive-pack: *not found", NOT_FOUND),
    ("ERROR: Repository not found.", NOT_FOUND),
    ("conq: repository does not exist.", NOT_FOUND),
];
