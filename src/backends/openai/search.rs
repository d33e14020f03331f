//! Search, which is what a vector store is for.

use serde_json::{Value, json};

use super::attributes::{first_piece, path_from};
use super::store::Store;
use crate::options::setters;
use crate::tree::{Node, path_of};
use crate::{Error, ErrorKind, FilePath, GlobPattern, Result};

/// How many results the service gives at most.
const MOST_RESULTS: u32 = 50;

/// Up to so many files are named to the service, so that it looks at no others.
const MOST_NAMED: usize = 100;

/// Options of [`search_with`](super::OpenAIVectorStoreFileBackend::search_with).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchOptions {
    /// How many hits there are at most, 1 to 50; 10 by default.
    pub max_results: u32,
    /// A filter on attributes as the service defines it, such as `{"type": "gte", "key": "size", "value": 1000}`.
    pub filters: Option<Value>,
    /// Only files at this path and below it.
    pub prefix: Option<FilePath>,
    /// Only files whose path matches.
    pub glob: Option<GlobPattern>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { max_results: 10, filters: None, prefix: None, glob: None }
    }
}

setters!(SearchOptions {
    /// Sets how many hits there are at most.
    with_max_results(max_results: u32) => max_results;
    /// Sets a filter on attributes.
    with_filters(filters: Value) => Some(filters);
    /// Sets the path that files must be at or below.
    with_prefix(prefix: FilePath) => Some(prefix);
    /// Sets the pattern that paths must match.
    with_glob(glob: GlobPattern) => Some(glob);
});

/// A file that a search has found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SearchHit {
    /// The file.
    pub path: FilePath,
    /// How well it fits, from 0 to 1.
    pub score: f64,
    /// The passage that fits.
    pub text: String,
}

impl SearchOptions {
    fn accepts(&self, path: &FilePath) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
            && self.glob.as_ref().is_none_or(|glob| glob.matches(path))
    }

    fn is_for_some_paths(&self) -> bool {
        self.prefix.is_some() || self.glob.is_some()
    }
}

impl Store {
    pub(super) async fn search(
        &self,
        query: &str,
        options: SearchOptions,
    ) -> Result<Vec<SearchHit>> {
        if !(1..=MOST_RESULTS).contains(&options.max_results) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("`max_results` is from 1 to {MOST_RESULTS}")));
        }
        self.index.fresh().await?;
        let (mut filters, mut asked) = (options.filters.clone(), options.max_results);
        if options.is_for_some_paths() {
            let names = self.named(&options);
            if names.is_empty() {
                return Ok(Vec::new());
            }
            if names.len() <= MOST_NAMED {
                let named = json!({"type": "in", "key": "path", "value": names});
                filters = Some(match filters {
                    Some(filters) => json!({"type": "and", "filters": [filters, named]}),
                    None => named,
                });
            } else {
                // The others are left out here.
                asked = MOST_RESULTS;
            }
        }
        let found = self.client.search(query, filters, asked).await?;
        let hits = found.into_iter().filter_map(|found| {
            let path = path_from(&found.attributes).filter(|path| options.accepts(path))?;
            // An older version may be found too.
            let is_current = self
                .index
                .read(|entries| entries.file(&path).is_some_and(|entry| entry.id == found.file_id));
            is_current.then(|| SearchHit { path, score: found.score, text: found.texts.join("\n") })
        });
        Ok(hits.take(options.max_results as usize).collect())
    }

    /// What the attribute `path` of the files says that are wanted; one more than can be named where there are too many.
    fn named(&self, options: &SearchOptions) -> Vec<String> {
        self.index.read(|entries| {
            let files = entries.iter().filter(|(_, node)| matches!(node, Node::File(_)));
            let paths = files.map(|(key, _)| path_of(key)).filter(|path| options.accepts(path));
            let mut names: Vec<String> =
                paths.map(|path| first_piece(&path).to_owned()).take(MOST_NAMED + 1).collect();
            names.dedup();
            names
        })
    }
}
