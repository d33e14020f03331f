//! The start and the end of the server, and its connections.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::TestClient;
use crate::testing::openai::{Fault, FaultKind, OpenAISimulator};

#[test]
fn dropping_the_simulator_stops_the_server() {
    let openai = OpenAISimulator::start();
    let address = openai.base_url().replace("http://", "").replace("/v1", "");
    let mut open = TcpStream::connect(&address).unwrap();
    drop(openai);
    assert!(TcpStream::connect(&address).is_err());
    assert_eq!(std::io::Read::read(&mut open, &mut [0]).unwrap_or(0), 0);
}

#[test]
fn the_simulator_needs_no_runtime_and_its_config_has_its_url_and_key() {
    let openai = OpenAISimulator::lenient();
    let config = openai.config();
    assert_eq!(config.base_url, openai.base_url());
    assert_eq!(config.vector_store_id, openai.vector_store_id());
    assert_eq!(config.api_key.resolve().unwrap().expose(), openai.api_key());
}

#[tokio::test]
async fn the_simulator_can_be_dropped_while_a_client_waits() {
    let client = TestClient::strict();
    client.openai.set(|rules| rules.latency = Duration::from_secs(3600));
    let waiting = tokio::spawn(client.request(reqwest::Method::GET, "files").send());
    while client.openai.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(client);
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_request_is_processed_even_if_its_client_disconnects() {
    let client = TestClient::strict();
    client.openai.inject(Fault::new(FaultKind::Held));
    let mut upload = Box::pin(client.try_upload("a.txt", "vision", b"x"));
    let is_received = || client.openai.requests().first().is_some_and(|sent| sent.file.is_some());
    while !is_received() && futures::poll!(&mut upload).is_pending() {
        tokio::task::yield_now().await;
    }
    drop(upload);
    assert!(client.openai.files().is_empty());
    client.openai.release();
    let started = Instant::now();
    while client.openai.files().is_empty() && started.elapsed() < Duration::from_secs(60) {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.openai.files().len(), 1);
}

#[tokio::test]
async fn concurrent_requests_wait_for_the_latency_at_the_same_time() {
    let client = TestClient::strict();
    client.openai.set(|rules| rules.latency = Duration::from_millis(250));
    let started = Instant::now();
    let requests = (0..256).map(|_| client.get("files"));
    for reply in futures::future::join_all(requests).await {
        reply.ok();
    }
    // In sequence, they would take 64 seconds.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(60), "{took:?}");
}
