//! Responses that are lost after the service did the work: nothing is done twice, and the call succeeds.

use f9::testing::openai::{DoubleAttach, Fault, FaultKind, Route};
use futures::future::join_all;

use crate::clock::{soon, without_waiting};
use crate::fixture::Fixture;
use crate::notes::{HOUR, open, opened, tree};
use crate::verbs::Verb;

/// The ways to lose a response, besides a timeout.
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

/// The request that follows a lost response.
fn next(route: Route) -> Route {
    match route {
        Route::Upload => Route::ListFiles,
        Route::Attach | Route::Batch => Route::Status,
        same => same,
    }
}

async fn lose(
    fixture: &Fixture,
    verb: Verb,
    route: Route,
    loss: Fault,
    double_attach: DoubleAttach,
) {
    let case = format!("{verb:?}, {route}, {loss:?}, {double_attach:?}");
    let usual = fixture.service(verb);
    let expected = verb.run(&open(&usual).await).await.unwrap();
    let uploads = usual.requests().iter().filter(|request| request.route == Route::Upload).count();
    let openai = fixture.service(verb);
    openai.set(|rules| rules.double_attach = double_attach);
    openai.inject(loss.clone().on(route));
    // The next response is lost too: that of the lookup or of the retry.
    openai.inject(Fault::new(FaultKind::ResetAfter).on(next(route)));
    let config = openai.config().with_cache_ttl(HOUR);
    let found = if loss == FaultKind::TimeoutAfter.into() {
        let notes = opened(config.with_timeouts(soon())).await;
        without_waiting(&openai, verb.run(&notes)).await
    } else {
        verb.run(&opened(config).await).await
    };
    let found = found.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(found, expected, "{case}");
    // An empty response to a deletion counts as success, so no request follows.
    let is_believed = loss == FaultKind::EmptyBody.into() && next(route) == route;
    let left = usize::from(is_believed && route != Route::Attributes);
    assert!(openai.faults_left() <= left, "{case}");
    let requests = openai.requests();
    let sent = requests.iter().filter(|request| request.route == Route::Upload).count();
    assert_eq!(sent, uploads, "{case}: the upload is found and not repeated");
    assert_eq!(openai.files().len(), usual.files().len(), "{case}");
    assert_eq!(openai.vector_store_files().len(), usual.vector_store_files().len(), "{case}");
    let (now, usual) = (open(&openai).await, open(&usual).await);
    assert_eq!(tree(&now).await.unwrap(), tree(&usual).await.unwrap(), "{case}");
    assert!(now.check().await.unwrap().is_empty(), "{case}");
}

async fn lose_every_way(route: Route, verbs: &[Verb]) {
    let fixture = Fixture::new().await;
    let mut cases = Vec::new();
    for &verb in verbs {
        for twice in [DoubleAttach::KeepsOld, DoubleAttach::ListsTwice] {
            // Tests do not wait for timeouts but move the clock, so nothing else may run.
            lose(&fixture, verb, route, FaultKind::TimeoutAfter.into(), twice).await;
            for loss in losses() {
                cases.push(lose(&fixture, verb, route, loss, twice));
            }
        }
    }
    join_all(cases).await;
}

#[tokio::test]
async fn a_lost_upload_response_is_recovered() {
    let verbs = [Verb::Create, Verb::Update, Verb::StreamWrite, Verb::CreateDir, Verb::CreateMany];
    lose_every_way(Route::Upload, &verbs).await;
}

#[tokio::test]
async fn a_lost_attachment_response_is_recovered() {
    lose_every_way(Route::Attach, &[Verb::Create, Verb::Overwrite, Verb::Copy]).await;
}

#[tokio::test]
async fn a_lost_batch_response_is_recovered() {
    lose_every_way(Route::Batch, &[Verb::CreateMany]).await;
}

#[tokio::test]
async fn a_lost_attribute_response_is_retried() {
    lose_every_way(Route::Attributes, &[Verb::Rename, Verb::RenameOver, Verb::RenameDir]).await;
}

#[tokio::test]
async fn a_lost_detach_response_is_recovered() {
    lose_every_way(Route::Detach, &[Verb::Delete, Verb::DeleteAll, Verb::Append]).await;
}

#[tokio::test]
async fn a_lost_delete_response_is_recovered() {
    lose_every_way(Route::DeleteFile, &[Verb::Delete, Verb::DeleteAll, Verb::RenameOver]).await;
}
