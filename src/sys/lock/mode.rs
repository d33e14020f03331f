//! The modes of a lock.

/// Whether several holders are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockMode {
    /// Any number of holders.
    Shared,
    /// One holder.
    Exclusive,
}
