//! Which entries a listing returns.

use std::future;

use futures::stream::StreamExt as _;

use crate::core::error::Result;
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::options::ListOptions;
use crate::core::stream::InfoStream;

/// The part of [`ListOptions`] that selects entries of a listing in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) start_after: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) pattern: Option<GlobPattern>,
}

impl Selection {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// `InvalidPattern`.
    pub(crate) fn of(options: &ListOptions) -> Result<Self> {
        let pattern = options.pattern.as_deref().map(GlobPattern::parse).transpose()?;
        // A leading slash means the root.
        let start_after =
            options.start_after.as_deref().map(|key| key.trim_start_matches('/').to_owned());
        Ok(Self { start_after, limit: options.limit, pattern })
    }

    /// Whether an entry comes after the start and matches.
    pub(crate) fn accepts(&self, entry: &FileInfo) -> bool {
        self.is_after_start(entry)
            && self.pattern.as_ref().is_none_or(|pattern| {
                pattern.is_for(entry.is_dir()) && pattern.matches(&entry.path)
            })
    }

    fn is_after_start(&self, entry: &FileInfo) -> bool {
        let Some(start) = &self.start_after else { return true };
        let path = entry.path.as_bytes();
        let key = path.iter().chain(entry.is_dir().then_some(&b'/'));
        key.cmp(start.as_bytes()).is_gt()
    }

    /// Selects from the entries of a whole listing, in order. Errors that are not beyond the limit stay.
    pub(crate) fn apply(self, entries: InfoStream<'static>) -> InfoStream<'static> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let selected = entries.filter(move |entry| {
            future::ready(entry.as_ref().map_or(true, |entry| self.accepts(entry)))
        });
        selected.take(limit).boxed()
    }
}
