//! A bucket of S3 and of services with the same interface.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::Method;
use http::header::ETAG;
use md5::{Digest as _, Md5};
use quick_xml::escape::escape;

use super::{
    Abilities, Attributes, Bucket, Condition, Content, Copy, Get, List, Object, ObjectVersion,
    Page, Unfinished, UploadedPart, Written,
};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::net::percent::encoded;
use crate::sys::random;

mod answers;
mod client;
mod connect;
mod failure;
mod headers;
mod list;
mod open;

use answers::read;
use client::{Client, Failed, Request};
use failure::error;
use headers::{
    answered_at, metadata_bytes, object, quoted, text, unquoted, version, with_attributes,
    with_condition,
};

/// The name of the metadata with a random text, by which a writer recognizes its own object.
pub(super) const WRITE: &str = "f9-write";

/// The most keys of one request that deletes.
const MAX_DELETIONS: usize = 1_000;

/// The number of requests that delete at a time.
const CONCURRENT_DELETIONS: usize = 4;

/// The most bytes of metadata, names included.
const MAX_METADATA: usize = 2_048;

/// The largest object that one request copies.
const MAX_COPY: u64 = 5 * 1024 * 1024 * 1024;

#[derive(Debug)]
pub(in crate::backends::object) struct S3 {
    client: Arc<Client>,
    identity: String,
    /// The name of the bucket, as the source of a copy has it.
    bucket: String,
    abilities: Abilities,
    sends_checksums: bool,
}

impl S3 {
    /// Sends a request that needs no other check.
    async fn send(&self, request: &Request) -> Result<client::Answer> {
        Ok(self.client.send(request).await?)
    }

    /// Whether the object at a key was written with this random text.
    async fn is_own(&self, key: &str, nonce: &str) -> Option<Object> {
        let object = self.head(key, None).await.ok()?;
        (object.attributes.metadata.get(WRITE).map(String::as_str) == Some(nonce)).then_some(object)
    }

    /// Settles a conditional change that failed. If it was made nevertheless, the object tells.
    async fn settle(&self, key: &str, nonce: &str, failed: Failed) -> Result<Written> {
        // Also what lies on the way may have repeated it.
        let kind = failed.failure.error.kind();
        let is_doubtful = failed.was_repeated
            || matches!(kind, ErrorKind::PreconditionFailed | ErrorKind::NotFound);
        if is_doubtful && let Some(object) = self.is_own(key, nonce).await {
            return Ok(Written {
                etag: object.etag,
                version: object.version,
                modified_at: object.modified_at,
            });
        }
        // It may have been made and replaced by somebody else.
        let is_unknown = failed.was_repeated;
        let error = Error::from(failed);
        Err(if is_unknown { error.with_unknown_outcome() } else { error })
    }

    async fn delete_page(&self, keys: Vec<String>) -> Result<Vec<(String, Error)>> {
        let mut body = String::from("<Delete><Quiet>true</Quiet>");
        for key in &keys {
            body.push_str("<Object><Key>");
            body.push_str(&escaped(key));
            body.push_str("</Key></Object>");
        }
        body.push_str("</Delete>");
        let digest = STANDARD.encode(Md5::digest(body.as_bytes()));
        let request = Request::new(Method::POST, "").query("delete", "").body(body);
        let request = request.header("content-md5", &digest)?.header("content-type", "text/xml")?;
        let answer = self.send(&request).await?;
        let deleted: answers::Deleted = read(&answer.body)?;
        let failed = deleted.error.into_iter().filter(|item| item.code != "NoSuchKey");
        Ok(failed.map(|item| (item.key, self.error_of(&item.code, &item.message))).collect())
    }

    fn error_of(&self, code: &str, message: &str) -> Error {
        let body = format!(
            "<Error><Code>{}</Code><Message>{}</Message></Error>",
            escape(code),
            escape(message)
        );
        let headers = http::HeaderMap::new();
        failure::Failure::of_answer(200, body.as_bytes(), None, &headers, &self.client.host).error
    }

    fn copy_source(&self, source: &Object, version: Option<&str>) -> String {
        let key: String = source.key.split('/').map(encoded).collect::<Vec<_>>().join("/");
        let version = version.map(|id| format!("?versionId={}", encoded(id))).unwrap_or_default();
        format!("{}/{key}{version}", self.bucket)
    }
}

/// Returns the request of a write with what identifies this attempt, if somebody else's object may be taken for it.
fn put_request(
    key: &str,
    data: Bytes,
    mut attributes: Attributes,
    condition: &Condition,
    nonce: Option<&str>,
) -> Result<Request> {
    if let Some(nonce) = nonce {
        attributes.metadata.insert(WRITE.to_owned(), nonce.to_owned());
    }
    check_metadata(&attributes)?;
    let request = with_attributes(Request::new(Method::PUT, key), &attributes)?;
    Ok(with_condition(request, condition)?.body(data))
}

/// The random text of an upload goes before the id that the service gives.
fn split(upload: &str) -> (&str, &str) {
    upload.split_once('.').unwrap_or(("", upload))
}

/// Returns a key as XML has it. The characters that XML readers change are written as numbers.
fn escaped(key: &str) -> String {
    escape(key).replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;")
}

/// Whether XML can hold this key.
fn fits_xml(key: &str) -> bool {
    key.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    })
}

fn check_metadata(attributes: &Attributes) -> Result<()> {
    let bytes = metadata_bytes(&attributes.metadata);
    if bytes > MAX_METADATA {
        let message =
            format!("{bytes} bytes of metadata as they are sent, of at most {MAX_METADATA}");
        return Err(error(ErrorKind::TooLarge, message));
    }
    Ok(())
}

/// A version whose id has another form than the service gives does not exist.
fn of_version(error: Error, version: Option<&str>) -> Error {
    match error.kind() {
        ErrorKind::Remote if version.is_some() && !error.is_temporary() => {
            error.with_kind(ErrorKind::NotFound)
        }
        _ => error,
    }
}

/// Returns the random text of a conditional write.
fn nonce() -> Result<String> {
    random::hex::<8>()
}

#[async_trait]
impl Bucket for S3 {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn requests_sent(&self) -> u64 {
        self.client.requests.load(Ordering::Relaxed)
    }

    async fn keeps_versions(&self) -> bool {
        let request = Request::new(Method::GET, "").query("versioning", "");
        let answer = self.send(&request).await;
        let versioning = answer.and_then(|answer| read::<answers::Versioning>(&answer.body));
        // Some services do not know the question, and some keys may not ask it.
        versioning.is_ok_and(|versioning| versioning.status == "Enabled")
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }

    fn max_key_bytes(&self) -> usize {
        1_024
    }

    fn min_part_bytes(&self) -> u64 {
        5 * 1024 * 1024
    }

    async fn head(&self, key: &str, version: Option<&str>) -> Result<Object> {
        let request = Request::new(Method::HEAD, key).query_some("versionId", version);
        let request = match self.sends_checksums {
            true => request.header("x-amz-checksum-mode", "ENABLED")?,
            false => request,
        };
        let answer = self.send(&request).await.map_err(|error| of_version(error, version))?;
        object(key, &answer.headers)
    }

    async fn get(&self, key: &str, get: Get) -> Result<Content> {
        self.open(key, get).await
    }

    async fn put(
        &self,
        key: &str,
        data: Bytes,
        attributes: Attributes,
        condition: Condition,
    ) -> Result<Written> {
        let nonce = nonce()?;
        let own = (condition != Condition::None).then_some(nonce.as_str());
        let mut request = put_request(key, data, attributes, &condition, own)?;
        request.sends_checksum = self.sends_checksums;
        match self.client.send(&request).await {
            Ok(answer) => Ok(Written {
                etag: text(&answer.headers, ETAG.as_str()).map(unquoted),
                version: version(&answer.headers),
                modified_at: answered_at(&answer.headers),
            }),
            Err(failed) if own.is_some() => self.settle(key, &nonce, failed).await,
            Err(failed) => Err(failed.into()),
        }
    }

    async fn delete(&self, key: &str, if_match: Option<&str>) -> Result<()> {
        let mut request = Request::new(Method::DELETE, key);
        if let Some(etag) = if_match {
            request = request.header("if-match", &quoted(etag))?;
        }
        match self.client.send(&request).await {
            Ok(_) => Ok(()),
            Err(failed) => match failed.failure.error.kind() {
                ErrorKind::NotFound if if_match.is_none() || failed.was_repeated => Ok(()),
                // An earlier attempt may have deleted it.
                ErrorKind::PreconditionFailed if failed.was_repeated => {
                    match self.head(key, None).await {
                        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                        _ => Err(Error::from(failed).with_unknown_outcome()),
                    }
                }
                _ => Err(failed.into()),
            },
        }
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<Vec<(String, Error)>> {
        let (together, alone): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| fits_xml(key));
        let pages: Vec<_> = together.chunks(MAX_DELETIONS).map(<[String]>::to_vec).collect();
        let pages = stream::iter(pages).map(|page| self.delete_page(page));
        let failed: Vec<_> = pages.buffer_unordered(CONCURRENT_DELETIONS).try_collect().await?;
        let single = stream::iter(alone).map(async |key| {
            let deleted = self.delete(&key, None).await;
            deleted.err().map(|error| (key, error))
        });
        let single: Vec<_> = single.buffer_unordered(CONCURRENT_DELETIONS).collect().await;
        Ok(failed.into_iter().flatten().chain(single.into_iter().flatten()).collect())
    }

    async fn list(&self, list: List) -> Result<Page> {
        self.list_page(list).await
    }

    async fn copy(&self, from: &Object, to: &str, copy: Copy) -> Result<Written> {
        if from.size > MAX_COPY {
            return Err(ErrorKind::Unsupported.into());
        }
        let source = self.copy_source(from, copy.version.as_deref());
        let request = Request::new(Method::PUT, to).header("x-amz-copy-source", &source)?;
        let mut request = with_condition(request, &copy.condition)?;
        if let Some(etag) = &copy.if_match {
            request = request.header("x-amz-copy-source-if-match", &quoted(etag))?;
        }
        if let Some(attributes) = &copy.attributes {
            check_metadata(attributes)?;
            request = with_attributes(request, attributes)?;
            request = request.header("x-amz-metadata-directive", "REPLACE")?;
        }
        let answer = match self.client.send(&request).await {
            Ok(answer) => answer,
            Err(failed) => {
                let is_unknown = failed.was_repeated && copy.condition != Condition::None;
                // An earlier attempt may have made it. Then what is there is the same.
                if is_unknown
                    && let Ok(made) = self.head(to, None).await
                    && (&made.etag, made.size) == (&from.etag, from.size)
                {
                    let Object { etag, version, modified_at, .. } = made;
                    return Ok(Written { etag, version, modified_at });
                }
                let error = Error::from(failed);
                return Err(if is_unknown { error.with_unknown_outcome() } else { error });
            }
        };
        let copied: answers::Copied = read(&answer.body)?;
        Ok(Written {
            etag: Some(unquoted(&copied.etag)).filter(|etag| !etag.is_empty()),
            version: version(&answer.headers),
            modified_at: copied.last_modified,
        })
    }

    async fn begin(&self, key: &str, mut attributes: Attributes) -> Result<String> {
        let nonce = nonce()?;
        attributes.metadata.insert(WRITE.to_owned(), nonce.clone());
        check_metadata(&attributes)?;
        let request = Request::new(Method::POST, key).query("uploads", "");
        let answer = self.send(&with_attributes(request, &attributes)?).await?;
        let begun: answers::Begun = read(&answer.body)?;
        if begun.upload_id.is_empty() {
            return Err(error(ErrorKind::Remote, "the upload has no id"));
        }
        Ok(format!("{nonce}.{}", begun.upload_id))
    }

    async fn put_part(&self, key: &str, upload: &str, number: u32, data: Bytes) -> Result<String> {
        let request = Request::new(Method::PUT, key)
            .query("partNumber", number.to_string())
            .query("uploadId", split(upload).1)
            .body(data);
        let answer = self.send(&request).await?;
        let id = text(&answer.headers, ETAG.as_str()).map(unquoted);
        id.ok_or_else(|| error(ErrorKind::Remote, "the part has no etag"))
    }

    async fn copy_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        source: &Object,
        range: Range<u64>,
    ) -> Result<String> {
        let mut request = Request::new(Method::PUT, key)
            .query("partNumber", number.to_string())
            .query("uploadId", split(upload).1)
            .header("x-amz-copy-source", &self.copy_source(source, source.version.as_deref()))?;
        if range != (0..source.size) {
            let range = format!("bytes={}-{}", range.start, range.end - 1);
            request = request.header("x-amz-copy-source-range", &range)?;
        }
        if let Some(etag) = &source.etag {
            request = request.header("x-amz-copy-source-if-match", &quoted(etag))?;
        }
        let answer = self.send(&request).await?;
        let copied: answers::Copied = read(&answer.body)?;
        Ok(unquoted(&copied.etag))
    }

    async fn finish(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<String>,
        condition: Condition,
    ) -> Result<Written> {
        let (nonce, id) = split(upload);
        let mut body = String::from("<CompleteMultipartUpload>");
        for (index, part) in parts.iter().enumerate() {
            let etag = escape(quoted(part)).into_owned();
            let number = index + 1;
            body += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let request = Request::new(Method::POST, key).query("uploadId", id).body(body);
        let request = with_condition(request, &condition)?;
        let answer = match self.client.send(&request).await {
            Ok(answer) => answer,
            Err(failed) => {
                let settled = self.settle(key, nonce, failed).await;
                return settled.map_err(|error| match error.message() {
                    Some(message) if message.starts_with("NoSuchUpload") => {
                        error.with_kind(ErrorKind::InvalidOperation)
                    }
                    _ => error,
                });
            }
        };
        let finished: answers::Finished = read(&answer.body)?;
        Ok(Written {
            etag: Some(unquoted(&finished.etag)).filter(|etag| !etag.is_empty()),
            version: version(&answer.headers),
            modified_at: answered_at(&answer.headers),
        })
    }

    async fn abort(&self, key: &str, upload: &str) -> Result<()> {
        let request = Request::new(Method::DELETE, key).query("uploadId", split(upload).1);
        match self.send(&request).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn parts(&self, key: &str, upload: &str) -> Result<Vec<UploadedPart>> {
        self.list_parts(key, upload).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        self.list_unfinished(prefix).await
    }

    async fn versions(&self, key: &str) -> Result<Vec<ObjectVersion>> {
        self.list_versions(key).await
    }

    async fn presign(
        &self,
        key: &str,
        operation: &PresignOperation,
        expires_in: Duration,
    ) -> Result<PresignedRequest> {
        let method = match operation {
            PresignOperation::Read => Method::GET,
            PresignOperation::Write => Method::PUT,
            PresignOperation::Delete => Method::DELETE,
        };
        let name = method.to_string();
        let request = Request::new(method, key);
        let url = self.client.presigned(&request, expires_in).await?;
        Ok(PresignedRequest::new(name, url, SystemTime::now() + expires_in))
    }
}
