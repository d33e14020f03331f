//! Runs the contestants: the async ones in tasks on runtime threads, the blocking ones on a plain thread.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Result;
use crate::clock::{Start, Took};
use crate::content::{Algorithm, Pieces, Sink};
use crate::contestants::{Files, Listed, Profile};

/// A contestant that runs whole works and measures them.
pub trait Contestant {
    fn profile(&self) -> Profile;

    fn is_async(&self) -> bool;

    /// Acts on all `paths`, `at_a_time` concurrently. Returns also the sum of their sizes.
    fn act(&self, act: &Act, paths: &Arc<[String]>, at_a_time: usize) -> Result<(Took, u64)>;

    fn stream_read(&self, path: &str, sink: Sink) -> Result<(Took, Sink)>;

    fn stream_write(&self, path: &str, pieces: &Pieces) -> Result<Took>;

    fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<(Took, String)>;

    fn checksum_many(&self, paths: &Arc<[String]>) -> Result<(Took, Vec<String>)>;

    fn list(&self) -> Result<(Took, Vec<Listed>)>;

    fn rust_files(&self) -> Result<(Took, Vec<String>)>;
}

/// An operation on each of many small files.
#[derive(Clone)]
pub enum Act {
    Read,
    /// Compares each content with this one. Used in the first run, which is not measured.
    Compare(Bytes),
    Info,
    Create(Bytes),
    Overwrite(Bytes),
}

impl Act {
    /// Returns the size of the file.
    async fn on(&self, files: &impl Files, path: &str) -> Result<u64> {
        Ok(match self {
            Self::Read => files.read(path).await?.as_ref().len() as u64,
            Self::Compare(expected) => {
                let content = files.read(path).await?;
                assert!(content.as_ref() == expected, "{path} has another content");
                expected.len() as u64
            }
            Self::Info => files.info(path).await?,
            Self::Create(data) => {
                files.create(path, data.clone()).await?;
                data.len() as u64
            }
            Self::Overwrite(data) => {
                files.overwrite(path, data.clone()).await?;
                data.len() as u64
            }
        })
    }

    /// Acts on every `step`th of `paths`, one after the other.
    async fn on_each(
        self,
        files: impl Files,
        paths: Arc<[String]>,
        first: usize,
        step: usize,
    ) -> Result<u64> {
        let mut sum = 0;
        for path in paths.iter().skip(first).step_by(step) {
            sum += self.on(&files, path).await?;
        }
        Ok(sum)
    }
}

/// Files, and the runtime that calls them.
pub struct Driven<F> {
    pub files: F,
    pub profile: Profile,
    /// `None` for files whose calls block, so that their futures are ready at the first poll.
    pub runtime: Option<Arc<Runtime>>,
}

impl<F: Files> Driven<F> {
    /// Runs the work on a thread of the runtime, as a service would, or on the calling thread if there is no runtime.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(Took, T)> {
        let timed = async {
            let start = Start::now();
            let done = work.await?;
            Ok((start.took(), done))
        };
        match &self.runtime {
            Some(runtime) => runtime.block_on(runtime.spawn(timed))?,
            None => timed.now_or_never().ok_or("a blocking call did not block")?,
        }
    }
}

impl<F: Files> Contestant for Driven<F> {
    fn profile(&self) -> Profile {
        self.profile
    }

    fn is_async(&self) -> bool {
        self.runtime.is_some()
    }

    fn act(&self, act: &Act, paths: &Arc<[String]>, at_a_time: usize) -> Result<(Took, u64)> {
        let tasks = if self.runtime.is_some() { at_a_time } else { 1 };
        let (act, files, paths) = (act.clone(), self.files.clone(), Arc::clone(paths));
        let share =
            move |first| act.clone().on_each(files.clone(), Arc::clone(&paths), first, tasks);
        if tasks == 1 {
            return self.run(share(0));
        }
        self.run(async move {
            let mut shares: JoinSet<_> = (0..tasks).map(share).collect();
            let mut sum = 0;
            while let Some(done) = shares.join_next().await {
                sum += done??;
            }
            Ok(sum)
        })
    }

    fn stream_read(&self, path: &str, mut sink: Sink) -> Result<(Took, Sink)> {
        let (files, path) = (self.files.clone(), path.to_owned());
        self.run(async move { files.stream_read(&path, &mut sink).await.map(|()| sink) })
    }

    fn stream_write(&self, path: &str, pieces: &Pieces) -> Result<Took> {
        let (files, path, pieces) = (self.files.clone(), path.to_owned(), pieces.clone());
        Ok(self.run(async move { files.stream_write(&path, pieces).await })?.0)
    }

    fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<(Took, String)> {
        let (files, path) = (self.files.clone(), path.to_owned());
        self.run(async move { files.checksum(&path, algorithm).await })
    }

    fn checksum_many(&self, paths: &Arc<[String]>) -> Result<(Took, Vec<String>)> {
        let (files, paths) = (self.files.clone(), Arc::clone(paths));
        self.run(async move { files.checksum_many(&paths).await })
    }

    fn list(&self) -> Result<(Took, Vec<Listed>)> {
        let files = self.files.clone();
        self.run(async move { files.list().await })
    }

    fn rust_files(&self) -> Result<(Took, Vec<String>)> {
        let files = self.files.clone();
        self.run(async move { files.rust_files().await })
    }
}
