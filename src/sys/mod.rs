//! The operating system: the blocking pool, locks, randomness, and the confined file system.

pub(crate) mod fs;
pub(crate) mod lock;
pub(crate) mod pool;
pub(crate) mod random;
