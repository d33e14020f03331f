//! A vector store filled by the Python library `f9_file_backend`.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use f9::prelude::*;
use f9::testing::openai::{OpenAISimulator, SearchIds};
use f9::{
    ChecksumAlgorithm, DeleteOptions, ErrorKind, FilePath, OpenAIVectorStoreFileBackend,
    ReadOptions, SearchOptions, UpdateMode, UpdateOptions,
};
use serde_json::{Value, json};

/// Seconds since 1970, as Python stores them.
const MODIFIED: f64 = 1_700_000_000.25;

const BINARY: &[u8] = b"\x00\x01binary\xff";

fn attributes(path: &str, size: usize, encoding: &str) -> Value {
    json!({ "path": path, "is_dir": false, "size": size, "modified_at": MODIFIED, "encoding": encoding })
}

/// Adds files as Python writes them: two below a directory, a binary one, and one with a slash before its path.
fn filled(simulator: &OpenAISimulator) {
    let plant = |filename: &str, body: &str, attributes: Value| {
        let id = simulator.add_file(filename, "assistants", body.to_owned());
        simulator.attach_file(&id, attributes);
    };
    let directory = json!({ "path": "notes", "is_dir": true, "size": 0, "modified_at": MODIFIED, "encoding": "raw" });
    plant("upload.txt", "# directory placeholder\n", directory);
    plant("upload.txt", "tomatoes in May", attributes("notes/plan.md", 15, "raw"));
    plant("soup.md", "soup of tomatoes", attributes("/notes/soup.md", 16, "raw"));
    // base64 of BINARY.
    plant("upload.txt", "AAFiaW5hcnn/", attributes("data.bin", BINARY.len(), "base64"));
}

async fn open(simulator: &OpenAISimulator) -> OpenAIVectorStoreFileBackend {
    OpenAIVectorStoreFileBackend::open(simulator.config()).await.unwrap()
}

/// Returns the attributes of the entry at this path.
fn attributes_of(simulator: &OpenAISimulator, path: &str) -> Value {
    let entries = simulator.vector_store_files();
    let mut found = entries.into_iter().filter(|entry| entry.attributes["path"] == path);
    let entry = found.next().unwrap_or_else(|| panic!("nothing is at {path}"));
    assert!(found.next().is_none(), "two are at {path}");
    entry.attributes.into()
}

fn simulators() -> [OpenAISimulator; 2] {
    let simulators = [OpenAISimulator::start(), OpenAISimulator::lenient()];
    simulators.iter().for_each(filled);
    simulators
}

#[tokio::test]
async fn all_entries_are_listed_and_read() {
    for simulator in simulators() {
        let files = open(&simulator).await;
        let all = files.glob("**").await.unwrap();
        assert_eq!(all, ["data.bin", "notes", "notes/plan.md", "notes/soup.md"]);
        assert!(files.info("notes").await.unwrap().is_dir());
        let info = files.info("/notes/plan.md").await.unwrap();
        assert_eq!(info.size, Some(15));
        assert_eq!(info.modified_at, Some(UNIX_EPOCH + Duration::from_secs_f64(MODIFIED)));
        assert_eq!(files.read("notes/plan.md").await.unwrap(), "tomatoes in May");
        assert_eq!(files.read("notes/soup.md").await.unwrap(), "soup of tomatoes");
        assert_eq!(files.read("data.bin").await.unwrap(), BINARY);
        let part = ReadOptions::default().with_range(2..5);
        assert_eq!(files.read_with("data.bin", part).await.unwrap(), "bin");
        let sum = files.checksum("data.bin", ChecksumAlgorithm::Sha256).await.unwrap();
        assert_eq!(sum, f9::Checksum::of(ChecksumAlgorithm::Sha256, BINARY));
        assert_eq!(files.read("notes").await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(files.check().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_replaced_file_is_written_in_f9s_format() {
    for simulator in simulators() {
        let files = open(&simulator).await;
        files.update("notes/soup.md", "soup of leeks").await.unwrap();
        let append = UpdateOptions::default().with_mode(UpdateMode::Append);
        files.update_with("data.bin", Bytes::from_static(b"!"), append).await.unwrap();
        let error = files.create("notes/plan.md", "another").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        for path in ["notes/soup.md", "data.bin"] {
            let attributes = attributes_of(&simulator, path);
            assert!(attributes["generation"].as_u64() > Some(0));
            assert!(attributes["sha256"].is_string());
        }
        assert_eq!(attributes_of(&simulator, "data.bin")["encoding"], "framed");
        assert_eq!(simulator.files().len(), 4, "the old versions are removed");
        let files = open(&simulator).await;
        assert_eq!(files.read("notes/soup.md").await.unwrap(), "soup of leeks");
        assert_eq!(files.read("data.bin").await.unwrap(), [BINARY, b"!"].concat());
    }
}

#[tokio::test]
async fn a_renamed_file_stays_readable() {
    for simulator in simulators() {
        let files = open(&simulator).await;
        files.rename("notes", "kept/notes").await.unwrap();
        files.rename("data.bin", "notes").await.unwrap();
        files.copy("kept/notes/soup.md", "soup.md").await.unwrap();
        let files = open(&simulator).await;
        let all = files.glob("**").await.unwrap();
        let expected =
            ["kept", "kept/notes", "kept/notes/plan.md", "kept/notes/soup.md", "notes", "soup.md"];
        assert_eq!(all, expected);
        assert_eq!(files.read("notes").await.unwrap(), BINARY);
        assert_eq!(files.read("soup.md").await.unwrap(), "soup of tomatoes");
        assert_eq!(files.read("kept/notes/soup.md").await.unwrap(), "soup of tomatoes");
        assert_eq!(files.read("kept/notes/plan.md").await.unwrap(), "tomatoes in May");
        let info = files.info("kept/notes/plan.md").await.unwrap();
        assert_eq!(info.modified_at, Some(UNIX_EPOCH + Duration::from_secs_f64(MODIFIED)));
        assert_eq!(attributes_of(&simulator, "notes")["encoding"], "base64");
    }
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    for simulator in simulators() {
        let files = open(&simulator).await;
        let error = files.delete("notes").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
        files.delete("notes/plan.md").await.unwrap();
        files.delete_with("notes", DeleteOptions::recursive()).await.unwrap();
        files.delete("/data.bin").await.unwrap();
        assert!(simulator.files().is_empty() && simulator.vector_store_files().is_empty());
    }
}

#[tokio::test]
async fn search_finds_paths_with_and_without_a_leading_slash() {
    let [simulator, _] = simulators();
    let files = open(&simulator).await;
    let below = SearchOptions::default().with_prefix(FilePath::parse("notes").unwrap());
    let mut found: Vec<_> = files.search_with("tomatoes", below).await.unwrap();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let paths: Vec<_> = found.iter().map(|hit| hit.path.as_str()).collect();
    assert_eq!(paths, ["notes/plan.md", "notes/soup.md"]);
}

/// The library leaves an older version behind if it dies between two steps.
#[tokio::test]
async fn search_does_not_find_an_older_version() {
    for ids in [SearchIds::File, SearchIds::Document, SearchIds::Empty] {
        let [simulator, _] = simulators();
        simulator.set(|rules| rules.search_ids = ids);
        let id = simulator.add_file("upload.txt", "assistants", "potatoes in May");
        let mut older = attributes("notes/plan.md", 15, "raw");
        older["modified_at"] = json!(MODIFIED - 5.0);
        simulator.attach_file(&id, older);
        let files = open(&simulator).await;
        assert_eq!(files.search("potatoes").await.unwrap(), [], "{ids:?}");
        assert_eq!(files.search("tomatoes").await.unwrap().len(), 2, "{ids:?}");
    }
}

/// Without a checksum, content that needs a guess at the dropped white space cannot be verified.
#[tokio::test]
async fn content_that_cannot_be_verified_is_not_returned() {
    let simulator = OpenAISimulator::start();
    let long = "word ".repeat(2000);
    for (path, body) in [("line", "a line\r"), ("lines", "two\nlines\n"), ("long", &long)] {
        let id = simulator.add_file("upload.txt", "assistants", body.to_owned());
        simulator.attach_file(&id, attributes(path, body.len(), "raw"));
    }
    let files = open(&simulator).await;
    for path in ["line", "lines", "long"] {
        let error = files.read(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DownloadForbidden, "{error}");
    }
    simulator.set(|rules| rules.forbidden_downloads.clear());
    let files = open(&simulator).await;
    assert_eq!(files.read("line").await.unwrap(), "a line\r");
    assert_eq!(files.read("lines").await.unwrap(), "two\nlines\n");
    assert_eq!(files.read("long").await.unwrap(), long);
}

/// Listed files that f9 did not write.
#[tokio::test]
async fn entries_of_other_programs_are_kept() {
    let [simulator, _] = simulators();
    for attributes in [
        json!({}),
        json!({"path": "notes/other.md"}),
        json!({"path": "../up", "size": 1, "encoding": "raw"}),
        json!({"path": "notes/dated.md", "created_at": "2026-01-01"}),
        json!({"path": "notes/summed.md", "sha256": "ab".repeat(32)}),
        // Beside a file of the same path.
        json!({"path": "data.bin", "sha256": "ab".repeat(32)}),
    ] {
        let id = simulator.add_file("other.txt", "assistants", "tomatoes");
        simulator.attach_file(&id, attributes);
    }
    let files = open(&simulator).await;
    assert_eq!(files.glob("**").await.unwrap().len(), 4);
    files.update("data.bin", "new").await.unwrap();
    files.delete_with("notes", DeleteOptions::recursive()).await.unwrap();
    files.delete("data.bin").await.unwrap();
    assert!(files.repair().await.unwrap().is_empty());
    assert_eq!(simulator.vector_store_files().len(), 6);
    assert_eq!(simulator.files().len(), 6);
}
