//! A file system in an image, and the switch that simulates a power loss.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::machine::Mount;

/// A file system in an image.
pub(super) struct Disk {
    dir: TempDir,
}

impl Disk {
    pub(super) fn new(make: &[&str]) -> io::Result<Self> {
        let disk = Self { dir: tempfile::tempdir()? };
        // The smallest size that mkfs.xfs accepts. The image is sparse.
        fs::File::create(disk.image())?.set_len(300 * 1024 * 1024)?;
        let output = Command::new(make[0]).args(&make[1..]).arg(disk.image()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        fs::create_dir(disk.at())?;
        let at = disk.at();
        let _mounted = Mount::new(&["-o", "loop", disk.image().to_str().unwrap()], &at)?;
        drop(Switch::new(&at)?);
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub(super) fn at(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }
}

/// A running `xfs_io(8)` that can shut a file system down. The shutdown drops all data that is not on the device, and every later call
/// fails.
pub(super) struct Switch(Child);

impl Switch {
    pub(super) fn new(at: &Path) -> io::Result<Self> {
        let mut command = Command::new("xfs_io");
        command.arg("-x").arg(at).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map(Self)
    }

    pub(super) fn off(mut self) {
        self.0.stdin.take().unwrap().write_all(b"shutdown\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Mounts the disk.
pub(super) fn mount<'a>(disk: &Disk, at: &'a Path) -> Mount<'a> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(at.to_str().unwrap()), "the file system is still mounted");
    Mount::new(&["-o", "loop", disk.image().to_str().unwrap()], at).unwrap()
}
