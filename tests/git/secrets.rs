//! A password reaches git and the server, and nothing else.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use f9::prelude::*;
use f9::{Error, GitConfig, GitSyncFileBackend, SecretSource};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Http, basic};
use crate::traces::{everything_in, until};

const USER: &str = "ann lee";

/// A unique text, and the part of it that no encoding changes.
const PASSWORD: &str = "f9m4rk3r :@/%41?#&'\"\\é end";
const CORE: &str = "f9m4rk3r";

/// Returns the texts that reveal the password.
fn revealing_texts() -> Vec<String> {
    let header = basic(USER, PASSWORD);
    let encoded = header.strip_prefix("Basic ").unwrap().trim_end_matches('=');
    let percent = utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC).to_string();
    vec![PASSWORD.to_owned(), CORE.to_owned(), percent, encoded.to_owned()]
}

fn reveals(bytes: &[u8]) -> bool {
    let holds = |text: &String| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    revealing_texts().iter().any(holds)
}

/// Returns all texts of an error and of its sources.
fn all_texts(error: &Error) -> String {
    let mut texts = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(error) = source {
        texts += &format!("{error}\n{error:?}\n");
        source = error.source();
    }
    texts
}

#[track_caller]
fn assert_no_secret(text: &str) {
    assert!(!reveals(text.as_bytes()), "{text}");
}

/// Panics if a file, its name or the target of a link reveals the password.
#[track_caller]
fn assert_no_file_reveals(dir: &Path) {
    for (path, content) in everything_in(dir) {
        assert!(!reveals(path.as_os_str().as_encoded_bytes()), "{path:?}");
        assert!(!reveals(&content), "{path:?}: {}", content.escape_ascii());
    }
}

/// Sets the flag when it is dropped.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Watches the arguments of all processes.
#[derive(Default)]
struct Watch {
    revealing: Mutex<BTreeSet<String>>,
    is_over: AtomicBool,
}

impl Watch {
    /// Reads the arguments again and again until `during` ends.
    fn while_doing(&self, during: impl Future<Output = ()>) {
        thread::scope(|scope| {
            scope.spawn(|| {
                while !self.is_over.load(Ordering::Relaxed) {
                    self.look();
                }
            });
            // Also if it panics.
            let _over = SetOnDrop(&self.is_over);
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| runtime.block_on(during));
        });
    }

    /// Reads the arguments once and returns all command lines.
    fn look(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let text = line.escape_ascii().to_string();
            if reveals(&line) {
                self.revealing.lock().unwrap().insert(text.clone());
            }
            lines.push(text);
        }
        lines
    }

    /// Reports whether git's HTTP client of this server is running. Other tests have such clients too.
    fn sees_a_client_of(&self, http: &Http) -> bool {
        let url = http.url();
        let place = url.strip_prefix("http://").unwrap();
        let is_client = |line: &String| {
            let program = line.split("\\x00").next().unwrap_or_default();
            program.contains("remote-http") && line.contains(place)
        };
        self.look().iter().any(is_client)
    }
}

/// Returns a configuration for each way to set the password.
fn configs(clones: &Clones, http: &Http) -> [GitConfig; 2] {
    let mut in_field = clones.config("field").with_username(USER);
    in_field.remote_url = http.url();
    let in_field = in_field.with_password(SecretSource::from_text(PASSWORD));
    let mut in_url = clones.config("url");
    in_url.remote_url = http.url_as(USER, PASSWORD);
    [in_field, in_url]
}

/// Opens, pulls and pushes, successfully and not.
async fn use_everything(config: GitConfig, clones: &Clones, http: &Http, watch: &Watch) {
    assert_no_secret(&format!("{config:?}\n{config:#?}"));
    let behave = |behaviour: Behaviour| http.behave(behaviour);
    let mut errors = Vec::new();
    behave(Behaviour::Unavailable { times: 1000 });
    errors.push(GitSyncFileBackend::open(config.clone()).await.unwrap_err());
    behave(Behaviour::Serve);
    let mine = opened(config.clone()).await;
    assert_no_secret(&format!("{mine:?}\n{mine:#?}"));
    let name = config.path.file_name().unwrap().to_str().unwrap();
    mine.create(name, "ours").await.unwrap();
    clones.remote.commit(&[Change::write("a.txt", name)]);
    for behaviour in [
        Behaviour::Unavailable { times: 1000 },
        Behaviour::RedirectTo(http.origin()),
        Behaviour::Page("<html>Welcome!</html>"),
        Behaviour::Cut,
    ] {
        behave(behaviour);
        errors.push(mine.pull().await.unwrap_err());
        errors.push(mine.push("Mine").await.unwrap_err());
    }
    behave(Behaviour::Stall);
    let before = http.requests().len();
    // After the request has come, the client is certainly running.
    let is_seen = || http.requests().len() > before && watch.sees_a_client_of(http);
    tokio::select! {
        _ = mine.pull() => panic!("the server does not answer"),
        () = until("the client of the server", is_seen) => {}
    }
    behave(Behaviour::Serve);
    mine.push("Mine").await.unwrap();
    mine.pull().await.unwrap();
    clones.remote.hook("pre-receive", "echo \"no\" >&2; exit 1");
    mine.update(name, "more").await.unwrap();
    errors.push(mine.push("Mine").await.unwrap_err());
    fs::remove_file(clones.remote.path().join("hooks/pre-receive")).unwrap();
    // The right password, with another user name.
    let other = config.with_username("bob");
    errors.extend(GitSyncFileBackend::open(other).await.err());
    errors.extend(mine.pull().await.err());
    for error in &errors {
        assert_no_secret(&all_texts(error));
    }
    assert!(errors.len() >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_in_no_file_argument_or_message() {
    let clones = Clones::of(Remote::with(&[Change::write("a.txt", "theirs")]));
    let http = Http::guarding(&clones.remote, USER, PASSWORD);
    for config in configs(&clones, &http) {
        let path = config.path.clone();
        let watch = Watch::default();
        watch.while_doing(use_everything(config, &clones, &http, &watch));
        assert_eq!(*watch.revealing.lock().unwrap(), BTreeSet::new());
        assert_no_file_reveals(&path);
    }
    // The server got the password, so it could have been revealed.
    let header = basic(USER, PASSWORD);
    let requests = http.requests();
    assert!(requests.iter().any(|request| request.authorization() == Some(&header)));
    assert_no_file_reveals(&clones.remote.path());
}

#[tokio::test]
async fn a_password_that_cannot_be_sent_is_not_repeated() {
    let clones = Clones::of(Remote::empty());
    for password in [format!("{CORE}\n"), format!("{CORE}\0"), format!("{CORE}\r")] {
        let mut config = clones.config("x").with_username(USER);
        config.remote_url = "http://127.0.0.1:1/notes.git".to_owned();
        let config = config.with_password(SecretSource::from_text(&password));
        let error = GitSyncFileBackend::open(config).await.unwrap_err();
        assert_eq!(error.kind(), f9::ErrorKind::InvalidInput, "{error:?}");
        assert_no_secret(&all_texts(&error));
    }
    for url in [
        format!("http://ann:{CORE}@127.0.0.1:notaport/x"),
        format!("https://ann:{CORE}@/x"),
        format!("ext::sh -c {CORE}"),
        format!("ann:{CORE}@host/x"),
    ] {
        let mut config = clones.config("x");
        config.remote_url = url;
        assert_no_secret(&format!("{config:?}"));
        let error = GitSyncFileBackend::open(config).await.unwrap_err();
        assert_eq!(error.kind(), f9::ErrorKind::InvalidInput, "{error:?}");
        assert_no_secret(&all_texts(&error));
    }
}
