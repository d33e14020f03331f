//! Checksums of many files, in two ways: `cargo run --example checksums`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use f9::prelude::*;
use f9::{Checksum, ChecksumAlgorithm, FilePath, LocalFileBackend};
use futures::future::join_all;

const FILES: usize = 2_000;

#[tokio::main]
async fn main() -> f9::Result<()> {
    let dir = tempfile::tempdir()?;
    let files = LocalFileBackend::new(dir.path()).await?;
    for number in 0..FILES {
        files.create(&format!("{}/{number}.txt", number % 10), vec![b'x'; number]).await?;
    }
    let paths = files.glob_files("**/*.txt").await?;
    assert_eq!(paths.len(), FILES);

    // One future for each file. The backend limits the number of open files.
    let checksums = paths.iter().map(|path| files.checksum(path, ChecksumAlgorithm::Sha256));
    let one_by_one: Vec<f9::Result<Checksum>> = join_all(checksums).await;
    println!("join_all: {} checksums", one_by_one.len());

    // The same in one call. The map has no entries for missing files.
    let mut names: Vec<&str> = paths.iter().map(FilePath::as_str).collect();
    names.push("no such file");
    let together = files.checksum_many(&names, ChecksumAlgorithm::Sha256).await?;
    println!("checksum_many: {} checksums", together.len());

    assert_eq!(together.len(), FILES);
    for (path, checksum) in paths.iter().zip(one_by_one) {
        assert_eq!(together[path], checksum?);
    }
    println!("all equal");
    Ok(())
}
