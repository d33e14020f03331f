//! Records what a push or pull does, for its report.

use std::sync::{Mutex, PoisonError};

use super::command::Meter;
use super::history;
use super::parse::Oid;
use super::repository::Repository;
use crate::backend::SyncReport;
use crate::core::progress::ProgressReporter;

/// Records one call.
pub(super) struct Recorder {
    meter: Option<Meter>,
    /// `None` if nobody reads the report, so that nothing is counted for it.
    report: Option<Mutex<SyncReport>>,
    /// The commits that are counted in the end.
    ranges: Mutex<Vec<Range>>,
}

/// The commits after one up to another.
struct Range {
    before: Option<Oid>,
    after: Oid,
    is_sent: bool,
}

impl Recorder {
    /// Creates a recorder for a call of the user.
    pub(super) fn new(progress: Option<ProgressReporter>) -> Self {
        Self {
            meter: progress.map(Meter::new),
            report: Some(Mutex::default()),
            ranges: Mutex::default(),
        }
    }

    /// Creates a recorder for an automatic call, which has no report.
    pub(super) fn without_report() -> Self {
        Self { meter: None, report: None, ranges: Mutex::default() }
    }

    pub(super) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// Records that the commits after `before` up to `after` came from the remote.
    pub(super) fn received(&self, before: Option<&Oid>, after: &Oid) {
        self.record(Range { before: before.cloned(), after: after.clone(), is_sent: false });
    }

    /// Records that the commits after `before` up to `after` went to the remote.
    pub(super) fn sent(&self, before: Option<&Oid>, after: &Oid) {
        self.record(Range { before: before.cloned(), after: after.clone(), is_sent: true });
    }

    fn record(&self, range: Range) {
        if self.report.is_some() && range.before.as_ref() != Some(&range.after) {
            self.ranges.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        }
    }

    pub(super) fn resolved(&self, conflicts: usize) {
        self.change(|report| report.conflicts += conflicts as u64);
    }

    fn change(&self, change: impl FnOnce(&mut SyncReport)) {
        if let Some(report) = &self.report {
            change(&mut report.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Counts what was recorded. This comes last, when nobody waits for it.
    pub(super) async fn into_report(self, repository: &Repository) -> SyncReport {
        let report = self.report.unwrap_or_default();
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        for range in self.ranges.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let counted = history::count(&repository.git, range.before.as_ref(), &range.after);
            // A failure gives zeros, because the transfer itself has succeeded.
            let (commits, files) = counted.await.unwrap_or_default();
            if range.is_sent {
                report.commits_sent += commits;
                report.files_sent += files;
            } else {
                report.commits_received += commits;
                report.files_received += files;
            }
        }
        if let Ok(Some(_)) = repository.head().await {
            let left_out = repository.left_out().await.unwrap_or_default();
            report.files_left_out = left_out.len() as u64;
        }
        if let Some(meter) = &self.meter {
            let total = meter.total();
            report.objects = Some(total.objects);
            // Git prints no bytes for a transfer that takes only a moment.
            let is_known = total.bytes > 0 || total.objects == 0;
            report.bytes = is_known.then_some(total.bytes);
        }
        report
    }
}
