//! Lists that come in pages.

use std::collections::HashSet;

use super::answer::{Listed, Page};
use super::failure::{About, Failure, error};
use super::transport::Call;
use super::{Client, encoded};
use crate::{ErrorKind, Result};

/// How often a list is begun anew because what it had come to has been deleted meanwhile.
const MOST_BEGINNINGS: usize = 4;

/// How one walk from beginning to end came out.
enum Walk<T> {
    Whole(Vec<T>),
    /// The service does not know any more where the walk was.
    Lost,
}

impl Client {
    /// All items of a list, each once, in the order of the service, as far as `keep` makes something of them, so that a long list
    /// is never whole in memory. `list` is its path with a query.
    pub(super) async fn all<T: Listed + Send, U: Send>(
        &self,
        list: &str,
        about: About,
        keep: impl Fn(T) -> Option<U> + Send + Sync,
    ) -> Result<Vec<U>> {
        for _ in 0..MOST_BEGINNINGS {
            if let Walk::Whole(items) = self.walk(list, about, &keep).await? {
                return Ok(items);
            }
        }
        Err(error(ErrorKind::Remote, "the list begins anew again and again").transient())
    }

    async fn walk<T: Listed + Send, U: Send>(
        &self,
        list: &str,
        about: About,
        keep: impl Fn(T) -> Option<U> + Send + Sync,
    ) -> Result<Walk<U>> {
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut beginning = None;
        let mut before = HashSet::new();
        let mut cursor: Option<String> = None;
        loop {
            let page: Page<T> = match self.page(list, about, cursor.as_deref()).await {
                Ok(page) => page,
                Err(failure) if cursor.is_some() && matches!(failure.status, Some(400 | 404)) => {
                    return Ok(Walk::Lost);
                }
                Err(failure) => return Err(failure.error),
            };
            let last = page.items.last().map(|item| item.id().to_owned());
            // What the walk was to go on after may come once more, where a service does not leave it out.
            let first = page.items.first().map(|item| item.id().to_owned());
            let begins_anew = first.is_some() && first != cursor && first == beginning;
            let ids: HashSet<String> = page.items.iter().map(|item| item.id().to_owned()).collect();
            let seen_before = seen.len();
            let new = page.items.into_iter().filter(|item| seen.insert(item.id().to_owned()));
            items.extend(new.filter_map(&keep));
            if cursor.is_none() {
                beginning = first;
            }
            cursor = last.filter(|_| page.has_more);
            let has_new = seen.len() > seen_before;
            // Nothing new has come, and more is said to be there. A service that gives the page before once more is at its end; any other
            // page of known items means that it has begun anew without a word, as it does not know the item to go on after.
            let is_end_again = !begins_anew && ids.is_subset(&before);
            if cursor.is_some() && !has_new && !is_end_again {
                return Ok(Walk::Lost);
            }
            if cursor.is_none() || !has_new {
                return Ok(Walk::Whole(items));
            }
            before = ids;
        }
    }

    async fn page<T: Listed>(
        &self,
        list: &str,
        about: About,
        cursor: Option<&str>,
    ) -> Result<Page<T>, Failure> {
        let mut path = list.to_owned();
        if let Some(cursor) = cursor {
            path += &format!("&after={}", encoded(cursor));
        }
        let call = Call::get(path).about(about);
        let answer = self.0.transport.call(&call).await?;
        self.read(&answer, |answer| Page::<T>::read(answer, T::read)).map_err(Failure::lasting)
    }
}
