//! Registering handlers and opening backends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use crate::backends::memory::MemoryFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::prelude::*;
use crate::services::uri::{
    BackendFactory, BackendUri, parse_uri, register_backend, resolve_backend,
};

fn memory() -> Arc<dyn AsyncFileBackend> {
    Arc::new(MemoryFileBackend::new())
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
async fn a_uri_that_cannot_be_resolved_gives_a_reason() {
    for (uri, text) in [
        (
            "memory://",
            "cannot resolve `memory://`: invalid URI: the name is missing; write `memory://name`",
        ),
        (
            "memory:///",
            "cannot resolve `memory:///`: invalid URI: the name is missing; write `memory://name`",
        ),
        (
            "memory://a?token=hunter2",
            "cannot resolve `memory://a`: invalid URI: unknown parameter `token`; this scheme has no parameters",
        ),
        (
            "nope://me:hunter2@host?secret=hunter2",
            "cannot resolve `nope://me:***@host?secret=***`: invalid URI: \
             unknown scheme `nope`; expected one of file, ",
        ),
        (
            "nope://me:hunter2@host#",
            "cannot resolve `nope://***`: invalid URI: it contains `#`; write a literal `#` as %23",
        ),
        (
            "file://",
            "cannot resolve `file://`: invalid URI: \
             the directory is missing; write `file:///srv/data` or `file://data`",
        ),
    ] {
        let error = BackendFactory::new().resolve(uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{uri}");
        // The known schemes depend on the features.
        let shown = error.to_string();
        let shown = shown.split_inclusive("expected one of file, ").next();
        assert_eq!(shown, Some(text));
    }
    let error = BackendFactory::empty().resolve("memory://a").await.unwrap_err();
    assert!(error.to_string().ends_with("unknown scheme `memory`; no scheme is registered"));
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
fn invalid_schemes_are_not_registered() {
    let factory = BackendFactory::empty();
    for scheme in ["", "1a", "a b", "a_b", "a://", "a:", "é"] {
        let error = factory.register(scheme, |_| async { Ok(memory()) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{scheme}");
        assert_eq!(error.subject(), Some(scheme));
    }
    assert_eq!(factory.schemes(), [""; 0]);
}

#[tokio::test]
async fn the_error_of_a_handler_names_the_uri_without_its_secrets() {
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
fn a_factory_can_be_used_from_many_threads() {
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
