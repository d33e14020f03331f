//! Each verb, applied to the [`Fixture`](crate::fixture::Fixture), with its result and the state that it may leave when it fails.

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
    UpdateIfMatch,
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
    /// Runs the verb and returns its result in words that are the same each time.
    pub(crate) async fn run(self, notes: &OpenAIVectorStoreFileBackend) -> Result<String> {
        let summary = |info: FileInfo| format!("{} {:?}", info.path, info.size);
        Ok(match self {
            Self::Create => summary(notes.create("new.txt", "new").await?),
            Self::Overwrite => {
                summary(notes.create_with("a.txt", "new", CreateOptions::overwrite()).await?)
            }
            Self::Update => summary(notes.update("a.txt", "new").await?),
            Self::UpdateIfMatch => {
                let etag = notes.info("a.txt").await?.etag.unwrap();
                summary(notes.update_with("a.txt", "new", UpdateOptions::if_match(etag)).await?)
            }
            Self::Append => {
                summary(notes.update_with("a.txt", "new", UpdateOptions::append()).await?)
            }
            Self::StreamWrite => {
                let pieces = ["in ", "pieces"].map(Ok::<_, f9::Error>);
                summary(notes.stream_write("new.txt", stream::iter(pieces)).await?)
            }
            Self::CreateDir => format!("{:?}", notes.create_dir("new").await?),
            Self::CreateMany => {
                let files = ["m/1.txt", "m/2.txt", "m/n/3.txt"].map(|path| (path, path));
                let created: Result<Vec<_>> = notes.create_many(files).await?.into_iter().collect();
                created?.into_iter().map(summary).collect::<Vec<_>>().join(", ")
            }
            Self::Read | Self::ReadForbidden => notes.read_text("a.txt").await?,
            Self::ReadFramed | Self::ReadFramedForbidden => {
                format!("{:?}", notes.read("d/b.bin").await?)
            }
            Self::StreamRead => {
                let pieces = notes.stream_read("a.txt").await?.try_collect::<Vec<_>>().await?;
                format!("{:?}", pieces.concat())
            }
            Self::Info => summary(notes.info("a.txt").await?),
            Self::List => {
                let listed = notes.list_with("", ListOptions::recursive()).await?;
                let listed: Vec<_> = listed.map_ok(summary).try_collect().await?;
                listed.join(", ")
            }
            Self::Glob => format!("{:?}", notes.glob("**/*.txt").await?),
            Self::Checksum => notes.checksum("a.txt", ChecksumAlgorithm::Md5).await?.into_hex(),
            Self::Search => {
                let hits = notes.search("two").await?;
                hits.iter().map(|hit| format!("{}: {}", hit.path, hit.text)).collect()
            }
            Self::Copy => summary(notes.copy("a.txt", "copy.txt").await?),
            Self::Rename => summary(notes.rename("a.txt", "z.txt").await?),
            Self::RenameOver => {
                summary(notes.rename_with("a.txt", "t.txt", RenameOptions::overwrite()).await?)
            }
            Self::RenameDir => summary(notes.rename("d", "z").await?),
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

    /// Returns the start of its error messages.
    pub(crate) fn fails_with(self) -> &'static str {
        match self {
            Self::Create => "cannot create `new.txt`: ",
            Self::Overwrite => "cannot write `a.txt`: ",
            Self::Update => "cannot update `a.txt`: ",
            // The first step of it is a look-up.
            Self::UpdateIfMatch => "cannot ",
            Self::Append => "cannot append to `a.txt`: ",
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
            // The message names the entry that could not be deleted.
            Self::DeleteAll => "cannot delete `d",
            Self::Repair => "cannot repair: ",
        }
    }

    /// Whether a failed verb may leave this state: the old one or the new one. Verbs on several entries may have changed some of
    /// them, each completely.
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

    /// Whether the verb changes several entries, of which a failure may leave some as they were.
    pub(crate) fn has_parts(self) -> bool {
        matches!(self, Self::CreateMany | Self::DeleteAll | Self::RenameDir)
    }

    /// Whether a repetition can fail because the first attempt changed some entries.
    pub(crate) fn may_find_partial_result(self) -> bool {
        // The files exist already, or the target directory does if entries could not be moved back.
        matches!(self, Self::CreateMany | Self::RenameDir)
    }

    pub(crate) fn is_read_only(self) -> bool {
        match self {
            Self::Create
            | Self::Overwrite
            | Self::Update
            | Self::UpdateIfMatch
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

    pub(crate) fn needs_forbidden_downloads(self) -> bool {
        matches!(self, Self::ReadForbidden | Self::ReadFramedForbidden)
    }
}
