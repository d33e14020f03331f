//! What a store holds, as the contract shows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::Fixture;
use crate::prelude::*;
use crate::{ErrorKind, FileInfo, ListOptions};

/// Every path, a directory's with a slash at its end, and the contents of the files.
pub(super) type State = BTreeMap<String, Option<Bytes>>;

/// An entry's place in the order of listings.
pub(super) fn key(info: &FileInfo) -> String {
    let slash = if info.is_dir() { "/" } else { "" };
    format!("{}{slash}", info.path)
}

/// The keys of a listing, as they come.
pub(super) async fn listed(
    files: &dyn AsyncFileBackend,
    prefix: &str,
    options: ListOptions,
) -> Vec<String> {
    let entries = files.list_with(prefix, options).await.unwrap();
    entries.map_ok(|info| key(&info)).try_collect().await.unwrap()
}

/// All that the store holds.
pub(super) async fn state(files: &dyn AsyncFileBackend) -> State {
    state_below(files, "").await
}

/// All that lies below a directory. What vanishes meanwhile is left out.
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

/// The state made of these files and the directories on their way.
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

/// How long a store may take to finish what nobody waits for any more. Only what hangs takes longer.
pub(super) const SETTLING: Duration = Duration::from_secs(60);

/// Waits until nothing hidden is left in the store.
pub(super) async fn is_clean(store: &dyn Fixture) {
    let started = Instant::now();
    loop {
        let litter = store.litter().await;
        if litter.is_empty() {
            return;
        }
        assert!(started.elapsed() < SETTLING, "left behind in {}: {litter:?}", store.name());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
