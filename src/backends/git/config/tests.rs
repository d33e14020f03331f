use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::core::error::ErrorKind;

fn bases() -> Bases<'static> {
    Bases { directory: Path::new("/base"), home: Some(Path::new("/home/me")) }
}

fn valid() -> GitConfig {
    GitConfig::new("https://host/r", "/c")
}

fn from_json(json: Value) -> GitConfig {
    serde_json::from_value(json).unwrap()
}

fn json_error(json: Value) -> String {
    serde_json::from_value::<GitConfig>(json).unwrap_err().to_string()
}

#[test]
fn json_needs_only_a_remote_and_a_path() {
    let config = from_json(json!({"remote_url": "https://host/r", "path": "/c"}));
    assert_eq!(config, valid());
    assert_eq!(config.branch, "main");
    assert_eq!((&*config.author_name, &*config.author_email), ("f9-sync", "f9-sync@example.com"));
    assert!(config.history_times && !config.auto_pull && !config.auto_push);
    let GitTimeouts { network, local, lock, push } = config.timeouts;
    let seconds = [network, local, lock, push].map(|timeout| timeout.as_secs());
    assert_eq!(seconds, [600, 300, 30, 120]);
}

#[test]
fn json_sets_every_field() {
    let config = from_json(json!({
        "remote_url": "r", "path": "p", "branch": "b", "author_name": "n", "author_email": "e",
        "username": "u", "password": "env:P", "ssh_key_path": "k", "known_hosts": "h",
        "auto_pull": true, "auto_push": true, "max_staleness": 2.5, "on_unreachable": "serve", "history_times": false,
        "timeouts": {"network": 1, "local": 0.25, "lock": 0, "push": 7},
    }));
    let timeouts = GitTimeouts::default()
        .with_network(Duration::from_secs(1))
        .with_local(Duration::from_millis(250))
        .with_lock(Duration::ZERO)
        .with_push(Duration::from_secs(7));
    let expected = GitConfig::new("r", "p")
        .with_branch("b")
        .with_author_name("n")
        .with_author_email("e")
        .with_username("u")
        .with_password(SecretSource::Variable("P".to_owned()))
        .with_ssh_key_path("k")
        .with_known_hosts("h")
        .with_auto_pull(true)
        .with_auto_push(true)
        .with_max_staleness(Duration::from_millis(2500))
        .with_on_unreachable(OnUnreachable::Serve)
        .with_history_times(false)
        .with_timeouts(timeouts);
    assert_eq!(config, expected);
}

#[test]
fn null_means_unset() {
    let config = from_json(json!({
        "remote_url": "https://host/r", "path": "/c", "username": null, "password": null,
        "ssh_key_path": null, "known_hosts": null, "max_staleness": null,
    }));
    assert_eq!(config, valid());
    let partial = from_json(json!({"remote_url": "r", "path": "p", "timeouts": {"lock": 1}}));
    assert_eq!(partial.timeouts, GitTimeouts::default().with_lock(Duration::from_secs(1)));
}

#[test]
fn an_error_of_json_lists_the_known_fields() {
    let error = json_error(json!({"remote_url": "r", "path": "p", "pasword": "hunter2"}));
    assert!(error.contains("unknown field `pasword`"), "{error}");
    for known in ["`remote_url`", "`password`", "`max_staleness`", "`timeouts`"] {
        assert!(error.contains(known), "{error}");
    }
    assert!(!error.contains("hunter2"), "{error}");

    let error = json_error(json!({"remote_url": "r", "path": "p", "timeouts": {"net": 1}}));
    assert!(
        error.contains("unknown field `net`, expected one of `network`, `local`, `lock`, `push`")
    );
    assert!(json_error(json!({"path": "p"})).contains("missing field `remote_url`"));
    assert!(json_error(json!({"remote_url": "r"})).contains("missing field `path`"));
    let error = json_error(json!({"remote_url": "r", "path": "p", "password": 8675309}));
    assert!(!error.contains("8675309"), "{error}");
}

#[test]
fn durations_in_json_are_seconds_up_to_a_year() {
    for (seconds, millis) in [(json!(0), 0), (json!(0.5), 500), (json!(31_536_000), 31_536_000_000)]
    {
        let config = json!({"remote_url": "r", "path": "p", "max_staleness": seconds});
        assert_eq!(from_json(config).max_staleness, Some(Duration::from_millis(millis)));
    }
    for seconds in [json!(-1), json!(-0.5), json!(31_536_001), json!(1e300), json!(u64::MAX)] {
        for config in [
            json!({"remote_url": "r", "path": "p", "max_staleness": seconds}),
            json!({"remote_url": "r", "path": "p", "timeouts": {"network": seconds}}),
            json!({"remote_url": "r", "path": "p", "timeouts": {"local": seconds}}),
            json!({"remote_url": "r", "path": "p", "timeouts": {"lock": seconds}}),
            json!({"remote_url": "r", "path": "p", "timeouts": {"push": seconds}}),
        ] {
            let error = json_error(config);
            assert!(error.contains("a number of seconds, from 0 to a year"), "{error}");
        }
    }
    let text = json!({"remote_url": "r", "path": "p", "max_staleness": "5"});
    assert!(json_error(text).contains("invalid type: string"));
    let none = json!({"remote_url": "r", "path": "p", "timeouts": {"lock": null}});
    assert!(json_error(none).contains("invalid type: null"));
}

#[test]
fn a_check_resolves_paths_and_credentials() {
    let config = GitConfig::new("host:r", "clone")
        .with_branch("feature/x")
        .with_author_name("A")
        .with_author_email("a@b")
        .with_username("me")
        .with_ssh_key_path("~/.ssh/id")
        .with_known_hosts("known");
    let checked = config.check(bases(), None).unwrap();
    assert_eq!(checked.remote.url(), "me@host:r");
    assert_eq!(checked.path, Path::new("/base/clone"));
    assert_eq!(checked.branch, "feature/x");
    assert_eq!((&*checked.author_name, &*checked.author_email), ("A", "a@b"));
    assert_eq!(checked.ssh_key_path.as_deref(), Some(Path::new("/home/me/.ssh/id")));
    assert_eq!(checked.known_hosts.as_deref(), Some(Path::new("/base/known")));

    let config = valid().with_ssh_key_path("/k").with_known_hosts("/h");
    let checked = config.check(bases(), Some(Secret::new("hunter2"))).unwrap();
    assert_eq!((checked.ssh_key_path, checked.known_hosts), (None, None));
    let credentials = checked.remote.credentials().unwrap();
    assert_eq!(credentials.username(), "x-access-token");
    assert_eq!(credentials.password().expose(), "hunter2");

    let relative = GitConfig::new("bare.git", "/c").with_ssh_key_path("").with_known_hosts("");
    let checked = relative.check(bases(), None).unwrap();
    assert_eq!(checked.remote.local_path(), Some(Path::new("/base/bare.git")));
    let empty = GitConfig { remote_url: "host:r".to_owned(), ..relative };
    let checked = empty.check(bases(), None).unwrap();
    assert_eq!((checked.ssh_key_path, checked.known_hosts), (None, None));
}

#[test]
fn an_invalid_field_is_refused_by_its_name() {
    let year = Duration::from_secs(365 * 86_400);
    let timeouts = GitTimeouts::default();
    for (config, message) in [
        (GitConfig::new("", "/c"), "`remote_url`: must not be empty"),
        (GitConfig::new("ext::sh", "/c"), "`remote_url`: `transport::address`"),
        (GitConfig::new("/r", ""), "`path`: must not be empty"),
        (GitConfig::new("/r", "a\0b"), "`path`: contains a NUL byte"),
        (valid().with_branch(""), "`branch`: must not be empty"),
        (valid().with_branch("-x"), "`branch`: begins with `-`"),
        (valid().with_branch("HEAD"), "`branch`: HEAD is not a branch"),
        (valid().with_author_name(""), "`author_name`: must not be empty"),
        (valid().with_author_name(" .,:;\"'\\\t"), "`author_name`: must not be empty"),
        (valid().with_author_name("a<b"), "`author_name`: contains `<`"),
        (valid().with_author_name("a>b"), "`author_name`: contains `<`"),
        (valid().with_author_name("a\nb"), "`author_name`: contains `<`"),
        (valid().with_author_name("a\rb"), "`author_name`: contains `<`"),
        (valid().with_author_name("a\0b"), "`author_name`: contains `<`"),
        (valid().with_author_email(""), "`author_email`: must not be empty"),
        (valid().with_author_email("<a@b>"), "`author_email`: contains `<`"),
        (valid().with_username("a\nb"), "`username`: the user name contains a line break"),
        (valid().with_ssh_key_path("a\0"), "`ssh_key_path`: contains a NUL byte"),
        (valid().with_known_hosts("a\0"), "`known_hosts`: contains a NUL byte"),
        (valid().with_max_staleness(year * 2), "`max_staleness`: must not be longer than a year"),
        (
            valid().with_timeouts(timeouts.with_network(Duration::ZERO)),
            "`timeouts.network`: must be greater than zero",
        ),
        (
            valid().with_timeouts(timeouts.with_local(Duration::ZERO)),
            "`timeouts.local`: must be greater than zero",
        ),
        (
            valid().with_timeouts(timeouts.with_network(Duration::MAX)),
            "`timeouts.network`: must not be longer",
        ),
        (
            valid().with_timeouts(timeouts.with_local(Duration::MAX)),
            "`timeouts.local`: must not be longer",
        ),
        (
            valid().with_timeouts(timeouts.with_lock(Duration::MAX)),
            "`timeouts.lock`: must not be longer",
        ),
    ] {
        let error = config.check(bases(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{message}");
        assert!(error.message().unwrap().starts_with(message), "{message}: {error}");
    }
    for password in ["hunter2\n", "hunter2\r", "hunter2\0"] {
        let error = valid().check(bases(), Some(Secret::new(password))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.message(),
            Some("`password`: the password contains a line break or a NUL byte")
        );
    }
    let homeless = Bases { home: None, ..bases() };
    let error = GitConfig::new("host:r", "/c").with_ssh_key_path("~/k").check(homeless, None);
    let message = "`ssh_key_path`: the home directory is unknown; write an absolute path";
    assert_eq!(error.unwrap_err().message(), Some(message));
}

#[test]
fn the_largest_and_smallest_values_are_accepted() {
    let year = Duration::from_secs(365 * 86_400);
    let timeouts = GitTimeouts::default().with_network(year).with_lock(Duration::ZERO);
    let config = valid().with_timeouts(timeouts).with_max_staleness(year);
    config.check(bases(), None).unwrap();
    valid().with_max_staleness(Duration::ZERO).check(bases(), None).unwrap();
}

/// Tries names of up to two characters: some that git drops, some that it keeps.
#[test]
fn git_accepts_every_author_that_the_check_accepts() {
    let git_accepts_author = |name: &str, email: &str| {
        let mut git = Command::new("git");
        git.args(["var", "GIT_AUTHOR_IDENT"]).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", email);
        git.output().unwrap().status.success()
    };
    let mut names = vec![String::new()];
    for _ in 0..2 {
        let longer = names.iter().flat_map(|name| {
            let characters = "a.,:;\"\\' \t<>é\u{7f}\u{a0}-".chars();
            characters.map(move |character| format!("{name}{character}"))
        });
        names = longer.chain([String::new()]).collect();
        for name in &names {
            let accepted = check_author("author_name", name).is_ok();
            // Older versions drop dots too. Names that git would change in the middle are not accepted either.
            let expected =
                git_accepts_author(&name.replace('.', ","), "a@b") && !name.contains(['<', '>']);
            assert_eq!(accepted, expected, "{name:?}");
        }
    }
}

#[tokio::test]
async fn a_password_is_read_from_its_source() {
    assert_eq!(valid().read_password().await.unwrap(), None);
    let plain = valid().with_password(Secret::new("env:PATH"));
    assert_eq!(plain.read_password().await.unwrap(), Some(Secret::new("env:PATH")));
    let path = Secret::new(std::env::var("PATH").unwrap());
    let variable = valid().with_password(SecretSource::from_text("env:PATH"));
    assert_eq!(variable.read_password().await.unwrap(), Some(path));

    let missing = valid().with_password(SecretSource::from_text("file:/nonexistent/token"));
    let error = missing.read_password().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = error.message().unwrap();
    assert_eq!(message, "`password`: the secret file /nonexistent/token cannot be read");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn no_secret_is_shown() {
    let password = Secret::new("hunter2");
    for config in [
        valid().with_password(password.clone()),
        valid().with_username("hunter2"),
        GitConfig::new("https://me:hunter2@host/r", "/c"),
        GitConfig::new("https://hunter2@host/r", "/c"),
        GitConfig::new("https://me:hunter2@ho st/r", "/c"),
        GitConfig::new("me:hunter2@host/r", "/c"),
        GitConfig::new("ssh://me:hunter2@host/r", "/c"),
    ] {
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let checked = format!("{:?}", config.check(bases(), Some(password.clone())));
        assert!(!checked.contains("hunter2"), "{checked}");
    }
}

#[test]
fn everything_but_secrets_is_shown() {
    let config = GitConfig::new("git@host:r", "/c").with_password(SecretSource::from_text("env:P"));
    let shown = format!("{config:?}");
    assert!(
        shown.starts_with(
            "GitConfig { remote_url: \"git@host:r\", path: \"/c\", branch: \"main\", \
             author_name: \"f9-sync\", author_email: \"f9-sync@example.com\", username: None, \
             password: Some(Variable(\"P\")), ssh_key_path: None, "
        ),
        "{shown}"
    );
}
