//! Each verb, done to the [`Scene`](crate::scene::Scene), with what it tells and what it may leave when it fails.

use f9::prelude::*;
use f9::{
    ChecksumAlgorithm, CreateOptions, DeleteOptions, FileInfo, ListOptions,
    OpenAIVectorStoreFileBackend, RenameOptions, Result, UpdateOptions,
};
use futures::TryStreamExt as _;
use futures::stream;

use crate::notes::Tree;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Overwrite,
    Update,
    Append,
    StreamWrite,
    CreateDir,
    CreateMany,
    Read,
    ReadFramed,
    ReadForbidden,
    ReadFramedForbidden,
    StreamRead,
    Info,
    List,
    Glob,
    Checksum,
    Search,
    Copy,
    Rename,
    RenameOver,
    RenameDir,
    Delete,
    DeleteAll,
    Repair,
}

impl Verb {
    /// Does it, and tells what came of it in words that are the same each time.
    pub(crate) async fn run(self, notes: &OpenAIVectorStoreFileBackend) -> Result<String> {
        let told = |info: FileInfo| format!("{} {:?}", info.path, info.size);
        Ok(match self {
            Self::Create => told(notes.create("new.txt", "new").await?),
            Self::Overwrite => {
                told(notes.create_with("a.txt", "new".into(), CreateOptions::overwrite()).await?)
            }
            Self::Update => told(notes.update("a.txt", "new").await?),
            Self::Append => {
                told(notes.update_with("a.txt", "new".into(), UpdateOptions::append()).await?)
            }
            Self::StreamWrite => {
                let pieces = ["in ", "pieces"].map(|piece| Ok::<_, f9::Error>(piece.into()));
                told(notes.stream_write("new.txt", stream::iter(pieces)).await?)
            }
            Self::CreateDir => format!("{:?}", notes.create_dir("new").await?),
            Self::CreateMany => {
                let files = ["m/1.txt", "m/2.txt", "m/n/3.txt"].map(|path| (path, path));
                let created: Result<Vec<_>> = notes.create_many(files).await?.into_iter().collect();
                created?.into_iter().map(told).collect::<Vec<_>>().join(", ")
            }
            Self::Read | Self::ReadForbidden => notes.read_text("a.txt").await?,
            Self::ReadFramed | Self::ReadFramedForbidden => {
                format!("{:?}", notes.read("d/b.bin").await?)
            }
            Self::StreamRead => {
                let pieces = notes.stream_read("a.txt").await?.try_collect::<Vec<_>>().await?;
                format!("{:?}", pieces.concat())
            }
            Self::Info => told(notes.info("a.txt").await?),
            Self::List => {
                let listed = notes.list_with("", ListOptions::recursive()).await?;
                let listed: Vec<_> = listed.map_ok(told).try_collect().await?;
                listed.join(", ")
            }
            Self::Glob => format!("{:?}", notes.glob("**/*.txt").await?),
            Self::Checksum => notes.checksum("a.txt", ChecksumAlgorithm::Md5).await?,
            Self::Search => {
                let hits = notes.search("two").await?;
                hits.iter().map(|hit| format!("{}: {}", hit.path, hit.text)).collect()
            }
            Self::Copy => told(notes.copy("a.txt", "copy.txt").await?),
            Self::Rename => told(notes.rename("a.txt", "z.txt").await?),
            Self::RenameOver => {
                told(notes.rename_with("a.txt", "t.txt", RenameOptions::overwrite()).await?)
            }
            Self::RenameDir => told(notes.rename("d", "z").await?),
            Self::Delete => format!("{:?}", notes.delete("a.txt").await?),
            Self::DeleteAll => {
                format!("{:?}", notes.delete_with("d", DeleteOptions::recursive()).await?)
            }
            Self::Repair => {
                notes.repair().await?;
                "repaired".to_owned()
            }
        })
    }

    /// What its errors begin with.
    pub(crate) fn fails_with(self) -> &'static str {
        match self {
            Self::Create => "cannot create `new.txt`: ",
            Self::Overwrite => "cannot create `a.txt`: ",
            Self::Update | Self::Append => "cannot update `a.txt`: ",
            Self::StreamWrite => "cannot write `new.txt`: ",
            Self::CreateDir => "cannot create directory `new`: ",
            Self::CreateMany => "cannot create",
            Self::Read | Self::ReadForbidden | Self::StreamRead => "cannot read `a.txt`: ",
            Self::ReadFramed | Self::ReadFramedForbidden => "cannot read `d/b.bin`: ",
            Self::Info => "cannot get info of `a.txt`: ",
            Self::List => "cannot list the root: ",
            Self::Glob => "cannot glob: ",
            Self::Checksum => "cannot checksum `a.txt`: ",
            Self::Search => "cannot search: ",
            Self::Copy => "cannot copy `a.txt` to `copy.txt`: ",
            Self::Rename => "cannot rename `a.txt` to `z.txt`: ",
            Self::RenameOver => "cannot rename `a.txt` to `t.txt`: ",
            Self::RenameDir => "cannot rename `d` to `z`: ",
            Self::Delete => "cannot delete `a.txt`: ",
            // It tells which of the entries could not be deleted.
            Self::DeleteAll => "cannot delete `d",
            Self::Repair => "cannot repair: ",
        }
    }

    /// What may be there once it has failed: what was there before or what should be there now. Those that change several entries may
    /// have changed some of them, each of which is whole.
    pub(crate) fn may_leave(self, found: &Tree, old: &Tree, new: &Tree) -> bool {
        let is_part = |part: &Tree, whole: &Tree| {
            part.iter().all(|entry| whole.get(entry.0) == Some(entry.1))
        };
        match self {
            Self::CreateMany => is_part(old, found) && is_part(found, new),
            Self::DeleteAll => is_part(new, found) && is_part(found, old),
            Self::RenameDir => {
                let moved = |path: &str| path.strip_prefix("d/").map(|below| format!("z/{below}"));
                old.iter().filter(|(path, _)| *path != "d").all(|(path, content)| {
                    let places = [Some(path.clone()), moved(path)].into_iter().flatten();
                    let contents: Vec<_> = places.filter_map(|path| found.get(&path)).collect();
                    contents == [content]
                })
            }
            _ => found == old || found == new,
        }
    }

    /// Whether it cannot simply be repeated once it has changed some of its entries.
    pub(crate) fn finds_its_own_traces(self) -> bool {
        // What has been created is there already, and so is the directory that some entries were moved to and not back again.
        matches!(self, Self::CreateMany | Self::RenameDir)
    }

    pub(crate) fn only_reads(self) -> bool {
        match self {
            Self::Create
            | Self::Overwrite
            | Self::Update
            | Self::Append
            | Self::StreamWrite
            | Self::CreateDir
            | Self::CreateMany
            | Self::Copy
            | Self::Rename
            | Self::RenameOver
            | Self::RenameDir
            | Self::Delete
            | Self::DeleteAll
            | Self::Repair => false,
            Self::Read
            | Self::ReadFramed
            | Self::ReadForbidden
            | Self::ReadFramedForbidden
            | Self::StreamRead
            | Self::Info
            | Self::List
            | Self::Glob
            | Self::Checksum
            | Self::Search => true,
        }
    }

    pub(crate) fn is_forbidden_to_download(self) -> bool {
        matches!(self, Self::ReadForbidden | Self::ReadFramedForbidden)
    }
}
