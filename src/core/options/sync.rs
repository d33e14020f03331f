//! Options for pushes and pulls.

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::progress::ProgressReporter;

/// Implements the setters of options with a `message`.
macro_rules! described {
    ($options:ident) => {
        impl $options {
            /// Describes the local changes.
            #[must_use]
            pub fn message(message: impl Into<String>) -> Self {
                Self::default().with_message(message)
            }

            /// Sets the description of the local changes.
            #[must_use]
            pub fn with_message(mut self, message: impl Into<String>) -> Self {
                self.message = Some(message.into());
                self
            }
        }
    };
}

/// Options of [`push`](crate::AsyncSyncFileBackend::push_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PushOptions {
    /// The description of the local changes. Without it, the store describes them itself, such as `Update 3 files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Receives the progress of the transfer.
    #[serde(skip)]
    pub progress: Option<ProgressReporter>,
}

described!(PushOptions);

setters!(PushOptions {
    /// Sets what receives the progress.
    with_progress(progress: ProgressReporter) => Some(progress);
});

/// Options of [`pull`](crate::AsyncSyncFileBackend::pull_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PullOptions {
    /// Receives the progress of the transfer.
    #[serde(skip)]
    pub progress: Option<ProgressReporter>,
}

setters!(PullOptions {
    /// Sets what receives the progress.
    with_progress(progress: ProgressReporter) => Some(progress);
});

/// Options of [`sync`](crate::AsyncSyncFileBackend::sync_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SyncOptions {
    /// The description of the local changes. Without it, the store describes them itself, such as `Update 3 files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Receives the progress of both transfers.
    #[serde(skip)]
    pub progress: Option<ProgressReporter>,
}

described!(SyncOptions);

setters!(SyncOptions {
    /// Sets what receives the progress.
    with_progress(progress: ProgressReporter) => Some(progress);
});
