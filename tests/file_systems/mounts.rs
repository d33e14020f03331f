//! Mounted file systems for a test. Dropping one unmounts it and ends its processes.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The smallest size that every mkfs accepts. The image is sparse.
const IMAGE_BYTES: u64 = 320 * 1024 * 1024;

/// Where Debian and others have the server, which belongs into no `PATH`.
const SFTP_SERVERS: [&str; 3] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
];

#[derive(Debug)]
pub(crate) struct Mounted {
    /// The directory that the file system shows, or its layers, or its image.
    dir: TempDir,
    /// The processes that serve it.
    servers: Vec<Child>,
}

impl Mounted {
    fn prepare() -> io::Result<Self> {
        let dir = TempDir::new()?;
        for name in ["mount", "source", "lower", "upper", "work"] {
            fs::create_dir(dir.path().join(name))?;
        }
        Ok(Self { dir, servers: Vec::new() })
    }

    /// Mounts with mount(8).
    fn with(mut self, arguments: &[&str]) -> io::Result<Self> {
        let done = Command::new("mount").args(arguments).arg(self.root()).output()?;
        self.succeeded("mount", &done)?;
        Ok(self)
    }

    pub(crate) fn tmpfs() -> io::Result<Self> {
        Self::prepare()?.with(&["-t", "tmpfs", "f9"])
    }

    /// An image that `make`, a program with its arguments, has formatted.
    pub(crate) fn image(make: &[&str]) -> io::Result<Self> {
        let mounted = Self::formatted(make)?;
        let image = mounted.image_path();
        mounted.with(&["-o", "loop", &image])
    }

    fn formatted(make: &[&str]) -> io::Result<Self> {
        let mut mounted = Self::prepare()?;
        let image = mounted.image_path();
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        let done = Command::new(make[0]).args(&make[1..]).arg(&image).output()?;
        mounted.succeeded(make[0], &done)?;
        Ok(mounted)
    }

    fn image_path(&self) -> String {
        self.dir.path().join("image").to_str().unwrap().to_owned()
    }

    /// An overlay whose lower layer has what `lay_out` makes in it.
    pub(crate) fn overlay(lay_out: impl FnOnce(&Path)) -> io::Result<Self> {
        let mounted = Self::prepare()?;
        let layer = |name: &str| mounted.dir.path().join(name);
        lay_out(&layer("lower"));
        let [lower, upper, work] = ["lower", "upper", "work"].map(layer);
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.display(),
            work.display()
        );
        mounted.with(&["-t", "overlay", "overlay", "-o", &options])
    }

    pub(crate) fn bindfs() -> io::Result<Self> {
        let mounted = Self::prepare()?;
        let mut bindfs = Command::new("bindfs");
        bindfs.arg("-f").arg(mounted.source()).arg(mounted.root());
        mounted.served_by(bindfs)
    }

    /// SFTP without SSH: the server answers through a socket.
    pub(crate) fn sshfs(options: &[&str]) -> io::Result<Self> {
        let mounted = Self::prepare()?;
        let source = mounted.source();
        mounted.sshfs_of(&source, options)
    }

    /// The same for a directory that outlives the mount.
    pub(crate) fn sshfs_at(source: &Path, options: &[&str]) -> io::Result<Self> {
        Self::prepare()?.sshfs_of(source, options)
    }

    fn sshfs_of(mut self, source: &Path, options: &[&str]) -> io::Result<Self> {
        let server = SFTP_SERVERS.iter().find(|path| Path::new(path).exists());
        let server = server.ok_or_else(|| io::Error::other("there is no sftp-server"))?;
        let (ours, theirs) = UnixStream::pair()?;
        let ends = |socket: UnixStream| {
            let both = [socket.try_clone()?, socket].map(|end| Stdio::from(OwnedFd::from(end)));
            Ok::<_, io::Error>(both)
        };
        let [input, output] = ends(theirs)?;
        self.servers.push(Command::new(server).stdin(input).stdout(output).spawn()?);
        let mut sshfs = Command::new("sshfs");
        sshfs.arg(format!("host:{}", source.display())).arg(self.root());
        sshfs.args(["-f", "-o", "passive"]).args(options.iter().flat_map(|option| ["-o", option]));
        let [input, output] = ends(ours)?;
        sshfs.stdin(input).stdout(output);
        self.served_by(sshfs)
    }

    /// NTFS that ignores case, as FUSE.
    pub(crate) fn ntfs_ignoring_case() -> io::Result<Self> {
        let mounted = Self::formatted(&["mkfs.ntfs", "-F", "-Q", "-q"])?;
        let mut driver = Command::new("lowntfs-3g");
        driver.args(["-o", "ignore_case,no_detach"]).arg(mounted.image_path()).arg(mounted.root());
        mounted.served_by(driver)
    }

    /// Starts a FUSE server, and waits until it has mounted.
    fn served_by(mut self, mut command: Command) -> io::Result<Self> {
        let log = self.dir.path().join("log");
        command.stderr(File::create(&log)?);
        let mut server = command.spawn()?;
        let outside = fs::metadata(self.dir.path())?.dev();
        loop {
            let ended = server.try_wait()?.is_some();
            if fs::metadata(self.root()).is_ok_and(|root| root.dev() != outside) {
                self.servers.push(server);
                return Ok(self);
            }
            if ended {
                return Err(io::Error::other(fs::read_to_string(log)?.trim().to_owned()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn succeeded(&mut self, program: &str, done: &std::process::Output) -> io::Result<()> {
        if done.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&done.stderr);
        Err(io::Error::other(format!("{program}: {}", text.trim())))
    }

    /// The root of the mounted file system.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    /// The directory that bindfs and sshfs show.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let is_mounted = || {
            let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
            device(&self.root()).ok() != device(self.dir.path()).ok()
        };
        let unmount =
            |how: &[&str]| drop(Command::new("umount").args(how).arg(self.root()).output());
        for _ in 0..1000 {
            if !is_mounted() {
                break;
            }
            unmount(&[]);
            // A process that another test is starting holds all open files of this process for a moment.
            thread::sleep(Duration::from_millis(5));
        }
        if is_mounted() {
            unmount(&["--lazy"]);
        }
        for server in &mut self.servers {
            drop(server.kill());
            drop(server.wait());
        }
    }
}
