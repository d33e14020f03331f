//! The progress of long operations.

use std::fmt;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::core::path::FilePath;

/// How far an operation has come. Git counts objects, and the bytes that it has told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Progress {
    /// The bytes that are done.
    pub bytes: u64,
    /// The number of all bytes, if it is known.
    pub total_bytes: Option<u64>,
    /// The files or objects that are done.
    pub items: u64,
    /// The number of all files or objects, if it is known.
    pub total_items: Option<u64>,
    /// The file that the operation works on.
    pub path: Option<FilePath>,
}

/// Receives the progress of an operation. Pass it in the options of the operation.
///
/// Clones report to the same place. The numbers of one operation never decrease.
///
/// # Examples
///
/// ```
/// use f9::ProgressReporter;
/// let reporter = ProgressReporter::new(|progress| {
///     println!("{} of {:?}, {} bytes", progress.items, progress.total_items, progress.bytes);
/// });
/// ```
#[derive(Clone)]
pub struct ProgressReporter(Arc<dyn Fn(&Progress) + Send + Sync>);

impl ProgressReporter {
    /// Calls `report` whenever an operation has come further. It must not block: it runs where the operation runs.
    #[must_use]
    pub fn new(report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Returns a reporter, and a stream of its reports that ends when all clones of the reporter are dropped. A slow reader of the stream
    /// misses reports, but never the last one.
    #[must_use]
    pub fn channel() -> (Self, BoxStream<'static, Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        let reporter = Self::new(move |progress| {
            sender.send_replace(progress.clone());
        });
        let reports = futures::stream::unfold(receiver, async |mut receiver| {
            receiver.changed().await.ok()?;
            let progress = receiver.borrow_and_update().clone();
            Some((progress, receiver))
        });
        (reporter, reports.boxed())
    }

    /// Reports how far the operation has come. For backends.
    pub fn report(&self, progress: &Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for ProgressReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReporter").finish_non_exhaustive()
    }
}

impl PartialEq for ProgressReporter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProgressReporter {}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn at(bytes: u64) -> Progress {
        Progress { bytes, ..Progress::default() }
    }

    #[test]
    fn every_clone_reports_to_the_callback() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reporter = {
            let seen = Arc::clone(&seen);
            ProgressReporter::new(move |progress| seen.lock().unwrap().push(progress.bytes))
        };
        reporter.report(&at(1));
        reporter.clone().report(&at(2));
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        assert_eq!(reporter, reporter.clone());
    }

    #[tokio::test]
    async fn a_stream_has_the_last_report_and_ends_with_the_reporter() {
        let (reporter, mut reports) = ProgressReporter::channel();
        reporter.report(&at(1));
        assert_eq!(reports.next().await, Some(at(1)));
        reporter.report(&at(2));
        reporter.report(&at(3));
        drop(reporter);
        assert_eq!(reports.next().await, Some(at(3)));
        assert_eq!(reports.next().await, None);
    }
}
