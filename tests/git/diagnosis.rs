//! The kind of an error does not depend on names, hooks or pages that read like messages of git.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use f9::prelude::*;
use f9::{Error, ErrorKind, GitConfig, GitSyncFileBackend};
use futures::stream::{self, StreamExt as _};

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Http};

/// The messages of git, curl and ssh that f9 knows, with `x` in place of names.
static MESSAGES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = include_str!("../../src/backends/git/diagnosis/tables.rs");
    let is_row =
        |line: &&str| line.starts_with("(\"") || line.starts_with("&[(\"") || line.starts_with('"');
    let rows = source.lines().map(str::trim).filter(is_row);
    let texts = rows.map(|row| {
        let (_, text) = row.split_once('"').unwrap();
        let (text, _) = text.split_once("\",").unwrap();
        text.replace("\\\"", "\"").replace('*', "x")
    });
    // Several protocols have some texts in common.
    texts.collect::<BTreeSet<_>>().into_iter().collect()
});

/// Returns names of files that read like messages.
fn file_names() -> Vec<String> {
    let plain = MESSAGES.iter().map(|text| text.replace('/', "_"));
    let prefixed = MESSAGES.iter().map(|text| format!("fatal: {}", text.replace('/', "_")));
    let known =
        ["SSL certificates.md", "not found.md", "early EOF.txt", "it's\nfatal: bad object x"];
    plain
        .chain(prefixed)
        .chain(known.map(str::to_owned))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Returns names of branches that read like messages. They cannot hold spaces.
fn branch_names() -> Vec<String> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "'\"()!".contains(c) { c } else { '-' };
    let name = |text: &String| text.chars().map(allowed).collect::<String>();
    MESSAGES.iter().map(name).map(|name| name.trim_matches('-').to_owned()).collect()
}

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

/// Returns changes to a file and a directory of each name.
fn changes(content: &str) -> Vec<Change> {
    let both = |name: &String| {
        [Change::write(name, content), Change::write(format!("d {name}/a"), content)]
    };
    file_names().iter().flat_map(both).collect()
}

/// Writes the same files to a working tree.
fn write_all(clone: &GitSyncFileBackend, content: &str) {
    for name in file_names() {
        fs::write(clone.root().join(&name), content).unwrap();
        fs::write(clone.root().join(format!("d {name}/a")), content).unwrap();
    }
}

#[test]
fn the_messages_are_read_from_the_source() {
    assert!(MESSAGES.len() > 120, "{}", MESSAGES.len());
    for text in ["couldn't find remote ref x", "open(\"x\"): Not a directory", "SSL: x"] {
        assert!(MESSAGES.iter().any(|message| message == text), "{text}");
    }
}

#[tokio::test]
async fn two_clones_can_edit_different_lines_of_a_file_named_like_a_message() {
    for names in [vec!["SSL certificates.md".to_owned()], file_names()] {
        let write = |content: &str| -> Vec<Change> {
            names.iter().map(|name| Change::write(name, content)).collect()
        };
        let clones = Clones::of(Remote::with(&write(LINES)));
        let mine = clones.open("mine").await;
        for name in &names {
            fs::write(mine.root().join(name), LINES.replace("one", "mine")).unwrap();
        }
        clones.remote.commit(&write(&LINES.replace("five", "theirs")));
        mine.pull().await.unwrap();
        mine.push("Mine").await.unwrap();
        for name in &names {
            let merged = fs::read_to_string(mine.root().join(name)).unwrap();
            assert_eq!(merged, "mine\ntwo\nthree\nfour\ntheirs\n", "{name}");
        }
    }
}

#[tokio::test]
async fn uncommitted_files_and_directories_named_like_messages_are_merged() {
    let clones = Clones::of(Remote::with(&[Change::write("kept", "")]));
    let mine = clones.open("mine").await;
    for name in file_names() {
        fs::create_dir(mine.root().join(format!("d {name}"))).unwrap();
    }
    write_all(&mine, LINES);
    clones.remote.commit(&changes(LINES));
    mine.pull().await.unwrap();
    write_all(&mine, &LINES.replace("one", "mine"));
    clones.remote.commit(&changes(&LINES.replace("five", "theirs")));
    mine.push("Mine").await.unwrap();
    for name in file_names() {
        let merged = fs::read_to_string(mine.root().join(format!("d {name}/a"))).unwrap();
        assert_eq!(merged, "mine\ntwo\nthree\nfour\ntheirs\n", "{name}");
    }
    let yours = clones.open("yours").await;
    assert_eq!(
        yours.read("d SSL certificates.md/a").await.unwrap(),
        "mine\ntwo\nthree\nfour\ntheirs\n"
    );
}

#[tokio::test]
async fn a_conflict_at_a_name_like_a_message_is_a_conflict() {
    let clones = Clones::of(Remote::with(&changes(LINES)));
    let mine = clones.open("mine").await;
    write_all(&mine, "mine\n");
    clones.remote.commit(&changes("theirs\n"));
    for called in [mine.pull().await, mine.push("Mine").await] {
        let error = called.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(error.conflicts().len(), 2 * file_names().len());
    }
}

#[tokio::test]
async fn an_invalid_path_in_a_directory_named_like_a_message_is_invalid_data() {
    for name in ["SSL certificates", "not found", "fatal: early EOF", "a: No space left on device"]
    {
        let remote = Remote::empty();
        let inner = remote.tree(&[("100644", b".git", &remote.blob("x"))]);
        remote.main().commit_tree(&remote.tree(&[("40000", name.as_bytes(), &inner)]));
        let clones = Clones::of(remote);
        let error = GitSyncFileBackend::open(clones.config("mine")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    }
}

#[tokio::test]
async fn a_nested_repository_named_like_a_message_is_refused() {
    for name in ["SSL certificates", "not found", "early EOF", "x\nfatal: bad object y"] {
        let clones = Clones::of(Remote::with(&[Change::write("a", "")]));
        let mine = clones.open("mine").await;
        crate::cli::run(mine.root(), ["init", "-q", name]);
        let error = mine.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
    }
}

/// Opens each configuration and returns the results.
async fn open_all(configs: Vec<GitConfig>) -> Vec<(GitConfig, Result<GitSyncFileBackend, Error>)> {
    let open =
        |config: GitConfig| async { (config.clone(), GitSyncFileBackend::open(config).await) };
    stream::iter(configs.into_iter().map(open)).buffer_unordered(4).collect().await
}

#[tokio::test]
async fn a_missing_remote_of_any_name_is_not_found() {
    let clones = Clones::of(Remote::empty());
    let names = MESSAGES.iter().map(|text| text.replace('/', "_"));
    let names = names.chain(["SSL-notes.git", "it's\nfatal: bad object x"].map(str::to_owned));
    let config = |(number, name): (usize, String)| {
        let mut config = clones.config(&format!("clone {number}"));
        config.remote_url = clones.remote.folder().join(name).to_str().unwrap().to_owned();
        config
    };
    for (config, opened) in open_all(names.enumerate().map(config).collect()).await {
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", config.remote_url);
    }
}

#[tokio::test]
async fn a_remote_of_any_name_over_http_is_missing_or_unreachable() {
    let clones = Clones::of(Remote::empty());
    let http = Http::serving(&clones.remote);
    for (behaviour, kind) in [
        (Behaviour::Serve, ErrorKind::NotFound),
        (Behaviour::Fail { status: "503 Service Unavailable", text: "" }, ErrorKind::Unreachable),
    ] {
        http.behave(behaviour);
        let names =
            ["SSL-notes.git", "SSL certificate problem: x.git", "could not read Username for 'x"];
        let config = |(number, name): (usize, &str)| {
            let mut config = clones.config(&format!("clone {number}"));
            config.remote_url = format!("{}/{name}", http.origin());
            config
        };
        for (config, opened) in open_all(names.into_iter().enumerate().map(config).collect()).await
        {
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), kind, "{}: {error}", config.remote_url);
        }
    }
}

#[tokio::test]
async fn a_branch_named_like_a_message_is_created_and_its_rewrite_is_detected() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a")]));
    let names = branch_names().into_iter().enumerate();
    let configs =
        names.map(|(number, name)| clones.config(&format!("clone {number}")).with_branch(name));
    for (config, opened) in open_all(configs.collect()).await {
        assert!(opened.is_ok(), "{}: {opened:?}", config.branch);
    }
    for name in ["SSL", "certificate", "not-found"] {
        let branch = clones.remote.branch(name);
        branch.commit(&[Change::write("a", "a")]);
        let mine = opened(clones.config(name).with_branch(name)).await;
        branch.start_over(&[Change::write("a", "b")]);
        let error = mine.pull().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged, "{error}");
    }
}

/// Returns a hook that prints every message and then runs `end`.
fn printing_hook(end: &str) -> String {
    let mut script = "cat >&2 <<'END'\n".to_owned();
    for text in &*MESSAGES {
        for prefix in ["", "fatal: ", "error: "] {
            script += &format!("{prefix}{text}\n");
        }
    }
    script + "END\n" + end
}

#[tokio::test]
async fn the_output_of_a_hook_does_not_change_the_kind_of_error() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a")]));
    let http = Http::serving(&clones.remote);
    let mut over_http = clones.config("over http");
    over_http.remote_url = http.url();
    for config in [clones.config("mine"), over_http] {
        let is_http = config.remote_url == http.url();
        let mine = opened(config).await;
        clones.remote.hook("pre-receive", &printing_hook("exit 1"));
        mine.update("a", format!("{is_http} 1")).await.unwrap();
        let error = mine.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        clones.remote.hook("pre-receive", &printing_hook("exit 0"));
        mine.push("Mine").await.unwrap();
        if is_http {
            mine.update("a", "cut").await.unwrap();
            http.behave_at("/git-receive-pack", Behaviour::Cut);
            let error = mine.push("Mine").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        }
    }
}

#[tokio::test]
async fn the_body_of_an_error_response_does_not_change_the_kind_of_error() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a")]));
    let http = Http::serving(&clones.remote);
    let mut config = clones.config("mine");
    config.remote_url = http.url();
    let mine = opened(config).await;
    let text = MESSAGES.join("\n");
    for (status, kind) in [
        ("503 Service Unavailable", ErrorKind::Unreachable),
        ("403 Forbidden", ErrorKind::PermissionDenied),
        ("404 Not Found", ErrorKind::NotFound),
        ("429 Too Many Requests", ErrorKind::RateLimited),
    ] {
        http.behave(Behaviour::Fail { status, text: text.clone().leak() });
        let error = mine.pull().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_rate_limit_is_a_retryable_error() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a")]));
    let http = Http::serving(&clones.remote);
    let mut config = clones.config("mine");
    config.remote_url = http.url();
    let limited = Behaviour::Fail { status: "429 Too Many Requests", text: "" };
    http.behave(limited.clone());
    let error = GitSyncFileBackend::open(config.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::RateLimited, true), "{error}");
    http.behave(Behaviour::Serve);
    let mine = opened(config).await;
    mine.create("b", "mine").await.unwrap();
    clones.remote.commit(&[Change::write("a", "theirs")]);
    for end in ["", "/git-upload-pack"] {
        http.behave_at(end, limited.clone());
        assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::RateLimited);
    }
    http.behave(Behaviour::Serve);
    mine.pull().await.unwrap();
    http.behave_at("/git-receive-pack", limited);
    assert_eq!(mine.push("Mine").await.unwrap_err().kind(), ErrorKind::RateLimited);
    http.behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
}
