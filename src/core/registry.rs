//! Values that everything in this process shares that works on the same thing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Values by key. Each is dropped with its last user.
#[derive(Debug)]
pub(crate) struct Registry<K, V>(Mutex<BTreeMap<K, Weak<V>>>);

impl<K: Ord, V: Default> Registry<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Returns the value for this key; a new one if nobody uses one.
    pub(crate) fn get(&self, key: K) -> Arc<V> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|_, value| value.strong_count() > 0);
        if let Some(value) = values.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        let value = Arc::<V>::default();
        values.insert(key, Arc::downgrade(&value));
        value
    }
}
