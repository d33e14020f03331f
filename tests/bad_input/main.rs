//! The catalogue of bad input: each item is a row that names it and the kind of error, or the outcome, that it has.
//!
//! Every row also checks that the error names the operation and the path on one line, that nothing is lost inside or outside of the
//! root, that no temporary stays, and that nothing waits. The numbers are those of the catalogue. Left out are the items of what f9
//! does not have: a mode for names that are portable to other systems (19 to 22 have their literal meaning instead), stores that
//! ignore case (26), staying on one device (46), versions and backups (the second half of 14, 44 and 49, 89 to 98), JSON (74 to
//! 82), HTTP (99 to 126), and durations that only other languages have (the negative ones of 84).
//!
//! Left to tests of their own, as they need many rounds or a machine that fails:
//!
//! | item | tests |
//! | --- | --- |
//! | 42, 36 in between: something swapped in or put in meanwhile | `local::races`, `local::links`, `torture` |
//! | 61 at every byte, 62, 63, 65: failing system calls | `torture`, `local::durability` |
//! | 66: constant memory | `local::streams` |
//! | 67: a future dropped at each await | the conformance cases of cancelling |
//! | 69, 70: crowds of writers | the conformance cases of racing, `local::processes`, `torture` |
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
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod objects;
mod paths;
#[path = "../local/store.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod store;
mod table;
