//! What a push or pull has done.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// What a push, a pull or both have done. All numbers are zero if there was nothing to do.
///
/// The sum of two reports is the report of both calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SyncReport {
    /// The commits that the remote received.
    pub commits_sent: u64,
    /// The commits that came from the remote.
    pub commits_received: u64,
    /// The files that the sent commits changed, merges excepted.
    pub files_sent: u64,
    /// The files that the received commits changed, merges excepted.
    pub files_received: u64,
    /// The files of the branch that the working tree cannot hold. See `GitSyncFileBackend::left_out`.
    pub files_left_out: u64,
    /// The conflicts that this call merged, after the caller had resolved them.
    pub conflicts: u64,
    /// The objects that were transferred, if the progress was asked for.
    pub objects: Option<u64>,
    /// About how many bytes were transferred, if the progress was asked for and the store knows.
    pub bytes: Option<u64>,
}

impl SyncReport {
    /// Whether nothing was sent and nothing was received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits_sent == 0 && self.commits_received == 0
    }
}

impl Add for SyncReport {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            commits_sent: self.commits_sent.saturating_add(other.commits_sent),
            commits_received: self.commits_received.saturating_add(other.commits_received),
            files_sent: self.files_sent.saturating_add(other.files_sent),
            files_received: self.files_received.saturating_add(other.files_received),
            files_left_out: self.files_left_out.max(other.files_left_out),
            conflicts: self.conflicts.saturating_add(other.conflicts),
            objects: sum(self.objects, other.objects),
            bytes: sum(self.bytes, other.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_two_reports_has_what_either_knows() {
        let pull = SyncReport { commits_received: 2, files_received: 3, ..SyncReport::default() };
        let push = SyncReport { commits_sent: 1, bytes: Some(7), ..SyncReport::default() };
        let both = pull + push;
        assert_eq!((both.commits_sent, both.commits_received, both.files_received), (1, 2, 3));
        assert_eq!((both.objects, both.bytes, (both + push).bytes), (None, Some(7), Some(14)));
        assert!(SyncReport::default().is_empty() && !pull.is_empty() && !push.is_empty());
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<SyncReport>(&json).unwrap(), both);
    }
}
