//! What a clone that git made says about its form.

use std::ffi::OsStr;
use std::path::Path;

use super::repository::Repository;
use crate::core::error::{Error, ErrorKind, Result};

/// The extensions (git-config(1), `extensions.*`) that change nothing for f9. Git ignores some in a repository of an old format.
const HARMLESS: [&str; 7] = [
    "noop",
    "noop-v1",
    "objectformat",
    "preciousobjects",
    "refstorage",
    "relativeworktrees",
    "worktreeconfig",
];

/// The settings by which git converted files at checkout, which decide whether a file was changed since.
const CONVERSIONS: [&str; 4] = ["core.autocrlf", "core.eol", "core.filemode", "core.symlinks"];

/// The hash that names objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectFormat {
    Sha1,
    Sha256,
}

impl ObjectFormat {
    /// Returns the name that git uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Sha1 => Self::Sha256,
            Self::Sha256 => Self::Sha1,
        }
    }
}

/// The configuration file of a clone, with the files that it includes.
#[derive(Debug, Default)]
pub(super) struct CloneConfig(Vec<(String, String)>);

impl CloneConfig {
    pub(super) async fn read(repository: &Repository) -> Result<Self> {
        Self::read_file(repository, &repository.git_dir.join("config")).await
    }

    /// Reads the configuration `file`. A missing one is empty.
    pub(super) async fn read_file(repository: &Repository, file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let list = ["config", "--includes", "--null", "--list", "--file"];
        let list = list.map(OsStr::new).into_iter().chain([file.as_os_str()]);
        let output = repository.git.local(list).nowhere().output().await?;
        if !output.is_success() {
            return Err(output.error().with_kind(ErrorKind::Corrupted));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // A name without a value means true.
        let pairs =
            text.split_terminator('\0').map(|line| line.split_once('\n').unwrap_or((line, "true")));
        Ok(Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Returns the value of `name`, which is in lower case. The last one counts.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(found, _)| found == name);
        value.map(|(_, value)| value.as_str())
    }

    /// Returns the URLs in the sections whose names begin with `section`.
    pub(super) fn urls(&self, section: &str) -> Vec<String> {
        let is_url = |name: &str| name.starts_with(section) && name.ends_with(".url");
        let urls = self.0.iter().filter(|(name, _)| is_url(name));
        urls.map(|(_, url)| url.clone()).collect()
    }

    pub(super) fn object_format(&self) -> ObjectFormat {
        match self.last("extensions.objectformat") {
            Some(format) if format.eq_ignore_ascii_case("sha256") => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        }
    }

    /// Returns the options with which git sees the files as it wrote them at checkout.
    pub(super) fn conversions(&self) -> Vec<(&'static str, String)> {
        // With any other value, git would not have made the clone.
        let is_valid = |value: &str| {
            let value = value.to_lowercase();
            ["true", "yes", "on", "1", "false", "no", "off", "0", "input", "lf", "crlf", "native"]
                .contains(&&*value)
        };
        let value = |name| Some((name, self.last(name)?.to_owned()));
        let settings = CONVERSIONS.into_iter().filter_map(value);
        settings.filter(|(_, value)| is_valid(value)).collect()
    }

    /// Checks that f9 can keep its promises in a clone of this form.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub(super) fn check_form(&self) -> Result<()> {
        let version = self.last("core.repositoryformatversion").unwrap_or("0");
        if !matches!(version, "0" | "1") {
            return Err(unsupported("its format is newer than this version of f9".to_owned()));
        }
        let is_promisor = |name: &str| {
            name == "extensions.partialclone"
                || (name.starts_with("remote.") && name.ends_with(".promisor"))
        };
        if self.0.iter().any(|(name, _)| is_promisor(name)) {
            return Err(unsupported(
                "it is a partial clone, in which objects are missing; clone it again without `--filter`"
                    .to_owned(),
            ));
        }
        let mut extensions = self.0.iter().filter_map(|(name, _)| name.strip_prefix("extensions."));
        match extensions.find(|name| !HARMLESS.contains(name)) {
            Some(name) => Err(unsupported(format!("it uses git's extension `{name}`"))),
            None => Ok(()),
        }
    }
}

fn unsupported(reason: String) -> Error {
    Error::new(ErrorKind::Unsupported).with_message(reason)
}
