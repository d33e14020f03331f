//! Paginated lists.

use std::collections::HashSet;

use super::answer::{ListItem, Page};
use super::call::Call;
use super::failure::{Failure, Target, error};
use super::walk::Walk;
use super::{Client, encoded};
use crate::core::error::{ErrorKind, Result};

/// The most bytes of all pages of a listing.
const MAX_LISTING: usize = 1024 * 1024 * 1024;

/// How often a listing starts over after its cursor was deleted.
const MAX_PASSES: usize = 4;

/// The result of one pass over the pages.
enum Pass<T> {
    Complete(Vec<T>),
    /// The service no longer knows the cursor.
    CursorLost,
}

impl Client {
    /// Returns all items of a list, each once, in the service's order, mapped by `keep`, so that a long list is never in memory as
    /// a whole. `list` is its path with a query.
    pub(super) async fn all<T: ListItem + Send, U: Send>(
        &self,
        list: &str,
        target: Target,
        keep: impl Fn(T) -> Option<U> + Send + Sync,
    ) -> Result<Vec<U>> {
        let mut walk = Walk::new(self.0.transport.retry_state(), MAX_LISTING);
        for _ in 0..MAX_PASSES {
            if let Pass::Complete(items) = self.pass(list, target, &keep, &mut walk).await? {
                return Ok(items);
            }
        }
        Err(error(
            ErrorKind::Remote,
            "the listing was restarted too often because its cursor was deleted; try again",
        )
        .transient())
    }

    async fn pass<T: ListItem + Send, U: Send>(
        &self,
        list: &str,
        target: Target,
        keep: impl Fn(T) -> Option<U> + Send + Sync,
        walk: &mut Walk,
    ) -> Result<Pass<U>> {
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut first_of_all = None;
        let mut previous = HashSet::new();
        let mut cursor: Option<String> = None;
        loop {
            let page: Page<T> = match self.page(list, target, cursor.as_deref(), walk).await {
                Ok(page) => page,
                Err(failure) if cursor.is_some() && matches!(failure.status, Some(400 | 404)) => {
                    return Ok(Pass::CursorLost);
                }
                Err(failure) => return Err(failure.error),
            };
            let ids: Vec<String> = page.items.iter().map(|item| item.id().to_owned()).collect();
            let mut with_ids = ids.iter().filter(|id| !id.is_empty());
            // Some services repeat the cursor's item at the start of the next page.
            let first = with_ids.next().cloned();
            let last = with_ids.next_back().cloned().or_else(|| first.clone());
            let restarts = first.is_some() && first != cursor && first == first_of_all;
            let ids: HashSet<String> = ids.into_iter().collect();
            let seen_before = seen.len();
            if page.has_more && last.is_none() && !page.items.is_empty() {
                let message = "the service reported more pages, but no id to continue after";
                return Err(error(ErrorKind::Remote, message));
            }
            let is_new = |item: &T| item.id().is_empty() || seen.insert(item.id().to_owned());
            let new = page.items.into_iter().filter(is_new);
            items.extend(new.filter_map(&keep));
            if cursor.is_none() {
                first_of_all = first;
            }
            cursor = last.filter(|_| page.has_more);
            let has_new = seen.len() > seen_before;
            // The page has no new item, but reports that more follow. A service that repeats the previous page is at its end. Any
            // other page of known items means that the server lost our cursor and silently restarted.
            let is_last_page_again = !restarts && ids.is_subset(&previous);
            if cursor.is_some() && !has_new && !is_last_page_again {
                return Ok(Pass::CursorLost);
            }
            if cursor.is_none() || !has_new {
                return Ok(Pass::Complete(items));
            }
            previous = ids;
        }
    }

    async fn page<T: ListItem>(
        &self,
        list: &str,
        target: Target,
        cursor: Option<&str>,
        walk: &mut Walk,
    ) -> Result<Page<T>, Failure> {
        let mut path = list.to_owned();
        if let Some(cursor) = cursor {
            path += &format!("&after={}", encoded(cursor));
        }
        let call = Call::get(path).target(target);
        let answer = self.next_page(&call, walk).await?;
        self.read(&answer, |answer| Page::<T>::read(answer, T::read_item))
            .map_err(Failure::permanent)
    }
}
