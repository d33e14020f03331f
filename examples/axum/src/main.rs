//! Streams files over HTTP, with ranges and conditions: `cargo run -p f9-axum-example -- file:///srv/files`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Response, Result};
use f9::prelude::*;
use f9::{Error, ErrorKind, Precondition, ReadOptions, WriteOptions};

type Files = State<std::sync::Arc<dyn AsyncFileBackend>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "memory://files".to_owned());
    let service = axum::Router::new().route("/{*path}", axum::routing::get(get).put(put));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, service.with_state(f9::resolve_backend(&uri).await?)).await?)
}

async fn get(files: Files, path: Path<String>, headers: HeaderMap) -> Result<Response> {
    let mut options = ReadOptions::default().with_condition(condition(&headers));
    options.range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.parse().ok());
    let is_part = options.range.is_some();
    let content = files.open_with(&path, options).await.map_err(|error| status(&error))?;
    let (range, size) = (content.range, content.info.size.unwrap_or_default());
    let etag = content.info.etag.map_or_else(String::new, |etag| format!("\"{etag}\""));
    let mut answer = Response::builder().header(header::ETAG, etag);
    if is_part {
        let part = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, part);
    }
    answer = answer.header(header::CONTENT_LENGTH, range.end - range.start);
    Ok(answer.body(Body::from_stream(content.stream)).map_err(|error| error.to_string())?)
}

async fn put(files: Files, path: Path<String>, headers: HeaderMap, body: Body) -> Result<()> {
    let options = WriteOptions::default().with_condition(condition(&headers));
    let content = f9::stream::from_chunks(body.into_data_stream());
    files.stream_write_with(&path, content, options).await.map_err(|error| status(&error))?;
    Ok(())
}

fn condition(headers: &HeaderMap) -> Precondition {
    let etags = |name| headers.get(name)?.to_str().ok()?.parse().ok();
    let mut condition = Precondition::default();
    condition.if_match = etags(header::IF_MATCH);
    condition.if_none_match = etags(header::IF_NONE_MATCH);
    condition
}

fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory => StatusCode::NOT_FOUND,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
