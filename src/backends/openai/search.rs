//! Search, which is what a vector store is for.

use serde_json::{Value, json};

use super::attributes::{Entry, FileKind, first_piece, path_from};
use super::body::BodyEncoding;
use super::index::Entries;
use super::read::driven;
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
    /// How many hits there are at most, 1 to 50; 10 by default. There are fewer where the best fifty results hold fewer, as the service also
    /// finds what is none of f9's.
    pub max_results: u32,
    /// A filter on attributes as the service defines it, such as `{"type": "gte", "key": "size", "value": 1000}`. f9 gives each file
    /// the attributes `path` (up to 256 bytes of it), `size` in bytes, `sha256` and `encoding`; times are kept as text.
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

    /// The filters and the number of results that the service is asked for; `None` where no file is wanted that there is.
    fn request(&self, entries: &Entries) -> Option<(Option<Value>, u32)> {
        if self.prefix.is_none() && self.glob.is_none() {
            return Some((self.filters.clone(), self.max_results));
        }
        let names = self.names(entries);
        if names.is_empty() {
            return None;
        }
        if names.len() > MOST_NAMED {
            // The others are left out of what is found.
            return Some((self.filters.clone(), MOST_RESULTS));
        }
        let named = json!({"type": "in", "key": "path", "value": names});
        let filters = match &self.filters {
            Some(filters) => json!({"type": "and", "filters": [filters, named]}),
            None => named,
        };
        Some((Some(filters), self.max_results))
    }

    /// What the attribute `path` of the files says that are wanted; some more than can be named where there are too many.
    fn names(&self, entries: &Entries) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (key, node) in entries.iter() {
            let Node::File(entry) = node else { continue };
            let path = path_of(key);
            if !self.accepts(&path) {
                continue;
            }
            if entry.generation == 0 {
                // The Python library does not cut paths, and may begin them with a slash.
                names.extend([path.to_string(), format!("/{path}")]);
            } else if names.last().is_none_or(|last| last != first_piece(&path)) {
                names.push(first_piece(&path).to_owned());
            }
            if names.len() > MOST_NAMED {
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
        if !(1..=MOST_RESULTS).contains(&options.max_results) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("`max_results` is from 1 to {MOST_RESULTS}")));
        }
        self.index.fresh().await?;
        let Some((filters, asked)) = self.index.read(|entries| options.request(entries)) else {
            return Ok(Vec::new());
        };
        let (hits, are_all) = self.hits(query, &options, filters.clone(), asked).await?;
        if are_all || hits.len() >= options.max_results as usize || asked == MOST_RESULTS {
            return Ok(hits);
        }
        // What is none of ours has taken places of what is.
        Ok(self.hits(query, &options, filters, MOST_RESULTS).await?.0)
    }

    /// The hits among `asked` results, as many as are wanted, and whether there are no more results.
    async fn hits(
        &self,
        query: &str,
        options: &SearchOptions,
        filters: Option<Value>,
        asked: u32,
    ) -> Result<(Vec<SearchHit>, bool)> {
        let (client, query) = (self.client.clone(), query.to_owned());
        let found = driven(async move { client.search(&query, filters, asked).await }).await?;
        let are_all = found.len() < asked as usize;
        let hits = found.into_iter().filter_map(|found| {
            let path = path_from(&found.attributes).filter(|path| options.accepts(path))?;
            let is_hit = self.index.read(|entries| {
                // An older version may be found too, and words in the lines of what is framed.
                let is_text = |file: &FileKind| file.encoding == BodyEncoding::Raw;
                let entry = entries.file(&path).filter(|entry| entry.id == found.file_id);
                entry.and_then(Entry::file).is_some_and(is_text)
            });
            is_hit.then(|| SearchHit { path, score: found.score, text: found.texts.join("\n") })
        });
        Ok((hits.take(options.max_results as usize).collect(), are_all))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::backends::openai::attributes::Kind;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    /// Files that were written `generation` times by f9, or by the Python library for 0.
    fn files<'a>(paths: impl IntoIterator<Item = &'a str>, generation: u64) -> Entries {
        let mut entries = Entries::default();
        for path in paths {
            let kind = FileKind { size: 1, encoding: BodyEncoding::Raw, sha256: None };
            let entry = Entry {
                id: "file-1".to_owned(),
                kind: Kind::File(kind),
                generation,
                created_at: UNIX_EPOCH,
                modified_at: UNIX_EPOCH,
                attached_at: 0,
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
    fn only_what_is_wanted_is_asked_for() {
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
    fn a_hundred_files_are_named_and_no_more() {
        let paths: Vec<String> = (0..101).map(|number| format!("{number:03}")).collect();
        let hundred = files(paths.iter().map(String::as_str).take(100), 1);
        let (filters, asked) = below("").request(&hundred).unwrap();
        assert_eq!(filters.unwrap()["value"].as_array().unwrap().len(), 100);
        assert_eq!(asked, 10);
        let more = files(paths.iter().map(String::as_str), 1);
        assert_eq!(below("").request(&more), Some((None, 50)));
        let size = json!({"type": "gte", "key": "size", "value": 9});
        let filtered = below("").with_filters(size.clone());
        assert_eq!(filtered.request(&more), Some((Some(size), 50)));
    }

    /// Names are as long as the attribute is, so that many files may share one.
    #[test]
    fn files_with_long_paths_are_all_named() {
        let long = format!("{}/{}", "d".repeat(200), "e".repeat(99));
        let paths: Vec<String> = (0..150).map(|number| format!("{long}{number}")).collect();
        let entries = files(paths.iter().map(String::as_str).chain(["z"]), 1);
        let filters = named(&[&long[..256], "z"]);
        assert_eq!(below("").request(&entries), Some((Some(filters), 10)));
    }

    /// The Python library may write a slash before a path, and never cuts one.
    #[test]
    fn entries_of_the_python_library_are_named_as_they_may_have_been_written() {
        let long = format!("{}/{}", "d".repeat(200), "e".repeat(99));
        let entries = files(["a", &long], 0);
        let filters = named(&["a", "/a", &long, &format!("/{long}")]);
        assert_eq!(below("").request(&entries), Some((Some(filters), 10)));
    }
}
