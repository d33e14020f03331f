//! The name of a store in memory.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::StoreIdentity;

/// The number of a store in this process.
pub(super) struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Identity {
    /// Returns a name that no store of another process has either.
    pub(super) fn get(&self) -> StoreIdentity {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        StoreIdentity::new(format!("memory:{:x}:{:x}", *PROCESS, self.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::AsyncFileBackend as _;
    use crate::backends::memory::MemoryFileBackend;

    #[test]
    fn only_handles_of_one_store_have_the_same_identity() {
        let (one, other) = (MemoryFileBackend::new(), MemoryFileBackend::new());
        assert_eq!(one.identity(), one.clone().identity());
        assert_ne!(one.identity(), other.identity());
        let named = MemoryFileBackend::named("identity");
        assert_eq!(named.identity(), MemoryFileBackend::named("identity").identity());
        assert_ne!(named.identity(), one.identity());
    }
}
