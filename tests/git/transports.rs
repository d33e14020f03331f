//! Every transport to a remote: it works, and calls fail properly if the server does not.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::{Error, ErrorKind, GitConfig, GitSyncFileBackend, GitTimeouts, Result, SecretSource};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};

use crate::clock::{self, HANGS};
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Daemon, Http, Ssh};
use crate::traces::{everything_in, until, until_no_process_in};

fn clones() -> Clones {
    Clones::of(Remote::with(&[Change::write("a.txt", "theirs")]))
}

/// Returns the configuration of the working tree `name` for the remote `url`.
fn at(clones: &Clones, name: &str, url: impl Into<String>) -> GitConfig {
    let mut config = clones.config(name);
    config.remote_url = url.into();
    config
}

/// Opens two clones that both push a change. The second one merges first.
async fn assert_works(remote: &Remote, config: impl Fn(&str) -> GitConfig) {
    let (mine, yours) = (opened(config("mine")).await, opened(config("yours")).await);
    assert_eq!(mine.read("a.txt").await.unwrap(), "theirs");
    mine.create("mine.txt", "mine").await.unwrap();
    yours.create("yours.txt", "yours").await.unwrap();
    mine.push("Mine").await.unwrap();
    yours.push("Yours").await.unwrap();
    mine.pull().await.unwrap();
    for clone in [&mine, &yours] {
        assert_eq!(clone.read("mine.txt").await.unwrap(), "mine");
        assert_eq!(clone.read("yours.txt").await.unwrap(), "yours");
    }
    assert_eq!(remote.main().tree(), ["100644 a.txt", "100644 mine.txt", "100644 yours.txt"]);
    remote.assert_sound();
}

/// Checks that a missing and an empty directory cannot be opened and stay as they were. Returns the error.
async fn refused(config: &GitConfig) -> Error {
    refused_by(config, GitSyncFileBackend::open).await
}

/// Like [`refused`], with another function to open.
async fn refused_by(
    config: &GitConfig,
    open: impl AsyncFn(GitConfig) -> Result<GitSyncFileBackend>,
) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let (missing, empty) = (dir.path().join("not/there"), dir.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    let before = everything_in(dir.path());
    let started = Instant::now();
    let mut errors = Vec::new();
    for path in [missing, empty] {
        let mut config = config.clone();
        config.path = path;
        errors.push(open(config).await.unwrap_err());
    }
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(everything_in(dir.path()), before, "{errors:?}");
    until_no_process_in(dir.path()).await;
    let error = errors.pop().unwrap();
    assert_eq!(errors[0].kind(), error.kind(), "{errors:?}, {error:?}");
    error
}

async fn assert_refused(config: &GitConfig, kind: ErrorKind) {
    let error = refused(config).await;
    assert_eq!(error.kind(), kind, "{error:?}");
}

/// Returns a port that refuses connections, until the socket is dropped.
fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn a_local_remote_is_reached_by_url_and_by_path() {
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    for how in ["url", "path", "relative"] {
        let clones = clones();
        let path = clones.remote.path();
        let url = match how {
            "url" => format!("file://{}", path.display()),
            "path" => path.display().to_string(),
            _ => up.join(path.strip_prefix("/").unwrap()).display().to_string(),
        };
        assert_works(&clones.remote, |name| at(&clones, name, &url)).await;
    }
}

#[tokio::test]
async fn http_sends_no_password_that_the_server_does_not_request() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    assert_works(&clones.remote, |name| at(&clones, name, http.url())).await;
    assert!(http.requests().iter().all(|request| request.authorization().is_none()));
}

#[tokio::test]
async fn http_uses_the_password_of_the_configuration_or_of_the_url() {
    let (user, password) = ("ann", "p@ss: \"word'/%41é");
    for in_url in [false, true] {
        let clones = clones();
        let http = Http::guarding(&clones.remote, user, password);
        let config = |name: &str| {
            if in_url {
                return at(&clones, name, http.url_as(user, password));
            }
            let password = SecretSource::from_text(password);
            at(&clones, name, http.url()).with_username(user).with_password(password)
        };
        assert_works(&clones.remote, config).await;
    }
}

#[tokio::test]
async fn http_without_the_right_password_is_unauthenticated() {
    let clones = clones();
    let http = Http::guarding(&clones.remote, "ann", "right");
    let named = at(&clones, "x", http.url()).with_username("ann");
    let wrong = named.clone().with_password(SecretSource::from_text("wrong"));
    for config in [named, wrong, at(&clones, "x", http.url())] {
        assert_refused(&config, ErrorKind::Unauthenticated).await;
    }
}

#[tokio::test]
async fn pull_and_push_fail_after_the_password_has_changed() {
    let clones = clones();
    let http = Http::guarding(&clones.remote, "ann", "right");
    let mine = opened(at(&clones, "mine", http.url_as("ann", "right"))).await;
    drop(mine);
    let mine = opened(at(&clones, "mine", http.url_as("ann", "wrong"))).await;
    mine.create("b.txt", "ours").await.unwrap();
    for called in [mine.pull().await, mine.push("Mine").await] {
        assert_eq!(called.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(mine.read("b.txt").await.unwrap(), "ours");
    let mine = opened(at(&clones, "mine", http.url_as("ann", "right"))).await;
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("b.txt").unwrap(), b"ours");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let clones = clones();
    let there = Http::serving(&clones.remote);
    let here = Http::guarding(&clones.remote, "ann", "secret");
    let config = at(&clones, "mine", here.url_as("ann", "secret"));
    let mine = opened(config.clone()).await;
    here.behave(Behaviour::RedirectTo(there.origin()));
    assert_refused(&config, ErrorKind::NotFound).await;
    mine.create("b.txt", "ours").await.unwrap();
    for called in [mine.pull().await, mine.push("Mine").await] {
        assert_eq!(called.unwrap_err().kind(), ErrorKind::NotFound);
    }
    // A redirect of the second request only.
    here.behave_at("/git-receive-pack", Behaviour::RedirectTo(there.origin()));
    assert!(mine.push("Mine").await.is_err());
    assert!(there.requests().is_empty(), "{:?}", there.requests());
    here.behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
}

#[tokio::test]
async fn an_unavailable_server_is_a_retryable_error() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let config = at(&clones, "mine", http.url());
    http.behave(Behaviour::Unavailable { times: 1000 });
    let error = refused(&config).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, true), "{error:?}");
    http.behave(Behaviour::Serve);
    let mine = opened(config).await;
    mine.create("b.txt", "ours").await.unwrap();
    http.behave(Behaviour::Unavailable { times: 2 });
    for called in [mine.pull().await, mine.push("Mine").await] {
        assert_eq!(called.unwrap_err().kind(), ErrorKind::Unreachable);
    }
    mine.push("Mine").await.unwrap();
}

#[tokio::test]
async fn a_truncated_response_changes_nothing() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let config = at(&clones, "mine", http.url());
    for end in ["/info/refs", "/git-upload-pack"] {
        http.behave_at(end, Behaviour::Cut);
        assert_refused(&config, ErrorKind::Unreachable).await;
    }
    http.behave(Behaviour::Serve);
    let mine = opened(config).await;
    clones.remote.commit(&[Change::write("a.txt", "theirs again")]);
    http.behave_at("/git-upload-pack", Behaviour::Cut);
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(mine.read("a.txt").await.unwrap(), "theirs");
    http.behave(Behaviour::Serve);
    mine.pull().await.unwrap();
    assert_eq!(mine.read("a.txt").await.unwrap(), "theirs again");
    mine.create("b.txt", "ours").await.unwrap();
    // The server has accepted the push, but the response is lost.
    http.behave_at("/git-receive-pack", Behaviour::Cut);
    assert_eq!(mine.push("Mine").await.unwrap_err().kind(), ErrorKind::Unreachable);
    http.behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().log("%s").len(), 3);
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_web_page_is_not_an_empty_repository() {
    for page in ["<html>Welcome!</html>", "<!DOCTYPE html>\n<html>Welcome!</html>\n", ""] {
        let clones = clones();
        let http = Http::serving(&clones.remote);
        let config = at(&clones, "mine", http.url());
        http.behave(Behaviour::Page(page));
        let error = refused(&config).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{page:?}: {error:?}");
        http.behave(Behaviour::Serve);
        let mine = opened(config).await;
        mine.create("b.txt", "ours").await.unwrap();
        http.behave(Behaviour::Page(page));
        for called in [mine.pull().await, mine.push("Mine").await] {
            let error = called.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{page:?}: {error:?}");
            assert!(!error.to_string().contains("gone from the remote"), "{error}");
        }
        http.behave(Behaviour::Serve);
        mine.push("Mine").await.unwrap();
        assert_eq!(clones.remote.main().file("b.txt").unwrap(), b"ours");
    }
}

#[tokio::test]
async fn an_empty_repository_and_a_missing_branch_are_created_over_http() {
    let clones = Clones::of(Remote::empty());
    let http = Http::serving(&clones.remote);
    let mine = opened(at(&clones, "mine", http.url())).await;
    mine.create("a.txt", "a").await.unwrap();
    mine.push("Begin").await.unwrap();
    let drafts = opened(at(&clones, "drafts", http.url()).with_branch("drafts")).await;
    assert_eq!(drafts.read("a.txt").await.unwrap(), "a");
    drafts.create("b.txt", "b").await.unwrap();
    drafts.push("Begin").await.unwrap();
    assert_eq!(clones.remote.branch("drafts").tree(), ["100644 a.txt", "100644 b.txt"]);
    clones.remote.branch("drafts").delete();
    let error = drafts.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("was deleted at the remote"), "{error}");
    drafts.push("Again").await.unwrap();
    assert_eq!(clones.remote.branch("drafts").tree(), ["100644 a.txt", "100644 b.txt"]);
}

#[tokio::test]
async fn the_git_protocol_works() {
    let clones = clones();
    let daemon = Daemon::serving(&clones.remote);
    assert_works(&clones.remote, |name| at(&clones, name, daemon.url())).await;
}

#[tokio::test]
async fn a_missing_repository_is_not_found() {
    let clones = clones();
    let (http, daemon) = (Http::serving(&clones.remote), Daemon::serving(&clones.remote));
    let ssh = Ssh::start("a_missing_repository_is_not_found");
    fs::remove_dir_all(clones.remote.path()).unwrap();
    let mut configs =
        vec![clones.config("x"), at(&clones, "x", http.url()), at(&clones, "x", daemon.url())];
    if let Some(ssh) = &ssh {
        configs.push(over_ssh(&clones, "x", ssh));
    }
    for config in configs {
        assert_refused(&config, ErrorKind::NotFound).await;
    }
}

#[tokio::test]
async fn a_missing_server_is_unreachable() {
    let clones = clones();
    let (_socket, port) = closed_port();
    let known_hosts = clones.remote.folder().join("known_hosts");
    fs::write(&known_hosts, "").unwrap();
    for url in [
        format!("http://127.0.0.1:{port}/notes.git"),
        format!("git://127.0.0.1:{port}/notes.git"),
        format!("ssh://me@127.0.0.1:{port}/notes.git"),
        // The scp form has no port, so the host must be one that does not exist.
        "me@nowhere.invalid:notes.git".to_owned(),
    ] {
        let error = refused(&at(&clones, "x", url).with_known_hosts(&known_hosts)).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let clones = clones();
    // Shorter than all other limits.
    let limit = Duration::from_secs(120);
    let at = |name, url| {
        at(&clones, name, url).with_timeouts(GitTimeouts::default().with_network(limit))
    };
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["http", "git", "ssh"] {
        let config = at("x", format!("{scheme}://{address}/notes.git"));
        let error = refused_by(&config, async |config| {
            clock::expire(limit, GitSyncFileBackend::open(config), silent.accept()).await
        });
        let error = error.await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true), "{error:?}");
    }
    let http = Http::serving(&clones.remote);
    let mine = opened(at("mine", http.url())).await;
    mine.create("b.txt", "ours").await.unwrap();
    http.behave_at("/git-receive-pack", Behaviour::Stall);
    let pushed = clock::expire(limit, mine.push("Mine"), requested(&http, "/git-receive-pack"));
    assert_eq!(pushed.await.unwrap_err().kind(), ErrorKind::Timeout);
    http.behave(Behaviour::Stall);
    let pulled = clock::expire(limit, mine.pull(), requested(&http, ""));
    assert_eq!(pulled.await.unwrap_err().kind(), ErrorKind::Timeout);
    until_no_process_in(mine.root()).await;
    http.behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("b.txt").unwrap(), b"ours");
}

/// Waits until a server gets another request for a path with this end.
async fn requested(http: &Http, end: &str) {
    let count = || http.requests().iter().filter(|request| request.path.ends_with(end)).count();
    let before = count();
    until("a request", || count() > before).await;
}

/// Drops a call after its request to a server that does not answer, and waits for its processes to end.
async fn drop_while_waiting<T>(http: &Http, dir: &Path, call: impl Future<Output = T>) {
    tokio::select! {
        biased;
        // First, so that the count starts before the call.
        () = requested(http, "") => {}
        _ = call => panic!("the server does not answer"),
    }
    until_no_process_in(dir).await;
}

#[tokio::test]
async fn a_dropped_call_leaves_no_process_and_the_next_one_works() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let config = at(&clones, "mine", http.url());
    http.behave(Behaviour::Stall);
    drop_while_waiting(&http, &config.path, GitSyncFileBackend::open(config.clone())).await;
    http.behave(Behaviour::Serve);
    let mine = opened(config.clone()).await;
    http.behave(Behaviour::Stall);
    drop_while_waiting(&http, &config.path, mine.pull()).await;
    mine.create("b.txt", "ours").await.unwrap();
    http.behave_at("/git-receive-pack", Behaviour::Stall);
    drop_while_waiting(&http, &config.path, mine.push("Mine")).await;
    http.behave(Behaviour::Serve);
    mine.pull().await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("b.txt").unwrap(), b"ours");
}

#[tokio::test]
async fn a_dropped_read_that_pulls_first_blocks_no_later_call() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let config = at(&clones, "mine", http.url());
    let mine = opened(config.clone().with_auto_pull(true)).await;
    http.behave(Behaviour::Stall);
    drop_while_waiting(&http, &config.path, mine.read("a.txt")).await;
    http.behave(Behaviour::Serve);
    opened(config).await.pull().await.unwrap();
    mine.pull().await.unwrap();
}

fn over_ssh(clones: &Clones, name: &str, ssh: &Ssh) -> GitConfig {
    let config = at(clones, name, ssh.url(&clones.remote));
    config.with_ssh_key_path(ssh.key()).with_known_hosts(ssh.known_hosts())
}

/// Copies `file` to a path with characters that are special to a shell and in `ssh_config(5)`.
fn copy_to_odd_path(dir: &TempDir, file: &Path) -> PathBuf {
    let odd = "a  b 'c' \"d\" %h %% ${HOME} $(id);~\\\n#";
    let copy = dir.path().join(odd).join(file.file_name().unwrap());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(file, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    copy
}

#[tokio::test]
async fn ssh_reads_the_key_and_the_known_hosts_from_any_path() {
    let test = "ssh_reads_the_key_and_the_known_hosts_from_any_path";
    let Some(ssh) = Ssh::start(test) else { return };
    let (clones, dir) = (clones(), tempfile::tempdir().unwrap());
    let [key, known] = [ssh.key(), ssh.known_hosts()].map(|file| copy_to_odd_path(&dir, &file));
    let config = |name: &str| {
        at(&clones, name, ssh.url(&clones.remote)).with_ssh_key_path(&key).with_known_hosts(&known)
    };
    assert_works(&clones.remote, config).await;
}

#[tokio::test]
async fn ssh_needs_the_right_key_and_a_known_host() {
    let Some(ssh) = Ssh::start("ssh_needs_the_right_key_and_a_known_host") else { return };
    let clones = clones();
    for (key, known_hosts, kind) in [
        (ssh.key(), ssh.wrong_known_hosts(), ErrorKind::UntrustedServer),
        (ssh.key(), ssh.empty_known_hosts(), ErrorKind::UntrustedServer),
        (ssh.unauthorised_key(), ssh.known_hosts(), ErrorKind::Unauthenticated),
        (ssh.locked_key(), ssh.known_hosts(), ErrorKind::Unauthenticated),
        (ssh.open_key(), ssh.known_hosts(), ErrorKind::InvalidInput),
        (ssh.key().with_extension("gone"), ssh.known_hosts(), ErrorKind::InvalidInput),
        (ssh.key(), ssh.known_hosts().with_extension("gone"), ErrorKind::InvalidInput),
    ] {
        let config = at(&clones, "x", ssh.url(&clones.remote));
        let config = config.with_ssh_key_path(&key).with_known_hosts(&known_hosts);
        let error = refused(&config).await;
        assert_eq!(error.kind(), kind, "{key:?}, {known_hosts:?}: {error:?}");
        if kind == ErrorKind::InvalidInput {
            let text = error.to_string();
            assert!(text.contains("ssh_key_path") || text.contains("known_hosts"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_open_one_directory_at_once() {
    for fails_first in [false, true] {
        let clones = clones();
        let http = Http::serving(&clones.remote);
        if fails_first {
            http.behave(Behaviour::Unavailable { times: 1 });
        }
        let config = at(&clones, "not/there", http.url());
        let open = |_| tokio::spawn(GitSyncFileBackend::open(config.clone()));
        let all = join_all((0..8).map(open)).await;
        let all: Vec<_> = all.into_iter().map(|ended| ended.unwrap()).collect();
        let failed = all.iter().filter_map(|one| one.as_ref().err());
        let kinds: Vec<_> = failed.map(Error::kind).collect();
        let expected = [ErrorKind::Unreachable];
        assert_eq!(kinds, expected[..usize::from(fails_first)]);
        for one in all.into_iter().flatten() {
            assert_eq!(one.read("a.txt").await.unwrap(), "theirs");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_failed_opens_of_one_directory_leave_nothing() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    http.behave(Behaviour::Unavailable { times: 1000 });
    let dir = tempfile::tempdir().unwrap();
    let mut config = at(&clones, "x", http.url());
    config.path = dir.path().join("not/there");
    let open = |_| tokio::spawn(GitSyncFileBackend::open(config.clone()));
    for ended in join_all((0..8).map(open)).await {
        assert_eq!(ended.unwrap().unwrap_err().kind(), ErrorKind::Unreachable);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
