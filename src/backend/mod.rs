//! The contract: the promises of every backend, on any store.
//!
//! [`AsyncFileBackend`] has the full form of each verb. Eight methods are required; the others have a default that a backend overrides
//! if its store can do better. The short forms are in [`AsyncFileBackendExt`], so implementors do not see them and no backend can
//! change their meaning.

mod capabilities;
mod conflict;
mod contract;
mod ext;
mod forward;
mod limits;
mod provided;
mod reader;
mod session;
mod sync_report;
pub(crate) mod verbs;
mod writer;

pub use capabilities::{Capabilities, Capability};
pub use conflict::{ConflictKind, ConflictStatus, SyncConflict};
pub use contract::{AsyncFileBackend, AsyncSyncFileBackend};
pub use ext::AsyncFileBackendExt;
pub use limits::{Limits, StoreIdentity};
pub(crate) use provided::copy_from as copy_through_this_process;
#[cfg(feature = "object-store")]
pub(crate) use provided::is_missing;
pub(crate) use provided::{
    check_options_of_many, distinct, glob as glob_through_listing, is_skipped,
    write_many as write_each,
};
#[cfg(feature = "git")]
pub(crate) use provided::{copy_keeping, read_ranges as open_each_range};
pub use reader::FileReader;
pub use session::{SessionHandle, SyncSession};
pub use sync_report::SyncReport;
pub use writer::FileWriter;
