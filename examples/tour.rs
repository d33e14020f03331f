//! A tour of the verbs on a directory: `cargo run --example tour`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example shows what it does, and asserts what must fail"
)]

use f9::prelude::*;
use f9::{
    ChecksumAlgorithm, CreateOptions, DeleteOptions, ErrorKind, ListOptions, LocalFileBackend,
    ReadOptions, UpdateOptions,
};
use futures::TryStreamExt as _;

#[tokio::main]
async fn main() -> f9::Result<()> {
    let dir = tempfile::tempdir()?;
    let notes = LocalFileBackend::new(dir.path().join("notes")).await?;
    println!("1. Create, append and read");
    write_and_read(&notes).await?;
    println!("\n2. Change a file only if nobody else did");
    change_only_what_was_seen(&notes).await?;
    println!("\n3. Stream a large file");
    stream(&notes).await?;
    println!("\n4. List and find files");
    find(&notes).await?;
    println!("\n5. Copy, check and move");
    check_and_move(&notes).await?;
    println!("\n6. Take turns with other processes");
    take_turns(&notes).await?;
    println!("\n7. Delete");
    clean_up(&notes).await?;
    println!("\nWhere to go next:");
    println!("   the same without async            cargo run --example blocking_tour");
    println!("   a tree that syncs with a remote   cargo run --example git_notes");
    println!("   an HTTP service                   cargo run -p f9-axum-example");
    println!("   your own backend                  examples/custom_backend.rs");
    println!("   every verb and its options        cargo doc --open");
    Ok(())
}

async fn write_and_read(notes: &LocalFileBackend) -> f9::Result<()> {
    // The directory `2026` is created too.
    notes.create("2026/plan.md", "# Plan\n").await?;
    let taken = notes.create("2026/plan.md", "# Another\n").await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    println!("   a second file of the same name is refused: {taken}");

    notes.update_with("2026/plan.md", "- ship\n", UpdateOptions::append()).await?;
    assert_eq!(notes.read_text("2026/plan.md").await?, "# Plan\n- ship\n");
    let end = notes.read_with("2026/plan.md", ReadOptions::range(7..)).await?;
    assert_eq!(end, "- ship\n");
    let size = notes.info("2026/plan.md").await?.size.unwrap_or_default();
    println!("   2026/plan.md has {size} bytes");
    Ok(())
}

async fn change_only_what_was_seen(notes: &LocalFileBackend) -> f9::Result<()> {
    notes.create("counter", "1").await?;
    let seen = notes.info("counter").await?.etag.ok_or(ErrorKind::Unsupported)?;
    notes.update("counter", "7").await?; // somebody else
    let late = notes.update_with("counter", "2", UpdateOptions::if_match(seen)).await;
    let late = late.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::PreconditionFailed);
    assert_eq!(notes.read("counter").await?, "7");
    println!("   a write that knows only the old version is refused: {late}");
    Ok(())
}

async fn stream(notes: &LocalFileBackend) -> f9::Result<()> {
    // Any `AsyncRead` is a source, and any `AsyncWrite` is a target. The whole file is never in memory.
    let source = tokio::io::AsyncReadExt::take(tokio::io::repeat(b'x'), 1_000_000);
    let info = notes.create_from_reader("big.bin", source).await?;
    assert_eq!(info.size, Some(1_000_000));
    let written = notes.read_to_writer("big.bin", tokio::io::sink()).await?;
    assert_eq!(written, 1_000_000);

    // A stream of one backend can be written to another backend, or to another file.
    notes.stream_write("big copy.bin", notes.stream_read("big.bin").await?).await?;
    let mut chunks = notes.stream_read("big copy.bin").await?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(chunk) = chunks.try_next().await? {
        count += 1;
        bytes += chunk.len();
    }
    assert_eq!(bytes, 1_000_000);
    println!("   big copy.bin, of {bytes} bytes, came in {count} chunks");
    Ok(())
}

async fn find(notes: &LocalFileBackend) -> f9::Result<()> {
    let mut entries = notes.list_with("", ListOptions::recursive()).await?;
    let mut names = Vec::new();
    while let Some(entry) = entries.try_next().await? {
        names.push(entry.path.to_string());
    }
    assert_eq!(names, ["2026", "2026/plan.md", "big copy.bin", "big.bin", "counter"]);
    assert_eq!(notes.glob("**/*.{md,txt}").await?, ["2026/plan.md"]);
    assert_eq!(notes.glob_dirs("*").await?, ["2026"]);
    println!("   {}", names.join(", "));
    Ok(())
}

async fn check_and_move(notes: &LocalFileBackend) -> f9::Result<()> {
    let checksum = notes.checksum("big.bin", ChecksumAlgorithm::Blake3).await?;
    notes.copy("big.bin", "2026/big.bin").await?;
    notes.verify("2026/big.bin", &checksum.to_string()).await?;
    notes.rename("2026", "archive/2026").await?;
    assert!(notes.exists("archive/2026/big.bin").await?);
    assert!(!notes.exists("2026").await?);
    println!("   archive/2026/big.bin is what it was: {checksum}");
    Ok(())
}

async fn take_turns(notes: &LocalFileBackend) -> f9::Result<()> {
    // Sessions are exclusive, also among processes on the same directory.
    let session = notes.sync_session().await?;
    let count: u64 = notes.read_text("counter").await?.parse().unwrap_or(0);
    let next = (count + 1).to_string();
    notes.create_with("counter", next, CreateOptions::overwrite()).await?;
    session.finish().await?;
    assert_eq!(notes.read("counter").await?, "8");
    println!("   counted to 8 within a session");
    Ok(())
}

async fn clean_up(notes: &LocalFileBackend) -> f9::Result<()> {
    let full = notes.delete("archive").await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
    notes.delete_with("archive", DeleteOptions::recursive()).await?;
    for path in ["big.bin", "big copy.bin", "counter"] {
        notes.delete(path).await?;
    }
    assert!(notes.glob("**").await?.is_empty());
    println!("   nothing is left");
    Ok(())
}
