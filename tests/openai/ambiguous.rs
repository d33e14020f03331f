//! Answers that are lost once the service has done what it was asked for: nothing is done twice, and the result is success.

use f9::testing::{DoubleAttach, Fault, FaultKind, Route};
use futures::future::join_all;

use crate::clock::{soon, without_waiting};
use crate::notes::{HOUR, open, opened, tree};
use crate::scene::Scene;
use crate::verbs::Verb;

/// How an answer is lost, beside never coming at all.
fn losses() -> Vec<Fault> {
    let mut losses: Vec<Fault> = [
        FaultKind::ResetAfter,
        FaultKind::EmptyBody,
        FaultKind::MalformedJson,
        FaultKind::TruncatedBody { after: 10 },
    ]
    .map(Fault::new)
    .into();
    losses.extend([408, 409, 500, 504].map(|status| Fault::status(status).processed()));
    losses.push(Fault::new(FaultKind::Html { status: 502 }).processed());
    losses
}

/// What is asked once the answer to such a request is lost.
fn next(route: Route) -> Route {
    match route {
        Route::Upload => Route::ListFiles,
        Route::Attach | Route::Batch => Route::Status,
        same => same,
    }
}

async fn lose(scene: &Scene, verb: Verb, route: Route, loss: Fault, double_attach: DoubleAttach) {
    let case = format!("{verb:?}, {route}, {loss:?}, {double_attach:?}");
    let usual = scene.service(verb);
    let told = verb.run(&open(&usual).await).await.unwrap();
    let uploads = usual.requests().iter().filter(|request| request.route == Route::Upload).count();
    let openai = scene.service(verb);
    openai.set(|rules| rules.double_attach = double_attach);
    openai.inject(loss.clone().on(route));
    // So is the answer to the next request, which looks what became of the first, or makes it again.
    openai.inject(Fault::new(FaultKind::ResetAfter).on(next(route)));
    let config = openai.config().with_cache_ttl(HOUR);
    let found = if loss == FaultKind::TimeoutAfter.into() {
        let notes = opened(config.with_timeouts(soon())).await;
        without_waiting(&openai, verb.run(&notes)).await
    } else {
        verb.run(&opened(config).await).await
    };
    let found = found.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(found, told, "{case}");
    // A deletion whose answer is empty is believed, so nothing is asked after it.
    let is_believed = loss == FaultKind::EmptyBody.into() && next(route) == route;
    let left = usize::from(is_believed && route != Route::Attributes);
    assert!(openai.faults_left() <= left, "{case}");
    let requests = openai.requests();
    let sent = requests.iter().filter(|request| request.route == Route::Upload).count();
    assert_eq!(sent, uploads, "{case}: what was uploaded is found, and not uploaded once more");
    assert_eq!(openai.files().len(), usual.files().len(), "{case}");
    assert_eq!(openai.vector_store_files().len(), usual.vector_store_files().len(), "{case}");
    let (now, usual) = (open(&openai).await, open(&usual).await);
    assert_eq!(tree(&now).await.unwrap(), tree(&usual).await.unwrap(), "{case}");
    assert!(now.survey().await.unwrap().is_empty(), "{case}");
}

async fn lose_every_way(route: Route, verbs: &[Verb]) {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for &verb in verbs {
        for twice in [DoubleAttach::KeepsOld, DoubleAttach::ListsTwice] {
            // What never comes is not waited for, and so nothing else may be under way.
            lose(&scene, verb, route, FaultKind::TimeoutAfter.into(), twice).await;
            for loss in losses() {
                cases.push(lose(&scene, verb, route, loss, twice));
            }
        }
    }
    join_all(cases).await;
}

#[tokio::test]
async fn an_upload_is_found_again() {
    let verbs = [Verb::Create, Verb::Update, Verb::StreamWrite, Verb::CreateDir, Verb::CreateMany];
    lose_every_way(Route::Upload, &verbs).await;
}

#[tokio::test]
async fn an_attachment_is_found_again() {
    lose_every_way(Route::Attach, &[Verb::Create, Verb::Overwrite, Verb::Copy]).await;
}

#[tokio::test]
async fn a_batch_is_found_again() {
    lose_every_way(Route::Batch, &[Verb::CreateMany]).await;
}

#[tokio::test]
async fn attributes_are_changed_once_more() {
    lose_every_way(Route::Attributes, &[Verb::Rename, Verb::RenameOver, Verb::RenameDir]).await;
}

#[tokio::test]
async fn what_is_detached_is_detached() {
    lose_every_way(Route::Detach, &[Verb::Delete, Verb::DeleteAll, Verb::Append]).await;
}

#[tokio::test]
async fn what_is_deleted_is_deleted() {
    lose_every_way(Route::DeleteFile, &[Verb::Delete, Verb::DeleteAll, Verb::RenameOver]).await;
}
