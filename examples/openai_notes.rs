//! Notes in an OpenAI vector store, and a question about them.
//!
//! ```sh
//! cargo run --example openai_notes --features openai,testing
//! OPENAI_API_KEY=… cargo run --example openai_notes --features openai,testing -- vs_123
//! ```
//!
//! Without an argument it needs no account: it starts the simulator of the service.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::OpenAISimulator;
use f9::{CreateOptions, OpenAIConfig, OpenAIVectorStoreFileBackend, SearchOptions};

#[tokio::main]
async fn main() -> f9::Result<()> {
    let simulator;
    let config = match std::env::args().nth(1) {
        Some(vector_store) => OpenAIConfig::new(vector_store),
        None => {
            simulator = OpenAISimulator::start();
            simulator.config()
        }
    };
    let notes =
        OpenAIVectorStoreFileBackend::open(config.with_cache_ttl(Duration::from_secs(5))).await?;

    for (path, text) in [
        ("garden/plan.md", "Plant the tomatoes in May, the garlic in October."),
        ("garden/tools.md", "The spade is in the shed behind the house."),
        ("kitchen/soup.md", "Cook the tomatoes for an hour, then add the basil."),
    ] {
        notes.create_with(path, text, CreateOptions::overwrite()).await?;
        notes.wait_until_indexed(path, Duration::from_secs(120)).await?;
    }
    // Binary content is framed, so that it is restored exactly even if the service only returns parsed text.
    let pixels: Vec<u8> = (0..=255).collect();
    notes.create_with("garden/bed.png", pixels.clone(), CreateOptions::overwrite()).await?;
    assert_eq!(notes.read("garden/bed.png").await?, pixels);

    for path in notes.glob_files("**/*").await? {
        let info = notes.info(&path).await?;
        println!("{path}: {} bytes", info.size.unwrap_or_default());
    }
    for hit in notes.search("When are the tomatoes planted?").await? {
        println!("{:.2} {}: {}", hit.score, hit.path, hit.text.trim_end());
    }
    let kitchen = SearchOptions::default().with_glob("kitchen/**".parse()?).with_max_results(1);
    let hits = notes.search_with("tomatoes", kitchen).await?;
    println!("in the kitchen: {}", hits[0].path);
    println!("{} requests", notes.requests_sent());
    Ok(())
}
