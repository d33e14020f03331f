//! The git program of this machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::core::error::{Error, ErrorKind, Result};

/// The first git with `merge-tree --write-tree`.
const MIN_VERSION: (u32, u32) = (2, 38);

const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns the path of git. The first call of a process looks for it in `PATH` and checks its version.
pub(in crate::backends::git) async fn program() -> Result<&'static Path> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_try_init(find_program).await.map(PathBuf::as_path)
}

async fn find_program() -> Result<PathBuf> {
    let missing = || {
        Error::new(ErrorKind::Unsupported).with_message(
            "the program `git` is not in PATH; install git or add its directory to PATH",
        )
    };
    let path = std::env::var_os("PATH").ok_or_else(missing)?;
    let find = move || {
        let candidates = std::env::split_paths(&path).map(|directory| directory.join("git"));
        candidates.into_iter().find(|path| path.is_absolute() && path.is_file())
    };
    let program = crate::sys::pool::run(move || find().ok_or_else(missing)).await?;
    let mut command = Command::new(&program);
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output()).await;
    let output = output.map_err(|_| {
        Error::new(ErrorKind::Timeout)
            .with_message(format!("`git --version` did not end within {VERSION_TIMEOUT:?}"))
    })??;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match parse_version(&text) {
        Some(version) if version >= MIN_VERSION => Ok(program),
        _ => Err(Error::new(ErrorKind::Unsupported).with_message(format!(
            "`{}` is `{text}`; install git {}.{} or newer",
            program.display(),
            MIN_VERSION.0,
            MIN_VERSION.1,
        ))),
    }
}

/// Parses a text such as `git version 2.47.3` or `git version 2.39.5 (Apple Git-154)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        assert_eq!(parse_version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(parse_version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(parse_version("git version 2.51.GIT"), Some((2, 51)));
        assert_eq!(parse_version("git version 3.0.rc1"), Some((3, 0)));
        assert_eq!(parse_version("hub version 2"), None);
        assert_eq!(parse_version(""), None);
    }
}
