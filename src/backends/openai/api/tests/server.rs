//! A server that replays scripted bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::super::Client;
use super::clock::{advance, jump};
use crate::backends::openai::{OpenAIConfig, OpenAITimeouts};
use crate::core::secret::Secret;

pub(super) const KEY: &str = "key-of-the-test";

#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `GET /v1/files?limit=1`.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The number of the connection that it came on.
    pub(super) connection: usize,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Send(Vec<u8>),
    /// Waits until the test calls [`go_on`](Server::go_on).
    Halt,
    /// Advances the clock at once.
    Pass(Duration),
    /// Sends nothing and advances the clock repeatedly by this much, until the client sends something or disconnects.
    Wait(Duration),
    /// Sends nothing and keeps the connection open.
    Hang,
    /// Resets the connection (RST).
    Reset,
    /// Closes the connection (FIN).
    Close,
}

pub(super) type Reply = Vec<Act>;

/// A complete response that keeps the connection open.
pub(super) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    vec![Act::Send([head.as_bytes(), body].concat())]
}

pub(super) fn ok(body: &Value) -> Reply {
    answer(200, "", body.to_string())
}

/// An error response in OpenAI's shape.
pub(super) fn refused(status: u16, message: &str) -> Reply {
    let error = serde_json::json!({
        "error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}
    });
    answer(status, "", error.to_string())
}

pub(super) fn not_found() -> Reply {
    refused(404, "No file found with id 'file-a' in vector store 'vs_1'.")
}

pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    going_on: Arc<Notify>,
    /// Set when the test drops the server. Its connections end a little later, and must not advance the clock of the next server.
    dropped: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

type Replies = dyn FnMut(&Request) -> Reply + Send;

impl Server {
    /// Answers each request with `reply`.
    pub(super) async fn answering(reply: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let reply: Arc<Mutex<Replies>> = Arc::new(Mutex::new(reply));
        let seen = Arc::clone(&requests);
        let going_on = Arc::new(Notify::new());
        let goes_on = Arc::clone(&going_on);
        let dropped = Arc::new(AtomicBool::new(false));
        let is_dropped = Arc::clone(&dropped);
        let accepting = tokio::spawn(async move {
            // The connections end with the server.
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                let (goes_on, is_dropped) = (Arc::clone(&goes_on), Arc::clone(&is_dropped));
                connections.spawn(async move {
                    serve(stream, connection, &seen, &reply, &goes_on, &is_dropped).await;
                });
            }
        });
        Self { port, requests, going_on, dropped, accepting }
    }

    /// Answers the first request with the first reply, and so on.
    pub(super) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::answering(move |_| {
            let over = || answer(500, "x-should-retry: false\r\n", "the script is over");
            replies.pop_front().unwrap_or_else(over)
        })
        .await
    }

    /// Ends the wait of one [`Act::Halt`], or of the next one.
    pub(super) fn go_on(&self) {
        self.going_on.notify_one();
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns the request lines without their common parts.
    pub(super) fn lines(&self) -> Vec<String> {
        let requests = self.requests();
        requests.iter().map(|request| request.line.replace(" /v1/", " ")).collect()
    }

    /// Returns a configuration with short retry delays and long timeouts.
    pub(super) fn config(&self) -> OpenAIConfig {
        let timeouts = OpenAITimeouts::default().with_idle(Duration::from_secs(60));
        OpenAIConfig::new("vs_1")
            .with_base_url(format!("http://127.0.0.1:{}/v1", self.port))
            .with_retry_delay(Duration::from_millis(1))
            .with_timeouts(timeouts)
    }

    pub(super) fn client(&self) -> Client {
        client(&self.config())
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
        self.accepting.abort();
    }
}

pub(super) fn client(config: &OpenAIConfig) -> Client {
    Client::new(config, Secret::new(KEY), Arc::default()).unwrap()
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    seen: &Mutex<Vec<Request>>,
    reply: &Mutex<Replies>,
    goes_on: &Notify,
    is_dropped: &AtomicBool,
) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read(&mut stream, connection).await {
        let acts = (reply.lock().unwrap())(&request);
        seen.lock().unwrap().push(request);
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    // The client may have closed the connection already.
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Act::Halt => goes_on.notified().await,
                Act::Pass(time) => {
                    jump(time);
                    tokio::task::yield_now().await;
                }
                Act::Wait(time) => tokio::select! {
                    _ = stream.fill_buf() => {}
                    () = advance(time, is_dropped) => {}
                },
                Act::Hang => std::future::pending().await,
                Act::Reset => return stream.get_ref().set_zero_linger().unwrap(),
                Act::Close => return,
            }
        }
    }
}

/// `None` once the client has closed the connection.
async fn read(stream: &mut BufStream<TcpStream>, connection: usize) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let line = line.trim_end().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    assert!(!headers.iter().any(|(name, _)| name == "transfer-encoding"), "{line}");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { line, headers, body, connection })
}
