//! A custom backend with a URI scheme, tested by the whole suite:
//! `cargo run --example custom_backend --features testing`.
//!
//! [`Masked`] stores its files in another backend with every byte inverted, so that a search of the disk does not find the
//! text. This is not encryption. It implements the eight required methods and two more.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example shows what it does, and asserts what must fail"
)]

use std::sync::Arc;

use f9::prelude::*;
use f9::testing::{Fixture, Outcome};
use f9::{
    BackendUri, ByteStream, Bytes, Capabilities, Capability, Checksum, CopyOptions,
    CreateDirOptions, DeleteOptions, Encoding, EncodingMode, Error, FileContent, FileInfo, Hasher,
    InfoOptions, InfoStream, ListOptions, LocalFileBackend, MemoryFileBackend, ReadOptions,
    RenameOptions, Result, SessionOptions, SyncSession, WriteOptions, async_trait,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// The files of another backend, with every byte of their content inverted.
#[derive(Debug)]
struct Masked {
    inner: Arc<dyn AsyncFileBackend>,
}

fn mask(bytes: &Bytes) -> Bytes {
    bytes.iter().map(|byte| !byte).collect()
}

/// Masks each chunk, and returns an error at the end if the plain content does not have the expected checksum.
fn masking(data: ByteStream<'_>, expected: Option<Checksum>) -> ByteStream<'_> {
    let state = (data, expected.map(|expected| (Hasher::new(expected.algorithm()), expected)));
    let masked = stream::try_unfold(state, |(mut data, mut expected)| async move {
        if let Some(chunk) = data.try_next().await? {
            if let Some((hasher, _)) = &mut expected {
                hasher.update(&chunk);
            }
            return Ok(Some((mask(&chunk), (data, expected))));
        }
        if let Some((hasher, expected)) = expected {
            expected.expect(&hasher.finish())?;
        }
        Ok(None)
    });
    masked.boxed()
}

#[async_trait]
impl AsyncFileBackend for Masked {
    fn capabilities(&self) -> Capabilities {
        // Without those of the methods that are not implemented here.
        self.inner.capabilities()
            - Capabilities::of(&[
                Capability::SetInfo,
                Capability::Links,
                Capability::Versions,
                Capability::Watch,
                Capability::Resumable,
                Capability::PrivateViews,
            ])
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        mut options: WriteOptions,
    ) -> Result<FileInfo> {
        let data = masking(f9::stream::from_caller(data), options.checksum.take());
        let written = self.inner.stream_write_with(path, data, options).await;
        // A wrong checksum is an error of this backend, although it is found in the stream.
        written.map_err(Error::into_error_of_source)
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        let mut content = self.inner.open_with(path, options).await?;
        content.stream = content.stream.map_ok(|chunk| mask(&chunk)).boxed();
        Ok(content)
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let mut plain = options.clone();
        (plain.checksum, plain.encoding) = (None, EncodingMode::default());
        let mut info = self.inner.info_with(path, plain).await?;
        // The checksum and the encoding are those of the plain content.
        if let (true, Some(algorithm)) = (info.is_file(), options.checksum) {
            info.checksum = Some(self.checksum(path, algorithm).await?);
        }
        if info.is_file() && options.encoding == EncodingMode::Detect {
            let start = ReadOptions::range(..Encoding::SAMPLE_BYTES as u64);
            let sample = self.read_with(path, start).await?;
            let complete = info.size == Some(sample.len() as u64);
            info.encoding = Some(Encoding::detect(&sample, complete));
        }
        Ok(info)
    }

    // The following methods do not depend on the content.

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.inner.create_dir_with(path, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.inner.delete_with(path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.inner.list_with(prefix, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.inner.rename_with(from, to, options).await
    }

    // These two are optional. The inner store may copy without transferring the content, and a store without the second
    // method has no sessions.

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.inner.copy_with(from, to, options).await
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        self.inner.sync_session_with(options).await
    }
}

/// Opens `masked:///srv/notes`.
async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    uri.parameters().finish()?; // there are none; one that is given is an error
    let inner = LocalFileBackend::new(uri.location()).await?;
    Ok(Arc::new(Masked { inner: Arc::new(inner) }))
}

/// Creates an empty store for each case of the suite.
struct Fresh;

#[async_trait]
impl Fixture for Fresh {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::new(Masked { inner: Arc::new(MemoryFileBackend::new()) })
    }
}

#[tokio::main]
async fn use_it() -> Result<()> {
    f9::register_backend("masked", open)?;
    let dir = tempfile::tempdir()?;
    let notes = f9::resolve_backend(&format!("masked://{}", dir.path().display())).await?;
    notes.create("a.txt", "attack at dawn").await?;
    assert_eq!(notes.read_text("a.txt").await?, "attack at dawn");
    assert_ne!(std::fs::read(dir.path().join("a.txt"))?, b"attack at dawn");

    let unknown = f9::resolve_backend("masked:///srv/notes?key=1").await.unwrap_err();
    println!("{unknown}");
    Ok(())
}

fn main() -> Result<()> {
    use_it()?;
    // Each case runs on its own runtime, and panics if the backend violates the contract.
    let (mut passed, mut skipped) = (0, 0);
    for case in f9::testing::all_cases() {
        match f9::testing::run(case, Fresh) {
            Outcome::Skipped(_) => skipped += 1,
            _ => passed += 1,
        }
    }
    println!("{passed} cases passed, {skipped} skipped");
    Ok(())
}
