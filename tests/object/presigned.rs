//! Requests that work without f9.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use f9::prelude::*;
use f9::{ErrorKind, PresignOperation, PresignedRequest};

use super::fixture::{Scene, refused};

/// Sends a request as any client would, and returns its status and the whole answer.
fn send(request: &PresignedRequest, body: &str) -> (u16, String) {
    let rest = request.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let method = &request.method;
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    let headers: String =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(connection, "{head}{headers}\r\n{body}").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[tokio::test]
async fn anyone_can_read_write_and_delete_with_a_signed_url() {
    let scene = Scene::new();
    let files = scene.open().await;
    files.create("a b/ä.txt", "content").await.unwrap();
    let minute = Duration::from_secs(60);
    let read = files.presign("a b/ä.txt", PresignOperation::Read, minute).await.unwrap();
    let (status, answer) = send(&read, "");
    assert!(status == 200 && answer.ends_with("content"), "{answer}");
    let write = files.presign("new", PresignOperation::Write, minute).await.unwrap();
    assert_eq!(send(&write, "from outside").0, 200);
    assert_eq!(files.read("new").await.unwrap(), "from outside");
    let delete = files.presign("new", PresignOperation::Delete, minute).await.unwrap();
    assert_eq!(send(&delete, "").0, 204);
    assert!(!files.exists("new").await.unwrap());
    // It is for this path and this operation only.
    let mut other = read.clone();
    other.method = "DELETE".to_owned();
    assert_eq!(send(&other, "").0, 403);
    other = read;
    other.url = other.url.replace("%C3%A4.txt", "b.txt");
    assert_eq!(send(&other, "").0, 403);
}

#[tokio::test]
async fn a_time_that_no_signature_has_is_refused() {
    let scene = Scene::new();
    let files = scene.open().await;
    for seconds in [0, 7 * 24 * 60 * 60 + 1] {
        let presigned =
            files.presign("a", PresignOperation::Read, Duration::from_secs(seconds)).await;
        refused(presigned, ErrorKind::InvalidInput);
    }
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    files.presign("a", PresignOperation::Read, week).await.unwrap();
    refused(files.presign("..", PresignOperation::Read, week).await, ErrorKind::PathEscapesRoot);
}
