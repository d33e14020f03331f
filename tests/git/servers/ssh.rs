//! sshd(8) for the user of the test process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::{Listener, MARK, cli};
use crate::machine::not_run;
use crate::remote::Remote;

/// A server of the protocol `ssh`, with the files of its clients.
#[derive(Debug)]
pub(crate) struct Ssh {
    // Dropped before the files that it reads.
    listener: Listener,
    files: TempDir,
    user: String,
}

impl Ssh {
    /// Starts a server. Reports that `test` cannot run if there is no sshd.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(sshd) = sshd() else {
            not_run(test, "it needs sshd");
            return None;
        };
        let files = tempfile::tempdir().unwrap();
        for (name, content) in &*KEYS {
            fs::write(files.path().join(name), content).unwrap();
            fs::set_permissions(files.path().join(name), PermissionsExt::from_mode(0o600)).unwrap();
        }
        let known_keys = ["key.pub", "locked_key.pub"].map(|name| read(&files, name));
        fs::write(files.path().join("authorized_keys"), known_keys.concat()).unwrap();
        if rustix::process::geteuid().is_root() {
            // sshd needs it for privilege separation.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let (config, log) = (files.path().join("config"), files.path().join("log"));
        let listener = Listener::open(move |connection| {
            let mut command = Command::new(&sshd);
            command.env_clear().arg("-i").arg("-f").arg(&config).arg("-E").arg(&log);
            connection.hand_to(&mut command);
        });
        let ssh = Self { listener, files, user: user() };
        ssh.write("config", &ssh.config());
        ssh.write("known_hosts", &ssh.known_host("host.pub"));
        ssh.write("wrong_known_hosts", &ssh.known_host("other_host.pub"));
        ssh.write("empty_known_hosts", "");
        ssh.write("open_key", &read(&ssh.files, "key"));
        fs::set_permissions(ssh.file("open_key"), PermissionsExt::from_mode(0o644)).unwrap();
        Some(ssh)
    }

    pub(crate) fn url(&self, remote: &Remote) -> String {
        let path = remote.path();
        format!("ssh://{}@{}{}", self.user, self.listener.address(), path.display())
    }

    /// Returns an authorized key.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("key")
    }

    /// Returns a key that the server does not know.
    pub(crate) fn unauthorised_key(&self) -> PathBuf {
        self.file("unauthorised_key")
    }

    /// Returns the key in a file that everybody may read. ssh(1) refuses to use it.
    pub(crate) fn open_key(&self) -> PathBuf {
        self.file("open_key")
    }

    /// Returns an authorized key with a passphrase.
    pub(crate) fn locked_key(&self) -> PathBuf {
        self.file("locked_key")
    }

    /// Returns a file with the key of the server.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// Returns a file with a wrong key for the server.
    pub(crate) fn wrong_known_hosts(&self) -> PathBuf {
        self.file("wrong_known_hosts")
    }

    /// Returns a file without servers.
    pub(crate) fn empty_known_hosts(&self) -> PathBuf {
        self.file("empty_known_hosts")
    }

    /// Returns the log of the server.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.file(name), content).unwrap();
    }

    fn known_host(&self, key: &str) -> String {
        let address = self.listener.address();
        format!("[{}]:{} {}", address.ip(), address.port(), read(&self.files, key))
    }

    fn config(&self) -> String {
        let mark = (MARK, self.listener.address().to_string());
        let environment = cli::ENVIRONMENT.map(|(name, value)| (name, value.to_owned()));
        let set = environment.into_iter().chain([("PATH", cli::path()), mark]);
        let set: String = set.map(|(name, value)| format!(" \"{name}={value}\"")).collect();
        let files = self.files.path().display();
        // The account may be locked and its home writable by others, so only the key counts.
        format!(
            "HostKey {files}/host\n\
             AuthorizedKeysFile {files}/authorized_keys\n\
             PidFile none\n\
             StrictModes no\n\
             UsePAM no\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\n\
             PermitUserRC no\n\
             AcceptEnv GIT_PROTOCOL\n\
             SetEnv{set}\n"
        )
    }
}

/// Finds sshd, which must be started by its full path and is seldom in the `PATH` of a user.
fn sshd() -> Option<PathBuf> {
    let path = cli::path();
    let places = path.split(':').chain(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
    places.map(|place| Path::new(place).join("sshd")).find(|sshd| sshd.is_file())
}

/// The key files of every server and its clients, by name.
static KEYS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let files = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for (name, passphrase) in [
        ("host", ""),
        ("other_host", ""),
        ("key", ""),
        ("unauthorised_key", ""),
        ("locked_key", "a passphrase"),
    ] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f"]);
        cli::succeed(keygen.arg(files.path().join(name)), b"");
        keys.extend([name.to_owned(), format!("{name}.pub")].map(|file| {
            let content = read(&files, &file);
            (file, content)
        }));
    }
    keys
});

fn read(files: &TempDir, name: &str) -> String {
    fs::read_to_string(files.path().join(name)).unwrap()
}

/// Returns the name of the user of this process.
fn user() -> String {
    let name = cli::succeed(Command::new("id").arg("-un"), b"");
    String::from_utf8(name).unwrap().trim_end().to_owned()
}
