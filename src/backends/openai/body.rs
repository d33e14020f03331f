#![allow(dead_code, unused_variables, clippy::all)]
use crate::{FilePath, OpenAIEncoding, Result, stream::ByteStream};
use bytes::Bytes;
use futures::stream::BoxStream;
use std::io;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEncoding {
    Raw,
    Framed,
    Base64,
}
impl BodyEncoding {
    pub fn name(self) -> &'static str {
        todo!()
    }
    pub fn from_name(n: &str) -> Option<Self> {
        todo!()
    }
}
pub(super) struct Content;
impl Content {
    pub async fn from_bytes(b: Bytes) -> Result<Self> {
        todo!()
    }
    pub fn size(&self) -> u64 {
        todo!()
    }
    pub fn sha256(&self) -> [u8; 32] {
        todo!()
    }
    pub fn encoding(&self, wanted: OpenAIEncoding) -> Result<BodyEncoding> {
        todo!()
    }
    pub fn body(&self, e: BodyEncoding) -> (u64, BoxStream<'static, io::Result<Bytes>>) {
        todo!()
    }
}
#[derive(Default)]
pub(super) struct Spool;
impl Spool {
    pub fn with_size(size: u64) -> Result<Self> {
        todo!()
    }
    pub fn size(&self) -> u64 {
        todo!()
    }
    pub async fn push(&mut self, b: Bytes) -> Result<()> {
        todo!()
    }
    pub async fn finish(self) -> Result<Content> {
        todo!()
    }
}
pub(super) fn upload_name(path: &FilePath, e: BodyEncoding, tag: &str) -> String {
    todo!()
}
pub(super) fn content_type(name: &str) -> &'static str {
    todo!()
}
pub(super) fn unframed(body: ByteStream<'static>) -> ByteStream<'static> {
    todo!()
}
pub(super) fn from_base64(text: &[u8]) -> Result<Bytes> {
    todo!()
}
pub(super) mod frame {
    use super::*;
    pub fn reassemble(chunks: &[String], size: u64) -> Result<Bytes> {
        todo!()
    }
}
pub(super) mod text {
    use super::*;
    pub fn reassemble(chunks: &[String], size: u64, m: impl Fn(&[u8]) -> bool) -> Option<Bytes> {
        todo!()
    }
}
