//! Reporting changes as they happen.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::stream::{self, StreamExt as _};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::{LocalFileBackend, Shared};
use crate::core::change::{Change, ChangeStream};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::WatchOptions;
use crate::core::path::FilePath;
use crate::sys::fs::Watcher;
use crate::sys::pool::{self, Cancelled};

/// How long events are collected at most before they are read together. The queue of the kernel has place for many more.
const COLLECT: Duration = Duration::from_millis(10);

pub(super) async fn watch(
    backend: &LocalFileBackend,
    prefix: &str,
    options: WatchOptions,
) -> Result<ChangeStream<'static>> {
    let failing = backend.failing("watch", prefix);
    if Handle::try_current().is_err() {
        let error = Error::new(ErrorKind::InvalidOperation);
        return Err(failing(error.with_message("a watch needs a Tokio runtime")));
    }
    let collect = COLLECT.min(options.settle / 4);
    let start = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
        Watcher::start(&shared.root, path, &options).map(Box::new)
    };
    let watcher = backend.run("watch", prefix, start).await?;
    #[allow(deprecated, reason = "the other constructors are unsafe; this descriptor stays open")]
    let events = AsyncFd::with_interest(watcher.fd(), Interest::READABLE);
    let events = events.map_err(|error| failing(error.into()))?;
    let shared = Arc::clone(&backend.shared);
    let watch = Watch { shared, watcher, events, collect, is_drained: false };
    let changes = stream::unfold(Some(watch), |watch| async {
        match watch?.next().await {
            Ok((change, watch)) => change.map(|change| (change, watch)),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(changes.map(move |change| change.map_err(&failing)).boxed())
}

struct Watch {
    shared: Arc<Shared>,
    watcher: Box<Watcher>,
    events: AsyncFd<Arc<OwnedFd>>,
    collect: Duration,
    is_drained: bool,
}

impl Watch {
    /// Returns the next change, and the rest of the watch unless the change is an error.
    async fn next(mut self) -> Result<(Option<Result<Change>>, Option<Self>)> {
        loop {
            match self.watcher.next(Instant::now()) {
                Some(Ok(change)) => return Ok((Some(Ok(change)), Some(self))),
                Some(Err(error)) => return Ok((Some(Err(error)), None)),
                None if self.watcher.is_over() => return Ok((None, None)),
                None => {}
            }
            if self.is_drained {
                self.wait().await?;
            }
            let Self { shared, mut watcher, events, collect, .. } = self;
            let root = Arc::clone(&shared);
            let step = pool::start(move |_| {
                let is_drained = watcher.step(&root.root, Instant::now());
                Ok((watcher, is_drained))
            });
            let (watcher, is_drained) = step.await?;
            self = Self { shared, watcher, events, collect, is_drained };
        }
    }

    /// Waits for events or for the time of the next step, and then collects further events for a moment.
    async fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        let readable = pin!(self.events.readable());
        let ready = match self.watcher.next_step(now) {
            None => Some(readable.await?),
            Some(due) => {
                let pause = pin!(pool::pause(due.saturating_duration_since(now)));
                match select(readable, pause).await {
                    Either::Left((ready, _)) => Some(ready?),
                    Either::Right(_) => None,
                }
            }
        };
        if let Some(mut ready) = ready {
            // Before the read, so that an event after the read makes it ready again.
            ready.clear_ready();
        }
        if !self.collect.is_zero() {
            pool::pause(self.collect).await;
        }
        Ok(())
    }
}
