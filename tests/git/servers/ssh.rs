//! sshd(8), for the user whom the tests run as, who has a key.

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
    // Before the files, which it reads.
    listener: Listener,
    files: TempDir,
    user: String,
}

impl Ssh {
    /// Starts a server, or says that `test` cannot run for want of one.
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
            // It gives up its rights there, and does not start without.
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

    /// The key that lets its owner in.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("key")
    }

    /// A key that the server does not know.
    pub(crate) fn unauthorised_key(&self) -> PathBuf {
        self.file("unauthorised_key")
    }

    /// The key in a file that everybody may read, which ssh(1) refuses to use.
    pub(crate) fn open_key(&self) -> PathBuf {
        self.file("open_key")
    }

    /// A key that the server knows, behind a passphrase.
    pub(crate) fn locked_key(&self) -> PathBuf {
        self.file("locked_key")
    }

    /// The file that names the server with its key.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// A file that names the server with the key of another.
    pub(crate) fn wrong_known_hosts(&self) -> PathBuf {
        self.file("wrong_known_hosts")
    }

    /// A file that names no server.
    pub(crate) fn empty_known_hosts(&self) -> PathBuf {
        self.file("empty_known_hosts")
    }

    /// What the server tells of its clients.
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
        let surroundings = cli::SURROUNDINGS.map(|(name, value)| (name, value.to_owned()));
        let set = surroundings.into_iter().chain([("PATH", cli::path()), mark]);
        let set: String = set.map(|(name, value)| format!(" \"{name}={value}\"")).collect();
        let files = self.files.path().display();
        // The account may be locked, its home anybody's: the key alone decides.
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

/// The server, which has to be started by its full path, and which the `PATH` of a user seldom leads to.
fn sshd() -> Option<PathBuf> {
    let path = cli::path();
    let places = path.split(':').chain(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
    places.map(|place| Path::new(place).join("sshd")).find(|sshd| sshd.is_file())
}

/// The files of the keys that every server and its clients have, by their names.
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

/// Whom the tests run as.
fn user() -> String {
    let name = cli::succeed(Command::new("id").arg("-un"), b"");
    String::from_utf8(name).unwrap().trim_end().to_owned()
}
