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
}

impl Recorder {
    /// Creates a recorder for a call of the user.
    pub(super) fn new(progress: Option<ProgressReporter>) -> Self {
        Self { meter: progress.map(Meter::new), report: Some(Mutex::default()) }
    }

    /// Creates a recorder for an automatic call, which has no report.
    pub(super) fn without_report() -> Self {
        Self { meter: None, report: None }
    }

    pub(super) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// Counts the commits after `before` up to `after`, which came from the remote.
    pub(super) async fn received(
        &self,
        repository: &Repository,
        before: Option<&Oid>,
        after: &Oid,
    ) {
        let (commits, files) = self.count(repository, before, after).await;
        self.change(|report| {
            report.commits_received += commits;
            report.files_received += files;
        });
    }

    /// Counts the commits after `before` up to `after`, which went to the remote.
    pub(super) async fn sent(&self, repository: &Repository, before: Option<&Oid>, after: &Oid) {
        let (commits, files) = self.count(repository, before, after).await;
        self.change(|report| {
            report.commits_sent += commits;
            report.files_sent += files;
        });
    }

    pub(super) fn resolved(&self, conflicts: usize) {
        self.change(|report| report.conflicts += conflicts as u64);
    }

    fn change(&self, change: impl FnOnce(&mut SyncReport)) {
        if let Some(report) = &self.report {
            change(&mut report.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Returns the numbers of commits and files, or zeros if nobody reads the report. A failure also gives zeros, because the transfer
    /// itself has succeeded.
    async fn count(
        &self,
        repository: &Repository,
        before: Option<&Oid>,
        after: &Oid,
    ) -> (u64, u64) {
        if self.report.is_none() || before == Some(after) {
            return (0, 0);
        }
        history::count(&repository.git, before, after).await.unwrap_or_default()
    }

    pub(super) fn into_report(self) -> SyncReport {
        let report = self.report.unwrap_or_default();
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
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
