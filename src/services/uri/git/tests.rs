use std::time::Duration;

use super::*;
use crate::core::secret::Secret;

async fn config(text: &str) -> GitConfig {
    let uri: BackendUri = text.parse().unwrap();
    GitUri::config(&uri, None).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn rejected(text: &str) -> Error {
    let uri: BackendUri = text.parse().unwrap();
    let error = GitUri::config(&uri, None).await.expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
    error
}

#[tokio::test]
async fn a_uri_names_a_repository_and_a_branch() {
    for (text, remote_url, branch) in [
        ("git+https://host/org/repo@dev?path=/c", "https://host/org/repo", "dev"),
        ("git+https://host/org/repo?path=/c", "https://host/org/repo", "main"),
        (
            "GIT+HTTPS://host:8443/org/repo@feature/x.y?path=/c",
            "https://host:8443/org/repo",
            "feature/x.y",
        ),
        ("git+https://me@host/repo?path=/c", "https://me@host/repo", "main"),
        ("git+https://me:a%40b@host/repo@x?path=/c", "https://me:a%40b@host/repo", "x"),
        ("git+https://host/%40team/repo?path=/c", "https://host/%40team/repo", "main"),
        ("git+https://host/@team/repo@x?path=/c", "https://host/@team/repo", "x"),
        ("git+https://host/repo@a%40b?path=/c", "https://host/repo", "a@b"),
        ("git+https://host/a%20b%2Fc@%C3%A9?path=/c", "https://host/a%20b%2Fc", "é"),
        ("git+https://[::1]:8/r@x?path=/c", "https://[::1]:8/r", "x"),
        ("git+http://host/repo@x?path=/c&allow_http=true", "http://host/repo", "x"),
        ("git+ssh://git@host:22/org/repo.git@x?path=/c", "ssh://git@host:22/org/repo.git", "x"),
        ("git+ssh://host/~/repo?path=/c", "ssh://host/~/repo", "main"),
        ("git+file:///srv/bare.git@main?path=/c", "file:///srv/bare.git", "main"),
        ("git+file:///srv/a%40b?path=/c", "file:///srv/a%40b", "main"),
        ("git://host/repo@x?path=/c", "git://host/repo", "x"),
        ("git@host:org/repo.git@dev/x?path=/c", "git@host:org/repo.git", "dev/x"),
        ("git@host:org/repo.git?path=/c", "git@host:org/repo.git", "main"),
        ("git@host:org/repo?path=/c", "git@host:org/repo", "main"),
        (
            "a_b-c.d@host-1.example:/srv/a%20b%2540?path=/c",
            "a_b-c.d@host-1.example:/srv/a b%40",
            "main",
        ),
    ] {
        let config = config(text).await;
        assert_eq!(config, GitConfig::new(remote_url, "/c").with_branch(branch), "{text}");
    }
}

#[tokio::test]
async fn parameters_become_settings() {
    let text = "git+https://host/r?path=a%20b&username=me&password=hunter2&author_name=A%20B&author_email=a@b.c\
                &auto_pull=true&auto_push=1&max_staleness=1.5&on_unreachable=serve&history_times=false";
    let expected = GitConfig::new("https://host/r", "a b")
        .with_username("me")
        .with_password(Secret::new("hunter2"))
        .with_author_name("A B")
        .with_author_email("a@b.c")
        .with_auto_pull(true)
        .with_auto_push(true)
        .with_max_staleness(Duration::from_millis(1500))
        .with_on_unreachable(OnUnreachable::Serve)
        .with_history_times(false);
    assert_eq!(config(text).await, expected);

    let text = "git+ssh://host/r?path=/c&username=me&ssh_key=/k&known_hosts=~/h";
    let expected = GitConfig::new("ssh://host/r", "/c")
        .with_username("me")
        .with_ssh_key_path("/k")
        .with_known_hosts("~/h");
    assert_eq!(config(text).await, expected);
}

#[tokio::test]
async fn a_password_may_be_read_from_a_file_or_variable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "env:PATH\n").unwrap();
    let text = format!("git+https://host/r?path=/c&password=file:{}", file.display());
    // The text that was read is not resolved again.
    let source = SecretSource::Value(Secret::new("env:PATH"));
    assert_eq!(config(&text).await.password, Some(source));

    let error = rejected("git+https://host/r?path=/c&password=env:F9_NO_SUCH_VARIABLE").await;
    assert!(
        error
            .to_string()
            .ends_with("cannot read the parameter `password` from env:F9_NO_SUCH_VARIABLE"),
        "{error}"
    );
}

#[tokio::test]
async fn invalid_git_uris_are_rejected_with_a_reason() {
    for (text, reason) in [
        ("git+https://host/r", "neither XDG_CACHE_HOME nor HOME"),
        ("git+https://host/r?path=", "the parameter `path`"),
        ("git+http://host/r?path=/c", "`allow_http=true`"),
        ("git+http://host/r?path=/c&allow_http=false", "`allow_http=true`"),
        ("git+http://host/r?path=/c&allow_http=yes", "`allow_http` must be true, false"),
        ("git+https://host/r?path=/c&allow_http=true", "unknown parameter `allow_http`"),
        (
            "git+https://host/r?path=/c&ssh_key=/k",
            "expected one of path, username, password, author_name",
        ),
        (
            "git+ssh://host/r?path=/c&password=x",
            "expected one of path, username, ssh_key, known_hosts",
        ),
        ("git+file:///r?path=/c&username=x", "expected one of path, author_name"),
        ("git+https://host/r@?path=/c", "`branch`: must not be empty"),
        ("git+https://host/r@-x?path=/c", "`branch`: begins with `-`"),
        ("git+https://host/r@a..b?path=/c", "`branch`: contains `..`"),
        ("git+https://host/r@HEAD?path=/c", "`branch`: HEAD"),
        ("git+https://host/r@a%0Ab?path=/c", "`branch`: contains a space, a control"),
        ("git+https://host@x?path=/c", "the path is missing"),
        ("git+https://host/@x?path=/c", "the path is missing"),
        ("git+https:///r?path=/c", "the host is missing"),
        ("git+https://-x/r?path=/c", "the host begins with `-`"),
        ("git+file://rel/r?path=/c", "begin it with `file:///`"),
        ("git+file://?path=/c", "the path is missing"),
        ("git+ssh://me:hunter2@host/r?path=/c", "ssh takes no password"),
        ("git+ssh://host/r?path=/c&username=-x", "`username`: the user name begins with `-`"),
        ("git://me@host/r?path=/c", "has no users"),
        ("git+https://host/r?path=/c&author_name=.", "`author_name`: must not be empty"),
        ("git+https://host/r?path=/c&author_email=a%3E", "`author_email`: contains `<`"),
        ("git+https://host/r?path=/c&auto_pull=yes", "`auto_pull` must be true, false"),
        (
            "git+https://host/r?path=/c&max_staleness=-1",
            "`max_staleness` must be a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=NaN",
            "`max_staleness` must be a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=inf",
            "`max_staleness` must be a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=1e9",
            "`max_staleness` must be a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&password=a%0Ab",
            "`password`: the password contains a line break",
        ),
        ("git+ext://host/r?path=/c", "unknown scheme"),
    ] {
        let error = rejected(text).await;
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn secrets_are_redacted() {
    for text in [
        "git+https://me:hunter2@host/r?path=/c",
        "git+https://hunter2@host/r?path=/c",
        "git+https://host/r?path=/c&password=hunter2",
        "git+https://host/r?path=/c&username=hunter2",
    ] {
        let shown = format!("{:?}", config(text).await);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for text in [
        "git+https://me:hunter2@host/r@-x?path=/c",
        "git+https://me:hunter2%0A@host/r?path=/c",
        "git+https://me:hunter2@host/r",
        "git+http://me:hunter2@host/r?path=/c",
        "git+ssh://me:hunter2@host/r?path=/c",
        "git://me:hunter2@host/r?path=/c",
        "git+https://me:a/hunter2@host/r?path=/c",
        "git+https://host/r?path=/c&password=hunter2%0A",
        "git+https://host/r?path=/c&pasword=hunter2",
    ] {
        let error = rejected(text).await;
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_relative_path_stays_relative_until_it_is_opened() {
    assert_eq!(config("git://host/r?path=clone").await.path, Path::new("clone"));
}

#[tokio::test]
async fn an_address_of_ssh_takes_the_parameters_of_ssh() {
    let text = "git@host:org/repo.git@dev?path=/c&ssh_key=/k&known_hosts=/h&author_email=a@b.c";
    let expected = GitConfig::new("git@host:org/repo.git", "/c")
        .with_branch("dev")
        .with_ssh_key_path("/k")
        .with_known_hosts("/h")
        .with_author_email("a@b.c");
    assert_eq!(config(text).await, expected);
    let error = rejected("git@host:org/repo.git?path=/c&password=hunter2").await;
    assert_eq!(error.subject(), Some("git@host:org/repo.git"));
    rejected("git@host:-x?path=/c").await;
}

async fn in_cache(text: &str) -> PathBuf {
    let uri: BackendUri = text.parse().unwrap();
    GitUri::config(&uri, Some("/cache".into())).await.unwrap().path
}

#[tokio::test]
async fn a_clone_without_a_path_is_in_the_cache() {
    let path = in_cache("git+https://host/org/repo@dev").await;
    // The name must stay the same in later versions.
    assert_eq!(path, Path::new("/cache/104462fa9bf6fe64e3338b599d114d8b"));
    for same in [
        "git+https://me:hunter2@host/org/repo@dev",
        "git+https://host/org/repo@dev?password=hunter2&auto_pull=true",
        "GIT+HTTPS://host/org/repo@dev",
    ] {
        assert_eq!(in_cache(same).await, path, "{same}");
    }
    for other in [
        "git+https://host/org/repo",
        "git+https://host/org/repo2@dev",
        "git+https://host/org@dev",
        "git+https://other/org/repo@dev",
        "git+ssh://host/org/repo@dev",
        "git@host:org/repo",
    ] {
        assert_ne!(in_cache(other).await, path, "{other}");
    }
    assert_ne!(in_cache("git@host:r").await, in_cache("me@host:r").await);
    assert_eq!(in_cache("git+https://host/r?path=/c").await, Path::new("/c"));
}

#[test]
fn the_cache_is_found_by_the_environment() {
    let found = |cache: Option<&str>, home: Option<&str>| {
        cache::directory_from(cache.map(Into::into), home.map(Into::into))
    };
    assert_eq!(found(Some("/c"), Some("/h")).unwrap(), Path::new("/c/f9/git"));
    for unset in [None, Some(""), Some("relative")] {
        assert_eq!(found(unset, Some("/h")).unwrap(), Path::new("/h/.cache/f9/git"));
        assert_eq!(found(unset, None), None);
        assert_eq!(found(unset, unset), None);
    }
}

#[tokio::test]
async fn the_directory_of_clones_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let clone = home.path().join("f9/git/name");
    cache::create(&clone).await.unwrap();
    let directory = std::fs::metadata(clone.parent().unwrap()).unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
    assert!(!clone.exists());
    cache::create(&clone).await.unwrap();
}
