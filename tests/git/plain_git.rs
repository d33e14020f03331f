//! Tests the test servers with git as the client: they serve, they inject faults, and they end.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use crate::cli::{self, fail, feed, run, succeed};
use crate::clock::HANGS;
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Daemon, Http, Request, Ssh};

/// A folder to clone into, and the ssh command for git.
struct Client {
    folder: TempDir,
    ssh: String,
}

impl Client {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ssh: String::new() }
    }

    fn with_ssh(key: &Path, known_hosts: &Path) -> Self {
        let (key, known_hosts) = (key.display(), known_hosts.display());
        let ssh = format!(
            "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -i {key} \
             -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null \
             -o UserKnownHostsFile={known_hosts}"
        );
        Self { ssh, ..Self::new() }
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut git = cli::git(self.folder.path());
        git.env("GIT_SSH_COMMAND", &self.ssh).args(arguments);
        git
    }

    fn clone(&self, url: &str) -> Command {
        self.git(&["clone", "-q", url, "clone"])
    }

    fn push(&self) -> Command {
        self.git(&["-C", "clone", "push", "-q", "origin", "HEAD:main"])
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("clone").join(name)
    }

    /// Commits a file in the clone.
    fn commit(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).unwrap();
        let clone = self.folder.path().join("clone");
        run(&clone, ["add", name]);
        run(&clone, ["commit", "-q", "-m", name]);
    }

    /// Clones, and pushes a file that is too large for one HTTP chunk.
    fn clone_and_push(&self, url: &str, remote: &Remote) {
        succeed(&mut self.clone(url), b"");
        assert_eq!(fs::read(self.file("a.txt")).unwrap(), b"theirs");
        let content = noise(3 << 20);
        self.commit("large", &content);
        succeed(&mut self.push(), b"");
        assert!(remote.main().file("large") == Some(content), "the remote has it");
        remote.assert_sound();
    }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open("/dev/urandom").unwrap().take(length as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

fn remote() -> Remote {
    Remote::with(&[Change::write("a.txt", "theirs")])
}

#[test]
fn http_serves() {
    let remote = remote();
    let http = Http::serving(&remote);
    Client::new().clone_and_push(&http.url(), &remote);
    assert!(http.requests().iter().all(|request| request.authorization().is_none()));
    let posts = http.requests().iter().filter(|request| request.method == "POST").count();
    assert!(posts >= 2, "{posts} posts");
}

#[test]
fn http_accepts_compressed_requests() {
    let remote = remote();
    // So many refs that git compresses the request.
    for branch in 0..40 {
        remote.branch(&format!("b{branch}")).start_over(&[Change::write("b", branch.to_string())]);
    }
    let http = Http::serving(&remote);
    succeed(&mut Client::new().clone(&http.url()), b"");
    let is_compressed = |one: &Request| one.header("content-encoding") == Some("gzip");
    assert!(http.requests().iter().any(is_compressed));
}

#[test]
fn http_refuses_requests_without_the_password() {
    let remote = remote();
    let http = Http::guarding(&remote, "ann", "p@ss:word/é");
    Client::new().clone_and_push(&http.url_as("ann", "p@ss:word/é"), &remote);
    let started = Instant::now();
    let wrong = fail(&mut Client::new().clone(&http.url_as("ann", "wrong")));
    assert!(started.elapsed() < HANGS, "nobody is asked");
    assert!(wrong.contains("Authentication failed"), "{wrong}");
    let none = fail(&mut Client::new().clone(&http.url()));
    assert!(none.contains("terminal prompts disabled"), "{none}");
}

#[test]
fn http_redirects_and_records_the_credentials() {
    let remote = remote();
    let (here, there) = (Http::guarding(&remote, "ann", "secret"), Http::serving(&remote));
    here.behave(Behaviour::RedirectTo(there.origin()));
    let client = Client::new();
    succeed(&mut client.clone(&here.url_as("ann", "secret")), b"");
    assert_eq!(fs::read(client.file("a.txt")).unwrap(), b"theirs");
    let paths = |http: &Http| http.requests().into_iter().map(|one| one.path).collect::<Vec<_>>();
    assert_eq!(paths(&here), ["/notes.git/info/refs?service=git-upload-pack"]);
    assert_eq!(paths(&there)[..1], paths(&here));
    there.behave(Behaviour::RedirectTo(there.origin()));
    let lost = fail(&mut Client::new().clone(&there.url()));
    assert!(lost.contains("unable to access"), "{lost}");
}

#[test]
fn http_records_the_password() {
    let remote = remote();
    let http = Http::guarding(&remote, "ann", "secret");
    succeed(&mut Client::new().git(&["ls-remote", &http.url_as("ann", "secret")]), b"");
    let requests = http.requests();
    let seen = requests.iter().filter_map(|request| request.authorization());
    // "ann:secret" in base64.
    assert!(seen.clone().count() > 0 && seen.clone().all(|one| one == "Basic YW5uOnNlY3JldA=="));
}

#[test]
fn a_missing_repository_is_not_found() {
    let remote = remote();
    let (http, daemon) = (Http::serving(&remote), Daemon::serving(&remote));
    fs::remove_dir_all(remote.path()).unwrap();
    let said = fail(&mut Client::new().clone(&http.url()));
    assert!(said.contains("not found"), "{said}");
    let said = fail(&mut Client::new().clone(&daemon.url()));
    assert!(said.contains("access denied or repository not exported"), "{said}");
}

#[test]
fn http_faults_are_injected() {
    let remote = remote();
    let http = Http::serving(&remote);
    let clone = || fail(&mut Client::new().clone(&http.url()));
    http.behave(Behaviour::Unavailable { times: 2 });
    for _ in 0..2 {
        let said = clone();
        assert!(said.contains("The requested URL returned error: 503"), "{said}");
    }
    succeed(&mut Client::new().clone(&http.url()), b"");
    http.behave(Behaviour::Page("<!DOCTYPE html>\n<html>Welcome!</html>\n"));
    let said = clone();
    assert!(said.contains("not valid: is this a git repository?"), "{said}");
    for (end, expected) in
        [("/info/refs", "unable to access"), ("/git-upload-pack", "RPC failed; curl 18")]
    {
        http.behave_at(end, Behaviour::Cut);
        let said = clone();
        assert!(said.contains(expected), "{end}: {said}");
    }
}

#[test]
fn a_page_of_one_line_is_an_empty_repository_to_git() {
    let remote = remote();
    let http = Http::serving(&remote);
    http.behave(Behaviour::Page("<html>Welcome!</html>"));
    let listed = succeed(&mut Client::new().git(&["ls-remote", &http.url()]), b"");
    assert_eq!(listed, b"");
}

#[test]
fn http_cuts_the_response_to_a_completed_push() {
    let remote = remote();
    let http = Http::serving(&remote);
    let client = Client::new();
    succeed(&mut client.clone(&http.url()), b"");
    client.commit("b.txt", b"ours");
    http.behave_at("/git-receive-pack", Behaviour::Cut);
    fail(&mut client.push());
    assert_eq!(remote.main().file("b.txt").unwrap(), b"ours");
}

#[test]
fn http_stalls_until_it_hangs_up() {
    let remote = remote();
    let http = Http::serving(&remote);
    http.behave(Behaviour::Stall);
    let client = Client::new();
    let mut clone = client.clone(&http.url());
    let waiting = thread::spawn(move || fail(&mut clone));
    http.wait_for_request("/info/refs");
    assert!(!waiting.is_finished());
    drop(http);
    let said = waiting.join().unwrap();
    assert!(said.contains("unable to access"), "{said}");
}

#[test]
fn the_daemon_serves() {
    let remote = remote();
    let daemon = Daemon::serving(&remote);
    Client::new().clone_and_push(&daemon.url(), &remote);
}

#[test]
fn sshd_serves() {
    let Some(ssh) = Ssh::start("sshd_serves") else { return };
    let remote = remote();
    let client = Client::with_ssh(&ssh.key(), &ssh.known_hosts());
    client.clone_and_push(&ssh.url(&remote), &remote);
}

#[test]
fn sshd_accepts_a_client_with_the_key_and_the_host_key() {
    let Some(ssh) = Ssh::start("sshd_accepts_a_client_with_the_key_and_the_host_key") else {
        return;
    };
    let remote = remote();
    let denied = "Permission denied (publickey)";
    let cases = [
        (ssh.key(), ssh.wrong_known_hosts(), "REMOTE HOST IDENTIFICATION HAS CHANGED"),
        (ssh.key(), ssh.empty_known_hosts(), "Host key verification failed"),
        (ssh.unauthorised_key(), ssh.known_hosts(), denied),
        (ssh.open_key(), ssh.known_hosts(), "UNPROTECTED PRIVATE KEY FILE"),
        (ssh.locked_key(), ssh.known_hosts(), denied),
    ];
    for (key, known_hosts, expected) in cases {
        let client = Client::with_ssh(&key, &known_hosts);
        let said = fail(&mut client.clone(&ssh.url(&remote)));
        assert!(said.contains(expected), "{said}\n{}", ssh.log());
    }
}

/// Drops a server during a push that never ends by itself.
fn assert_ends_in_a_push(server: impl Send, url: &str, remote: &Remote, client: &Client) {
    succeed(&mut client.clone(url), b"");
    client.commit("b.txt", b"ours");
    let fifo = remote.folder().join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    remote.hook("pre-receive", &format!("echo $$ >'{}'\nexec sleep 600", fifo.display()));
    let mut push = client.push();
    let end = fifo.clone();
    let pushing = thread::spawn(move || {
        let status = feed(&mut push, b"").status;
        // The test no longer waits for the hook.
        drop(File::options().read(true).write(true).open(end));
        status
    });
    // The hook exists before the push reaches it.
    let hook = fs::read_to_string(fifo).unwrap();
    assert!(is_alive(hook.trim()));
    drop(server);
    assert!(!is_alive(hook.trim()), "the hook has ended");
    assert!(!pushing.join().unwrap().success());
    assert_eq!(remote.main().file("b.txt"), None);
}

/// Whether a process is alive and not a zombie.
fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("\nState:\tZ")
}

#[test]
fn http_ends_with_all_its_processes() {
    let remote = remote();
    let http = Http::serving(&remote);
    let url = http.url();
    assert_ends_in_a_push(http, &url, &remote, &Client::new());
}

#[test]
fn the_daemon_ends_with_all_its_processes() {
    let remote = remote();
    let daemon = Daemon::serving(&remote);
    let url = daemon.url();
    assert_ends_in_a_push(daemon, &url, &remote, &Client::new());
}

#[test]
fn sshd_ends_with_all_its_processes() {
    let Some(ssh) = Ssh::start("sshd_ends_with_all_its_processes") else { return };
    let remote = remote();
    let (url, client) = (ssh.url(&remote), Client::with_ssh(&ssh.key(), &ssh.known_hosts()));
    assert_ends_in_a_push(ssh, &url, &remote, &client);
}
