//! Reporting changes as they happen.

use std::io;
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
    let Ok(runtime) = Handle::try_current() else {
        let error = Error::new(ErrorKind::InvalidOperation);
        return Err(failing(error.with_message("a watch needs a Tokio runtime")));
    };
    let collect = COLLECT.min(options.settle / 4);
    let start = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
        Watcher::start(&shared.root, path, &options).map(Box::new)
    };
    let watcher = backend.run("watch", prefix, start).await?;
    let shared = Arc::clone(&backend.shared);
    let watch = Watch { shared, watcher, runtime, collect, is_drained: false };
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
    runtime: Handle,
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
            let Self { shared, mut watcher, runtime, collect, .. } = self;
            let root = Arc::clone(&shared);
            let step = pool::start(move |_| {
                let is_drained = watcher.step(&root.root, Instant::now());
                Ok((watcher, is_drained))
            });
            let (watcher, is_drained) = step.await?;
            self = Self { shared, watcher, runtime, collect, is_drained };
        }
    }

    /// Waits for events or for the time of the next step, and then collects further events for a moment.
    async fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        match self.watcher.next_step(now) {
            None => self.events().await?,
            Some(due) => {
                let (events, pause) = (pin!(self.events()), due.saturating_duration_since(now));
                if let Either::Left((events, _)) = select(events, pin!(pool::pause(pause))).await {
                    events?;
                }
            }
        }
        if !self.collect.is_zero() {
            pool::pause(self.collect).await;
        }
        Ok(())
    }

    /// Waits for events. The descriptor is registered for this time only, because the runtime would wake up for every further event.
    async fn events(&self) -> io::Result<()> {
        let events = {
            let _runtime = self.runtime.enter();
            #[allow(deprecated, reason = "the others are unsafe; this descriptor stays open")]
            AsyncFd::with_interest(self.watcher.fd(), Interest::READABLE)?
        };
        events.readable().await?.retain_ready();
        Ok(())
    }
}
