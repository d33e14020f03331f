//! Reads a request from its connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Parts;
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;

use super::call::{Body, Call, Form, json_body};
use super::log::{Request, SentFile};
use super::response::ApiError;
use super::routes::{self, Route, Takes};

/// Returns the log entry of a request whose head is received.
pub(super) fn log_entry(head: &Parts) -> Request {
    let mut headers = BTreeMap::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if name == AUTHORIZATION {
            let scheme = value.split(' ').next().unwrap_or_default();
            format!("{scheme} ***")
        } else {
            value.into_owned()
        };
        headers.insert(name.as_str().to_owned(), value);
    }
    let (route, _) = routes::find(head.method.as_str(), head.uri.path());
    Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        route,
        status: None,
        headers,
        json: None,
        file: None,
    }
}

/// Reads the body of a request.
///
/// # Errors
///
/// The error of the connection if it ends before the body.
pub(super) async fn call(head: &Parts, body: Incoming) -> Result<Call, hyper::Error> {
    let (route, ids) = routes::find(head.method.as_str(), head.uri.path());
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let body = read_body(route, content_type, body).await?;
    let query = head.uri.query().unwrap_or_default();
    Ok(Call {
        route,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        ids,
        query: query.split('&').filter(|pair| !pair.is_empty()).map(query_pair).collect(),
        body,
    })
}

fn query_pair(pair: &str) -> (String, String) {
    let decoded =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decoded(name), decoded(value))
}

async fn read_body(route: Route, content_type: &str, body: Incoming) -> Result<Body, hyper::Error> {
    let body = body.collect().await?.to_bytes();
    Ok(match route.takes() {
        Takes::Nothing => Body::Nothing,
        Takes::Json => json_body(content_type, &body),
        Takes::Form => match read_form(content_type, body).await {
            Ok(form) => Body::Form(form),
            Err(error) => {
                Body::Invalid(ApiError::invalid(format!("Could not parse multipart form: {error}")))
            }
        },
    })
}

async fn read_form(content_type: &str, body: Bytes) -> multer::Result<Form> {
    let boundary = multer::parse_boundary(content_type)?;
    let body = futures::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut fields = Multipart::new(body, boundary);
    let mut form = Form::default();
    while let Some(field) = fields.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            form.files.push((name, read_file(field).await?));
        } else {
            form.texts.push((name, field.text().await?));
        }
    }
    Ok(form)
}

async fn read_file(field: Field<'_>) -> multer::Result<SentFile> {
    let filename = field.file_name().unwrap_or_default().to_owned();
    let content_type = field.content_type().map(ToString::to_string);
    Ok(SentFile { filename, content_type, bytes: field.bytes().await? })
}
