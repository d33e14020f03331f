use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::file::FileUri;
use super::*;
use crate::prelude::*;
use crate::{Capability, CreateOptions, MemoryFileBackend, Secret};

fn parsed(text: &str) -> BackendUri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> Error {
    let error = text.parse::<BackendUri>().expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
    assert_eq!(error.operation(), Some("parse"), "{text}");
    error
}

fn memory() -> Arc<dyn AsyncFileBackend> {
    Arc::new(MemoryFileBackend::new())
}

#[test]
fn a_uri_is_taken_apart() {
    // The URI; scheme, authority, path, location.
    for (text, parts) in [
        ("file:///abs/dir", ["file", "", "/abs/dir", "/abs/dir"]),
        ("file://rel/dir", ["file", "rel", "/dir", "rel/dir"]),
        ("file:///", ["file", "", "/", "/"]),
        ("file://", ["file", "", "", ""]),
        ("memory://name", ["memory", "name", "", "name"]),
        ("memory://name?", ["memory", "name", "", "name"]),
        ("MeMory://Name/B", ["memory", "Name", "/B", "Name/B"]),
        ("s3+x-1.y://b", ["s3+x-1.y", "b", "", "b"]),
        (
            "x://my%20name/a%2Fb%25%E2%82%AC+c:@",
            ["x", "my%20name", "/a/b%€+c:@", "my name/a/b%€+c:@"],
        ),
        ("x://h/ä b", ["x", "h", "/ä b", "h/ä b"]),
        ("x://a://b", ["x", "a:", "//b", "a://b"]),
        (
            "git+https://me:pw@host:8080/org/repo@main?path=docs",
            ["git+https", "me:pw@host:8080", "/org/repo@main", "me:pw@host:8080/org/repo@main"],
        ),
    ] {
        let uri = parsed(text);
        let found = [uri.scheme(), uri.authority(), uri.path(), uri.location()];
        assert_eq!(found, parts, "{text}");
    }
    assert_eq!(parsed("x://h/a%40b@c%2F?d=e").raw_path(), "/a%40b@c%2F");
}

#[test]
fn parameters_are_decoded_and_keep_their_order() {
    let uri = parsed("x://h/p?b=1&a%3D=x%26y&c=&d=e=f?g/h&%C3%A9=1+1");
    assert_eq!(
        uri.iter_parameters().collect::<Vec<_>>(),
        [("b", "1"), ("a=", "x&y"), ("c", ""), ("d", "e=f?g/h"), ("é", "1+1")]
    );
    assert_eq!(uri.parameter("c"), Some(""));
    assert_eq!(uri.parameter("C"), None);
    assert_eq!(parsed("x://h?").iter_parameters().count(), 0);
}

#[test]
fn malformed_uris_are_refused_with_a_reason() {
    for (text, reason) in [
        ("", "does not begin with `scheme://`"),
        ("/srv/data", "does not begin with `scheme://`"),
        ("file", "does not begin with `scheme://`"),
        ("file:", "does not begin with `scheme://`"),
        ("file:/srv", "does not begin with `scheme://`"),
        ("://host", "a scheme is a letter"),
        ("1x://host", "a scheme is a letter"),
        ("+x://host", "a scheme is a letter"),
        ("a_b://host", "a scheme is a letter"),
        ("é://host", "a scheme is a letter"),
        (" file://host", "a scheme is a letter"),
        ("file%3A://host", "a scheme is a letter"),
        ("x://h/a#b", "%23"),
        ("x://h#", "%23"),
        ("x://h?a=b#c", "%23"),
        ("x://h/a%", "two hexadecimal digits"),
        ("x://h/a%4", "two hexadecimal digits"),
        ("x://h/a%4g", "two hexadecimal digits"),
        ("x://h/%%41", "two hexadecimal digits"),
        ("x://h/%+1", "two hexadecimal digits"),
        ("x://h/%é", "two hexadecimal digits"),
        ("x://h%zz/", "two hexadecimal digits"),
        ("x://h?a=%", "two hexadecimal digits"),
        ("x://h?%=a", "two hexadecimal digits"),
        ("x://h/%ff", "not UTF-8"),
        ("x://h/%C3", "not UTF-8"),
        ("x://h?a=%ed%a0%80", "not UTF-8"),
        ("x://h/%00", "NUL"),
        ("x://h%00", "NUL"),
        ("x://h?a=%00", "NUL"),
        ("x://h/\0", "control character"),
        ("x://h/a\n", "control character"),
        ("x://h?a=b\t", "control character"),
        ("x://h?a", "parameter 1: it has no `=`"),
        ("x://h?a=1&", "parameter 2: it has no `=`"),
        ("x://h?&a=1", "parameter 1: it has no `=`"),
        ("x://h?=1", "parameter 1: its name is empty"),
        ("x://h?a=1&b=2&a=1", "parameter 3: an earlier one has the same name"),
        ("x://h?a=1&%61=2", "parameter 2: an earlier one has the same name"),
    ] {
        let message = refused(text).to_string();
        assert!(message.contains(reason), "{text:?}: {message}");
    }
}

#[test]
fn control_characters_and_fragments_may_be_escaped() {
    assert_eq!(parsed("x://h/a%0A%23%7f").path(), "/a\n#\u{7f}");
}

#[test]
fn secrets_are_not_shown() {
    for (text, shown) in [
        // Passwords in the authority, also with `@`, `:` and escapes in them.
        ("x://user:hunter2@host/p", "x://user:***@host/p"),
        ("x://user:hun@ter2@host", "x://user:***@host"),
        ("x://user:hun:ter2@host", "x://user:***@host"),
        ("x://user%3Ahunter2@host", "x://***@host"),
        ("x://:hunter2@host", "x://:***@host"),
        ("x://user:@host", "x://user:***@host"),
        ("git+https://me:hunter2@host:80/repo@main", "git+https://me:***@host:80/repo@main"),
        ("https://hunter2@host/p", "https://***@host/p"),
        ("git+http://hunter2:@host", "git+http://***@host"),
        ("git+https://hunter2:x-oauth-basic@host", "git+https://***@host"),
        // Passwords with a raw `/` or `?` end the authority early.
        ("git+https://me:hun/ter2@host/repo", "git+https://***"),
        ("git+https://me:hun?ter2=@host/repo", "git+https://***"),
        ("git+https://me:hun?ter2=@host/repo?token=1", "git+https://***"),
        ("git+https://me:hun?token=ter2@host/repo", "git+https://***"),
        ("git+https://[me:hun]/ter2@host/repo", "git+https://***"),
        ("git+https://[::1:hun]/ter2@host/repo", "git+https://***"),
        ("git+https://me:/hunter2@host/repo", "git+https://***"),
        ("git+https://me:?hunter2=@host/repo", "git+https://***"),
        ("git+https://me:123456/hunter2@host/repo", "git+https://***"),
        ("git+https://me:+12/hunter2@host/repo", "git+https://***"),
        // Parameters, whatever the spelling of their name.
        ("x://h?password=hunter2&a=b", "x://h?password=***&a=b"),
        ("x://h?a=b&PassWord=hunter2", "x://h?a=b&PassWord=***"),
        ("x://h?p%61ssword=hunter2", "x://h?p%61ssword=***"),
        ("x://h?pasword=hunter2", "x://h?pasword=***"),
        ("x://h?passwd=hunter2", "x://h?passwd=***"),
        ("x://h?passphrase=hunter2", "x://h?passphrase=***"),
        ("x://h?client-secret=hunter2", "x://h?client-secret=***"),
        ("x://h?connection=AccountName%3Da;AccountKey%3Dhunter2", "x://h?connection=***"),
        ("x://h?sas_token=hunter2", "x://h?sas_token=***"),
        ("x://h?api_key=hunter2", "x://h?api_key=***"),
        ("x://h?apiKey=hunter2", "x://h?apiKey=***"),
        ("x://h?X-Amz-Credential=hunter2", "x://h?X-Amz-Credential=***"),
        ("x://h?X-Amz-Signature=hunter2", "x://h?X-Amz-Signature=***"),
        ("x://h?sig=hunter2", "x://h?sig=***"),
        ("x://h?ssh_key=/hunter2", "x://h?ssh_key=***"),
        ("x://h?password=", "x://h?password=***"),
        // URIs in values.
        ("x://h?base_url=https://me:hunter2@h/", "x://h?base_url=***"),
        ("x://h?base_url=https%3A%2F%2Fh%2F%3Ft=hunter2", "x://h?base_url=***"),
    ] {
        let uri = parsed(text);
        assert_eq!(uri.to_string(), shown, "{text}");
        assert_eq!(format!("{uri:?}"), format!("BackendUri({shown:?})"));
        let error = uri.invalid("anything").with_operation("resolve");
        assert_eq!(error.path(), Some(shown));
    }
}

#[test]
fn what_is_no_secret_is_shown_as_it_was_written() {
    for text in [
        "file:///home/me/a@b:c?create_root=false&durability=synced",
        "git+https://host:8080/org/repo@main?author_name=A%20B&author_email=a@b.c",
        "git+ssh://git@host:22/repo@main?known_hosts=/etc/hosts",
        "git+https://git@host/repo",
        "git+ssh://alice@host/repo",
        "git+https://[::1]/repo@main",
        "git+https://[::1]:8080/repo@main",
        "openai+vector://vs_1?base_url=https://host/v1&cache_ttl=5",
        "memory://a:b",
    ] {
        assert_eq!(parsed(text).to_string(), text);
    }
    assert_eq!(parsed("FILE:///A").to_string(), "file:///A");
}

#[test]
fn the_errors_of_malformed_uris_hold_no_secret() {
    for text in [
        "user:hunter2@host",
        "hunter2",
        "hunter2?a=b://c",
        "hunter2%://c",
        "x://me:hunter2@host/#a",
        "x://me:hunter2#@host/",
        "x://me:hunter2%@host/",
        "x://me:hunter2\n@host/",
        "x://h?password=hunter2%",
        "x://h?password=a&hunter2",
        "x://h?password=hunter2&password=b",
        "x://h?hunter2=1&hunter2=2",
        "x://h?=hunter2",
        "x://me:hunter2?a@host/",
        "x://me:hunter2?=1@host/",
        "x://hunter2?a@host/",
    ] {
        let error = refused(text);
        let chain = format!("{error} {error:?} {:?}", error.path());
        assert!(!chain.contains("hunter2"), "{text}: {chain}");
        let at_most = match text {
            _ if !text.starts_with("x://") => None,
            // What stands before the parameters has been understood.
            _ if text.starts_with("x://h?") => Some("x://h"),
            _ => Some("x://***"),
        };
        assert_eq!(error.path(), at_most, "{text}");
    }
}

/// Every text of up to five of the characters that mean something.
#[test]
fn whatever_is_shown_is_a_uri_that_shows_the_same() {
    let mut texts = vec!["http://".to_owned()];
    for _ in 0..5 {
        let longer = texts.iter().flat_map(|text| {
            let characters = ":/@?=&[é".chars();
            characters.map(move |character| format!("{text}{character}"))
        });
        texts = longer.collect();
        for text in &texts {
            if let Ok(uri) = text.parse::<BackendUri>() {
                assert_eq!(parsed(&uri.to_string()).to_string(), uri.to_string(), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn parameters_are_read_by_type() {
    let text = "x://h?yes=true&one=1&no=false&nil=0&n=42&s=env:PATH&plain=p&t=a%20b";
    let uri = parsed(text);
    let mut parameters = uri.parameters();
    assert_eq!(parameters.bool("yes").unwrap(), Some(true));
    assert_eq!(parameters.bool("one").unwrap(), Some(true));
    assert_eq!(parameters.bool("no").unwrap(), Some(false));
    assert_eq!(parameters.bool("nil").unwrap(), Some(false));
    assert_eq!(parameters.bool("absent").unwrap(), None);
    assert_eq!(parameters.parse::<u8>("n", "a number").unwrap(), Some(42));
    assert_eq!(parameters.parse::<u8>("absent", "a number").unwrap(), None);
    assert_eq!(parameters.text("t"), Some("a b"));
    let path = Secret::new(std::env::var("PATH").unwrap());
    assert_eq!(parameters.secret("s").await.unwrap(), Some(path));
    let plain = parameters.secret("plain").await.unwrap();
    assert_eq!(plain, Some(Secret::new("p")));
    assert_eq!(parameters.secret("absent").await.unwrap(), None);
    parameters.finish().unwrap();
}

#[tokio::test]
async fn bad_values_are_refused_by_name_and_never_told() {
    let uri = parsed("x://h?flag=yes&n=300&empty=&password=hunter2");
    let mut parameters = uri.parameters();
    for (error, text) in [
        (parameters.bool("flag").unwrap_err(), "the parameter `flag` accepts true, false, 1 or 0"),
        (
            parameters.bool("empty").unwrap_err(),
            "the parameter `empty` accepts true, false, 1 or 0",
        ),
        (
            parameters.parse::<u8>("n", "0 to 255").unwrap_err(),
            "the parameter `n` accepts 0 to 255",
        ),
        (
            parameters.parse::<u8>("password", "a PIN").unwrap_err(),
            "the parameter `password` accepts a PIN",
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidUri);
        let shown = "`x://h?flag=yes&n=300&empty=&password=***`: invalid URI: ";
        assert_eq!(error.to_string(), format!("{shown}{text}"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_told_by_its_place() {
    for place in ["env:F9_NO_SUCH_VARIABLE", "file:/nonexistent/key"] {
        let uri = parsed(&format!("x://h?api_key={place}"));
        let error = uri.parameters().secret("api_key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri);
        let reason = format!("the parameter `api_key` cannot be read from {place}");
        assert!(error.to_string().ends_with(&reason), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn unknown_parameters_are_refused_and_the_known_listed() {
    let uri = parsed("x://h?a=1&pin=hunter2&c=2");
    let mut parameters = uri.parameters();
    parameters.text("c");
    parameters.text("a");
    parameters.text("a");
    let error = parameters.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidUri);
    assert_eq!(error.to_string(), "`x://h`: invalid URI: unknown parameter `pin`; known are c, a");
    assert!(!format!("{error:?}").contains("hunter2"));

    let error = uri.parameters().finish().unwrap_err();
    assert!(error.to_string().ends_with("unknown parameter `a`; this scheme has none"));

    let error = parsed("x://me:a?hunter2=@host").parameters().finish().unwrap_err();
    let text = "`x://***`: invalid URI: unknown parameter; this scheme has none";
    assert_eq!(error.to_string(), text);
}

#[test]
fn file_uris_name_directories() {
    for (text, root, create_root, durability) in [
        ("file:///abs/dir", "/abs/dir", true, "atomic"),
        ("file://rel/dir", "rel/dir", true, "atomic"),
        ("file://rel", "rel", true, "atomic"),
        ("file://./rel", "./rel", true, "atomic"),
        ("file://../rel", "../rel", true, "atomic"),
        ("file:///", "/", true, "atomic"),
        ("file:///a%20b/%3F%23", "/a b/?#", true, "atomic"),
        ("file://a%20b/c", "a b/c", true, "atomic"),
        ("file:///d?create_root=false", "/d", false, "atomic"),
        ("file:///d?create_root=1&durability=atomic", "/d", true, "atomic"),
        ("file:///d?durability=synced&create_root=0", "/d", false, "synced"),
        ("file://./localhost/d", "./localhost/d", true, "atomic"),
    ] {
        let file = FileUri::from(&parsed(text)).unwrap();
        assert_eq!(file.root, Path::new(root), "{text}");
        assert_eq!(file.create_root, create_root, "{text}");
        assert_eq!(file.durability.to_string(), durability, "{text}");
    }
}

#[test]
fn file_uris_that_name_none_are_refused() {
    for (text, reason) in [
        ("file://", "a directory is needed"),
        ("file://?durability=synced", "a directory is needed"),
        ("file://localhost/srv", "three slashes"),
        ("file://LocalHost", "three slashes"),
        ("file:///d?create_root=yes", "`create_root` accepts true, false"),
        ("file:///d?create_root=TRUE", "`create_root` accepts true, false"),
        ("file:///d?durability=none", "`durability` accepts atomic or synced"),
        ("file:///d?durability=", "`durability` accepts atomic or synced"),
        ("file:///d?x=1", "known are create_root, durability"),
        ("file:///d?Durability=synced", "known are create_root, durability"),
    ] {
        let error = FileUri::from(&parsed(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_directory_is_opened_by_uri() {
    let parent = tempfile::tempdir().unwrap();
    let uri = format!("file://{}/a%20b", parent.path().display());

    let required = format!("{uri}?create_root=false");
    let error = resolve_backend(&required).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!parent.path().join("a b").exists());

    for parameters in ["", "?create_root=false&durability=synced"] {
        let backend = resolve_backend(&format!("{uri}{parameters}")).await.unwrap();
        backend.create_with("x", "1".into(), CreateOptions::overwrite()).await.unwrap();
        let durable = backend.capabilities().has(Capability::Durable);
        assert_eq!(durable, parameters.ends_with("synced"));
    }
    let content = std::fs::read_to_string(parent.path().join("a b/x")).unwrap();
    assert_eq!(content, "1");
}

#[tokio::test]
async fn memory_uris_share_their_store_by_name() {
    let named = MemoryFileBackend::named("uri-tests/a b");
    named.create("x", "1").await.unwrap();
    for uri in
        ["memory://uri-tests/a%20b", "memory://uri-tests/a b/", "MEMORY:///uri-tests%2Fa%20b"]
    {
        let backend = resolve_backend(uri).await.unwrap();
        assert_eq!(backend.read("x").await.unwrap(), "1", "{uri}");
    }
    let other = resolve_backend("memory://uri-tests").await.unwrap();
    assert!(!other.exists("x").await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_resolved_says_why() {
    for (uri, text) in [
        (
            "memory://",
            "cannot resolve `memory://`: invalid URI: a name is needed, as in `memory://name`",
        ),
        (
            "memory:///",
            "cannot resolve `memory:///`: invalid URI: a name is needed, as in `memory://name`",
        ),
        (
            "memory://a?token=hunter2",
            "cannot resolve `memory://a`: invalid URI: unknown parameter `token`; this scheme has none",
        ),
        (
            "nope://me:hunter2@host?secret=hunter2",
            "cannot resolve `nope://me:***@host?secret=***`: invalid URI: \
             unknown scheme `nope`; known are file, ",
        ),
        (
            "nope://me:hunter2@host#",
            "cannot resolve `nope://***`: invalid URI: it has a fragment; a literal `#` is written %23",
        ),
        (
            "file://",
            "cannot resolve `file://`: invalid URI: \
             a directory is needed, as in `file:///srv/data` or `file://data`",
        ),
    ] {
        let error = BackendFactory::new().resolve(uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{uri}");
        // Which schemes are known depends on the features.
        let shown = error.to_string();
        let shown = shown.split_inclusive("known are file, ").next();
        assert_eq!(shown, Some(text));
    }
    let error = BackendFactory::empty().resolve("memory://a").await.unwrap_err();
    assert!(error.to_string().ends_with("unknown scheme `memory`; none is registered"));
}

#[tokio::test]
async fn the_second_registration_of_a_scheme_replaces_the_first() {
    let factory = BackendFactory::default();
    let calls = Arc::new(AtomicUsize::new(0));
    for step in [1, 10] {
        let calls = Arc::clone(&calls);
        let handler = move |uri: BackendUri| {
            assert_eq!(uri.scheme(), "mine", "handlers see the canonical scheme");
            calls.fetch_add(step, Ordering::Relaxed);
            async { Ok(memory()) }
        };
        factory.register("MINE", handler).unwrap();
    }
    factory.clone().resolve("mine://x").await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 10);
    let schemes = factory.schemes();
    assert!(schemes.is_sorted());
    for scheme in ["file", "memory", "mine"] {
        assert_eq!(schemes.iter().filter(|known| *known == scheme).count(), 1);
    }
    factory.register("memory", |_| async { Ok(memory()) }).unwrap();
    factory.resolve("memory://?anything=goes").await.unwrap();
    assert_eq!(format!("{:?}", BackendFactory::empty()), "BackendFactory { schemes: [] }");
}

#[test]
fn only_schemes_that_a_uri_can_have_are_registered() {
    let factory = BackendFactory::empty();
    for scheme in ["", "1a", "a b", "a_b", "a://", "a:", "é"] {
        let error = factory.register(scheme, |_| async { Ok(memory()) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{scheme}");
        assert_eq!(error.path(), Some(scheme));
    }
    assert_eq!(factory.schemes(), [""; 0]);
}

#[tokio::test]
async fn the_failure_of_a_handler_names_the_uri_but_not_its_secrets() {
    let factory = BackendFactory::empty();
    let refuse = |_| async { Err(Error::new(ErrorKind::PermissionDenied)) };
    factory.register("x", refuse).unwrap();
    let error = factory.resolve("x://me:hunter2@h?token=hunter2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.to_string(), "cannot resolve `x://me:***@h?token=***`: permission denied");
}

#[tokio::test]
async fn a_handler_may_use_its_factory() {
    let factory = BackendFactory::new();
    let inner = factory.clone();
    let handler = move |uri: BackendUri| {
        let factory = inner.clone();
        async move {
            factory.register("late", |_| async { Ok(memory()) })?;
            factory.resolve(&format!("memory://{}", uri.authority())).await
        }
    };
    factory.register("via", handler).unwrap();
    factory.resolve("via://uri-tests-via").await.unwrap();
    assert!(factory.schemes().contains(&"late".to_owned()));
}

#[test]
fn a_factory_is_used_from_many_threads() {
    let factory = BackendFactory::empty();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for index in 0..8 {
            let (factory, start) = (&factory, &start);
            scope.spawn(move || {
                start.wait();
                let scheme = format!("s{index}");
                factory.register(&scheme, |_| async { Ok(memory()) }).unwrap();
                let uri = format!("{scheme}://x");
                futures::executor::block_on(factory.resolve(&uri)).unwrap();
            });
        }
    });
    assert_eq!(factory.schemes().len(), 8);
}

#[tokio::test]
async fn resolving_is_send_and_the_global_factory_is_shared() {
    register_backend("uri-tests", |_| async { Ok(memory()) }).unwrap();
    let resolved = tokio::spawn(resolve_backend("uri-tests://x"));
    resolved.await.unwrap().unwrap();
    assert_eq!(parse_uri("any://x").unwrap().scheme(), "any");
    let error = register_backend("no scheme", |_| async { Ok(memory()) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidUri);
}
