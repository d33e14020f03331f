//! The directory that git takes for the repository's shared part (`GIT_COMMON_DIR`, git(1)), with a configuration of its own.
//!
//! Git reads the configuration of a clone from the shared part of its directory. Here that is `.git/f9/common`, with links to the objects,
//! refs and logs of the clone. So no setting of the clone changes what f9's git processes do, and those of other programs in the clone
//! see no difference.

use std::fs;
use std::io::ErrorKind as IoKind;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::clone_config::{CloneConfig, ObjectFormat};
use super::command::COMMON_DIR;
use super::error::corrupted;
use super::repository::Repository;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// The parts of a clone that its working trees share (gitrepository-layout(5)), apart from the configuration and the hooks.
const SHARED: [&str; 6] = ["objects", "refs", "packed-refs", "logs", "info", "shallow"];

impl Repository {
    /// Reports whether git has its own configuration here.
    pub(super) async fn has_common_dir(&self) -> Result<bool> {
        let dir = self.git_dir.join(COMMON_DIR);
        pool::run(move || {
            // A copy of the clone may have something else in place of a link.
            let is_link =
                |name: &&str| fs::read_link(dir.join(name)).is_ok_and(|to| to == target(name));
            Ok(dir.join("config").try_exists()? && SHARED.iter().all(is_link))
        })
        .await
    }

    /// Gives git a configuration that says only what form the clone has. `sharing` is the value of `core.sharedRepository`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the file system has no symbolic links.
    pub(super) async fn create_common_dir(
        &self,
        format: ObjectFormat,
        sharing: Option<String>,
    ) -> Result<()> {
        let git_dir = self.git_dir.clone();
        pool::run(move || create(&git_dir, format, sharing.as_deref())).await
    }

    /// Calls [`create_common_dir`](Self::create_common_dir) for a clone that git made.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported), also if f9 cannot keep its promises in a clone of this form.
    pub(super) async fn create_common_dir_of(&self, clone: &CloneConfig) -> Result<()> {
        clone.check_form()?;
        let sharing = clone.last("core.sharedrepository").map(str::to_owned);
        self.create_common_dir(clone.object_format(), sharing).await
    }
}

/// Creates the directory in `git_dir`, or its configuration again. `sharing` is the value of `core.sharedRepository`.
pub(super) fn create(git_dir: &Path, format: ObjectFormat, sharing: Option<&str>) -> Result<()> {
    let dir = git_dir.join(COMMON_DIR);
    fs::create_dir_all(&dir)?;
    // Git does not create directories through a link that leads nowhere.
    for directory in ["logs", "info"] {
        fs::create_dir_all(git_dir.join(directory))?;
    }
    for name in SHARED {
        let link = dir.join(name);
        if fs::read_link(&link).is_ok_and(|to| to == target(name)) {
            continue;
        }
        if link.symlink_metadata().is_ok() {
            let message =
                format!("`.git/{COMMON_DIR}/{name}` is not the link that f9 made; remove it");
            return Err(corrupted(message));
        }
        symlink(target(name), link).map_err(without_links)?;
    }
    let new = dir.join("config.new");
    fs::write(&new, "")?;
    let version = u8::from(format != ObjectFormat::Sha1);
    let (modes, ignores_case) = (keeps_modes(&new)?, ignores_case(&dir)?);
    let mut text = format!(
        "[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\tfileMode = {modes}\n\tignoreCase = {ignores_case}\n"
    );
    if cfg!(target_os = "macos") {
        text.push_str("\tprecomposeUnicode = true\n");
    }
    if let Some(sharing) = sharing.filter(|sharing| is_sharing(sharing)) {
        text.push_str(&format!("\tsharedRepository = {sharing}\n"));
    }
    if version == 1 {
        text.push_str(&format!("[extensions]\n\tobjectFormat = {}\n", format.name()));
    }
    fs::write(&new, text)?;
    // The last step: the directory is complete if it has a configuration.
    Ok(fs::rename(new, dir.join("config"))?)
}

/// Where the link to a part of the clone leads.
fn target(name: &str) -> PathBuf {
    Path::new("../..").join(name)
}

/// Whether git accepts the value of `core.sharedRepository`.
fn is_sharing(value: &str) -> bool {
    let names = ["true", "false", "umask", "group", "all", "world", "everybody"];
    let is_octal = !value.is_empty() && value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    is_octal || names.contains(&value.to_lowercase().as_str())
}

fn without_links(error: std::io::Error) -> Error {
    match error.kind() {
        IoKind::PermissionDenied | IoKind::Unsupported => Error::new(ErrorKind::Unsupported)
            .with_message(
                "its file system has no symbolic links, which f9 needs in the git directory",
            )
            .with_source(error),
        _ => error.into(),
    }
}

/// Whether the file system stores which files are executable.
fn keeps_modes(file: &Path) -> Result<bool> {
    // The file keeps the last mode, so that other users of the clone can read it.
    for mode in [0o744, 0o644] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        if fs::metadata(file)?.permissions().mode() & 0o100 != mode & 0o100 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether names that differ in case only are one name.
fn ignores_case(dir: &Path) -> Result<bool> {
    Ok(dir.join("CONFIG.new").try_exists()?)
}
