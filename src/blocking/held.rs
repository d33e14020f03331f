//! Values of the async side that a caller of the facade keeps.

use std::fmt;

use futures::stream::{Stream, StreamExt as _};

use super::Bridge;
use crate::core::error::{ErrorKind, Result};

/// A value that needs a runtime context, also when it is dropped.
pub(super) struct Held<T> {
    /// `None` after it was taken or released.
    value: Option<T>,
    bridge: Bridge,
}

impl<T> Held<T> {
    pub(super) fn new(value: T, bridge: Bridge) -> Self {
        let value = Some(value);
        Self { value, bridge }
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Returns the value and the bridge.
    ///
    /// # Errors
    ///
    /// `Internal` if the value was taken or released.
    pub(super) fn parts(&mut self) -> Result<(&mut T, &Bridge)> {
        let value = self.value.as_mut().ok_or(ErrorKind::Internal)?;
        Ok((value, &self.bridge))
    }

    pub(super) fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Drops the value inside the runtime.
    pub(super) fn release(&mut self) {
        if self.value.is_some() {
            let _entered = self.bridge.enter();
            self.value = None;
        }
    }
}

impl<S: Stream + Unpin> Held<S> {
    /// Waits for the next item. Releases the stream at its end, because it must not be polled afterwards.
    pub(super) fn next(&mut self) -> Option<S::Item> {
        let stream = self.value.as_mut()?;
        let item = self.bridge.wait(stream.next());
        if item.is_none() {
            self.release();
        }
        item
    }
}

impl<S: Stream<Item = Result<T>> + Unpin, T> Held<S> {
    /// Waits for the next item of a stream that ends with its first error.
    pub(super) fn next_or_last(&mut self) -> Option<S::Item> {
        let item = self.next();
        if matches!(item, Some(Err(_))) {
            self.release();
        }
        item
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.value.is_some() { "open" } else { "ended" })
    }
}
