//! Reads.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use http::Method;

use super::client::{Opened, Request};
use super::headers::{content_range, object, quoted};
use super::{S3, of_version};
use crate::backends::object::bucket::{Content, Get, Part};
use crate::core::error::{Error, Result};
use crate::core::stream::ByteStream;

impl S3 {
    /// Begins to read an object, or a part of it.
    pub(super) async fn open(&self, key: &str, get: Get) -> Result<Content> {
        let mut request =
            Request::new(Method::GET, key).query_some("versionId", get.version.as_deref());
        let range = match &get.part {
            Part::Whole => None,
            Part::Range(range) => {
                Some(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
            }
            Part::Last(count) => Some(format!("bytes=-{count}")),
        };
        if let Some(range) = &range {
            request = request.header("range", range)?;
        }
        if let Some(etag) = &get.if_match {
            request = request.header("if-match", &quoted(etag))?;
        }
        let opened = self.client.open(&request).await.map_err(Error::from);
        let Opened { headers, response } =
            opened.map_err(|error| of_version(error, get.version.as_deref()))?;
        let object = object(key, &headers)?;
        // Without one, the service does not know ranges, or the whole object was asked for.
        let range = content_range(&headers).map_or(0..object.size, |(range, _)| range);
        Ok(Content { object, range, stream: self.body_of(response) })
    }

    fn body_of(&self, response: reqwest::Response) -> ByteStream<'static> {
        let client = Arc::clone(&self.client);
        let chunks = stream::try_unfold((client, response), async |(client, mut response)| {
            let chunk = client.chunk(&mut response).await?;
            Ok(chunk.map(|chunk| (chunk, (client, response))))
        });
        chunks.boxed()
    }
}
