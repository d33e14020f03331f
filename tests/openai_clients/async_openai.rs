//! The crate `async-openai` uses the whole API.

use std::collections::HashMap;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::traits::RequestOptionsBuilder as _;
use async_openai::types::InputSource;
use async_openai::types::files::{
    CreateFileRequest, FileExpirationAfter, FileExpirationAfterAnchor, FileInput, FilePurpose,
    ListFilesOrder, ListFilesQueryArgs, OpenAIFilePurpose,
};
use async_openai::types::vectorstores::{
    AttributeValue, ChunkingStrategyRequestParam, CreateVectorStoreFileBatchRequest,
    CreateVectorStoreFileRequest, CreateVectorStoreRequest, StaticChunkingStrategy,
    UpdateVectorStoreFileAttributesRequest, UpdateVectorStoreRequest, VectorStoreExpirationAfter,
    VectorStoreFileAttributes, VectorStoreFileBatchStatus, VectorStoreFileStatus,
    VectorStoreSearchRequest, VectorStoreStatus,
};
use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Retry, Route};

/// A simulator and the crate's client for it.
struct Talk {
    openai: OpenAISimulator,
    client: Client<OpenAIConfig>,
}

fn client(openai: &OpenAISimulator, key: &str) -> Client<OpenAIConfig> {
    Client::with_config(OpenAIConfig::new().with_api_base(openai.base_url()).with_api_key(key))
}

fn attributes(pairs: &[(&str, AttributeValue)]) -> VectorStoreFileAttributes {
    let owned = |(key, value): &(&str, AttributeValue)| ((*key).to_owned(), value.clone());
    VectorStoreFileAttributes(pairs.iter().map(owned).collect())
}

fn source(filename: &str, content: &[u8]) -> InputSource {
    InputSource::VecU8 { filename: filename.to_owned(), vec: content.to_vec() }
}

/// Returns the status, the message and the code of an error.
#[track_caller]
fn refused<T>(result: Result<T, OpenAIError>) -> (u16, String, Option<String>) {
    match result.err().unwrap() {
        OpenAIError::ApiError(error) => {
            (error.status_code.as_u16(), error.api_error.message, error.api_error.code)
        }
        other => panic!("{other}"),
    }
}

impl Talk {
    fn start() -> Self {
        let openai = OpenAISimulator::start();
        let client = client(&openai, openai.api_key());
        Self { openai, client }
    }

    fn store(&self) -> &str {
        self.openai.vector_store_id()
    }

    async fn try_upload(
        &self,
        filename: &str,
        purpose: FilePurpose,
        content: &[u8],
    ) -> Result<String, OpenAIError> {
        let file = FileInput { source: source(filename, content) };
        let request = CreateFileRequest { file, purpose, expires_after: None };
        self.client.files().create(request).await.map(|file| file.id)
    }

    async fn upload(&self, filename: &str, content: &[u8]) -> String {
        self.try_upload(filename, FilePurpose::Assistants, content).await.unwrap()
    }

    /// Uploads and attaches a file.
    async fn attach(
        &self,
        filename: &str,
        content: &str,
        attributes: VectorStoreFileAttributes,
    ) -> String {
        let file_id = self.upload(filename, content.as_bytes()).await;
        let request = CreateVectorStoreFileRequest {
            file_id: file_id.clone(),
            chunking_strategy: None,
            attributes: Some(attributes),
        };
        self.client.vector_stores().files(self.store()).create(request).await.unwrap();
        file_id
    }
}

#[tokio::test]
async fn files() {
    let talk = Talk::start();
    let files = talk.client.files();
    let id = talk.upload("notes.txt", b"some notes").await;
    let file = files.retrieve(&id).await.unwrap();
    assert_eq!((file.bytes, file.filename.as_str()), (Some(10), "notes.txt"));
    assert_eq!((file.purpose, file.object.as_str()), (OpenAIFilePurpose::Assistants, "file"));
    let (status, message, _) = refused(files.content(&id).await);
    assert_eq!(
        (status, message.as_str()),
        (400, "Not allowed to download files of purpose: assistants")
    );

    let content = b"\x89PNG\r\n\x1a\n\x00\xff";
    let image = talk.try_upload("a.png", FilePurpose::Vision, content).await.unwrap();
    assert_eq!(files.content(&image).await.unwrap(), content[..]);
    let expires_after =
        FileExpirationAfter { anchor: FileExpirationAfterAnchor::CreatedAt, seconds: 3600 };
    let request = CreateFileRequest {
        file: FileInput { source: source("a.txt", b"x") },
        purpose: FilePurpose::UserData,
        expires_after: Some(expires_after),
    };
    let lasting = files.create(request).await.unwrap();
    assert_eq!(lasting.expires_at, Some(lasting.created_at + 3600));

    let query =
        ListFilesQueryArgs::default().order(ListFilesOrder::Asc).limit(2u32).build().unwrap();
    let page = talk.client.files().query(&query).unwrap().list().await.unwrap();
    let ids: Vec<&str> = page.data.iter().map(|file| file.id.as_str()).collect();
    assert_eq!((ids, page.has_more), (vec![id.as_str(), image.as_str()], true));
    assert_eq!(page.last_id, Some(image.clone()));

    assert!(files.delete(&id).await.unwrap().deleted);
    let gone = refused(files.retrieve(&id).await);
    assert_eq!((gone.0, gone.1), (404, format!("No such File object: {id}")));
    let empty = refused(talk.try_upload("a.txt", FilePurpose::Assistants, b"").await);
    assert_eq!((empty.0, empty.1.as_str()), (400, "File is empty."));
}

#[tokio::test]
async fn vector_stores() {
    let talk = Talk::start();
    let stores = talk.client.vector_stores();
    let file_id = talk.upload("a.txt", b"text").await;
    let request = CreateVectorStoreRequest {
        name: Some("made".to_owned()),
        file_ids: Some(vec![file_id.clone()]),
        expires_after: Some(VectorStoreExpirationAfter {
            anchor: "last_active_at".to_owned(),
            days: 2,
        }),
        ..Default::default()
    };
    let made = stores.create(request).await.unwrap();
    assert_eq!((made.name.as_deref(), made.file_counts.total), (Some("made"), 1));
    assert_eq!(made.expires_after.unwrap().days, 2);
    let retrieved = stores.retrieve(&made.id).await.unwrap();
    assert_eq!((retrieved.status, retrieved.usage_bytes), (VectorStoreStatus::Completed, 4));
    let request = UpdateVectorStoreRequest { name: Some("other".to_owned()), ..Default::default() };
    assert_eq!(stores.update(&made.id, request).await.unwrap().name.as_deref(), Some("other"));
    let listed = stores.list().await.unwrap();
    let ids: Vec<&str> = listed.data.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(ids, [made.id.as_str(), talk.store()]);
    assert!(stores.delete(&made.id).await.unwrap().deleted);
    let gone = refused(stores.retrieve(&made.id).await);
    assert_eq!((gone.0, gone.1), (404, format!("No vector store found with id '{}'.", made.id)));
    talk.client.files().retrieve(&file_id).await.unwrap();
}

#[tokio::test]
async fn vector_store_files() {
    let talk = Talk::start();
    let stores = talk.client.vector_stores();
    let files = stores.files(talk.store());
    let given =
        attributes(&[("path", "a/b.txt".into()), ("size", 14.into()), ("dir", false.into())]);
    let id = talk.attach("b.txt", "the quick brown fox", given.clone()).await;
    let file = files.retrieve(&id).await.unwrap();
    assert_eq!((file.status, file.attributes), (VectorStoreFileStatus::Completed, Some(given)));
    assert_eq!((file.id.as_str(), file.vector_store_id.as_str()), (id.as_str(), talk.store()));

    let moved = attributes(&[("path", "c.txt".into())]);
    let request = UpdateVectorStoreFileAttributesRequest { attributes: moved.clone() };
    assert_eq!(files.update(&id, request).await.unwrap().attributes, Some(moved.clone()));
    let content = files.retrieve_file_content(&id).await.unwrap();
    assert_eq!((content.data.len(), content.has_more), (1, false));
    assert_eq!(content.data[0].text, "the quick brown fox");

    let config = StaticChunkingStrategy { max_chunk_size_tokens: 100, chunk_overlap_tokens: 0 };
    let request = CreateVectorStoreFileRequest {
        file_id: talk.upload("long.txt", &[b'x'; 1000]).await,
        chunking_strategy: Some(ChunkingStrategyRequestParam::Static { config }),
        attributes: None,
    };
    let long = files.create(request).await.unwrap().id;
    let lengths = files.retrieve_file_content(&long).await.unwrap().data;
    assert_eq!(lengths.iter().map(|part| part.text.len()).collect::<Vec<_>>(), [400, 400, 200]);

    let page = stores.files(talk.store()).query(&[("limit", "1")]).unwrap().list().await.unwrap();
    assert_eq!((page.data[0].id.as_str(), page.has_more), (long.as_str(), true));
    let after = [("after", page.last_id.unwrap())];
    let page = stores.files(talk.store()).query(&after).unwrap().list().await.unwrap();
    assert_eq!((page.data[0].id.as_str(), page.has_more), (id.as_str(), false));

    assert!(files.delete(&id).await.unwrap().deleted);
    let missing = format!("No file found with id '{id}' in vector store '{}'.", talk.store());
    let gone = refused(files.retrieve(&id).await);
    assert_eq!((gone.0, gone.1), (404, missing));
    let table = talk.upload("a.csv", b"a,b").await;
    let request = CreateVectorStoreFileRequest { file_id: table, ..Default::default() };
    let (status, _, code) = refused(files.create(request).await);
    assert_eq!((status, code.as_deref()), (400, Some("unsupported_file")));
}

#[tokio::test]
async fn batches() {
    let talk = Talk::start();
    talk.openai.set(|rules| rules.in_progress_polls = 1);
    let stores = talk.client.vector_stores();
    let batches = stores.file_batches(talk.store());
    let mut files = Vec::new();
    for number in 0..3 {
        files.push(CreateVectorStoreFileRequest {
            file_id: talk.upload("a.txt", b"x").await,
            chunking_strategy: None,
            attributes: Some(attributes(&[("number", number.into())])),
        });
    }
    let ids: Vec<String> = files.iter().map(|file| file.file_id.clone()).rev().collect();
    let request = CreateVectorStoreFileBatchRequest { files: Some(files), ..Default::default() };
    let begun = batches.create(request).await.unwrap();
    assert_eq!(
        (begun.status, begun.file_counts.in_progress),
        (VectorStoreFileBatchStatus::InProgress, 3)
    );
    batches.retrieve(&begun.id).await.unwrap();
    let done = batches.retrieve(&begun.id).await.unwrap();
    assert_eq!(
        (done.status, done.file_counts.completed),
        (VectorStoreFileBatchStatus::Completed, 3)
    );
    let listed = batches.list_files(&begun.id).await.unwrap().data;
    assert_eq!(listed.iter().map(|file| file.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(listed[0].attributes, Some(attributes(&[("number", 2.into())])));

    let file_ids = Some(vec![talk.upload("a.txt", b"x").await]);
    let request = CreateVectorStoreFileBatchRequest { file_ids, ..Default::default() };
    let begun = batches.create(request).await.unwrap();
    let cancelled = batches.cancel(&begun.id).await.unwrap();
    assert_eq!(cancelled.status, VectorStoreFileBatchStatus::Cancelled);
}

#[tokio::test]
async fn search() {
    let talk = Talk::start();
    let id = talk.attach("fox.txt", "a quick red fox", attributes(&[("size", 1.into())])).await;
    talk.attach("dog.txt", "a lazy brown dog", VectorStoreFileAttributes(HashMap::new())).await;
    let filters = serde_json::json!({ "type": "gte", "key": "size", "value": 1 });
    let mut request = VectorStoreSearchRequest { query: "a fox".into(), ..Default::default() };
    let all = talk.client.vector_stores().search(talk.store(), request.clone()).await.unwrap();
    assert_eq!(all.search_query, ["a fox"]);
    let names: Vec<&str> = all.data.iter().map(|hit| hit.filename.as_str()).collect();
    assert_eq!(names, ["fox.txt", "dog.txt"]);
    request.filters = Some(serde_json::from_value(filters).unwrap());
    let some = talk.client.vector_stores().search(talk.store(), request).await.unwrap();
    assert_eq!(some.data.len(), 1);
    assert_eq!((some.data[0].file_id.as_str(), some.data[0].score), (id.as_str(), 1.0));
    assert_eq!(some.data[0].content[0].text, "a quick red fox");
}

#[tokio::test]
async fn errors() {
    let talk = Talk::start();
    let stranger = client(&talk.openai, "sk-other");
    let (status, _, code) = refused(stranger.files().list().await);
    assert_eq!((status, code.as_deref()), (401, Some("invalid_api_key")));
    for status in [403, 404, 409] {
        talk.openai.inject(Fault::status(status).on(Route::ListFiles));
        assert_eq!(refused(talk.client.files().list().await).0, status);
    }
    talk.openai.inject(FaultKind::InsufficientQuota);
    let (status, _, code) = refused(talk.client.files().list().await);
    assert_eq!((status, code.as_deref()), (429, Some("insufficient_quota")));
    // The library retries this one.
    talk.openai.inject(FaultKind::RateLimited(Retry::AfterMillis(1)));
    talk.client.files().list().await.unwrap();
    talk.openai.inject(FaultKind::MalformedJson);
    let malformed = talk.client.files().list().await.unwrap_err();
    assert!(matches!(malformed, OpenAIError::JSONDeserialize(..)), "{malformed}");
}
