//! The content of the vector store at the start of a test.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::{AttachedFile, OpenAISimulator, StoredFile};
use serde_json::json;

use crate::notes::{BINARY, open};
use crate::verbs::Verb;

/// Some files and a directory as a backend wrote them some hours ago, to be copied into any number of services.
pub(crate) struct Fixture {
    entries: Vec<(StoredFile, AttachedFile)>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let openai = OpenAISimulator::start();
        let notes = open(&openai).await;
        notes.create("a.txt", "one\n").await.unwrap();
        notes.create("d/b.bin", &BINARY[..]).await.unwrap();
        notes.create("d/c.txt", "two").await.unwrap();
        notes.create_dir("d/e").await.unwrap();
        notes.create("t.txt", "three").await.unwrap();
        Self { entries: openai.files().into_iter().zip(openai.vector_store_files()).collect() }
    }

    /// Starts a service with this content, configured as the verb needs it.
    pub(crate) fn service(&self, verb: Verb) -> OpenAISimulator {
        let openai = if verb.needs_forbidden_downloads() {
            OpenAISimulator::start()
        } else {
            OpenAISimulator::lenient()
        };
        self.plant(&openai);
        if verb == Verb::Repair {
            self.plant_garbage(&openai);
        }
        openai
    }

    pub(crate) fn plant(&self, openai: &OpenAISimulator) {
        for (file, entry) in &self.entries {
            let id = plant_old(openai, &file.filename, file.bytes.clone());
            openai.attach_file(&id, entry.attributes.clone().into());
        }
    }

    /// Adds what a repair removes: an older version, an entry without a file, and an upload that was never attached.
    pub(crate) fn plant_garbage(&self, openai: &OpenAISimulator) {
        let (file, entry) = &self.entries[0];
        let mut attributes = entry.attributes.clone();
        attributes.insert("generation".to_owned(), json!(0));
        let id = plant_old(openai, &file.filename, "zero");
        openai.attach_file(&id, attributes.into());
        plant_old(openai, &file.filename, "lost");
    }
}

/// Adds a file that was uploaded some hours ago.
pub(crate) fn plant_old(
    openai: &OpenAISimulator,
    filename: &str,
    content: impl Into<f9::Bytes>,
) -> String {
    let id = openai.add_file(filename, "assistants", content);
    openai.backdate_file(&id, Duration::from_secs(2 * 3600));
    id
}
