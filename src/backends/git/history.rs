use super::command::Git;
use super::output::Oid;
use crate::{FilePath, Result};
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;
#[derive(Default)]
pub(super) struct History;
pub(super) struct Times;
pub(super) struct Dates {
    pub(super) created: SystemTime,
    pub(super) modified: SystemTime,
}
/// x
#[derive(Debug)]
pub struct Revision;
impl History {
    pub(super) async fn times(&self, _: &Git, _: &Oid) -> Result<Arc<Times>> {
        Ok(Arc::new(Times))
    }
}
impl Times {
    pub(super) fn of(&self, _: &str) -> Option<Dates> {
        None
    }
}
pub(super) async fn log(
    _: &Git,
    _: Option<&Oid>,
    _: &FilePath,
    _: Option<usize>,
) -> Result<Vec<Revision>> {
    Ok(vec![])
}
pub(super) async fn read_at(_: &Git, _: &FilePath, _: &str) -> Result<Bytes> {
    Ok(Bytes::new())
}
