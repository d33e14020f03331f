//! The calls against the simulator.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;

use super::super::{Attributes, Client};
use super::calls::attributes;
use super::clock::jump;
use super::server::client as client_of;
use crate::backends::openai::OpenAITimeouts;
use crate::core::duration::YEAR;
use crate::core::error::{ErrorKind, Result};
use crate::core::secret::Secret;
use crate::testing::openai::{Fault, FaultKind, OpenAISimulator, PageIds, Retry, Route, Rules};

const HOUR: Duration = Duration::from_secs(3600);

/// A test that takes this long in real time hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// Returns a client that never times out and always retries a 404 for a new entry.
fn client(simulator: &OpenAISimulator) -> Client {
    let timeouts = OpenAITimeouts::default().with_connect(HOUR).with_idle(HOUR).with_total(YEAR);
    let config = simulator.config().with_timeouts(timeouts);
    let key = Secret::new(simulator.api_key());
    let mut client = Client::new(&config, key, Arc::default()).unwrap();
    Arc::get_mut(&mut client.0).unwrap().propagation_delay = YEAR;
    client
}

async fn upload(client: &Client, name: &str, content: &'static str) -> Result<String> {
    let source = move || -> (u64, BoxStream<'static, io::Result<Bytes>>) {
        (content.len() as u64, stream::iter([Ok(Bytes::from(content))]).boxed())
    };
    client.upload(name, "text/plain", &source).await.map(|file| file.id)
}

#[tokio::test]
async fn a_file_can_be_uploaded_attached_read_and_deleted() {
    let simulator = OpenAISimulator::lenient();
    let client = client(&simulator);
    assert!(!client.is_vector_store_expired().await.unwrap());
    let file = upload(&client, "a b.txt", "hello world\n").await.unwrap();
    let stored = client.file(&file).await.unwrap().unwrap();
    assert_eq!((stored.filename.as_str(), stored.bytes), ("a b.txt", Some(12)));
    assert_eq!(client.files(Some).await.unwrap(), [stored]);
    client.attach(&file, &attributes("a")).await.unwrap();
    client.set_attributes(&file, &attributes("b")).await.unwrap();
    let entry = client.attached(&file).await.unwrap().unwrap();
    assert_eq!(entry.attributes, attributes("b"));
    assert_eq!(client.list(Some).await.unwrap().len(), 1);
    assert!(client.text(&file).await.unwrap().concat().starts_with("hello world"));
    let filter = json!({"type": "eq", "key": "path", "value": "b"});
    let found = client.search("world", Some(filter), 5).await.unwrap();
    assert_eq!((found.len(), &found[0].attributes), (1, &attributes("b")));
    let content = client.content(&file).await.unwrap();
    assert_eq!(crate::core::stream::collect(content).await.unwrap(), "hello world\n");
    for _ in 0..2 {
        client.detach(&file).await.unwrap();
        client.delete_file(&file).await.unwrap();
    }
    assert!(client.attached(&file).await.unwrap().is_none());
    assert!(client.file(&file).await.unwrap().is_none());
    assert!(client.list(Some).await.unwrap().is_empty());
    assert_eq!(client.requests(), simulator.requests().len() as u64);
}

#[tokio::test]
async fn a_file_of_a_forbidden_purpose_cannot_be_downloaded() {
    let simulator = OpenAISimulator::start();
    let id = simulator.add_file("a.txt", "user_data", "hello");
    let error = client(&simulator).content(&id).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::DownloadForbidden);
    assert!(error.to_string().contains("files with the purpose `user_data`"), "{error}");
    let error = client_of(&simulator.config()).file(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let mut config = simulator.config();
    config.vector_store_id = "vs_0".to_owned();
    let stranger = Client::new(&config, Secret::new(simulator.api_key()), Arc::default()).unwrap();
    for error in [
        stranger.list(Some).await.unwrap_err(),
        stranger.attached(&id).await.unwrap_err(),
        stranger.detach(&id).await.unwrap_err(),
        stranger.attach(&id, &Attributes::new()).await.unwrap_err(),
        stranger.search("x", None, 1).await.unwrap_err(),
        stranger.is_vector_store_expired().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::RootGone, "{error}");
    }
}

/// Whether a call that creates something succeeds despite the fault.
fn is_overcome(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Status { status, .. } => matches!(status, 408 | 409 | 500..),
        FaultKind::InsufficientQuota | FaultKind::RateLimited(Retry::Never) => false,
        _ => true,
    }
}

/// Whether the fault may happen after the request was processed. Rate limits are reported before.
fn may_be_late(kind: &FaultKind) -> bool {
    !matches!(kind, FaultKind::RateLimited(_))
}

/// Runs `work` on a clock that is twenty times as fast, and advances it by an hour whenever a response never comes.
async fn fast<T>(simulator: &OpenAISimulator, work: impl Future<Output = T>) -> T {
    let clock = async {
        let began = Instant::now();
        let mut seen = simulator.unanswered();
        while began.elapsed() < LONGEST {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let unanswered = simulator.unanswered();
            jump(if unanswered > seen { HOUR } else { Duration::from_millis(20) });
            seen = unanswered;
        }
    };
    tokio::select! {
        done = work => done,
        () = clock => panic!("the work has not ended after {LONGEST:?}"),
    }
}

#[tokio::test]
async fn no_fault_creates_anything_twice() {
    for (kind, late) in Fault::all_kinds().into_iter().flat_map(|k| [(k.clone(), false), (k, true)])
    {
        if late && !may_be_late(&kind) {
            continue;
        }
        let simulator = OpenAISimulator::start();
        let client = client(&simulator);
        for route in [Route::Upload, Route::Attach, Route::Batch] {
            let fault = Fault::new(kind.clone()).on(route);
            simulator.inject(if late { fault.processed() } else { fault });
        }
        let uploaded = fast(&simulator, upload(&client, "a.txt", "hello")).await;
        assert_eq!(uploaded.is_ok(), is_overcome(&kind), "{kind:?} {uploaded:?}");
        assert_eq!(simulator.files().len(), usize::from(late || uploaded.is_ok()), "{kind:?}");
        let [b, c] = ["b.txt", "c.txt"].map(|n| simulator.add_file(n, "assistants", "x"));
        let attached = fast(&simulator, client.attach(&b, &attributes("b"))).await;
        let files = [(c.clone(), attributes("c"))];
        let batch = fast(&simulator, client.attach_batch(&files)).await;
        // Attaching an upload that the service does not know yet is retried. The response names no file, so it may mean that there are
        // no batches.
        let is_waited_for = matches!(kind, FaultKind::Status { status: 404, .. });
        let overcome = (is_overcome(&kind) || is_waited_for, is_overcome(&kind));
        assert_eq!((attached.is_ok(), batch.is_ok()), overcome, "{kind:?}");
        let entries = simulator.vector_store_files();
        let entries: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let expected = [(b.as_str(), overcome.0), (c.as_str(), overcome.1)];
        let expected = expected.into_iter().filter(|(_, is_overcome)| late || *is_overcome);
        assert_eq!(entries, expected.map(|(id, _)| id).collect::<Vec<_>>(), "{kind:?} {late}");
    }
}

#[tokio::test]
async fn a_long_list_is_complete_with_every_paging_quirk() {
    let simulator = OpenAISimulator::start();
    let ids: Vec<_> = (0..250)
        .map(|n| {
            let id = simulator.add_file(&format!("{n}.txt"), "assistants", "x");
            simulator.attach_file(&id, json!({ "path": n.to_string() }));
            id
        })
        .collect();
    let rules: [fn(&mut Rules); 5] = [
        |_| {},
        |rules| rules.repeated_items = true,
        |rules| rules.page_ids = PageIds::Null,
        |rules| rules.page_ids = PageIds::Omitted,
        |rules| rules.always_has_more = true,
    ];
    for change in rules {
        simulator.set(change);
        let listed = client(&simulator).list(Some).await.unwrap();
        assert_eq!(listed.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ids);
    }
}
