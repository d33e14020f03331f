//! Vector stores: f9 compared with the requests of the Python original, on a simulated service with latency.

use std::collections::BTreeSet;
use std::sync::Arc;

use f9::prelude::*;
use f9::{DeleteOptions, FileInfo, ListOptions, OpenAIVectorStoreFileBackend};
use futures::TryStreamExt as _;
use futures::future::try_join_all;

use crate::Result;
use crate::arena::Arena;
use crate::contestants::{Profile, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, Row, Sample, in_rounds};

mod fixture;
pub mod index;
mod original;

pub use fixture::{AT_A_TIME, LATENCY};
use fixture::{DIRECTORY_NAME, Fixture, content};
use original::Original;

const F9: Profile = Profile { name: "f9", role: Role::F9, writes: "" };

/// The column of the Python original.
pub const ORIGINAL: &str = "the Python original's calls";

/// The column of f9 when its listing of the store is fresh.
pub const CACHED: &str = "f9 with a cached listing";

/// Matches one file in ten.
const PATTERN: &str = "**/*7.md";

pub fn create(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::new(arena, arena.sizes.openai_files);
    let joined = || {
        created(&fixture, |f9, paths| async move {
            let each = paths.iter().map(|path| f9.create(path, content()));
            try_join_all(each).await.map(drop)
        })
    };
    let serial = || {
        created(&fixture, |f9, paths| async move {
            for path in paths.iter() {
                f9.create(path, content()).await?;
            }
            Ok(())
        })
    };
    let lanes = vec![
        Lane::new(F9, joined),
        Lane::new(Profile::bare("f9, one at a time"), serial),
        original_lane(|| created_by_original(&fixture)),
    ];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&fixture, work, "create 1 KiB", rows))
}

pub fn create_many(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::new(arena, arena.sizes.openai_files);
    let many = || {
        created(&fixture, |f9, paths| async move {
            let files: Vec<_> = paths.iter().map(|path| (path.clone(), content())).collect();
            f9.create_many(files).await?.into_iter().try_for_each(|created| created.map(drop))
        })
    };
    let lanes = vec![Lane::new(F9, many), original_lane(|| created_by_original(&fixture))];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&fixture, work, "create 1 KiB, with `create_many`", rows))
}

/// Measures what f9 needs to create files in a store that it knows to be empty.
fn created<F>(
    fixture: &Fixture<'_>,
    create: impl FnOnce(OpenAIVectorStoreFileBackend, Arc<[String]>) -> F,
) -> Result<Sample>
where
    F: Future<Output = f9::Result<()>> + Send + 'static,
{
    fixture.service.clear();
    let f9 = fixture.open_and_list()?;
    let (sample, ()) = fixture.measured(create(f9, Arc::clone(&fixture.paths)))?;
    fixture.assert_written();
    Ok(sample)
}

fn created_by_original(fixture: &Fixture<'_>) -> Result<Sample> {
    fixture.service.clear();
    let (original, paths) = (Original::of(&fixture.service)?, Arc::clone(&fixture.paths));
    let create = async move {
        let (mut directories, content) = (BTreeSet::new(), content());
        for path in paths.iter() {
            original.create(path, &content, &mut directories).await?;
        }
        Ok::<_, crate::Error>(())
    };
    let (sample, ()) = fixture.measured(create)?;
    fixture.assert_written();
    Ok(sample)
}

pub fn list(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::with_files(arena, arena.sizes.openai_listed);
    let ours = || {
        let f9 = fixture.open()?;
        let (sample, found) = fixture.measured(async move { all_files(&f9).await })?;
        assert!(found.iter().map(|info| info.path.as_str()).eq(fixture.paths.iter()));
        Ok(sample)
    };
    let original = || {
        let original = Original::of(&fixture.service)?;
        let (sample, found) = fixture.measured(async move { original.refresh().await })?;
        assert!(found.iter().rev().map(|entry| &entry.path).eq(fixture.paths.iter()));
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_list_rounds, lanes)?;
    Ok(outcome(&fixture, work, "list files with sizes and times, nothing cached", rows))
}

async fn all_files(f9: &OpenAIVectorStoreFileBackend) -> f9::Result<Vec<FileInfo>> {
    let entries = f9.list_with("", ListOptions::recursive()).await?;
    entries.try_filter(|info| std::future::ready(!info.is_dir())).try_collect().await
}

pub fn read(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::with_files(arena, arena.sizes.openai_files);
    let ours = || {
        let (f9, paths) = (fixture.open_and_list()?, Arc::clone(&fixture.paths));
        let read = async move { try_join_all(paths.iter().map(|path| f9.read(path))).await };
        let (sample, found) = fixture.measured(read)?;
        assert!(found.iter().all(|found| *found == content()));
        Ok(sample)
    };
    let original = || {
        let (original, cached) = original_with_cache(&fixture)?;
        let read = async move {
            let mut found = Vec::new();
            for entry in cached {
                found.push(original.read(&entry.id).await?);
            }
            Ok::<_, crate::Error>(found)
        };
        let (sample, found) = fixture.measured(read)?;
        assert!(found.iter().all(|found| *found == content()));
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&fixture, work, "read 1 KiB", rows))
}

pub fn glob(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::with_files(arena, arena.sizes.openai_listed);
    let ours = |f9: OpenAIVectorStoreFileBackend| {
        let (sample, found) = fixture.measured(async move { f9.glob(PATTERN).await })?;
        assert_eq!(found.len(), fixture.paths.len() / 10);
        Ok::<_, crate::Error>(sample)
    };
    let original = || {
        let original = Original::of(&fixture.service)?;
        let (sample, mut found) = fixture.measured(async move { original.refresh().await })?;
        found.retain(|entry| entry.path.ends_with("7.md"));
        assert_eq!(found.len(), fixture.paths.len() / 10);
        Ok(sample)
    };
    let lanes = vec![
        Lane::new(F9, || ours(fixture.open()?)),
        Lane::new(Profile::bare(CACHED), || ours(fixture.open_and_list()?)),
        original_lane(original),
    ];
    let rows = in_rounds(arena.sizes.openai_list_rounds, lanes)?;
    Ok(outcome(&fixture, work, "one in ten matches **/*7.md, nothing cached", rows))
}

pub fn delete(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let fixture = Fixture::new(arena, arena.sizes.openai_files);
    let ours = || {
        fixture.add_files();
        let f9 = fixture.open_and_list()?;
        let delete =
            async move { f9.delete_with(DIRECTORY_NAME, DeleteOptions::recursive()).await };
        let (sample, ()) = fixture.measured(delete)?;
        fixture.assert_empty();
        Ok(sample)
    };
    let original = || {
        fixture.add_files();
        fixture.add_directories();
        let (original, cached) = original_with_cache(&fixture)?;
        let delete = async move {
            for entry in cached {
                original.delete(&entry.id).await?;
            }
            Ok::<_, crate::Error>(())
        };
        let (sample, ()) = fixture.measured(delete)?;
        fixture.assert_empty();
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&fixture, work, "delete a directory recursively", rows))
}

fn original_with_cache(fixture: &Fixture<'_>) -> Result<(Original, Vec<original::Entry>)> {
    let original = Original::of(&fixture.service)?;
    let refreshed = original.clone();
    Ok((original, fixture.without_latency(async move { refreshed.refresh().await })?))
}

fn original_lane<'a>(run: impl FnMut() -> Result<Sample> + 'a) -> Lane<'a> {
    Lane::new(Profile::bare(ORIGINAL), run)
}

fn outcome(fixture: &Fixture<'_>, work: &'static str, title: &str, rows: Vec<Row>) -> Outcome {
    let count = fixture.paths.len();
    let title = format!(
        "{title}; {count} files, {} ms a request; the original with a cache that lasts, not its default",
        LATENCY.as_millis(),
    );
    Outcome { work, title, unit: Unit::Files(count), writes: false, rows }
}
