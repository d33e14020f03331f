//! Lists in pages. Their number and length are limited: a service that never reports the last page must not hold a caller for ever,
//! nor fill the memory.

use std::collections::HashSet;

use serde_json::Value;

use super::answer::{Page, id_of};
use super::failure::{Failure, Target, error};
use super::transport::{Answer, Call, RetryState};
use super::{Client, encoded};
use crate::core::error::{ErrorKind, Result};

/// The most pages: a million entries of a vector store.
pub(super) const MAX_PAGES: usize = 10_000;

/// The most bytes of all pages of a listing.
const MAX_LISTING: usize = 1024 * 1024 * 1024;

/// How often a listing starts over after its cursor was deleted.
const MAX_PASSES: usize = 4;

/// What a walk over pages has used. All pages share the deadline of one call.
pub(super) struct Walk {
    state: RetryState,
    pages: usize,
    bytes: usize,
    max_bytes: usize,
}

impl Walk {
    pub(super) fn new(state: RetryState, max_bytes: usize) -> Self {
        Self { state, pages: 0, bytes: 0, max_bytes }
    }

    /// Counts a page of this length.
    ///
    /// # Errors
    ///
    /// `Remote` if it is one too many.
    pub(super) fn count(&mut self, bytes: usize) -> Result<()> {
        self.pages += 1;
        self.bytes += bytes;
        if self.pages <= MAX_PAGES && self.bytes <= self.max_bytes {
            return Ok(());
        }
        let message = "the service reported more and more pages; f9 stopped reading them";
        Err(error(ErrorKind::Remote, message))
    }
}

impl Client {
    /// Requests the next page of a walk.
    pub(super) async fn next_page(
        &self,
        call: &Call<'_>,
        walk: &mut Walk,
    ) -> Result<Answer, Failure> {
        walk.state = walk.state.for_lookup();
        let answer = self.0.transport.retry(call, &mut walk.state).await?;
        walk.count(answer.body.len()).map_err(Failure::permanent)?;
        Ok(answer)
    }

    /// Returns all objects of a list, each once, in the service's order, mapped by `keep`, so that a long list is never in memory as
    /// a whole. `list` is its path with a query.
    pub(super) async fn all<T: Send>(
        &self,
        list: &str,
        target: Target,
        keep: impl Fn(Value) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let mut walk = Walk::new(self.0.transport.retry_state(), MAX_LISTING);
        for _ in 0..MAX_PASSES {
            if let Some(items) = self.pass(list, target, &keep, &mut walk).await? {
                return Ok(items);
            }
        }
        Err(error(
            ErrorKind::Remote,
            "the listing was restarted too often because its cursor was deleted; try again",
        )
        .transient())
    }

    /// Makes one pass over the pages. Returns `None` if the service no longer knows the cursor.
    async fn pass<T: Send>(
        &self,
        list: &str,
        target: Target,
        keep: impl Fn(Value) -> Option<T> + Send + Sync,
        walk: &mut Walk,
    ) -> Result<Option<Vec<T>>> {
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut first_of_all = None;
        let mut previous = HashSet::new();
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.as_ref().map(|cursor| format!("&after={}", encoded(cursor)));
            let path = format!("{list}{}", after.unwrap_or_default());
            let page = match self.next_page(&Call { target, ..Call::get(path) }, walk).await {
                Ok(answer) => self.read(&answer, Page::of_objects)?,
                Err(failure) if cursor.is_some() && matches!(failure.status, Some(400 | 404)) => {
                    return Ok(None);
                }
                Err(failure) => return Err(failure.error),
            };
            let has_more = page.has_more();
            let ids: Vec<String> = page.items.iter().map(|item| id_of(item).to_owned()).collect();
            let mut with_ids = ids.iter().filter(|id| !id.is_empty());
            // Some services repeat the cursor's item at the start of the next page.
            let first = with_ids.next().cloned();
            let last = with_ids.next_back().cloned().or_else(|| first.clone());
            let restarts = first.is_some() && first != cursor && first == first_of_all;
            let ids: HashSet<String> = ids.into_iter().collect();
            let seen_before = seen.len();
            if has_more && last.is_none() && !page.items.is_empty() {
                let message = "the service reported more pages, but no id to continue after";
                return Err(error(ErrorKind::Remote, message));
            }
            let is_new =
                |item: &Value| id_of(item).is_empty() || seen.insert(id_of(item).to_owned());
            items.extend(page.items.into_iter().filter(is_new).filter_map(&keep));
            if cursor.is_none() {
                first_of_all = first;
            }
            cursor = last.filter(|_| has_more);
            let has_new = seen.len() > seen_before;
            // The page has no new item, but reports that more follow. A service that repeats the previous page is at its end. Any
            // other page of known items means that the server lost our cursor and silently restarted.
            let is_last_page_again = !restarts && ids.is_subset(&previous);
            if cursor.is_some() && !has_new && !is_last_page_again {
                return Ok(None);
            }
            if cursor.is_none() || !has_new {
                return Ok(Some(items));
            }
            previous = ids;
        }
    }
}
