//! The types of the service's responses. Parsing is tolerant: compatible services omit fields, send null, send floats for integers
//! and use undocumented values.

use std::time::Duration;

use serde_json::{Map, Value};

/// The attributes that a vector store keeps with a file.
pub(crate) type Attributes = Map<String, Value>;

/// A file of a vector store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VectorStoreFile {
    /// The id of the uploaded file.
    pub(crate) id: String,
    /// When it was attached, in seconds since 1970; 0 if the service does not report it.
    pub(crate) created_at: u64,
    pub(crate) status: FileStatus,
    /// Why the service could not parse it.
    pub(crate) last_error: Option<IndexingError>,
    pub(crate) attributes: Attributes,
}

/// How far the service has parsed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileStatus {
    InProgress,
    Completed,
    Cancelled,
    Failed,
    /// An undocumented value, or none.
    Unknown(String),
}

/// Why the service could not parse a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexingError {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFile {
    pub(crate) id: String,
    pub(crate) filename: String,
    /// Its size, if the service reports it.
    pub(crate) bytes: Option<u64>,
    /// When it was uploaded, in seconds since 1970; 0 if the service does not report it.
    pub(crate) created_at: u64,
    /// When the service deletes it, in seconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

/// A file that a search returned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SearchResult {
    /// On some servers it is empty or that of another object.
    pub(crate) file_id: String,
    /// The relevance: the higher, the better.
    pub(crate) score: f64,
    pub(crate) attributes: Attributes,
    /// The matching chunks.
    pub(crate) texts: Vec<String>,
}

/// How many entries the service returns per page.
const FULL_PAGE: usize = 100;

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Whether more pages follow: as the service reports, else whether this page is full.
    pub(super) has_more: bool,
    /// The token of the next page, if the service reports one.
    pub(super) next_page: Option<String>,
}

/// An item of a list. One without an id must not hide the others.
pub(super) trait ListItem: Sized {
    /// Parses an item; its id may be empty.
    fn read_item(answer: Value) -> Option<Self>;

    fn id(&self) -> &str;

    /// Parses the only item of a response, which has an id.
    fn read(answer: Value) -> Option<Self> {
        Self::read_item(answer).filter(|item| !item.id().is_empty())
    }
}

impl<T> Page<T> {
    pub(super) fn read(mut answer: Value, item: fn(Value) -> Option<T>) -> Option<Self> {
        let items = list(answer.get_mut("data")?.take())?;
        let has_more = answer.get("has_more").and_then(Value::as_bool);
        Some(Self {
            has_more: has_more.unwrap_or(items.len() >= FULL_PAGE),
            items: items.into_iter().map(item).collect::<Option<_>>()?,
            next_page: text(answer.get_mut("next_page")),
        })
    }
}

impl ListItem for VectorStoreFile {
    fn id(&self) -> &str {
        &self.id
    }

    fn read_item(mut answer: Value) -> Option<Self> {
        answer.as_object()?;
        Some(Self {
            id: text(answer.get_mut("id")).unwrap_or_default(),
            created_at: answer.get("created_at").and_then(integer).unwrap_or_default(),
            status: FileStatus::of(text(answer.get_mut("status")).unwrap_or_default()),
            last_error: answer.get_mut("last_error").and_then(IndexingError::read),
            attributes: attributes(answer.get_mut("attributes")),
        })
    }
}

impl FileStatus {
    fn of(word: String) -> Self {
        match word.as_str() {
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "failed" => Self::Failed,
            _ => Self::Unknown(word),
        }
    }
}

impl IndexingError {
    fn read(answer: &mut Value) -> Option<Self> {
        answer.is_object().then(|| Self {
            code: text(answer.get_mut("code")).unwrap_or_default(),
            message: text(answer.get_mut("message")).unwrap_or_default(),
        })
    }
}

impl ListItem for StoredFile {
    fn id(&self) -> &str {
        &self.id
    }

    fn read_item(mut answer: Value) -> Option<Self> {
        answer.as_object()?;
        Some(Self {
            id: text(answer.get_mut("id")).unwrap_or_default(),
            filename: text(answer.get_mut("filename")).unwrap_or_default(),
            bytes: answer.get("bytes").and_then(integer),
            created_at: answer.get("created_at").and_then(integer).unwrap_or_default(),
            expires_at: answer.get("expires_at").and_then(integer),
        })
    }
}

impl SearchResult {
    pub(super) fn read(mut answer: Value) -> Option<Self> {
        answer.as_object()?;
        Some(Self {
            file_id: text(answer.get_mut("file_id")).unwrap_or_default(),
            score: answer.get("score").and_then(Value::as_f64).unwrap_or_default(),
            attributes: attributes(answer.get_mut("attributes")),
            texts: answer.get_mut("content").map(Value::take).map(texts).unwrap_or_default(),
        })
    }
}

/// Returns whether the vector store that `answer` describes has expired.
pub(super) fn is_expired(mut answer: Value) -> Option<bool> {
    text(answer.get_mut("id")).filter(|id| !id.is_empty())?;
    Some(answer.get("status").and_then(Value::as_str) == Some("expired"))
}

/// Reads a page of the text that the service parsed from a file. Parts that are not text are skipped.
pub(super) fn parsed_text(mut answer: Value) -> Option<Page<String>> {
    // Older services return the whole text in the shape of a search result.
    let field = if answer.get("data").is_some() { "data" } else { "content" };
    let items = list(answer.get_mut(field)?.take())?;
    answer.as_object_mut()?.insert("data".to_owned(), Value::Array(Vec::new()));
    let page = Page::read(answer, |_| None)?;
    Some(Page { items: texts(Value::Array(items)), ..page })
}

/// Whether the response to a deletion reports that nothing was deleted.
pub(super) fn reports_not_deleted(answer: &Value) -> bool {
    answer.get("deleted").and_then(Value::as_bool) == Some(false)
}

fn texts(content: Value) -> Vec<String> {
    match content {
        Value::Array(parts) => parts.into_iter().flat_map(texts).collect(),
        Value::String(text) => vec![text],
        mut part => text(part.get_mut("text")).into_iter().collect(),
    }
}

/// Returns the items of a list; null counts as an empty list.
fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

fn attributes(value: Option<&mut Value>) -> Attributes {
    match value.map(Value::take) {
        Some(Value::Object(attributes)) => attributes,
        _ => Attributes::new(),
    }
}

fn text(value: Option<&mut Value>) -> Option<String> {
    match value?.take() {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Returns a number of seconds or bytes, without the fraction that some services add.
fn integer(value: &Value) -> Option<u64> {
    let float = || Duration::try_from_secs_f64(value.as_f64()?).ok();
    value.as_u64().or_else(|| Some(float()?.as_secs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_of_a_store_is_read_as_documented() {
        let file = VectorStoreFile::read(json!({
            "id": "file-a", "object": "vector_store.file", "usage_bytes": 0, "created_at": 1_790_856_000,
            "vector_store_id": "vs_1", "status": "failed",
            "last_error": {"code": "unsupported_file", "message": "The file type is not supported."},
            "attributes": {"path": "a.txt", "size": 3, "is_dir": false},
        }));
        let expected = VectorStoreFile {
            id: "file-a".to_owned(),
            created_at: 1_790_856_000,
            status: FileStatus::Failed,
            last_error: Some(IndexingError {
                code: "unsupported_file".to_owned(),
                message: "The file type is not supported.".to_owned(),
            }),
            attributes: attributes(Some(&mut json!({"path": "a.txt", "size": 3, "is_dir": false}))),
        };
        assert_eq!(file, Some(expected));
    }

    #[test]
    fn missing_null_and_unknown_values_are_accepted() {
        let bare = VectorStoreFile::read(json!({"id": "a"})).unwrap();
        assert_eq!((bare.created_at, bare.attributes.len()), (0, 0));
        assert_eq!((bare.status, bare.last_error), (FileStatus::Unknown(String::new()), None));
        let odd = VectorStoreFile::read(json!({
            "id": "a", "created_at": 1_790_856_000.75, "status": "resting", "last_error": null,
            "attributes": null, "chunking_strategy": {"type": "other"}, "new": [1],
        }));
        let odd = odd.unwrap();
        assert_eq!((odd.created_at, odd.attributes.len()), (1_790_856_000, 0));
        assert_eq!(odd.status, FileStatus::Unknown("resting".to_owned()));
        let file = StoredFile::read(json!({"id": "a", "bytes": null, "filename": null})).unwrap();
        assert_eq!((file.bytes, file.filename.as_str()), (None, ""));
        let file = StoredFile::read(json!({"id": "a", "bytes": 14.0, "expires_at": 7}));
        assert_eq!(file.map(|file| (file.bytes, file.expires_at)), Some((Some(14), Some(7))));
        let found =
            SearchResult::read(json!({"file_id": "", "score": 3, "content": "text"})).unwrap();
        assert_eq!((found.score, found.texts), (3.0, vec!["text".to_owned()]));
    }

    #[test]
    fn integers_are_read_from_floats_too() {
        for (value, number) in [
            (json!(0), Some(0)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(14.999), Some(14)),
            (json!(1e18), Some(1_000_000_000_000_000_000)),
            (json!(-1), None),
            (json!(-0.5), None),
            (json!(1e300), None),
            (json!("14"), None),
            (json!(null), None),
        ] {
            assert_eq!(integer(&value), number, "{value}");
        }
    }

    #[test]
    fn a_response_without_an_id_is_refused() {
        for answer in [json!({}), json!({"id": ""}), json!({"id": 7}), json!([]), json!("a")] {
            assert_eq!(VectorStoreFile::read(answer.clone()), None, "{answer}");
            assert_eq!(StoredFile::read(answer.clone()), None, "{answer}");
            assert_eq!(is_expired(answer.clone()), None, "{answer}");
            // An item of a list must only be an object.
            let page = Page::read(json!({"data": [answer]}), StoredFile::read_item);
            assert_eq!(page.is_some(), answer.is_object(), "{answer}");
        }
    }

    #[test]
    fn a_page_reports_whether_more_follow() {
        let page = |answer| Page::read(answer, |item| item.as_u64());
        let read = page(json!({"data": [1, 2], "has_more": true, "last_id": null})).unwrap();
        assert_eq!((read.items, read.has_more, read.next_page), (vec![1, 2], true, None));
        assert!(!page(json!({"data": []})).unwrap().has_more);
        assert!(!page(json!({"data": null, "has_more": null})).unwrap().has_more);
        assert!(!page(json!({"data": vec![1; 99]})).unwrap().has_more);
        assert!(page(json!({"data": vec![1; 100]})).unwrap().has_more);
        assert!(!page(json!({"data": vec![1; 100], "has_more": false})).unwrap().has_more);
        for odd in [json!({}), json!({"data": {}}), json!({"data": ["1"]}), json!([])] {
            assert_eq!(page(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn parsed_text_is_read_in_both_shapes() {
        let texts = |answer| parsed_text(answer).map(|page| page.items.join("|"));
        let part = |text: &str| json!({"type": "text", "text": text});
        let page = json!({"data": [part("a"), part("b")], "has_more": true, "next_page": "p2"});
        let read = parsed_text(page).unwrap();
        assert_eq!(read.items, ["a", "b"]);
        assert_eq!((read.has_more, read.next_page.as_deref()), (true, Some("p2")));
        let older = json!({"file_id": "a", "filename": "a.txt", "content": [part("a"), part("b")]});
        assert_eq!(texts(older).as_deref(), Some("a|b"));
        let image = json!({"type": "image", "url": "x"});
        assert_eq!(texts(json!({"data": [image, part("b")]})).as_deref(), Some("b"));
        assert_eq!(texts(json!({"data": []})).as_deref(), Some(""));
        assert_eq!(texts(json!({"file_id": "a"})), None);
        assert_eq!(texts(json!("a")), None);
    }

    #[test]
    fn an_expired_store_is_recognized() {
        let expired = |status| is_expired(json!({"id": "vs_1", "status": status}));
        assert_eq!(expired("expired"), Some(true));
        assert_eq!(expired("in_progress"), Some(false));
    }
}
