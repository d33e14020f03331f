//! Faulty networks and servers.

use std::future;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::super::Client;
use super::super::transport::Call;
use super::calls::{attributes, entry, upload};
use super::clock::{advance, jump};
use super::server::{Act, Reply, Server, answer, client, not_found, ok, refused};
use crate::backends::openai::{OpenAIConfig, OpenAIRates, OpenAITimeouts};
use crate::core::duration::YEAR;
use crate::core::error::{Error, ErrorKind, Result};

type Content = BoxStream<'static, io::Result<Bytes>>;

/// Longer than anything here takes. Tests do not wait for it: they move the clock.
const MINUTE: Duration = Duration::from_secs(60);

fn idle(server: &Server) -> OpenAIConfig {
    let timeouts = OpenAITimeouts::default().with_idle(MINUTE).with_total(YEAR);
    server.config().with_retries(0).with_timeouts(timeouts)
}

/// The head of a response with 10 bytes of content, followed by `acts`.
fn ten_bytes(acts: impl IntoIterator<Item = Act>) -> Reply {
    let head = Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".to_vec());
    [head].into_iter().chain(acts).collect()
}

fn send(bytes: &[u8]) -> Act {
    Act::Send(bytes.to_vec())
}

/// Checks that a call does not end within a simulated second.
async fn never<T>(call: impl Future<Output = T>) {
    tokio::time::pause();
    let ended = tokio::time::timeout(Duration::from_secs(1), call).await;
    tokio::time::resume();
    assert!(ended.is_err());
}

async fn upload_of(client: &Client, length: u64, content: fn() -> Content) -> Result<String> {
    let uploaded = client.upload("f9-a.txt", "text/plain", &move || (length, content())).await;
    uploaded.map(|file| file.id)
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    // A bound socket that does not listen refuses connections, and no other test gets its port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let config = OpenAIConfig::new("vs_1").with_base_url(format!("http://127.0.0.1:{port}/v1"));
    let client = client(&config.with_retry_delay(Duration::from_millis(1)).with_retries(3));
    // No lookup is needed: nothing was uploaded.
    let error = upload(&client, &["hello"]).await.unwrap_err();
    assert_eq!((error.kind(), client.requests()), (ErrorKind::Unreachable, 4));
    assert!(error.is_retryable());
    let expected = format!("the server cannot be reached: 127.0.0.1:{port}: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let server = Server::script([vec![Act::Wait(MINUTE)]]).await;
    let error = client(&idle(&server)).file("file-a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let expected = format!("127.0.0.1:{} sent nothing for 60s", server.port());
    assert_eq!(error.message(), Some(expected.as_str()));
    let server = Server::script([ten_bytes([send(b"{"), Act::Wait(MINUTE)])]).await;
    let error = client(&idle(&server)).file("file-a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_connect_timeout_is_not_ambiguous() {
    // The system accepts the connection, and no process answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", silent.local_addr().unwrap());
    let timeouts = OpenAITimeouts::default();
    let timeouts = timeouts.with_connect(MINUTE).with_idle(YEAR).with_total(YEAR);
    let config = OpenAIConfig::new("vs_1").with_base_url(url).with_timeouts(timeouts);
    let client = client(&config.with_retries(1).with_retry_delay(Duration::from_millis(1)));
    let accepted = async {
        let kept = silent.accept().await.unwrap();
        advance(MINUTE, &AtomicBool::new(false)).await;
        drop(kept);
    };
    let error = tokio::select! {
        uploaded = upload(&client, &["hello"]) => uploaded.unwrap_err(),
        () = accepted => unreachable!("the clock advances for ever"),
    };
    assert_eq!((error.kind(), client.requests()), (ErrorKind::Timeout, 2), "{error}");
}

#[tokio::test]
async fn an_idle_timeout_is_retried() {
    let mut first = true;
    let server = Server::answering(move |_| {
        if std::mem::take(&mut first) {
            vec![Act::Wait(MINUTE)]
        } else {
            ok(&json!({"id": "file-a"}))
        }
    })
    .await;
    let client = client(&idle(&server).with_retries(20));
    client.file("file-a").await.unwrap();
    assert!(server.requests().len() > 1);
}

#[tokio::test]
async fn the_total_timeout_ends_a_slow_response() {
    let drop = || [send(b" "), Act::Pass(MINUTE / 10)];
    let dripping: Reply = std::iter::once(send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"))
        .chain((0..1000).flat_map(|_| drop()))
        .collect();
    let server = Server::script([dripping.clone(), dripping]).await;
    let timeouts = OpenAITimeouts::default().with_total(MINUTE);
    let client = client(&server.config().with_timeouts(timeouts));
    let error = client.file("file-a").await.unwrap_err();
    assert_eq!((error.kind(), client.requests()), (ErrorKind::Timeout, 1));
    // No time is left for a lookup.
    assert_eq!(upload(&client, &["hello"]).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(client.requests(), 2);
    let expected = format!("127.0.0.1:{} did not answer within 60s", server.port());
    assert_eq!(error.message(), Some(expected.as_str()));
}

#[tokio::test]
async fn waiting_for_a_slot_does_not_count_against_the_timeout() {
    let server = Server::script([ok(&json!({"id": "file-a"}))]).await;
    let timeouts = OpenAITimeouts::default().with_total(MINUTE);
    let client = client(&server.config().with_timeouts(timeouts).with_concurrency(2));
    let slots = &client.0.transport.slots;
    let others = slots.acquire_many(2).await.unwrap();
    let (read, ()) = tokio::join!(client.file("file-a"), async {
        jump(2 * MINUTE);
        tokio::task::yield_now().await;
        drop(others);
    });
    read.unwrap();
}

#[tokio::test]
async fn the_number_of_concurrent_calls_is_limited() {
    let server = Server::script([vec![Act::Hang], ok(&json!({"id": "file-a"}))]).await;
    let client = client(&server.config().with_concurrency(1));
    let silent = tokio::spawn({
        let client = client.clone();
        async move { client.file("file-a").await }
    });
    while client.requests() == 0 {
        tokio::task::yield_now().await;
    }
    never(client.file("file-b")).await;
    assert_eq!(client.requests(), 1);
    // An abandoned call frees its slot.
    silent.abort();
    client.file("file-b").await.unwrap();
}

#[tokio::test]
async fn an_unread_download_holds_no_slot() {
    let server = Server::script([ten_bytes([Act::Hang]), ok(&json!({"id": "file-a"}))]).await;
    let client = client(&server.config().with_concurrency(1));
    let content = client.content("file-a").await.unwrap();
    client.file("file-a").await.unwrap();
    drop(content);
}

#[tokio::test]
async fn only_attachments_and_uploads_are_rate_limited() {
    let server = Server::answering(|_| ok(&entry("file-a"))).await;
    let rates = OpenAIRates::default().with_attachments(1).with_uploads(1);
    let client = client(&server.config().with_rates(rates));
    let attributes = attributes("a");
    client.attach("file-a", &attributes).await.unwrap();
    upload(&client, &["hello"]).await.unwrap();
    let files = [("file-a".to_owned(), attributes.clone())];
    never(client.attach("file-a", &attributes)).await;
    never(client.attach_batch(&files)).await;
    never(upload(&client, &["hello"])).await;
    assert_eq!(client.requests(), 2);
    client.set_attributes("file-a", &attributes).await.unwrap();
    client.detach("file-a").await.unwrap();
    client.delete_file("file-a").await.unwrap();
    client.clone().file("file-a").await.unwrap();
    assert_eq!(client.requests(), 6);
}

#[tokio::test]
async fn a_truncated_download_differs_from_a_stalled_one() {
    let cases = [
        (ten_bytes([send(b"abc"), Act::Close]), ErrorKind::UnexpectedEof),
        (ten_bytes([send(b"abc"), Act::Halt, Act::Reset]), ErrorKind::Unreachable),
        (ten_bytes([send(b"abc"), Act::Halt, Act::Wait(MINUTE)]), ErrorKind::Timeout),
        (
            vec![
                send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"),
                Act::Close,
            ],
            ErrorKind::UnexpectedEof,
        ),
    ];
    for (reply, kind) in cases {
        let server = Server::script([reply]).await;
        let mut content = client(&idle(&server)).content("file-a").await.unwrap();
        let mut read = Vec::new();
        let error = loop {
            match content.next().await.unwrap() {
                Ok(chunk) => read.extend(chunk),
                Err(error) => break error,
            }
            if read.len() == 3 {
                server.go_on();
            }
        };
        assert_eq!((error.kind(), error.backend()), (kind, Some("openai")), "{error}");
        assert_eq!(read, b"abc", "{error}");
        assert!(content.next().await.is_none());
    }
}

#[tokio::test]
async fn a_slow_download_and_a_slow_reader_are_accepted() {
    let server = Server::script([
        refused(500, "once"),
        ten_bytes((0..10).flat_map(|_| [send(b"x"), Act::Halt, Act::Pass(MINUTE / 2)])),
    ])
    .await;
    let client = client(&idle(&server).with_retries(1));
    let started = Instant::now();
    let mut content = client.content("file-a").await.unwrap();
    let mut read = 0;
    while let Some(chunk) = content.next().await {
        read += chunk.unwrap().len();
        server.go_on();
    }
    assert_eq!(read, 10);
    assert!(started.elapsed() > 4 * MINUTE);
}

#[tokio::test]
async fn a_download_that_never_ends_is_not_awaited_longer_than_the_total_timeout() {
    let drip = (0..20).flat_map(|_| [send(b"x"), Act::Halt, Act::Pass(MINUTE * 59 / 60)]);
    let head = send(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n");
    let server = Server::script([[head].into_iter().chain(drip).collect()]).await;
    let mut content = server.client().content("file-a").await.unwrap();
    let mut read = 0;
    let error = loop {
        match content.next().await.unwrap() {
            Ok(chunk) => read += chunk.len(),
            Err(error) => break error,
        }
        server.go_on();
    };
    assert_eq!((error.kind(), read), (ErrorKind::Timeout, 11), "{error}");
}

#[tokio::test]
async fn a_slow_upload_is_not_idle() {
    let server = Server::script([ok(&json!({"id": "file-a"}))]).await;
    let started = Instant::now();
    let client = client(&idle(&server));
    let slow = || {
        stream::iter(0..60)
            .then(|_| async {
                jump(MINUTE / 2);
                tokio::task::yield_now().await;
                Ok(Bytes::from_static(b"x"))
            })
            .boxed()
    };
    upload_of(&client, 60, slow).await.unwrap();
    assert!(started.elapsed() > 20 * MINUTE);
}

#[tokio::test]
async fn an_upload_that_stops_is_idle() {
    let server = Server::answering(|_| ok(&json!({"data": []}))).await;
    let stuck = || {
        let first = stream::once(future::ready(Ok(Bytes::from_static(b"x"))));
        let rest = async {
            jump(MINUTE);
            future::pending().await
        };
        first.chain(stream::once(rest)).boxed()
    };
    let error = upload_of(&client(&idle(&server)), 2, stuck).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_error_of_the_source_ends_the_upload_without_a_retry() {
    let server = Server::answering(|_| ok(&json!({"id": "file-a"}))).await;
    let broken = || {
        let chunks = [Ok(Bytes::from_static(b"x")), Err(io::ErrorKind::StorageFull.into())];
        stream::iter(chunks).boxed()
    };
    let hello = || stream::once(future::ready(Ok(Bytes::from_static(b"hello")))).boxed();
    let kept = || {
        let own = Error::new(ErrorKind::Corrupted).with_path("spool");
        stream::once(future::ready(Err(own.into()))).boxed()
    };
    let client = server.client();
    for (length, content, kind) in [
        (9, broken as fn() -> Content, ErrorKind::StorageFull),
        (4, hello, ErrorKind::LengthMismatch),
        (6, hello, ErrorKind::LengthMismatch),
        (0, hello, ErrorKind::LengthMismatch),
        (9, kept, ErrorKind::Corrupted),
    ] {
        let sent = client.requests();
        let error = upload_of(&client, length, content).await.unwrap_err();
        assert_eq!((error.kind(), client.requests() - sent), (kind, 1), "{length} {error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_response_above_the_limit_fails() {
    let server = Server::script([answer(200, "", "12345"), answer(200, "", "123456")]).await;
    let client = server.client();
    let call = Call { max_answer: 5, ..Call::get("x".to_owned()) };
    assert_eq!(client.call(&call).await.unwrap().body, "12345");
    assert_eq!(client.call(&call).await.unwrap_err().kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn only_the_start_of_an_error_response_is_read() {
    let endless = |status: &str, body: &[u8], end| {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 10000000\r\n\r\n");
        vec![send(head.as_bytes()), send(body), end]
    };
    let full = vec![b'x'; 64 * 1024];
    let server = Server::script([
        endless("403", &full, Act::Hang),
        endless("403", b"short", Act::Close),
        endless("403", b"short", Act::Reset),
    ])
    .await;
    let (client, started) = (server.client(), Instant::now());
    for _ in 0..3 {
        let error = client.file("file-a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
    assert!(started.elapsed() < server.config().timeouts.idle);
}

#[tokio::test]
async fn connections_are_reused_and_replaced_after_the_server_closes_them() {
    let closing = |reply: Reply, end: Act| reply.into_iter().chain([end]).collect::<Reply>();
    let file = || ok(&json!({"id": "file-a"}));
    let server = Server::script([
        file(),
        not_found(),
        closing(not_found(), Act::Reset),
        closing(file(), Act::Close),
        file(),
    ])
    .await;
    let client = server.client();
    let mut found = Vec::new();
    for _ in 0..5 {
        found.push(client.file("file-a").await.unwrap().is_some());
    }
    assert_eq!(found, [true, false, false, true, true]);
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 2]);
}

#[test]
fn a_client_works_after_its_first_runtime_has_ended() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = servers.block_on(Server::answering(|_| ok(&json!({"id": "file-a"}))));
    let client = server.client();
    for _ in 0..3 {
        runtime().block_on(client.file("file-a")).unwrap();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::answering(|_| ok(&json!({"id": "file-a"}))).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://127.0.0.1:{}/v1/x?sig=s\r\n", target.port());
        let server = Server::script([answer(status, &location, "")]).await;
        let error = server.client().file("file-a").await.unwrap_err();
        let expected = format!(
            "redirected to http://127.0.0.1:{}; set `base_url` to it (status {status})",
            target.port()
        );
        assert_eq!(error.message(), Some(expected.as_str()));
    }
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_reported() {
    let server = Server::script([vec![send(b"SSH-2.0-x\r\n\r\n")]]).await;
    let error = server.client().file("file-a").await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Remote, 1), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_reported() {
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            stream.write_all(b"HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let client =
        client(&OpenAIConfig::new("vs_1").with_base_url(format!("https://127.0.0.1:{port}/v1")));
    let error = client.file("file-a").await.unwrap_err();
    assert_eq!((error.kind(), client.requests()), (ErrorKind::UntrustedServer, 1), "{error}");
    assert!(!error.is_retryable());
    answering.abort();
}

/// Marks a child process of this test, which has proxies in its environment.
const CHILD: &str = "F9_TEST_BEHIND_A_PROXY";

#[test]
fn a_proxy_is_used_except_for_localhost_and_its_password_is_redacted() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if std::env::var_os(CHILD).is_none() {
        let server = runtime.block_on(Server::script([]));
        let proxy = format!("http://me:hunter2@127.0.0.1:{}", server.port());
        let name = "a_proxy_is_used_except_for_localhost_and_its_password_is_redacted";
        let module = module_path!().split_once("::").unwrap().1;
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("{module}::{name}")]);
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            child.env(variable, &proxy);
        }
        child.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
        let child = child.env(CHILD, "1").output().unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    runtime.block_on(async {
        let server = Server::script([ok(&json!({"id": "file-a"}))]).await;
        server.client().file("file-a").await.unwrap();
        for url in ["http://f9.invalid/v1", "https://f9.invalid/v1"] {
            let config = server.config().with_base_url(url).with_retries(0);
            let error = client(&config).file("file-a").await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("me:"), "{shown}");
            assert!(shown.contains("the script is over") || url.starts_with("https"), "{shown}");
        }
    });
}
