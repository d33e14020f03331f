//! The limits of a walk over pages: a service that never reports the last page must not hold a caller for ever, nor fill the memory.

use super::Client;
use super::call::{Answer, Call};
use super::failure::{Failure, error};
use super::transport::RetryState;
use crate::core::error::{ErrorKind, Result};

/// The most pages: a million entries of a vector store.
pub(super) const MAX_PAGES: usize = 10_000;

/// What a walk may still use. All pages share the deadline of one call.
pub(super) struct Walk {
    state: RetryState,
    pages_left: usize,
    bytes_left: usize,
}

impl Walk {
    pub(super) fn new(state: RetryState, max_bytes: usize) -> Self {
        Self { state, pages_left: MAX_PAGES, bytes_left: max_bytes }
    }

    /// Counts a page of this length.
    ///
    /// # Errors
    ///
    /// `Remote` if it is one too many.
    pub(super) fn count(&mut self, bytes: usize) -> Result<()> {
        let pages_left = self.pages_left.checked_sub(1);
        let bytes_left = self.bytes_left.checked_sub(bytes);
        let (Some(pages_left), Some(bytes_left)) = (pages_left, bytes_left) else {
            let message = "the service reported more and more pages; f9 stopped reading them";
            return Err(error(ErrorKind::Remote, message));
        };
        (self.pages_left, self.bytes_left) = (pages_left, bytes_left);
        Ok(())
    }
}

impl Client {
    /// Requests the next page of a walk.
    pub(super) async fn next_page(
        &self,
        call: &Call<'_>,
        walk: &mut Walk,
    ) -> Result<Answer, Failure> {
        walk.state = walk.state.for_lookup();
        let answer = self.0.transport.retry(call, &mut walk.state).await?;
        walk.count(answer.body.len()).map_err(Failure::permanent)?;
        Ok(answer)
    }
}
