//! Listings: pages of keys become entries in byte order.

use std::collections::VecDeque;

use futures::stream::{self, StreamExt as _};

use super::bucket::{List, Object, Page};
use super::keys::{Meaning, PRIVATE};
use super::metadata;
use super::store::{Found, Store, directory_info};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{Depth, ListOptions};
use crate::core::path::{FilePath, shortened};
use crate::core::selection::Selection;
use crate::core::stream::InfoStream;

/// The most entries of one page of any service.
const MAX_PAGE: usize = 1_000;

impl Store {
    pub(super) async fn list(
        &self,
        prefix: &str,
        options: ListOptions,
    ) -> Result<InfoStream<'static>> {
        let (directory, selection) = (self.parse(prefix)?, Selection::of(&options)?);
        let mut listing = Listing::new(self.clone(), &directory, options.depth, &selection);
        listing.next_page().await?;
        if listing.is_empty {
            // It may have entries before the start of the listing.
            let exists = directory.is_root() || {
                selection.start_after.is_some() && self.directory(&directory).await?.is_some()
            };
            if !exists {
                match self.found(&directory).await? {
                    Found::File(_) => return Err(ErrorKind::NotADirectory.into()),
                    // It was made in the meantime.
                    Found::Directory(_) => {}
                }
            }
        }
        let entries = stream::unfold(Some(listing), |listing| async {
            let mut listing = listing?;
            loop {
                if let Some(entry) = listing.ready.pop_front() {
                    return Some((entry, Some(listing)));
                }
                match listing.next_page().await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    // The listing cannot go on without this page.
                    Err(error) => return Some((Err(error), None)),
                }
            }
        });
        Ok(selection.apply(entries.boxed()))
    }
}

/// A listing on its way.
struct Listing {
    store: Store,
    /// The key with which all keys of the directory begin.
    prefix: String,
    shows_private: bool,
    depth: Depth,
    /// The levels that are still to be listed, the current one last. More than one only if the service lists one level at a time.
    levels: Vec<Level>,
    ready: VecDeque<Result<FileInfo>>,
    /// The last key, to find those that are repeated or out of order.
    last: String,
    /// The directories that contain the last key.
    open: Vec<usize>,
    /// Whether nothing at all was found.
    is_empty: bool,
}

/// A directory of which pages or entries are left.
struct Level {
    /// The next page, if there is one.
    next: Option<List>,
    entries: VecDeque<Entry>,
}

/// An object or a group.
enum Entry {
    Object(Object),
    Group(String),
}

impl Entry {
    fn key(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Group(group) => group,
        }
    }
}

impl Listing {
    fn new(store: Store, directory: &FilePath, depth: Depth, selection: &Selection) -> Self {
        let prefix = store.keys.directory(directory);
        let start =
            selection.start_after.as_ref().map(|key| format!("{}{key}", store.keys.prefix()));
        // A start before the directory is no start.
        let start = start.filter(|start| *start > prefix);
        let max = selection.limit.filter(|_| selection.pattern.is_none());
        let is_deep = depth == Depth::All && store.abilities.deep_listing;
        let first = List {
            prefix: prefix.clone(),
            is_grouped: !is_deep,
            start_after: start,
            // One for the mark of the directory, which is not an entry.
            max: max.map(|max| max.saturating_add(1).min(MAX_PAGE)),
            token: None,
        };
        let shows_private = directory.as_str().starts_with(PRIVATE.trim_end_matches('/'));
        Self {
            store,
            shows_private,
            depth,
            levels: vec![Level { next: Some(first), entries: VecDeque::new() }],
            ready: VecDeque::new(),
            last: String::new(),
            open: Vec::new(),
            prefix,
            is_empty: true,
        }
    }

    /// Reads a page, and adds its entries to those that are ready. Returns whether there may be more.
    async fn next_page(&mut self) -> Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        if level.entries.is_empty() {
            let Some(list) = level.next.take() else {
                self.levels.pop();
                return Ok(!self.levels.is_empty());
            };
            let page = self.store.bucket.list(list.clone()).await?;
            if let Some(token) = page.next.clone() {
                level.next = Some(List { token: Some(token), ..list });
            }
            level.entries = merged(page);
            self.is_empty &= level.entries.is_empty();
        }
        self.take_entries();
        Ok(true)
    }

    /// Makes the entries of the current level ready, up to the first directory that has to be listed itself.
    fn take_entries(&mut self) {
        while let Some(entry) = self.levels.last_mut().and_then(|level| level.entries.pop_front()) {
            let key = entry.key();
            if key == self.prefix {
                continue;
            }
            match self.order(key) {
                Order::New => {}
                Order::Repeated => continue,
                Order::Wrong(error) => {
                    self.ready.push_back(Err(error));
                    self.levels.clear();
                    return;
                }
            }
            let is_group = matches!(entry, Entry::Group(_));
            let deeper = (is_group && self.depth == Depth::All).then(|| List {
                prefix: key.to_owned(),
                is_grouped: true,
                ..List::default()
            });
            self.take(&entry);
            entry.key().clone_into(&mut self.last);
            if let Some(list) = deeper {
                self.levels.push(Level { next: Some(list), entries: VecDeque::new() });
                return;
            }
        }
    }

    /// Makes an entry ready, after the directories that it is in and that were not listed yet.
    fn take(&mut self, entry: &Entry) {
        let key = entry.key();
        if !self.shows_private
            && self.store.keys.relative(key).is_some_and(|key| key.starts_with(PRIVATE))
        {
            return;
        }
        let meaning = self.store.keys.meaning(key, self.store.view.as_deref());
        if self.depth == Depth::All {
            self.open_parents(key, meaning.is_ok());
        }
        match (meaning, entry) {
            (Ok(Meaning::Hidden), _) => {}
            (Ok(Meaning::File(path)), Entry::Object(object)) => {
                self.ready.push_back(Ok(metadata::info(path, object)));
            }
            (Ok(Meaning::Directory(path)), entry) => {
                let marker = match entry {
                    Entry::Object(object) => Some(object),
                    Entry::Group(_) => None,
                };
                self.ready.push_back(Ok(directory_info(path, marker)));
                self.open.push(key.len());
            }
            (Ok(Meaning::File(_)), Entry::Group(_)) => {}
            (Err(error), _) => self.ready.push_back(Err(error)),
        }
    }

    /// Adds the directories of a key that were not listed yet.
    fn open_parents(&mut self, key: &str, is_path: bool) {
        let last = &self.last;
        let shared = key.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        self.open.retain(|&end| end <= shared);
        if !is_path {
            return;
        }
        let known = self.open.last().copied().unwrap_or(self.prefix.len());
        let name = key.trim_end_matches('/').len();
        for (at, _) in key.match_indices('/').filter(|(at, _)| (known..name).contains(at)) {
            if let Ok(Meaning::Directory(path)) =
                self.store.keys.meaning(&key[..=at], self.store.view.as_deref())
            {
                self.ready.push_back(Ok(directory_info(path, None)));
            }
            self.open.push(at + 1);
        }
    }

    /// Compares a key with the one before.
    fn order(&self, key: &str) -> Order {
        match key.cmp(&self.last) {
            std::cmp::Ordering::Greater => Order::New,
            std::cmp::Ordering::Equal => Order::Repeated,
            std::cmp::Ordering::Less => {
                let text =
                    format!("the service lists `{}` out of order", shortened(key).escape_debug());
                Order::Wrong(Error::new(ErrorKind::Remote).with_message(text))
            }
        }
    }
}

enum Order {
    New,
    Repeated,
    Wrong(Error),
}

/// Returns objects and groups in one order.
fn merged(page: Page) -> VecDeque<Entry> {
    let mut objects = page.objects.into_iter().map(Entry::Object).peekable();
    let mut groups = page.groups.into_iter().map(Entry::Group).peekable();
    let mut merged = VecDeque::with_capacity(objects.len() + groups.len());
    loop {
        let next = match (objects.peek(), groups.peek()) {
            (Some(object), Some(group)) if group.key() < object.key() => groups.next(),
            (Some(_), _) => objects.next(),
            (None, _) => groups.next(),
        };
        match next {
            Some(entry) => merged.push_back(entry),
            None => return merged,
        }
    }
}
