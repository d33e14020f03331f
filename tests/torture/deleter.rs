//! A process that deletes the tree into which others write: every writer succeeds, or fails with what is true.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use f9::prelude::*;
use f9::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Durability, ErrorKind,
    InfoChanges, LocalFileBackend, RenameOptions, Result, UpdateOptions, WriteOptions,
};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};

use crate::run_size::plain_or_all;

/// A verb that writes into the tree.
#[derive(Clone, Copy)]
struct Writer {
    name: &'static str,
    /// Whether what it needs may be deleted, so that `NotFound` is true.
    needs_a_file: bool,
    /// Acts on a path in the tree that no other call uses, and on the number of the call.
    act: fn(LocalFileBackend, String) -> BoxFuture<'static, Result<()>>,
}

/// A file outside the tree, from which others are copied.
const SOURCE: &str = "source";

fn content() -> f9::ByteStream<'static> {
    stream::iter(["one", "two"].map(|text| Ok(text.into()))).boxed()
}

/// The path of a file that several writers replace.
fn shared(path: &str) -> String {
    let (parent, _) = path.rsplit_once('/').unwrap();
    format!("{parent}/shared")
}

const WRITERS: &[Writer] = &[
    Writer {
        name: "create",
        needs_a_file: false,
        act: |backend, path| async move { backend.create(&path, "new").await.map(drop) }.boxed(),
    },
    Writer {
        name: "write",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let options = CreateOptions::overwrite().with_content_type("text/plain");
                backend.create_with(&shared(&path), "new", options).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "update",
        needs_a_file: true,
        act: |backend, path| {
            async move {
                backend.write(&shared(&path), "old").await?;
                backend.update(&shared(&path), "new").await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "append",
        needs_a_file: true,
        act: |backend, path| {
            async move {
                backend.write(&path, "old").await?;
                backend.update_with(&path, "new", UpdateOptions::append()).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "stream_write",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let options = WriteOptions::overwrite();
                backend.stream_write_with(&shared(&path), content(), options).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "write_many",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let names = (0..6).map(|number| format!("{path}/{}/{number}", number % 2));
                let files = names.map(|path| (path, "new".into())).collect();
                let options = WriteOptions::overwrite();
                let written = backend.write_many_with(files, options).await?;
                written.into_iter().try_for_each(|written| written.map(drop))
            }
            .boxed()
        },
    },
    Writer {
        name: "upload",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let upload = backend.begin_upload(&path, WriteOptions::overwrite()).await?;
                let upload = backend.continue_upload(&upload, content()).await?;
                backend.finish_upload(&upload).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "copy",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let overwrite = CopyOptions::overwrite();
                backend.copy_with(SOURCE, &shared(&path), overwrite).await?;
                backend.copy(SOURCE, &path).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "rename",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                let own = path.replace('/', "-");
                backend.create(&own, "new").await?;
                backend.rename_with(&own, &shared(&path), RenameOptions::overwrite()).await?;
                backend.create_dir(&own).await?;
                backend.rename(&own, &path).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "create_dir",
        needs_a_file: false,
        act: |backend, path| {
            async move {
                backend.create_dir(&path).await?;
                let overwrite = CreateDirOptions::overwrite();
                backend.create_dir_with(&shared(&path), overwrite).await
            }
            .boxed()
        },
    },
    Writer {
        name: "create_link",
        needs_a_file: false,
        act: |backend, path| {
            async move { backend.create_link(&path, "shared").await.map(drop) }.boxed()
        },
    },
    Writer {
        name: "set_info",
        needs_a_file: true,
        act: |backend, path| {
            async move {
                backend.write(&path, "new").await?;
                let changes = InfoChanges::default().with_permissions(0o600);
                backend.set_info(&path, changes).await.map(drop)
            }
            .boxed()
        },
    },
    Writer {
        name: "delete",
        needs_a_file: true,
        act: |backend, path| {
            async move {
                backend.write(&path, "new").await?;
                backend.delete(&path).await
            }
            .boxed()
        },
    },
];

/// Who deletes the tree.
#[derive(Clone, Copy, Debug)]
enum Deleter {
    /// A backend with a handle of the root of its own, as another process has.
    Backend,
    /// A program that deletes one entry after the other, like rm(1).
    Program,
}

impl Deleter {
    /// Deletes at least a part of the tree; `false` if it does not exist.
    async fn delete(self, root: &Path, backend: &LocalFileBackend) -> bool {
        match self {
            Self::Backend => match backend.delete_with("tree", DeleteOptions::recursive()).await {
                Ok(()) => true,
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => panic!("the deletion failed: {error:?}"),
            },
            // If others create files meanwhile, their directories stay.
            Self::Program => match fs::remove_dir_all(root.join("tree")) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::DirectoryNotEmpty,
            },
        }
    }
}

/// A limit that only a hang exceeds.
const HANG_LIMIT: Duration = Duration::from_secs(120);

/// Lets two tasks write while another deletes the tree again and again.
async fn write_while_others_delete(
    root: &Path,
    writer: Writer,
    durability: Durability,
    deleter: Deleter,
) {
    let open = || LocalFileBackend::builder(root).durability(durability).open();
    let backend = open().await.unwrap();
    backend.create(SOURCE, "source").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let deleted = Arc::new(AtomicUsize::new(0));
    let other = open().await.unwrap();
    let deleting = {
        let (root, stop, deleted) = (root.to_owned(), Arc::clone(&stop), Arc::clone(&deleted));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let is_deleted = deleter.delete(&root, &other).await;
                deleted.fetch_add(usize::from(is_deleted), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    let began = Instant::now();
    let limit = Duration::from_millis(plain_or_all(80, 10_000));
    let writing = (0..2).map(|task| {
        let (backend, deleted) = (backend.clone(), Arc::clone(&deleted));
        let is_over =
            move || began.elapsed() > limit && deleted.load(Ordering::Relaxed) >= MIN_DELETIONS;
        tokio::spawn(async move {
            let (mut written, mut gave_up) = (0, 0);
            while !is_over() {
                assert!(began.elapsed() < limit + HANG_LIMIT, "nothing is deleted");
                let path = format!("tree/a/b/{task}-{written}");
                match (writer.act)(backend.clone(), path).await {
                    Ok(()) => {}
                    Err(error) if writer.needs_a_file && error.kind() == ErrorKind::NotFound => {}
                    Err(error) if error.kind() == ErrorKind::Contention => gave_up += 1,
                    Err(error) => panic!("{written}: {error:?}"),
                }
                written += 1;
            }
            (written, gave_up)
        })
    });
    let (mut written, mut gave_up) = (0, 0);
    let writing: Vec<_> = writing.collect();
    for task in writing {
        let done = task.await.unwrap();
        (written, gave_up) = (written + done.0, gave_up + done.1);
    }
    stop.store(true, Ordering::Relaxed);
    deleting.await.unwrap();
    assert!(gave_up * 20 <= written, "{gave_up} of {written} writes gave up");
}

/// How often the tree is deleted at least.
const MIN_DELETIONS: usize = 3;

/// Returns the temporary files and directories below `dir`.
fn litter(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".f9tmp-") {
            found.push(path.display().to_string());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(litter(&path));
        }
    }
    found
}

fn run_against(deleter: Deleter) {
    let both = [Durability::Atomic, Durability::Synced];
    let runs = WRITERS.iter().flat_map(|writer| both.map(|durability| (*writer, durability)));
    let failures = runs.filter_map(|(writer, durability)| {
        let test = move || {
            let dir = tempfile::tempdir().unwrap();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let root = dir.path();
            let written = write_while_others_delete(root, writer, durability, deleter);
            runtime.unwrap().block_on(written);
            assert_eq!(litter(dir.path()), Vec::<String>::new());
        };
        thread::spawn(test).join().err().map(|_| format!("{}, {durability}", writer.name))
    });
    assert_eq!(failures.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn no_writer_fails_because_another_deletes_the_tree() {
    run_against(Deleter::Backend);
}

#[test]
fn no_writer_fails_because_a_program_deletes_the_tree() {
    run_against(Deleter::Program);
}
