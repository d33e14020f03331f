//! The server's life, and its connections.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::Talk;
use crate::testing::{Fault, FaultKind, OpenAISimulator};

#[test]
fn it_is_gone_when_it_is_dropped() {
    let openai = OpenAISimulator::start();
    let address = openai.base_url().replace("http://", "").replace("/v1", "");
    let mut open = TcpStream::connect(&address).unwrap();
    drop(openai);
    assert!(TcpStream::connect(&address).is_err());
    assert_eq!(std::io::Read::read(&mut open, &mut [0]).unwrap_or(0), 0);
}

#[test]
fn it_can_be_used_without_a_runtime_and_its_configuration_fits() {
    let openai = OpenAISimulator::lenient();
    let config = openai.config();
    assert_eq!(config.base_url, openai.base_url());
    assert_eq!(config.vector_store_id, openai.vector_store_id());
    assert_eq!(config.api_key.resolve().unwrap().expose(), openai.api_key());
}

#[tokio::test]
async fn it_can_be_dropped_while_somebody_waits_for_an_answer() {
    let talk = Talk::strict();
    talk.openai.set(|rules| rules.latency = Duration::from_secs(3600));
    let waiting = tokio::spawn(talk.request(reqwest::Method::GET, "files").send());
    while talk.openai.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(talk);
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_request_is_processed_also_when_its_client_has_gone() {
    let talk = Talk::strict();
    talk.openai.inject(Fault::new(FaultKind::Held));
    let mut upload = Box::pin(talk.try_upload("a.txt", "vision", b"x"));
    let has_come = || talk.openai.requests().first().is_some_and(|sent| sent.file.is_some());
    while !has_come() && futures::poll!(&mut upload).is_pending() {
        tokio::task::yield_now().await;
    }
    drop(upload);
    assert!(talk.openai.files().is_empty());
    talk.openai.release();
    let started = Instant::now();
    while talk.openai.files().is_empty() && started.elapsed() < Duration::from_secs(60) {
        tokio::task::yield_now().await;
    }
    assert_eq!(talk.openai.files().len(), 1);
}

#[tokio::test]
async fn latency_is_that_of_each_request_and_not_of_their_sum() {
    let talk = Talk::strict();
    talk.openai.set(|rules| rules.latency = Duration::from_millis(250));
    let started = Instant::now();
    let requests = (0..256).map(|_| talk.get("files"));
    for reply in futures::future::join_all(requests).await {
        reply.ok();
    }
    // One after the other, they would take 64 seconds.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(60), "{took:?}");
}
