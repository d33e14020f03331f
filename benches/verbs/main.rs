//! The time of each verb on the local backend, async and blocking, next to the plain system call. See `benches/README.md`.

#![allow(missing_docs, reason = "a benchmark has the name of its verb")]
#![allow(clippy::unwrap_used, reason = "a failing benchmark must stop")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};

use divan::counter::ItemsCount;
use divan::{Bencher, Divan, black_box};
use f9::prelude::*;
use f9::{
    ChecksumAlgorithm, CreateOptions, DEFAULT_CHUNK_SIZE, LocalFileBackend, UpdateOptions, blocking,
};
use futures::{StreamExt as _, stream};
use tokio::runtime::{Builder, Runtime};

static DIR: OnceLock<PathBuf> = OnceLock::new();

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

fn main() {
    let dir = tempfile::Builder::new().prefix("f9-verbs-").tempdir().unwrap();
    DIR.set(dir.path().to_owned()).unwrap();
    Divan::default().sample_count(20).sample_size(1).config_with_args().main();
}

/// How the directory of a sample is created.
#[derive(Clone, Copy)]
enum Folder {
    /// Created and filled once, for verbs that do not change it.
    Same(fn(&Path)),
    /// Created and filled for each sample. They are deleted at the end, because a file system may be slow to reuse a freed inode.
    New(fn(&Path)),
}

impl Folder {
    fn source(self) -> impl Fn() -> PathBuf {
        let same = if let Self::Same(fill) = self { Some(new_folder(fill)) } else { None };
        move || match self {
            Self::New(fill) => new_folder(fill),
            Self::Same(_) => same.clone().unwrap(),
        }
    }
}

fn new_folder(fill: fn(&Path)) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
    let folder = DIR.get().unwrap().join(number);
    fs::create_dir(&folder).unwrap();
    fill(&folder);
    folder
}

fn name(n: usize) -> String {
    format!("{n:04}.bin")
}

fn files(folder: &Path, count: usize, size: usize) {
    let content: Vec<u8> = (0..=250).cycle().take(size).collect();
    for n in 0..count {
        fs::write(folder.join(name(n)), &content).unwrap();
    }
}

/// Runs `act` this many times in a task, on a thread of the runtime.
fn in_a_task<F, T>(
    bencher: Bencher<'_, '_>,
    times: usize,
    folder: Folder,
    act: fn(LocalFileBackend, usize) -> F,
) where
    F: Future<Output = f9::Result<T>> + Send + 'static,
    T: 'static,
{
    let folder = folder.source();
    let open = || RUNTIME.block_on(LocalFileBackend::new(folder())).unwrap();
    bencher.counter(ItemsCount::new(times)).with_inputs(open).bench_refs(|files| {
        let files = files.clone();
        let task = RUNTIME.spawn(async move {
            for n in 0..times {
                drop(black_box(act(files.clone(), n).await.unwrap()));
            }
        });
        RUNTIME.block_on(task).unwrap();
    });
}

fn blocking<T>(
    bencher: Bencher<'_, '_>,
    times: usize,
    folder: Folder,
    act: fn(&blocking::LocalFileBackend, usize) -> f9::Result<T>,
) {
    let folder = folder.source();
    let open = || blocking::LocalFileBackend::new(folder()).unwrap();
    bencher.counter(ItemsCount::new(times)).with_inputs(open).bench_refs(|files| {
        for n in 0..times {
            drop(black_box(act(files, n).unwrap()));
        }
    });
}

fn bare<T>(
    bencher: Bencher<'_, '_>,
    times: usize,
    folder: Folder,
    act: fn(&Path, usize) -> std::io::Result<T>,
) {
    bencher.counter(ItemsCount::new(times)).with_inputs(folder.source()).bench_refs(|folder| {
        for n in 0..times {
            drop(black_box(act(folder, n).unwrap()));
        }
    });
}

/// Defines three benchmarks of a verb, or two if the standard library has no such call.
macro_rules! verb {
    (
        $verb:ident: $times:expr, $folder:expr,
        f9: $f9:expr,
        blocking: $blocking:expr
        $(, std: $std:expr)? $(,)?
    ) => {
        mod $verb {
            use super::*;

            #[divan::bench]
            fn f9(bencher: Bencher<'_, '_>) {
                super::in_a_task(bencher, $times, $folder, $f9);
            }

            #[divan::bench]
            fn f9_blocking(bencher: Bencher<'_, '_>) {
                super::blocking(bencher, $times, $folder, $blocking);
            }

            $(
                #[divan::bench]
                fn std(bencher: Bencher<'_, '_>) {
                    super::bare(bencher, $times, $folder, $std);
                }
            )?
        }
    };
}

use Folder::{New, Same};

const MANY: usize = 100;
const SMALL: usize = 4096;
const LARGE: usize = 16 << 20;
static CONTENT: [u8; SMALL] = [7; SMALL];
static CHUNK: [u8; DEFAULT_CHUNK_SIZE] = [7; DEFAULT_CHUNK_SIZE];

fn chunks() -> impl Iterator<Item = f9::Result<f9::Bytes>> + Send {
    (0..LARGE / CHUNK.len()).map(|_| Ok(f9::Bytes::from_static(&CHUNK)))
}

verb! {
    create_4_kib: MANY, New(|_| {}),
    f9: |files, n| async move { files.create(&name(n), &CONTENT[..]).await },
    blocking: |files, n| files.create(&name(n), &CONTENT[..]),
    std: |dir, n| fs::write(dir.join(name(n)), CONTENT),
}

verb! {
    overwrite_4_kib: MANY, New(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move {
        files.create_with(&name(n), &CONTENT[..], CreateOptions::overwrite()).await
    },
    blocking: |files, n| {
        files.create_with(&name(n), &CONTENT[..], CreateOptions::overwrite())
    },
    std: |dir, n| fs::write(dir.join(name(n)), CONTENT),
}

verb! {
    append_4_kib_to_4_kib: MANY, New(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move {
        files.update_with(&name(n), &CONTENT[..], UpdateOptions::append()).await
    },
    blocking: |files, n| {
        files.update_with(&name(n), &CONTENT[..], UpdateOptions::append())
    },
    std: |dir, n| File::options().append(true).open(dir.join(name(n)))?.write_all(&CONTENT),
}

verb! {
    read_4_kib: MANY, Same(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move { files.read(&name(n)).await },
    blocking: |files, n| files.read(&name(n)),
    std: |dir, n| fs::read(dir.join(name(n))),
}

verb! {
    read_1_mib: 4, Same(|dir| files(dir, 4, 1 << 20)),
    f9: |files, n| async move { files.read(&name(n)).await },
    blocking: |files, n| files.read(&name(n)),
    std: |dir, n| fs::read(dir.join(name(n))),
}

verb! {
    info: MANY, Same(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move { files.info(&name(n)).await },
    blocking: |files, n| files.info(&name(n)),
    std: |dir, n| fs::metadata(dir.join(name(n))),
}

verb! {
    exists: MANY, Same(|dir| files(dir, MANY / 2, SMALL)),
    f9: |files, n| async move { files.exists(&name(n)).await },
    blocking: |files, n| files.exists(&name(n)),
    std: |dir, n| fs::exists(dir.join(name(n))),
}

verb! {
    list_1000: 1, Same(|dir| files(dir, 1000, 1)),
    f9: |files, _| async move { Ok(files.list("").await?.collect::<Vec<_>>().await) },
    blocking: |files, _| Ok(files.list("")?.collect::<Vec<_>>()),
    std: |dir, _| {
        let entries = fs::read_dir(dir)?.map(|entry| entry.and_then(|entry| entry.metadata()));
        Ok(entries.collect::<Vec<_>>())
    },
}

verb! {
    glob_1000: 1, Same(|dir| files(dir, 1000, 1)),
    f9: |files, _| async move { files.glob("**/*5.bin").await },
    blocking: |files, _| files.glob("**/*5.bin"),
}

verb! {
    copy_4_kib: MANY, New(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move { files.copy(&name(n), &name(n + MANY)).await },
    blocking: |files, n| files.copy(&name(n), &name(n + MANY)),
    std: |dir, n| fs::copy(dir.join(name(n)), dir.join(name(n + MANY))),
}

verb! {
    rename: MANY, New(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move { files.rename(&name(n), &name(n + MANY)).await },
    blocking: |files, n| files.rename(&name(n), &name(n + MANY)),
    std: |dir, n| fs::rename(dir.join(name(n)), dir.join(name(n + MANY))),
}

verb! {
    delete: MANY, New(|dir| files(dir, MANY, SMALL)),
    f9: |files, n| async move { files.delete(&name(n)).await },
    blocking: |files, n| files.delete(&name(n)),
    std: |dir, n| fs::remove_file(dir.join(name(n))),
}

verb! {
    stream_read_16_mib: 1, Same(|dir| files(dir, 1, LARGE)),
    f9: |files, n| async move {
        let mut chunks = files.stream_read(&name(n)).await?;
        while let Some(chunk) = chunks.next().await {
            black_box(chunk?);
        }
        Ok(())
    },
    blocking: |files, n| files.stream_read(&name(n))?.try_for_each(|chunk| chunk.map(drop)),
    std: |dir, n| {
        let (mut file, mut buffer) = (File::open(dir.join(name(n)))?, vec![0; CHUNK.len()]);
        while file.read(&mut buffer)? > 0 {}
        Ok(())
    },
}

verb! {
    stream_write_16_mib: 1, New(|_| {}),
    f9: |files, n| async move { files.stream_write(&name(n), stream::iter(chunks())).await },
    blocking: |files, n| files.stream_write(&name(n), chunks()),
    std: |dir, n| {
        let mut file = File::create(dir.join(name(n)))?;
        (0..LARGE / CHUNK.len()).try_for_each(|_| file.write_all(&CHUNK))
    },
}

verb! {
    sha256_16_mib: 1, Same(|dir| files(dir, 1, LARGE)),
    f9: |files, n| async move { files.checksum(&name(n), ChecksumAlgorithm::Sha256).await },
    blocking: |files, n| files.checksum(&name(n), ChecksumAlgorithm::Sha256),
}

verb! {
    blake3_16_mib: 1, Same(|dir| files(dir, 1, LARGE)),
    f9: |files, n| async move { files.checksum(&name(n), ChecksumAlgorithm::Blake3).await },
    blocking: |files, n| files.checksum(&name(n), ChecksumAlgorithm::Blake3),
}
