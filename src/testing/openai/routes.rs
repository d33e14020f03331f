//! The routes of the service.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A route of the service.
///
/// It compares equal to its [name](Self::name): `request.route == "attach"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Route {
    /// `POST /files`: `upload`.
    Upload,
    /// `GET /files`: `list_files`.
    ListFiles,
    /// `GET /files/{id}`: `file`.
    File,
    /// `DELETE /files/{id}`: `delete_file`.
    DeleteFile,
    /// `GET /files/{id}/content`: `content`.
    Content,
    /// `POST /vector_stores`: `create_store`.
    CreateStore,
    /// `GET /vector_stores`: `list_stores`.
    ListStores,
    /// `GET /vector_stores/{id}`: `store`.
    Store,
    /// `POST /vector_stores/{id}`: `modify_store`.
    ModifyStore,
    /// `DELETE /vector_stores/{id}`: `delete_store`.
    DeleteStore,
    /// `POST /vector_stores/{id}/search`: `search`.
    Search,
    /// `POST /vector_stores/{id}/files`: `attach`.
    Attach,
    /// `GET /vector_stores/{id}/files`: `list`.
    List,
    /// `GET /vector_stores/{id}/files/{file}`: `status`.
    Status,
    /// `POST /vector_stores/{id}/files/{file}`: `attributes`.
    Attributes,
    /// `DELETE /vector_stores/{id}/files/{file}`: `detach`.
    Detach,
    /// `GET /vector_stores/{id}/files/{file}/content`: `text`.
    Text,
    /// `POST /vector_stores/{id}/file_batches`: `batch`.
    Batch,
    /// `GET /vector_stores/{id}/file_batches/{batch}`: `batch_status`.
    BatchStatus,
    /// `GET /vector_stores/{id}/file_batches/{batch}/files`: `batch_files`.
    BatchFiles,
    /// `POST /vector_stores/{id}/file_batches/{batch}/cancel`: `cancel_batch`.
    CancelBatch,
    /// Any other method and path: `unknown`.
    Unknown,
}

/// The body that a route expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Json,
    Form,
}

impl Route {
    /// All routes except [`Unknown`](Self::Unknown).
    pub const ALL: [Self; 21] = [
        Self::Upload,
        Self::ListFiles,
        Self::File,
        Self::DeleteFile,
        Self::Content,
        Self::CreateStore,
        Self::ListStores,
        Self::Store,
        Self::ModifyStore,
        Self::DeleteStore,
        Self::Search,
        Self::Attach,
        Self::List,
        Self::Status,
        Self::Attributes,
        Self::Detach,
        Self::Text,
        Self::Batch,
        Self::BatchStatus,
        Self::BatchFiles,
        Self::CancelBatch,
    ];

    /// Returns the name of the route in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::ListFiles => "list_files",
            Self::File => "file",
            Self::DeleteFile => "delete_file",
            Self::Content => "content",
            Self::CreateStore => "create_store",
            Self::ListStores => "list_stores",
            Self::Store => "store",
            Self::ModifyStore => "modify_store",
            Self::DeleteStore => "delete_store",
            Self::Search => "search",
            Self::Attach => "attach",
            Self::List => "list",
            Self::Status => "status",
            Self::Attributes => "attributes",
            Self::Detach => "detach",
            Self::Text => "text",
            Self::Batch => "batch",
            Self::BatchStatus => "batch_status",
            Self::BatchFiles => "batch_files",
            Self::CancelBatch => "cancel_batch",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether clients send `OpenAI-Beta` with the route, which is so for vector stores.
    pub(super) fn is_beta(self) -> bool {
        self >= Self::CreateStore && self < Self::Unknown
    }

    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Upload => Takes::Form,
            Self::CreateStore
            | Self::ModifyStore
            | Self::Search
            | Self::Attach
            | Self::Attributes
            | Self::Batch => Takes::Json,
            _ => Takes::Nothing,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq<str> for Route {
    fn eq(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl PartialEq<&str> for Route {
    fn eq(&self, name: &&str) -> bool {
        self.name() == *name
    }
}

/// Returns the route of a method and a path, and the ids in the path.
pub(super) fn find(method: &str, path: &str) -> (Route, Vec<String>) {
    let Some(below) = path.strip_prefix("/v1/") else {
        return (Route::Unknown, Vec::new());
    };
    let segments: Vec<String> = below
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method, segments.as_slice()) {
        ("POST", ["files"]) => (Route::Upload, vec![]),
        ("GET", ["files"]) => (Route::ListFiles, vec![]),
        ("GET", ["files", id]) => (Route::File, owned(&[id])),
        ("DELETE", ["files", id]) => (Route::DeleteFile, owned(&[id])),
        ("GET", ["files", id, "content"]) => (Route::Content, owned(&[id])),
        (_, ["vector_stores", below @ ..]) => in_vector_stores(method, below),
        _ => (Route::Unknown, vec![]),
    }
}

fn in_vector_stores(method: &str, segments: &[&str]) -> (Route, Vec<String>) {
    match (method, segments) {
        ("POST", []) => (Route::CreateStore, vec![]),
        ("GET", []) => (Route::ListStores, vec![]),
        ("GET", [id]) => (Route::Store, owned(&[id])),
        ("POST", [id]) => (Route::ModifyStore, owned(&[id])),
        ("DELETE", [id]) => (Route::DeleteStore, owned(&[id])),
        ("POST", [id, "search"]) => (Route::Search, owned(&[id])),
        ("POST", [id, "files"]) => (Route::Attach, owned(&[id])),
        ("GET", [id, "files"]) => (Route::List, owned(&[id])),
        ("GET", [id, "files", file]) => (Route::Status, owned(&[id, file])),
        ("POST", [id, "files", file]) => (Route::Attributes, owned(&[id, file])),
        ("DELETE", [id, "files", file]) => (Route::Detach, owned(&[id, file])),
        ("GET", [id, "files", file, "content"]) => (Route::Text, owned(&[id, file])),
        ("POST", [id, "file_batches"]) => (Route::Batch, owned(&[id])),
        ("GET", [id, "file_batches", batch]) => (Route::BatchStatus, owned(&[id, batch])),
        ("GET", [id, "file_batches", batch, "files"]) => (Route::BatchFiles, owned(&[id, batch])),
        ("POST", [id, "file_batches", batch, "cancel"]) => {
            (Route::CancelBatch, owned(&[id, batch]))
        }
        _ => (Route::Unknown, vec![]),
    }
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_method_and_path() {
        for (method, path, route, ids) in [
            ("POST", "files", "upload", ""),
            ("GET", "files", "list_files", ""),
            ("GET", "files/f", "file", "f"),
            ("DELETE", "files/f", "delete_file", "f"),
            ("GET", "files/f/content", "content", "f"),
            ("POST", "vector_stores", "create_store", ""),
            ("GET", "vector_stores", "list_stores", ""),
            ("GET", "vector_stores/v", "store", "v"),
            ("POST", "vector_stores/v", "modify_store", "v"),
            ("DELETE", "vector_stores/v", "delete_store", "v"),
            ("POST", "vector_stores/v/search", "search", "v"),
            ("POST", "vector_stores/v/files", "attach", "v"),
            ("GET", "vector_stores/v/files", "list", "v"),
            ("GET", "vector_stores/v/files/f", "status", "v f"),
            ("POST", "vector_stores/v/files/f", "attributes", "v f"),
            ("DELETE", "vector_stores/v/files/f", "detach", "v f"),
            ("GET", "vector_stores/v/files/f/content", "text", "v f"),
            ("POST", "vector_stores/v/file_batches", "batch", "v"),
            ("GET", "vector_stores/v/file_batches/b", "batch_status", "v b"),
            ("GET", "vector_stores/v/file_batches/b/files", "batch_files", "v b"),
            ("POST", "vector_stores/v/file_batches/b/cancel", "cancel_batch", "v b"),
            ("PUT", "files", "unknown", ""),
            ("GET", "", "unknown", ""),
            ("GET", "files/f/more", "unknown", ""),
            ("GET", "vector_stores/v/more", "unknown", ""),
            // An encoded id may contain any character.
            ("GET", "files/a%2Fb%20c%25", "file", "a/b c%"),
        ] {
            let (found, found_ids) = find(method, &format!("/v1/{path}"));
            assert_eq!(found, route, "{method} {path}");
            let ids: Vec<&str> =
                if path.contains('%') { vec![ids] } else { ids.split(' ').collect() };
            let ids: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
            assert_eq!(found_ids, ids, "{method} {path}");
        }
        assert_eq!(find("GET", "/v2/files").0, Route::Unknown);
    }

    #[test]
    fn every_route_has_a_unique_name() {
        let names: std::collections::HashSet<&str> =
            Route::ALL.iter().map(|route| route.name()).collect();
        assert_eq!(names.len(), Route::ALL.len());
        let beta = Route::ALL.iter().filter(|route| route.is_beta()).count();
        assert_eq!(beta, 16);
    }
}
