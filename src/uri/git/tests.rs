use std::time::Duration;

use super::*;
use crate::Secret;

async fn config(text: &str) -> GitConfig {
    let uri: BackendUri = text.parse().unwrap();
    GitUri::config(&uri).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn refused(text: &str) -> Error {
    let uri: BackendUri = text.parse().unwrap();
    let error = GitUri::config(&uri).await.expect_err(text);
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
    ] {
        let config = config(text).await;
        assert_eq!(config, GitConfig::new(remote_url, "/c").with_branch(branch), "{text}");
    }
}

#[tokio::test]
async fn parameters_become_settings() {
    let text = "git+https://host/r?path=a%20b&username=me&password=hunter2&author_name=A%20B&author_email=a@b.c\
                &auto_pull=true&auto_push=1&max_staleness=1.5&history_times=false";
    let expected = GitConfig::new("https://host/r", "a b")
        .with_username("me")
        .with_password(Secret::new("hunter2"))
        .with_author_name("A B")
        .with_author_email("a@b.c")
        .with_auto_pull(true)
        .with_auto_push(true)
        .with_max_staleness(Duration::from_millis(1500))
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
async fn a_password_may_be_kept_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "env:PATH\n").unwrap();
    let text = format!("git+https://host/r?path=/c&password=file:{}", file.display());
    // What has been read is no place once more.
    let source = SecretSource::Value(Secret::new("env:PATH"));
    assert_eq!(config(&text).await.password, Some(source));

    let error = refused("git+https://host/r?path=/c&password=env:F9_NO_SUCH_VARIABLE").await;
    assert!(error.to_string().ends_with("cannot be read from env:F9_NO_SUCH_VARIABLE"), "{error}");
}

#[tokio::test]
async fn what_names_no_repository_is_refused_with_a_reason() {
    for (text, reason) in [
        ("git+https://host/r", "the parameter `path`"),
        ("git+https://host/r?path=", "the parameter `path`"),
        ("git+http://host/r?path=/c", "`allow_http=true`"),
        ("git+http://host/r?path=/c&allow_http=false", "`allow_http=true`"),
        ("git+http://host/r?path=/c&allow_http=yes", "`allow_http` accepts true, false"),
        ("git+https://host/r?path=/c&allow_http=true", "unknown parameter `allow_http`"),
        (
            "git+https://host/r?path=/c&ssh_key=/k",
            "known are path, username, password, author_name",
        ),
        ("git+ssh://host/r?path=/c&password=x", "known are path, username, ssh_key, known_hosts"),
        ("git+file:///r?path=/c&username=x", "known are path, author_name"),
        ("git+https://host/r@?path=/c", "`branch`: it is empty"),
        ("git+https://host/r@-x?path=/c", "`branch`: it begins with `-`"),
        ("git+https://host/r@a..b?path=/c", "`branch`: it holds `..`"),
        ("git+https://host/r@HEAD?path=/c", "`branch`: HEAD"),
        ("git+https://host/r@a%0Ab?path=/c", "`branch`: it holds a space, a control"),
        ("git+https://host@x?path=/c", "it has no path"),
        ("git+https://host/@x?path=/c", "it has no path"),
        ("git+https:///r?path=/c", "it has no host"),
        ("git+https://-x/r?path=/c", "its host begins with `-`"),
        ("git+file://rel/r?path=/c", "begins with `file:///`"),
        ("git+file://?path=/c", "it has no path"),
        ("git+ssh://me:hunter2@host/r?path=/c", "no place in an ssh address"),
        ("git+ssh://host/r?path=/c&username=-x", "`username`: the user's name begins with `-`"),
        ("git://me@host/r?path=/c", "knows no users"),
        ("git+https://host/r?path=/c&author_name=.", "`author_name`: it is empty"),
        ("git+https://host/r?path=/c&author_email=a%3E", "`author_email`: it holds `<`"),
        ("git+https://host/r?path=/c&auto_pull=yes", "`auto_pull` accepts true, false"),
        (
            "git+https://host/r?path=/c&max_staleness=-1",
            "`max_staleness` accepts a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=NaN",
            "`max_staleness` accepts a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=inf",
            "`max_staleness` accepts a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&max_staleness=1e9",
            "`max_staleness` accepts a number of seconds",
        ),
        (
            "git+https://host/r?path=/c&password=a%0Ab",
            "`password`: the password holds a line break",
        ),
        ("git+ext://host/r?path=/c", "an unknown scheme"),
    ] {
        let error = refused(text).await;
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
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
        let error = refused(text).await;
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn relative_clones_stay_relative_until_they_are_opened() {
    assert_eq!(config("git://host/r?path=clone").await.path, Path::new("clone"));
}
