//! Reads the whole content of a store through the contract.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::Fixture;
use crate::core::error::ErrorKind;
use crate::core::info::FileInfo;
use crate::core::options::ListOptions;
use crate::prelude::*;

/// Every path with the content of its file. A directory has a trailing slash and no content.
pub(super) type State = BTreeMap<String, Option<Bytes>>;

/// Returns the key by which listings are sorted: the path, with a trailing slash for a directory.
pub(super) fn key(info: &FileInfo) -> String {
    let slash = if info.is_dir() { "/" } else { "" };
    format!("{}{slash}", info.path)
}

/// Returns the keys of a listing in its order.
pub(super) async fn listed(
    files: &dyn AsyncFileBackend,
    prefix: &str,
    options: ListOptions,
) -> Vec<String> {
    let entries = files.list_with(prefix, options).await.unwrap();
    entries.map_ok(|info| key(&info)).try_collect().await.unwrap()
}

/// Returns the state of the whole store.
pub(super) async fn state(files: &dyn AsyncFileBackend) -> State {
    state_below(files, "").await
}

/// Returns the state below a directory. Leaves out files that are deleted in the meantime.
pub(super) async fn state_below(files: &dyn AsyncFileBackend, prefix: &str) -> State {
    let mut state = State::new();
    let mut entries = match files.list_with(prefix, ListOptions::recursive()).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return state,
        Err(error) => panic!("{error}"),
    };
    while let Some(info) = entries.try_next().await.unwrap() {
        if info.is_dir() {
            state.insert(key(&info), None);
            continue;
        }
        match files.read(&info.path).await {
            Ok(content) => {
                state.insert(key(&info), Some(content));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{error}"),
        }
    }
    state
}

/// Returns the state with these files and their parent directories.
pub(super) fn state_of<'a>(files: impl IntoIterator<Item = (&'a str, Bytes)>) -> State {
    let mut state = State::new();
    for (path, content) in files {
        for (at, _) in path.match_indices('/') {
            state.insert(path[..=at].to_owned(), None);
        }
        state.insert(path.to_owned(), Some(content));
    }
    state
}

/// The time limit for work that a store finishes after its call was dropped. Only a store that hangs exceeds it.
pub(super) const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Waits until the store has no leftovers.
pub(super) async fn is_clean(store: &dyn Fixture) {
    let started = Instant::now();
    loop {
        let leftovers = store.leftovers().await;
        if leftovers.is_empty() {
            return;
        }
        assert!(started.elapsed() < SETTLE_LIMIT, "leftovers in {}: {leftovers:?}", store.name());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
