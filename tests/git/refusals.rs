//! A server refuses a push or a fetch. The error says what the server said.

use std::os::unix::fs::chown;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend, SecretSource};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::machine::not_run;
use crate::remote::{Change, REPOSITORY, Remote};
use crate::servers::{Behaviour, Daemon, Http, Ssh};

fn clones() -> Clones {
    Clones::of(Remote::with(&[Change::write("a", "a")]))
}

/// Returns the configurations of clones over each protocol. The servers run as long as they are kept.
fn over_each_protocol(clones: &Clones, servers: &(Http, Option<Ssh>)) -> Vec<f9::GitConfig> {
    let mut over_http = clones.config("over http");
    over_http.remote_url = servers.0.url();
    let over_ssh = servers.1.as_ref().map(|ssh| {
        let mut config = clones.config("over ssh");
        config.remote_url = ssh.url(&clones.remote);
        config.with_ssh_key_path(ssh.key()).with_known_hosts(ssh.known_hosts())
    });
    [clones.config("over files"), over_http].into_iter().chain(over_ssh).collect()
}

#[tokio::test]
async fn the_error_has_the_reason_that_a_hook_prints() {
    let clones = clones();
    let servers =
        (Http::serving(&clones.remote), Ssh::start("the_error_has_the_reason_that_a_hook_prints"));
    for config in over_each_protocol(&clones, &servers) {
        for hook in ["pre-receive", "update"] {
            let mine = opened(config.clone()).await;
            let print = "printf 'no tickets here\\n\\n\\033[31mask ann\\033[0m\\n' >&2";
            clones.remote.hook(hook, &format!("echo on stdout\n{print}\nexit 1"));
            mine.write("a", format!("{hook} {}", config.remote_url)).await.unwrap();
            let error = mine.push("Mine").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(!error.is_retryable(), "{error}");
            let said = "hook declined); the server says: on stdout; no tickets here; ask ann";
            assert!(error.to_string().contains(said), "{error}");
            clones.remote.hook(hook, "exit 0");
            mine.push("Mine").await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_about_protected_branches_and_quotas_are_in_the_error_and_permanent() {
    let clones = clones();
    let mine = clones.open("mine").await;
    mine.write("a", "mine").await.unwrap();
    for said in [
        "error: GH006: Protected branch update failed for refs/heads/main.",
        "GitLab: You are not allowed to push code to protected branches on this project.",
        "error: File a is 120.00 MB; this exceeds the size limit of 100.00 MB",
        "fatal: write error: Disk quota exceeded",
        "ERROR: the remote end hung up unexpectedly, early EOF: Connection timed out",
    ] {
        clones.remote.hook("pre-receive", &format!("cat >&2 <<'END'\n{said}\nEND\nexit 1"));
        let error = mine.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_push_that_the_server_cannot_store_has_its_reason_and_is_permanent() {
    let clones = clones();
    let mine = clones.open("mine").await;
    clones.remote.git(["config", "receive.maxInputSize", "10"]);
    mine.write("a", "mine").await.unwrap();
    let error = mine.push("Mine").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Remote, false), "{error}");
    assert!(error.to_string().contains("pack exceeds maximum allowed size"), "{error}");
}

#[tokio::test]
async fn the_reason_of_a_hook_may_be_of_any_bytes_and_any_length() {
    let clones = clones();
    let mine = clones.open("mine").await;
    mine.write("a", "mine").await.unwrap();
    let print =
        "printf 'first caf\\351\\n'; head -c 100000 /dev/zero | tr '\\0' 'x'; printf '\\nlast\\n'";
    clones.remote.hook("pre-receive", &format!("({print}) >&2\nexit 1"));
    let text = mine.push("Mine").await.unwrap_err().to_string();
    assert!(text.contains("first caf\u{fffd}; xxx") && text.contains("xxx; last"), "{text}");
    assert!(text.contains("pre-receive hook declined") && text.len() < 3000, "{}", text.len());
}

#[tokio::test]
async fn the_reason_of_a_hook_does_not_reveal_the_password() {
    let clones = clones();
    let http = Http::guarding(&clones.remote, "ann", "hunter2/é");
    let mut config = clones.config("mine").with_username("ann");
    config.remote_url = http.url();
    let mine = opened(config.with_password(SecretSource::from_text("hunter2/é"))).await;
    mine.write("a", "mine").await.unwrap();
    let printed =
        "ann:hunter2/é sent hunter2%2F%C3%A9 hun\u{1b}[0mter2/é to https://ann:other@host/";
    clones.remote.hook("pre-receive", &format!("echo '{printed}' >&2\nexit 1"));
    let text = mine.push("Mine").await.unwrap_err().to_string();
    assert!(text.contains("ann:*** sent *** *** to https://***@host/"), "{text}");
}

#[tokio::test]
async fn what_the_server_says_never_hides_the_reason_of_git() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let mut config = clones.config("mine");
    config.remote_url = http.url();
    let mine = opened(config).await;
    let text = "a long page ".repeat(1000);
    http.behave(Behaviour::Fail { status: "403 Forbidden", text: text.leak() });
    let error = mine.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let text = error.to_string();
    assert!(text.contains("403") && text.contains("the server says: a long page"), "{text}");
}

#[tokio::test]
async fn a_request_that_a_web_server_refuses_for_good_is_not_retryable() {
    let clones = clones();
    let http = Http::serving(&clones.remote);
    let mut config = clones.config("mine");
    config.remote_url = http.url();
    let mine = opened(config).await;
    mine.write("a", "mine").await.unwrap();
    for (status, kind) in [
        ("400 Bad Request", ErrorKind::Remote),
        ("408 Request Timeout", ErrorKind::Unreachable),
        ("410 Gone", ErrorKind::NotFound),
        ("413 Content Too Large", ErrorKind::TooLarge),
        ("422 Unprocessable Content", ErrorKind::Remote),
        ("507 Insufficient Storage", ErrorKind::StorageFull),
    ] {
        for end in ["", "/git-receive-pack"] {
            http.behave_at(end, Behaviour::Fail { status, text: "" });
            let error = mine.push("Mine").await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {end}: {error}");
            assert_eq!(error.is_retryable(), kind == ErrorKind::Unreachable, "{error}");
        }
    }
    http.behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
}

/// Gives the directory of the remote to a user.
fn give(remote: &Remote, user: u32) {
    chown(remote.path(), Some(user), None).unwrap();
}

#[tokio::test]
async fn a_remote_of_another_user_is_refused_with_advice_that_works() {
    let test = "a_remote_of_another_user_is_refused_with_advice_that_works";
    if !rustix::process::geteuid().is_root() {
        return not_run(test, "it needs root");
    }
    let clones = clones();
    let mine = clones.open("mine").await;
    mine.write("a", "mine").await.unwrap();
    give(&clones.remote, 12345);
    let mut errors = vec![mine.push("Mine").await.unwrap_err()];
    let mut git = cli::git(clones.remote.folder());
    // Git 2.55 refuses only to write.
    if cli::feed(git.args(["ls-remote", REPOSITORY]), b"").status.success() {
        mine.pull().await.unwrap();
    } else {
        errors.push(mine.pull().await.unwrap_err());
        errors.push(GitSyncFileBackend::open(clones.config("new")).await.unwrap_err());
    }
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let text = error.to_string();
        assert!(text.contains(clones.remote.path().to_str().unwrap()), "{text}");
        // The user's configuration has no effect.
        assert!(!text.contains("safe.directory"), "{text}");
        assert!(text.contains("`chown`") && text.contains("`ssh://OWNER@HOST/PATH`"), "{text}");
    }
    give(&clones.remote, 0);
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"mine");
}

#[tokio::test]
async fn a_remote_of_another_user_behind_a_server_is_refused() {
    let test = "a_remote_of_another_user_behind_a_server_is_refused";
    if !rustix::process::geteuid().is_root() {
        return not_run(test, "it needs root");
    }
    let clones = clones();
    give(&clones.remote, 12345);
    if let Some(ssh) = Ssh::start(test) {
        let mut config = clones.config("over ssh");
        config.remote_url = ssh.url(&clones.remote);
        let config = config.with_ssh_key_path(ssh.key()).with_known_hosts(ssh.known_hosts());
        let error = GitSyncFileBackend::open(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let advice =
            "on the server, as the user of the URL, run `git config --global --add safe.directory";
        assert!(error.to_string().contains(advice), "{error}");
    }
    let daemon = Daemon::serving(&clones.remote);
    let mut config = clones.config("over git");
    config.remote_url = daemon.url();
    let error = GitSyncFileBackend::open(config).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    give(&clones.remote, 0);
    cli::run(&clones.remote.path(), ["rev-parse", "main"]);
}
