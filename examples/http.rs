//! Answers GET requests with ranges and conditions: `cargo run --example http`.
//!
//! The handler is a plain function from a request to an answer, so that the example needs no web framework. `examples/axum` has a service.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;

use f9::prelude::*;
use f9::{ByteRange, Error, ErrorKind, FileContent, Precondition, ReadOptions};

/// The headers of a request by their names in lower case.
type Headers = HashMap<&'static str, &'static str>;

/// The status, the headers and the body of an answer.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Option<FileContent>,
}

/// Answers a GET. There is no look-up before the read.
async fn get(files: &dyn AsyncFileBackend, path: &str, headers: &Headers) -> Answer {
    let mut condition = Precondition::default();
    condition.if_match = headers.get("if-match").and_then(|header| header.parse().ok());
    condition.if_none_match = headers.get("if-none-match").and_then(|header| header.parse().ok());
    let date = |name| headers.get(name).and_then(|header| httpdate::parse_http_date(header).ok());
    condition.if_modified_since = date("if-modified-since");
    condition.if_unmodified_since = date("if-unmodified-since");
    let mut options = ReadOptions::default().with_condition(condition);
    // Anything but a single range is ignored, as RFC 9110 allows.
    let range = headers.get("range").and_then(|header| header.parse::<ByteRange>().ok());
    options.range.clone_from(&range);
    let content = match files.open_with(path, options).await {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotModified => {
            let etag = files.info(path).await.ok().and_then(|info| info.etag);
            let headers = etag.iter().map(|etag| ("etag", format!("\"{etag}\""))).collect();
            return Answer { status: 304, headers, content: None };
        }
        Err(error) => return Answer { status: status(&error), headers: vec![], content: None },
    };
    let size = content.info.size.unwrap_or_default();
    if range.is_some() && content.range.is_empty() {
        return Answer { status: 416, headers: vec![], content: None };
    }
    let mut headers =
        vec![("content-length", (content.range.end - content.range.start).to_string())];
    headers.extend(content.info.etag.as_ref().map(|etag| ("etag", format!("\"{etag}\""))));
    let modified = content.info.modified_at.map(httpdate::fmt_http_date);
    headers.extend(modified.map(|date| ("last-modified", date)));
    headers.extend(content.info.content_type.clone().map(|kind| ("content-type", kind)));
    if range.is_some() {
        let last = content.range.end.saturating_sub(1);
        headers.push(("content-range", format!("bytes {}-{last}/{size}", content.range.start)));
    }
    Answer { status: if range.is_some() { 206 } else { 200 }, headers, content: Some(content) }
}

fn status(error: &Error) -> u16 {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => 404,
        ErrorKind::PreconditionFailed => 412,
        ErrorKind::InvalidRange => 416,
        ErrorKind::InvalidPath | ErrorKind::PathEscapesRoot | ErrorKind::ReservedPath => 400,
        _ => 500,
    }
}

#[tokio::main]
async fn main() -> f9::Result<()> {
    let files = f9::MemoryFileBackend::new();
    let options = f9::WriteOptions::default().with_content_type("text/plain");
    files.write_with("hello.txt", "hello world", options).await?;
    for (headers, status) in [
        (Headers::new(), 200),
        (Headers::from([("range", "bytes=6-")]), 206),
        (Headers::from([("range", "bytes=-5")]), 206),
        (Headers::from([("range", "bytes=5-3")]), 200), // not a range, so it is ignored
        (Headers::from([("range", "bytes=-0")]), 416),
        (Headers::from([("range", "bytes=99-")]), 416),
        (Headers::from([("if-none-match", "*")]), 304),
        (Headers::from([("if-match", "\"other\"")]), 412),
        (Headers::from([("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")]), 304),
        (Headers::from([("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT")]), 412),
    ] {
        let answer = get(&files, "hello.txt", &headers).await;
        println!("GET hello.txt {headers:?}: {} {:?}", answer.status, answer.headers);
        assert_eq!(answer.status, status);
        if let Some(content) = answer.content {
            println!("    {:?}", content.bytes().await?);
        }
    }
    assert_eq!(get(&files, "missing", &Headers::new()).await.status, 404);
    assert_eq!(get(&files, "../secret", &Headers::new()).await.status, 400);
    Ok(())
}
