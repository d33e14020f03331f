//! Semantic search.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::OpenAIVectorStoreFileBackend;
use super::api::SearchResult;
use super::attributes::{
    Entry, FileMeta, first_piece, generation, modified_at, path_of_attributes,
};
use super::body::BodyEncoding;
use super::error::CONTEXT;
use super::index::Entries;
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::glob::GlobPattern;
use crate::core::options::setters;
use crate::core::path::FilePath;
use crate::core::tree::{Node, path_of};
use crate::sys::pool;

/// The most results that the service returns.
const MAX_RESULTS: u32 = 50;

/// Up to this many files are named in the filter of a search.
const MAX_NAMED_FILES: usize = 100;

/// Options of [`search_with`](super::OpenAIVectorStoreFileBackend::search_with).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SearchOptions {
    /// The most hits, 1 to 50; 10 by default. A search may return fewer, because files of other programs can be among the best
    /// fifty results.
    pub max_results: u32,
    /// A filter on attributes as the service defines it, such as `{"type": "gte", "key": "size", "value": 1000}`. f9 sets the
    /// attributes `path` (up to 256 bytes of it), `size` in bytes, `sha256` and `encoding`; times are kept as text, and so is the
    /// size on servers that keep only text, and of a file that was renamed before f9 wrote another file.
    pub filters: Option<Value>,
    /// Only files at or below this path.
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
    /// Sets the most hits.
    with_max_results(max_results: u32) => max_results;
    /// Sets a filter on attributes.
    with_filters(filters: Value) => Some(filters);
    /// Sets the path that files must be at or below.
    with_prefix(prefix: FilePath) => Some(prefix);
    /// Sets the pattern that paths must match.
    with_glob(glob: GlobPattern) => Some(glob);
});

/// A file found by a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchHit {
    /// The path of the file.
    pub path: FilePath,
    /// The relevance: the higher, the better. From 0 to 1 with OpenAI; other servers return higher ones too.
    pub score: f64,
    /// The matching passage.
    pub text: String,
}

impl OpenAIVectorStoreFileBackend {
    /// Returns the passages that match a question best, best first.
    ///
    /// A new file can be found once the service has [parsed](Self::indexing_status) it.
    ///
    /// # Errors
    ///
    /// Those of the service, see [`ErrorKind`].
    pub async fn search(&self, query: &str) -> Result<Vec<SearchHit>> {
        self.search_with(query, SearchOptions::default()).await
    }

    /// Returns the passages that match a question best, in the files that the options select.
    ///
    /// If a prefix or a glob selects up to a hundred files, the service searches only these. If it selects more, the hits are those
    /// among the best 50 passages of the whole store.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `max_results` is out of range, and those of the service.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{OpenAIVectorStoreFileBackend, SearchOptions, prelude::*, testing::openai::OpenAISimulator};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// # notes.create("garden/plan.md", "Plant the tomatoes in May.").await?;
    /// # notes.create("kitchen/soup.md", "Cook the tomatoes for an hour.").await?;
    /// let options = SearchOptions::default().with_glob("kitchen/**".parse()?).with_max_results(3);
    /// let hits = notes.search_with("tomatoes", options).await?;
    /// assert_eq!(hits[0].path, "kitchen/soup.md");
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn search_with(&self, query: &str, options: SearchOptions) -> Result<Vec<SearchHit>> {
        let found = self.store.search(query, options).await;
        found.map_err(CONTEXT.operation("search"))
    }
}

impl SearchOptions {
    fn accepts(&self, path: &FilePath) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
            && self.glob.as_ref().is_none_or(|glob| glob.is_for(false) && glob.matches(path))
    }

    /// Returns the filters and the number of results to request; `None` if no file is selected.
    fn request(&self, entries: &Entries) -> Option<(Option<Value>, u32)> {
        if self.prefix.is_none() && self.glob.is_none() {
            return Some((self.filters.clone(), self.max_results));
        }
        let names = self.path_values(entries);
        if names.is_empty() {
            return None;
        }
        if names.len() > MAX_NAMED_FILES {
            // Other files are removed from the results.
            return Some((self.filters.clone(), MAX_RESULTS));
        }
        let named = json!({"type": "in", "key": "path", "value": names});
        let filters = match &self.filters {
            Some(filters) => json!({"type": "and", "filters": [filters, named]}),
            None => named,
        };
        Some((Some(filters), self.max_results))
    }

    /// Returns the values of the attribute `path` of the selected files; stops once there are too many to name.
    fn path_values(&self, entries: &Entries) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (key, node) in entries.iter() {
            let Node::File(entry) = node else { continue };
            let path = path_of(key);
            if !self.accepts(&path) {
                continue;
            }
            if entry.generation == 0 {
                // The Python library does not split paths and may start them with a slash.
                names.extend([path.to_string(), format!("/{path}")]);
            } else if names.last().is_none_or(|last| last != first_piece(&path)) {
                names.push(first_piece(&path).to_owned());
            }
            if names.len() > MAX_NAMED_FILES {
                break;
            }
        }
        names
    }
}

impl Store {
    pub(super) async fn search(
        &self,
        query: &str,
        options: SearchOptions,
    ) -> Result<Vec<SearchHit>> {
        if !(1..=MAX_RESULTS).contains(&options.max_results) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("`max_results` must be from 1 to {MAX_RESULTS}")));
        }
        self.index.refresh().await?;
        let Some((filters, limit)) = self.index.read(|entries| options.request(entries)) else {
            return Ok(Vec::new());
        };
        let (hits, are_all) = self.hits(query, &options, filters.clone(), limit).await?;
        if are_all || hits.len() >= options.max_results as usize || limit == MAX_RESULTS {
            return Ok(hits);
        }
        // Files of other programs took some of the places.
        Ok(self.hits(query, &options, filters, MAX_RESULTS).await?.0)
    }

    /// Returns the hits among `limit` results, and whether the service had no more results.
    async fn hits(
        &self,
        query: &str,
        options: &SearchOptions,
        filters: Option<Value>,
        limit: u32,
    ) -> Result<(Vec<SearchHit>, bool)> {
        let (client, query) = (self.client.clone(), query.to_owned());
        let search = async move { client.search(&query, filters, limit).await };
        let found = pool::spawn_abort_on_drop(search).await?;
        let are_all = found.len() < limit as usize;
        let hits = found.into_iter().filter_map(|found| {
            let path =
                path_of_attributes(&found.attributes).filter(|path| options.accepts(path))?;
            let is_hit = self.index.read(|entries| {
                // The service may also find an older version, or words in framed lines.
                let is_text = |file: &FileMeta| file.encoding == BodyEncoding::Raw;
                let entry = entries.file(&path).filter(|entry| is_of_version(&found, entry));
                entry.and_then(Entry::meta).is_some_and(is_text)
            });
            is_hit.then(|| SearchHit { path, score: found.score, text: found.texts.join("\n") })
        });
        Ok((hits.take(options.max_results as usize).collect(), are_all))
    }
}

/// Whether the passage is from this version of the file. The ids of hits are not the ids of files on every server, and all versions of
/// the Python library have the same generation.
fn is_of_version(found: &SearchResult, entry: &Entry) -> bool {
    let has_same_time = || modified_at(&found.attributes) == Some(entry.modified_at);
    entry.generation == generation(&found.attributes)
        && (entry.generation > 0 || found.file_id == entry.id || has_same_time())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::backends::openai::attributes::Kind;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    /// Files with this generation; 0 is that of the Python library.
    fn files<'a>(paths: impl IntoIterator<Item = &'a str>, generation: u64) -> Entries {
        let mut entries = Entries::default();
        for path in paths {
            let kind = FileMeta { size: 1, encoding: BodyEncoding::Raw, sha256: None };
            let entry = Entry {
                id: "file-1".to_owned(),
                kind: Kind::File(kind),
                generation,
                created_at: UNIX_EPOCH,
                modified_at: UNIX_EPOCH,
                attached_at: 0,
                expires_at: None,
            };
            entries.insert_file(&self::path(path), entry, || None);
        }
        entries
    }

    fn below(prefix: &str) -> SearchOptions {
        SearchOptions::default().with_prefix(path(prefix))
    }

    fn named(names: &[&str]) -> Value {
        json!({"type": "in", "key": "path", "value": names})
    }

    #[test]
    fn options_are_read_from_json() {
        let options: SearchOptions =
            serde_json::from_value(json!({"max_results": 3, "glob": "**/*.md"})).unwrap();
        let glob = "**/*.md".parse().unwrap();
        assert_eq!(options, SearchOptions::default().with_max_results(3).with_glob(glob));
        serde_json::from_value::<SearchOptions>(json!({"limit": 3})).unwrap_err();
    }

    #[test]
    fn a_search_requests_only_the_selected_files() {
        let entries = files(["a/b", "a/c.md", "ab", "d"], 1);
        let size = json!({"type": "gte", "key": "size", "value": 9});
        let glob = |pattern: &str| SearchOptions::default().with_glob(pattern.parse().unwrap());
        for (options, expected) in [
            (SearchOptions::default().with_max_results(3), Some((None, 3))),
            (SearchOptions::default().with_filters(size.clone()), Some((Some(size.clone()), 10))),
            (below("a"), Some((Some(named(&["a/b", "a/c.md"])), 10))),
            (below("d").with_max_results(50), Some((Some(named(&["d"])), 50))),
            (below(""), Some((Some(named(&["a/b", "a/c.md", "ab", "d"])), 10))),
            (below("nowhere"), None),
            (glob("**/*.md"), Some((Some(named(&["a/c.md"])), 10))),
            (glob("a").with_filters(size.clone()), None),
            (glob("a*").with_prefix(path("a")), None),
            (glob("a/?").with_prefix(path("a")), Some((Some(named(&["a/b"])), 10))),
            (
                below("d").with_filters(size.clone()),
                Some((Some(json!({"type": "and", "filters": [size, named(&["d"])]})), 10)),
            ),
        ] {
            assert_eq!(options.request(&entries), expected, "{options:?}");
        }
    }

    #[test]
    fn at_most_a_hundred_files_are_named() {
        let paths: Vec<String> = (0..101).map(|number| format!("{number:03}")).collect();
        let hundred = files(paths.iter().map(String::as_str).take(100), 1);
        let (filters, limit) = below("").request(&hundred).unwrap();
        assert_eq!(filters.unwrap()["value"].as_array().unwrap().len(), 100);
        assert_eq!(limit, 10);
        let more = files(paths.iter().map(String::as_str), 1);
        assert_eq!(below("").request(&more), Some((None, 50)));
        let size = json!({"type": "gte", "key": "size", "value": 9});
        let filtered = below("").with_filters(size.clone());
        assert_eq!(filtered.request(&more), Some((Some(size), 50)));
    }

    /// Names are as long as the attribute, so many files may share one.
    #[test]
    fn files_with_long_paths_are_all_named() {
        let long = format!("{}/{}", "d".repeat(200), "e".repeat(99));
        let paths: Vec<String> = (0..150).map(|number| format!("{long}{number}")).collect();
        let entries = files(paths.iter().map(String::as_str).chain(["z"]), 1);
        let filters = named(&[&long[..256], "z"]);
        assert_eq!(below("").request(&entries), Some((Some(filters), 10)));
    }

    /// The Python library may write a slash before a path, and never splits one.
    #[test]
    fn entries_of_the_python_library_are_named_in_both_forms() {
        let long = format!("{}/{}", "d".repeat(200), "e".repeat(99));
        let entries = files(["a", &long], 0);
        let filters = named(&["a", "/a", &long, &format!("/{long}")]);
        assert_eq!(below("").request(&entries), Some((Some(filters), 10)));
    }
}
