//! How the contestants are driven: the async ones by tasks on a runtime's own threads, the blocking ones by a plain thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Runtime;

use crate::Result;
use crate::content::{Pieces, Sink};
use crate::contestants::{Files, Profile};

/// Something done with each of many small files.
#[derive(Clone)]
pub enum Act {
    Read,
    /// Compares each content with this one; for the first time, which is not measured.
    Compare(Bytes),
    Info,
    Create(Bytes),
}

impl Act {
    /// Gives how many bytes the file has.
    async fn on<F: Files>(&self, files: &F, path: &str) -> Result<u64> {
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
        })
    }
}

/// A contestant that can be asked for whole pieces of work. Each answers how long it took.
pub trait Contestant {
    fn profile(&self) -> Profile;

    /// Acts on all `paths`, so many at a time; gives also the sum of their sizes.
    fn act(&self, act: &Act, paths: &Arc<[String]>, at_a_time: usize) -> Result<(Duration, u64)>;

    fn stream_read(&self, path: &str, sink: Sink) -> Result<(Duration, Sink)>;

    fn stream_write(&self, path: &str, pieces: &Pieces) -> Result<Duration>;
}

/// Drives async files by a task on the runtime.
pub struct OnRuntime<F> {
    files: F,
    runtime: Arc<Runtime>,
    profile: Profile,
}

impl<F: Files> OnRuntime<F> {
    pub fn boxed(files: F, (runtime, profile): (Arc<Runtime>, Profile)) -> Box<dyn Contestant> {
        Box::new(Self { files, runtime, profile })
    }

    /// Does the work on a thread of the runtime, as a service would, and not on the one that waits for it.
    fn task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(Duration, T)> {
        let timed = async {
            let start = Instant::now();
            let done = work.await?;
            Ok((start.elapsed(), done))
        };
        self.runtime.block_on(self.runtime.spawn(timed))?
    }
}

impl<F: Files> Contestant for OnRuntime<F> {
    fn profile(&self) -> Profile {
        self.profile
    }

    fn act(&self, act: &Act, paths: &Arc<[String]>, at_a_time: usize) -> Result<(Duration, u64)> {
        let (files, act, paths) = (self.files.clone(), act.clone(), Arc::clone(paths));
        self.task(async move {
            let mut sum = 0;
            if at_a_time == 1 {
                for path in paths.iter() {
                    sum += act.on(&files, path).await?;
                }
                return Ok(sum);
            }
            let acts = (0..paths.len()).map(|turn| act.on(&files, &paths[turn]));
            let mut acts = stream::iter(acts).buffer_unordered(at_a_time);
            while let Some(size) = acts.try_next().await? {
                sum += size;
            }
            Ok(sum)
        })
    }

    fn stream_read(&self, path: &str, mut sink: Sink) -> Result<(Duration, Sink)> {
        let (files, path) = (self.files.clone(), path.to_owned());
        self.task(async move {
            files.stream_read(&path, &mut sink).await?;
            Ok(sink)
        })
    }

    fn stream_write(&self, path: &str, pieces: &Pieces) -> Result<Duration> {
        let (files, path, pieces) = (self.files.clone(), path.to_owned(), pieces.clone());
        let written = self.task(async move { files.stream_write(&path, pieces).await });
        Ok(written?.0)
    }
}

/// Drives files whose calls block, and whose futures are therefore ready at once.
pub struct Blocking<F> {
    files: F,
    profile: Profile,
}

impl<F: Files> Blocking<F> {
    pub fn boxed(files: F, profile: Profile) -> Box<dyn Contestant> {
        Box::new(Self { files, profile })
    }
}

fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let done = work.now_or_never().ok_or("a blocking call did not block")??;
    Ok((start.elapsed(), done))
}

impl<F: Files> Contestant for Blocking<F> {
    fn profile(&self) -> Profile {
        self.profile
    }

    /// One after the other, also where others do many at a time.
    fn act(&self, act: &Act, paths: &Arc<[String]>, _: usize) -> Result<(Duration, u64)> {
        timed(async {
            let mut sum = 0;
            for path in paths.iter() {
                sum += act.on(&self.files, path).await?;
            }
            Ok(sum)
        })
    }

    fn stream_read(&self, path: &str, mut sink: Sink) -> Result<(Duration, Sink)> {
        timed(async {
            self.files.stream_read(path, &mut sink).await?;
            Ok(sink)
        })
    }

    fn stream_write(&self, path: &str, pieces: &Pieces) -> Result<Duration> {
        Ok(timed(self.files.stream_write(path, pieces.clone()))?.0)
    }
}
