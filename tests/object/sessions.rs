//! Sessions among processes: one holder, takeover after its time, and a holder that notices its loss.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::s3::Operation;
use f9::{ErrorKind, SessionOptions};

use super::fixture::{Proxy, Scene, refused};

fn at_once() -> SessionOptions {
    SessionOptions::timeout(Duration::ZERO)
}

#[tokio::test]
async fn one_process_holds_the_session_and_the_other_is_told_who() {
    let scene = Scene::new();
    let (mine, theirs) = (scene.open().await, scene.open_elsewhere(Scene::options()).await);
    let session = mine.sync_session().await.unwrap();
    assert_eq!(session.fence(), Some(1));
    let error = refused(theirs.sync_session_with(at_once()).await, ErrorKind::LockTimeout);
    let process = format!("held by process {} on ", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    session.finish().await.unwrap();
    let session = theirs.sync_session_with(at_once()).await.unwrap();
    assert_eq!(session.fence(), Some(2));
    drop(session);
    let session = mine.sync_session().await.unwrap();
    assert_eq!(session.fence(), Some(3));
    session.finish().await.unwrap();
    // Nothing but the lease is left, which holds the number.
    assert_eq!(scene.keys(), [".f9/session"]);
}

#[tokio::test]
async fn a_session_that_is_renewed_is_not_taken_over() {
    let scene = Scene::new();
    let ttl = Duration::from_secs(4);
    let mine = scene.open_elsewhere(Scene::options().with_session_ttl(ttl)).await;
    let theirs = scene.open().await;
    let session = mine.sync_session().await.unwrap();
    scene.operations();
    let began = std::time::Instant::now();
    let patient = SessionOptions::timeout(Duration::from_secs(120));
    let waiting = tokio::spawn(async move { theirs.sync_session_with(patient).await });
    while began.elapsed() < ttl + ttl / 2 {
        tokio::time::sleep(ttl / 20).await;
    }
    assert!(!waiting.is_finished());
    let renewals = scene.operations().into_iter().filter(|one| *one == Operation::PutObject);
    assert!(renewals.count() >= 3);
    mine.write("a", "mine").await.unwrap();
    session.finish().await.unwrap();
    let taken = waiting.await.unwrap().unwrap();
    assert_eq!(taken.fence(), Some(2));
    taken.finish().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_stops_is_succeeded_and_may_write_no_more() {
    let scene = Scene::new();
    let proxy = Proxy::start(&scene.s3.endpoint()).await;
    let options = Scene::options().with_session_ttl(Duration::from_millis(400));
    let mine = scene.config().with_endpoint(proxy.endpoint()).with_options(options);
    let (mine, theirs) = (scene.open_with(mine).await, scene.open().await);
    let session = mine.sync_session().await.unwrap();
    mine.write("a", "mine").await.unwrap();
    // It cannot renew the session any more, as if the process had been stopped.
    proxy.cut();
    let taken =
        theirs.sync_session_with(SessionOptions::timeout(Duration::from_secs(60))).await.unwrap();
    assert_eq!(taken.fence(), Some(2));
    theirs.write("a", "theirs").await.unwrap();
    proxy.restore();
    for call in [mine.write("a", "late").await.map(drop), mine.delete("a").await] {
        refused(call, ErrorKind::PreconditionFailed);
    }
    refused(session.finish().await, ErrorKind::PreconditionFailed);
    assert_eq!(scene.content("a").unwrap(), "theirs");
    taken.finish().await.unwrap();
    mine.write("a", "after").await.unwrap();
}

#[tokio::test]
async fn an_unreadable_lease_is_an_error_and_not_a_free_session() {
    let scene = Scene::new();
    let files = scene.open().await;
    scene.s3.put(".f9/session", "not json");
    refused(files.sync_session_with(at_once()).await, ErrorKind::Corrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_several_processes_never_overlap() {
    let scene = Scene::new();
    let handles = [scene.open().await, scene.open_elsewhere(Scene::options()).await];
    let inside = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let tasks = handles.into_iter().map(|files| {
        let inside = std::sync::Arc::clone(&inside);
        tokio::spawn(async move {
            for _ in 0..10 {
                let patient = SessionOptions::timeout(Duration::from_secs(120));
                let session = files.sync_session_with(patient).await.unwrap();
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                let counted = files
                    .read("counter")
                    .await
                    .map_or(0, |text| String::from_utf8_lossy(&text).parse::<u32>().unwrap());
                files.write("counter", (counted + 1).to_string()).await.unwrap();
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                session.finish().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(scene.content("counter").unwrap(), "20");
}

#[tokio::test]
async fn a_session_that_is_dropped_while_it_opens_is_free_again() {
    let scene = Scene::new();
    let (mine, theirs) = (scene.open().await, scene.open_elsewhere(Scene::options()).await);
    for polls in 0..20 {
        {
            let mut opening = Box::pin(mine.sync_session());
            for _ in 0..polls {
                if futures::poll!(opening.as_mut()).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let patient = SessionOptions::timeout(Duration::from_secs(20));
        theirs.sync_session_with(patient).await.unwrap().finish().await.unwrap();
    }
}
