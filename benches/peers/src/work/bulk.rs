//! Verbs that take many files or ranges in one call, and opening a file.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use f9::prelude::*;
use f9::{ByteRange, ListOptions, LocalFileBackend, ReadOptions};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::Result;
use crate::arena::{Arena, Folder, small_paths};
use crate::clock::{Start, Took};
use crate::contestants::{Profile, Role, f9_async, object_store_local};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, interleaved};
use crate::work::cold;
use crate::work::small::{SIZE, content};

/// The contestants that do the same with a plain verb of f9.
pub const READ: &str = "f9, read";
pub const JOINED: &str = "f9, joined create";
pub const WHOLE: &str = "f9, all files";

/// The number of concurrent calls of a contestant without a verb for many files.
const AT_A_TIME: usize = 64;

/// The size of the file for [`ranges`].
const LARGE: u64 = 1 << 30;

fn profile(name: &'static str, role: Role, writes: &'static str) -> Profile {
    Profile { name, role, writes }
}

/// Opens each file and reads it.
pub fn open(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let paths = small_paths("d", arena.sizes.small_files);
    folder.fill(&paths, &content())?;
    let files = f9_async::open(&folder.root, false)?;
    let lane = |name, role, open: bool| {
        let (files, paths) = (files.clone(), Arc::clone(&paths));
        Lane::new(profile(name, role, ""), move || {
            let (files, paths) = (files.clone(), Arc::clone(&paths));
            let read = each(paths, at_a_time, move |path| {
                let files = files.clone();
                async move {
                    let read = if open {
                        files.open_with(&path, ReadOptions::default()).await?.bytes().await?
                    } else {
                        files.read(&path).await?
                    };
                    assert_eq!(read.len(), SIZE);
                    Ok(())
                }
            });
            Ok(arena.timed(read)?.0)
        })
    };
    let lanes = vec![lane("f9", Role::F9, true), lane(READ, Role::Writer, false)];
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("open and read 4 KiB, cached, {at_a_time} at a time");
    Ok(Outcome { work, title, unit: Unit::Files(paths.len()), writes: false, rows })
}

/// Calls `act` with each path, `at_a_time` concurrently, in tasks.
async fn each<F>(
    paths: Arc<[String]>,
    at_a_time: usize,
    act: impl Fn(String) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..at_a_time {
        let (paths, act) = (Arc::clone(&paths), act.clone());
        tasks.spawn(async move {
            for path in paths.iter().skip(first).step_by(at_a_time) {
                act(path.clone()).await?;
            }
            Ok::<_, crate::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Writes many new files to existing directories.
pub fn write(arena: &Arena, work: &'static str, synced: bool) -> Result<Outcome> {
    let folder = &arena.folder(work)?;
    let count = if synced { arena.sizes.synced_files } else { arena.sizes.bulk_files };
    let files = &f9_async::open(&folder.root, synced)?;
    let peer = &object_store_local::open(&folder.root, synced)?;
    let writes = if synced { "atomic, all synced" } else { "atomic" };
    let many = |paths: Arc<[String]>| {
        let files = files.clone();
        let given: Vec<_> = paths.iter().map(|path| (path.clone(), content())).collect();
        arena.timed(async move {
            for written in files.write_many(given).await? {
                written?;
            }
            Ok::<_, f9::Error>(())
        })
    };
    let joined = |paths| {
        let (files, data) = (files.clone(), content());
        arena.timed(each(paths, AT_A_TIME, move |path| create(files.clone(), path, data.clone())))
    };
    let put = |paths| {
        let (peer, data) = (Arc::clone(peer), content());
        arena.timed(each(paths, AT_A_TIME, move |path| put(Arc::clone(&peer), path, data.clone())))
    };
    let bare = |paths: Arc<[String]>| {
        let start = Start::now();
        for path in &*paths {
            fs::write(folder.root.join(path), content())?;
        }
        Ok((start.took(), ()))
    };
    let renamed = |paths: Arc<[String]>| {
        let start = Start::now();
        for path in &*paths {
            let (target, temporary) =
                (folder.root.join(path), folder.root.join(format!("{path}#")));
            fs::write(&temporary, content())?;
            fs::rename(temporary, target)?;
        }
        Ok((start.took(), ()))
    };
    let mut lanes = vec![
        writing(folder, count, profile("f9", Role::F9, writes), many),
        writing(folder, count, profile(JOINED, Role::Writer, writes), joined),
        writing(folder, count, profile("object_store", Role::Peer, writes), put),
    ];
    if !synced {
        lanes.push(writing(folder, count, profile("std::fs", Role::Bare, "in place"), bare));
        lanes.push(writing(
            folder,
            count,
            profile("std::fs, renamed", Role::Bare, writes),
            renamed,
        ));
    }
    let rows = interleaved(arena.sizes.rounds.min(7), lanes)?;
    let title = format!("write {count} files of 4 KiB");
    Ok(Outcome { work, title, unit: Unit::Files(count), writes: true, rows })
}

async fn create(files: LocalFileBackend, path: String, data: Bytes) -> Result<()> {
    files.create(&path, data).await?;
    Ok(())
}

async fn put(peer: Arc<LocalFileSystem>, path: String, data: Bytes) -> Result<()> {
    peer.put(&Path::from(path), data.into()).await?;
    Ok(())
}

/// Writes other files in each round and keeps them, because ext4 is slow after a deletion.
fn writing<'a>(
    folder: &'a Folder,
    count: usize,
    profile: Profile,
    write: impl Fn(Arc<[String]>) -> Result<(Took, ())> + 'a,
) -> Lane<'a> {
    let mut turn = 0;
    Lane::new(profile, move || {
        turn += 1;
        let paths = small_paths(&format!("{}-{turn}", profile.name), count);
        for path in paths.iter() {
            folder.make_parent(path)?;
        }
        folder.settle()?;
        let (took, ()) = write(Arc::clone(&paths))?;
        for path in paths.iter() {
            assert!(fs::read(folder.root.join(path))? == content(), "{path} has another content");
        }
        Ok(took)
    })
}

/// Deletes many files.
pub fn delete(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = &arena.folder(work)?;
    let count = arena.sizes.bulk_files;
    let files = f9_async::open(&folder.root, false)?;
    let peer = object_store_local::open(&folder.root, false)?;
    let many = |paths: Arc<[String]>| {
        let files = files.clone();
        arena.timed(async move {
            let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
            for deleted in files.delete_many(&paths).await? {
                deleted?;
            }
            Ok::<_, f9::Error>(())
        })
    };
    let streamed = |paths: Arc<[String]>| {
        let peer = Arc::clone(&peer);
        arena.timed(async move {
            let paths: Vec<_> = paths.iter().map(|path| Ok(Path::from(path.as_str()))).collect();
            let deleted = peer.delete_stream(stream::iter(paths).boxed());
            let deleted: Vec<Path> = deleted.try_collect().await?;
            assert_eq!(deleted.len(), count);
            Ok::<_, object_store::Error>(())
        })
    };
    let bare = |paths: Arc<[String]>| {
        let start = Start::now();
        for path in &*paths {
            fs::remove_file(folder.root.join(path))?;
        }
        Ok((start.took(), ()))
    };
    let lanes = vec![
        deleting(folder, count, profile("f9", Role::F9, ""), many),
        deleting(folder, count, profile("object_store", Role::Peer, ""), streamed),
        deleting(folder, count, profile("std::fs", Role::Bare, ""), bare),
    ];
    let rows = interleaved(arena.sizes.rounds.min(7), lanes)?;
    let title = format!("delete {count} files");
    Ok(Outcome { work, title, unit: Unit::Files(count), writes: false, rows })
}

fn deleting<'a>(
    folder: &'a Folder,
    count: usize,
    profile: Profile,
    delete: impl Fn(Arc<[String]>) -> Result<(Took, ())> + 'a,
) -> Lane<'a> {
    Lane::new(profile, move || {
        let paths = small_paths(profile.name, count);
        folder.fill(&paths, &content())?;
        let (took, ()) = delete(Arc::clone(&paths))?;
        assert!(!folder.root.join(&paths[0]).exists(), "{} is still there", paths[0]);
        assert!(!folder.root.join(&paths[count - 1]).exists());
        Ok(took)
    })
}

/// Reads a hundred small ranges of a large file.
pub fn ranges(arena: &Arena, work: &'static str, is_cold: bool) -> Result<Outcome> {
    let folder = &arena.folder(work)?;
    folder.write_large("large.bin", crate::content::Pieces::of(LARGE))?;
    let mut rng = fastrand::Rng::with_seed(1);
    let starts: Vec<u64> = (0..100).map(|_| rng.u64(0..LARGE - SIZE as u64)).collect();
    let ranges: Vec<_> = starts.iter().map(|start| *start..start + SIZE as u64).collect();
    let large = fs::File::open(folder.root.join("large.bin"))?;
    let mut expected = vec![[0; SIZE]; ranges.len()];
    for (range, part) in ranges.iter().zip(&mut expected) {
        large.read_exact_at(part, range.start)?;
    }
    let expected: Arc<[[u8; SIZE]]> = expected.into();
    let check = |read: Vec<Bytes>, expected: &[[u8; SIZE]]| {
        assert_eq!(read.len(), expected.len());
        assert!(read.iter().zip(expected).all(|(read, expected)| read == &expected[..]));
    };
    let evict = || match is_cold {
        true => cold::evict(&folder.root, &["large.bin".to_owned()]),
        false => Ok(()),
    };
    let files = f9_async::open(&folder.root, false)?;
    let peer = object_store_local::open(&folder.root, false)?;
    let ours = || {
        evict()?;
        let (files, expected) = (files.clone(), Arc::clone(&expected));
        let ranges: Vec<ByteRange> = ranges.iter().cloned().map(ByteRange::from).collect();
        let read = async move { files.read_ranges("large.bin", &ranges).await };
        let (took, read) = arena.timed(read)?;
        check(read, &expected);
        Ok(took)
    };
    let theirs = || {
        evict()?;
        let (peer, expected, ranges) = (Arc::clone(&peer), Arc::clone(&expected), ranges.clone());
        let read = async move { peer.get_ranges(&Path::from("large.bin"), &ranges).await };
        let (took, read) = arena.timed(read)?;
        check(read, &expected);
        Ok(took)
    };
    let bare = || {
        evict()?;
        let start = Start::now();
        let large = fs::File::open(folder.root.join("large.bin"))?;
        let mut read = Vec::with_capacity(ranges.len());
        for range in &ranges {
            let mut part = vec![0; SIZE];
            large.read_exact_at(&mut part, range.start)?;
            read.push(Bytes::from(part));
        }
        let took = start.took();
        check(read, &expected);
        Ok(took)
    };
    let lanes = vec![
        Lane::new(profile("f9", Role::F9, ""), ours),
        Lane::new(profile("object_store", Role::Peer, ""), theirs),
        Lane::new(profile("std::fs", Role::Bare, ""), bare),
    ];
    let rows = interleaved(arena.sizes.rounds * if is_cold { 1 } else { 10 }, lanes)?;
    let state = if is_cold { "cold" } else { "cached" };
    let title = format!("read 100 ranges of 4 KiB of 1 GiB, {state}");
    Ok(Outcome { work, title, unit: Unit::Files(100), writes: false, rows })
}

/// Lists a hundred files in the middle of a large directory.
pub fn page(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = &arena.folder(work)?;
    let count = arena.sizes.listed_files;
    fs::create_dir(folder.root.join("d"))?;
    for file in 0..count {
        fs::File::create(folder.root.join(format!("d/{file:07}")))?;
    }
    let files = f9_async::open(&folder.root, false)?;
    let page = ListOptions::default().with_limit(100);
    let page = page.with_start_after(format!("d/{:07}", count / 2));
    let lane = |name, role, options: ListOptions, expected| {
        let files = files.clone();
        Lane::new(profile(name, role, ""), move || {
            let (files, options) = (files.clone(), options.clone());
            let listed = async move {
                let entries = files.list_with("d", options).await?;
                entries.try_fold(0, async |count, _| Ok(count + 1)).await
            };
            let (took, listed) = arena.timed::<usize, f9::Error>(listed)?;
            assert_eq!(listed, expected);
            Ok(took)
        })
    };
    let lanes = vec![
        lane("f9", Role::F9, page, 100),
        lane(WHOLE, Role::Writer, ListOptions::default(), count),
    ];
    let rows = interleaved(arena.sizes.rounds.min(3), lanes)?;
    let title = format!("list 100 of {count} files, from the middle, with sizes");
    Ok(Outcome { work, title, unit: Unit::Time, writes: false, rows })
}
