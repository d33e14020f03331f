//! The environment of every git process.
//!
//! Neither the caller's environment nor the configuration of the user, the system or the clone changes what git does. Options are
//! set in the environment too (`GIT_CONFIG_COUNT`, git-config(1)), so that neither an argument list nor a file holds them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::access::Access;

/// The variables that are copied from the caller: where certificates are and how to reach the network. None changes what git does.
const INHERITED: [&str; 11] = [
    "PATH",
    "TMPDIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// The options of every process, where git's own default is not right for f9.
const OPTIONS: [(&str, &str); 11] = [
    ("core.alternateRefsCommand", "true"),
    ("core.quotePath", "false"),
    ("core.protectNTFS", "true"),
    ("core.protectHFS", "true"),
    ("fetch.recurseSubmodules", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("merge.directoryRenames", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "30"),
    ("credential.helper", ""),
];

/// Where a repository is, and who commits to which branch.
pub(in crate::backends::git) struct RepositorySettings<'a> {
    pub(in crate::backends::git) work_tree: &'a Path,
    pub(in crate::backends::git) git_dir: &'a Path,
    pub(in crate::backends::git) branch: &'a str,
    /// Name and mail address.
    pub(in crate::backends::git) author: (&'a str, &'a str),
}

/// Returns the variables of every process.
pub(super) fn environment(
    settings: &RepositorySettings<'_>,
    access: &Access,
) -> Vec<(OsString, OsString)> {
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut environment: Vec<(OsString, OsString)> =
        inherited.map(|(name, value)| (name.into(), value)).collect();
    let (name, email) = settings.author;
    // libcurl reads `~/.netrc` and git `~/.config/git`, so the home is an empty directory.
    let home = settings.git_dir.join("f9/home");
    let grafts = home.join("grafts");
    let own: [(&str, &OsStr); 24] = [
        ("HOME", home.as_os_str()),
        ("LC_ALL", "C".as_ref()),
        ("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
        ("GIT_ATTR_NOSYSTEM", "1".as_ref()),
        ("GIT_DIR", settings.git_dir.as_os_str()),
        ("GIT_WORK_TREE", settings.work_tree.as_os_str()),
        ("GIT_TERMINAL_PROMPT", "0".as_ref()),
        ("GIT_ASKPASS", "".as_ref()),
        ("GIT_PROXY_COMMAND", "".as_ref()),
        ("GIT_ALLOW_PROTOCOL", access.protocol.name().as_ref()),
        ("GIT_AUTHOR_NAME", name.as_ref()),
        ("GIT_AUTHOR_EMAIL", email.as_ref()),
        ("GIT_COMMITTER_NAME", name.as_ref()),
        ("GIT_COMMITTER_EMAIL", email.as_ref()),
        ("GIT_EDITOR", ":".as_ref()),
        ("GIT_SEQUENCE_EDITOR", ":".as_ref()),
        ("GIT_PAGER", "cat".as_ref()),
        ("GIT_MERGE_AUTOEDIT", "no".as_ref()),
        ("GIT_NO_REPLACE_OBJECTS", "1".as_ref()),
        // There is no such file.
        ("GIT_GRAFT_FILE", grafts.as_os_str()),
        // f9 reads refs from their files.
        ("GIT_DEFAULT_REF_FORMAT", "files".as_ref()),
        // The format of a clone of an empty repository, with a git before 2.42: that git does not ask the remote.
        ("GIT_DEFAULT_HASH", "sha1".as_ref()),
        ("GIT_ADVICE", "0".as_ref()),
    ];
    environment.extend(own.map(|(name, value)| (name.into(), value.into())));
    let mut options: Vec<(String, String)> =
        OPTIONS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    options.extend(access.remote_options(settings.branch));
    environment.push(("GIT_CONFIG_COUNT".into(), options.len().to_string().into()));
    for (number, (name, value)) in options.into_iter().enumerate() {
        environment.push((format!("GIT_CONFIG_KEY_{number}").into(), name.into()));
        environment.push((format!("GIT_CONFIG_VALUE_{number}").into(), value.into()));
    }
    environment
}
