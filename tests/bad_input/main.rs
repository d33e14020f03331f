//! The catalogue of bad input. Each item is a row with its name and the expected error kind or result.
//!
//! Every row also checks that the error names the operation and the path on one line, that nothing changes inside or outside of the
//! root, that no temporary file is left, and that no call waits. The numbers are those of the catalogue. It has no rows for items
//! that f9 does not have: a mode for portable names (19 to 22 have their literal meaning instead), stores that ignore case (26), a
//! limit to one device (46), versions and backups (the second half of 14, 44 and 49, 89 to 98), JSON (74 to 82), HTTP (99 to 126),
//! and negative durations (84).
//!
//! These items have their own tests, because they need many rounds or a failing machine:
//!
//! | item | tests |
//! | --- | --- |
//! | 42, 36: an entry that is swapped or created during the call | `local::races`, `local::links`, `torture` |
//! | 61 at every byte, 62, 63, 65: failing system calls | `torture`, `local::durability` |
//! | 66: constant memory | `local::streams` |
//! | 67: a future that is dropped at each await | the conformance cases of cancellation |
//! | 69, 70: many concurrent writers | the conformance cases of races, `local::processes`, `torture` |
//! | 71: a disk that hangs | `torture` |

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod content;
mod locks;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a different part")]
mod machine;
mod objects;
mod paths;
#[path = "../local/store.rs"]
#[allow(dead_code, reason = "each test binary uses a different part")]
mod store;
mod table;
