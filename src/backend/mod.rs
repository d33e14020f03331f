//! The contract: the promises of every backend, on any store.
//!
//! [`AsyncFileBackend`] has the full form of each verb. Nine methods are required; the others have a default that a backend overrides
//! if its store can do better. The short forms are in [`AsyncFileBackendExt`], so implementors do not see them and no backend can
//! change their meaning.

mod capabilities;
mod conflict;
mod contract;
mod ext;
mod forward;
mod session;
pub(crate) mod verbs;

pub use capabilities::{Capabilities, Capability};
pub use conflict::{ConflictKind, ConflictStatus, SyncConflict};
#[cfg(feature = "object-store")]
pub(crate) use contract::is_no_directory;
pub(crate) use contract::is_skipped;
pub use contract::{AsyncFileBackend, AsyncSyncFileBackend};
pub use ext::AsyncFileBackendExt;
pub use session::{SessionHandle, SyncSession};
