//! The types of the service's responses. Parsing is tolerant: compatible services omit fields, send null, send floats for integers
//! and use undocumented values.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The attributes that a vector store keeps with a file.
pub(crate) type Attributes = Map<String, Value>;

/// A file of a vector store.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct VectorStoreFile {
    /// The id of the uploaded file.
    #[serde(deserialize_with = "tolerant")]
    pub(crate) id: String,
    /// When it was attached, in seconds since 1970; 0 if the service does not report it.
    #[serde(deserialize_with = "integer")]
    pub(crate) created_at: u64,
    /// How far the service has parsed it.
    #[serde(deserialize_with = "tolerant")]
    pub(crate) status: String,
    /// Why the service could not parse it.
    #[serde(deserialize_with = "tolerant")]
    pub(crate) last_error: IndexingError,
    #[serde(deserialize_with = "tolerant")]
    pub(crate) attributes: Attributes,
}

/// Why the service could not parse a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct IndexingError {
    #[serde(deserialize_with = "tolerant")]
    pub(crate) code: String,
    #[serde(deserialize_with = "tolerant")]
    pub(crate) message: String,
}

/// An uploaded file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct StoredFile {
    #[serde(deserialize_with = "tolerant")]
    pub(crate) id: String,
    #[serde(deserialize_with = "tolerant")]
    pub(crate) filename: String,
    /// Its size, if the service reports it.
    #[serde(deserialize_with = "integer")]
    pub(crate) bytes: Option<u64>,
    /// When it was uploaded, in seconds since 1970; 0 if the service does not report it.
    #[serde(deserialize_with = "integer")]
    pub(crate) created_at: u64,
    /// When the service deletes it, in seconds since 1970.
    #[serde(deserialize_with = "integer")]
    pub(crate) expires_at: Option<u64>,
}

/// A file that a search returned.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SearchResult {
    /// On some servers it is empty or that of another object.
    #[serde(deserialize_with = "tolerant")]
    pub(crate) file_id: String,
    /// The relevance: the higher, the better.
    #[serde(deserialize_with = "tolerant")]
    pub(crate) score: f64,
    #[serde(deserialize_with = "tolerant")]
    pub(crate) attributes: Attributes,
    /// The matching chunks.
    #[serde(rename = "content", deserialize_with = "content")]
    pub(crate) texts: Vec<String>,
}

/// How many entries the service returns per page.
const FULL_PAGE: usize = 100;

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// Whether more pages follow, if the service reports it.
    pub(super) has_more: Option<bool>,
    /// The token of the next page, if the service reports one.
    pub(super) next_page: Option<String>,
}

impl Page {
    /// Parses a page whose items are in this field; null counts as an empty list.
    fn read(mut answer: Value, field: &str) -> Option<Self> {
        let items = Option::<Vec<Value>>::deserialize(answer.get_mut(field)?.take()).ok()?;
        Some(Self {
            items: items.unwrap_or_default(),
            has_more: answer.get("has_more").and_then(Value::as_bool),
            next_page: answer.get("next_page").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Parses a page of objects. One without an id must not hide the others.
    pub(super) fn of_objects(answer: Value) -> Option<Self> {
        Self::read(answer, "data").filter(|page| page.items.iter().all(Value::is_object))
    }

    /// Parses a page of the text that the service parsed from a file.
    pub(super) fn of_text(answer: Value) -> Option<Self> {
        // Older services return the whole text in the shape of a search result.
        let field = if answer.get("data").is_some() { "data" } else { "content" };
        Self::read(answer, field)
    }

    /// Whether more pages follow: as the service reports, else whether this page is full.
    pub(super) fn has_more(&self) -> bool {
        self.has_more.unwrap_or(self.items.len() >= FULL_PAGE)
    }
}

/// Parses an object of a list; its id may be empty.
pub(super) fn item<T: DeserializeOwned>(answer: Value) -> Option<T> {
    T::deserialize(Some(answer).filter(Value::is_object)?).ok()
}

/// Parses the objects of a list of one page.
pub(super) fn items<T: DeserializeOwned>(answer: Value) -> Option<Vec<T>> {
    Page::of_objects(answer)?.items.into_iter().map(item).collect()
}

/// Parses the only object of a response, which has an id.
pub(super) fn object<T: DeserializeOwned>(answer: Value) -> Option<T> {
    item(Some(answer).filter(|answer| !id_of(answer).is_empty())?)
}

/// Returns the id of an object; empty if it has none.
pub(super) fn id_of(object: &Value) -> &str {
    object.get("id").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the texts of a list of parts. Parts that are not text are skipped.
pub(super) fn texts(content: Value) -> Vec<String> {
    match content {
        Value::Array(parts) => parts.into_iter().flat_map(texts).collect(),
        Value::String(text) => vec![text],
        part => part.get("text").and_then(Value::as_str).map(str::to_owned).into_iter().collect(),
    }
}

fn content<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Value::deserialize(value).map(texts)
}

/// Reads null and a value of another type as the default.
fn tolerant<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    value: D,
) -> Result<T, D::Error> {
    Ok(T::deserialize(Value::deserialize(value)?).unwrap_or_default())
}

/// Reads a number of seconds or bytes, without the fraction that some services add.
fn integer<'de, D: Deserializer<'de>, T: From<u64> + Default>(value: D) -> Result<T, D::Error> {
    let value = Value::deserialize(value)?;
    let float = || Duration::try_from_secs_f64(value.as_f64()?).ok();
    let number = value.as_u64().or_else(|| Some(float()?.as_secs()));
    Ok(number.map(T::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_of_a_store_is_read_as_documented() {
        let file = object::<VectorStoreFile>(json!({
            "id": "file-a", "object": "vector_store.file", "usage_bytes": 0, "created_at": 1_790_856_000,
            "vector_store_id": "vs_1", "status": "failed",
            "last_error": {"code": "unsupported_file", "message": "The file type is not supported."},
            "attributes": {"path": "a.txt", "size": 3, "is_dir": false},
        }));
        let expected = VectorStoreFile {
            id: "file-a".to_owned(),
            created_at: 1_790_856_000,
            status: "failed".to_owned(),
            last_error: IndexingError {
                code: "unsupported_file".to_owned(),
                message: "The file type is not supported.".to_owned(),
            },
            attributes: tolerant(json!({"path": "a.txt", "size": 3, "is_dir": false})).unwrap(),
        };
        assert_eq!(file, Some(expected));
    }

    #[test]
    fn missing_null_and_unknown_values_are_accepted() {
        let bare = object::<VectorStoreFile>(json!({"id": "a"})).unwrap();
        assert_eq!(bare, VectorStoreFile { id: "a".to_owned(), ..VectorStoreFile::default() });
        let odd = object::<VectorStoreFile>(json!({
            "id": "a", "created_at": 1_790_856_000.75, "status": "resting", "last_error": null,
            "attributes": null, "chunking_strategy": {"type": "other"}, "new": [1],
        }));
        let odd = odd.unwrap();
        assert_eq!((odd.created_at, odd.attributes.len()), (1_790_856_000, 0));
        assert_eq!(odd.status, "resting");
        let other_types = json!({"id": "a", "status": 7, "created_at": "1", "attributes": [1],
            "last_error": {"code": null, "message": "m"}});
        let other = object::<VectorStoreFile>(other_types).unwrap();
        let last_error = IndexingError { code: String::new(), message: "m".to_owned() };
        assert_eq!(other, VectorStoreFile { last_error, ..bare });
        let file = json!({"id": "a", "bytes": null, "filename": null});
        let file = object::<StoredFile>(file).unwrap();
        assert_eq!((file.bytes, file.filename.as_str()), (None, ""));
        let file = object::<StoredFile>(json!({"id": "a", "bytes": 14.0, "expires_at": 7}));
        assert_eq!(file.map(|file| (file.bytes, file.expires_at)), Some((Some(14), Some(7))));
        let found = json!({"file_id": "", "score": 3, "content": "text"});
        let found = item::<SearchResult>(found).unwrap();
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
            assert_eq!(integer(value.clone()).ok(), Some(number), "{value}");
        }
    }

    #[test]
    fn a_response_without_an_id_is_refused() {
        for answer in [json!({}), json!({"id": ""}), json!({"id": 7}), json!([]), json!("a")] {
            assert_eq!(object::<VectorStoreFile>(answer.clone()), None, "{answer}");
            assert_eq!(object::<StoredFile>(answer.clone()), None, "{answer}");
            // An item of a list must only be an object.
            let page = Page::of_objects(json!({"data": [answer]}));
            assert_eq!(page.is_some(), answer.is_object(), "{answer}");
            assert_eq!(
                item::<StoredFile>(answer.clone()).is_some(),
                answer.is_object(),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_page_reports_whether_more_follow() {
        let page = |answer| Page::read(answer, "data");
        let has_more = |answer| page(answer).unwrap().has_more();
        let read = page(json!({"data": [1, 2], "has_more": true, "last_id": null})).unwrap();
        assert!(read.has_more());
        assert_eq!((read.items, read.next_page), (vec![json!(1), json!(2)], None));
        assert!(!has_more(json!({"data": []})));
        assert!(!has_more(json!({"data": null, "has_more": null})));
        assert!(!has_more(json!({"data": vec![1; 99]})));
        assert!(has_more(json!({"data": vec![1; 100]})));
        assert!(!has_more(json!({"data": vec![1; 100], "has_more": false})));
        for odd in [json!({}), json!({"data": {}}), json!({"data": "1"}), json!([])] {
            assert_eq!(page(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn parsed_text_is_read_in_both_shapes() {
        let text_of = |page: Page| page.items.into_iter().flat_map(texts).collect::<Vec<_>>();
        let texts = |answer| Page::of_text(answer).map(|page| text_of(page).join("|"));
        let part = |text: &str| json!({"type": "text", "text": text});
        let page = json!({"data": [part("a"), part("b")], "has_more": true, "next_page": "p2"});
        let read = Page::of_text(page).unwrap();
        assert_eq!((read.has_more, read.next_page.as_deref()), (Some(true), Some("p2")));
        assert_eq!(text_of(read), ["a", "b"]);
        let older = json!({"file_id": "a", "filename": "a.txt", "content": [part("a"), part("b")]});
        assert_eq!(texts(older).as_deref(), Some("a|b"));
        let image = json!({"type": "image", "url": "x"});
        assert_eq!(texts(json!({"data": [image, part("b")]})).as_deref(), Some("b"));
        assert_eq!(texts(json!({"data": []})).as_deref(), Some(""));
        assert_eq!(texts(json!({"file_id": "a"})), None);
        assert_eq!(texts(json!("a")), None);
    }
}
