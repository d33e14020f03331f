//! The turns of pushes from this machine to one branch of a remote.

use super::parse::Oid;
use super::repository::Repository;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::{Place, TimeLeft, Waited};

/// The number of digits of the name of a line: 128 bits.
const DIGITS: usize = 32;

/// If nobody leaves the line for this part of the time limit, a push goes on without a turn. The holder of the turn may be stopped, or
/// it may wait for this very push in a hook of the remote.
const PATIENCE: u32 = 4;

/// The turn of a push. Dropping it lets the next one begin.
pub(super) struct Turn(Option<Place>);

/// Returns the name of the line for a branch. `remote` has no password.
pub(super) fn line_name(remote: &str, branch: &str) -> String {
    // A line break is in neither.
    let text = format!("{remote}\n{branch}");
    let mut name = Checksum::of(ChecksumAlgorithm::Sha256, text.as_bytes()).into_hex();
    name.truncate(DIGITS);
    name
}

impl Repository {
    /// Waits until earlier pushes of this user on this machine to the same branch have ended.
    ///
    /// # Errors
    ///
    /// [`Contention`](ErrorKind::Contention) if that takes too long.
    pub(super) async fn turn(&self, left: TimeLeft) -> Result<Turn> {
        // Without a private directory there are no turns.
        let Ok(place) = Place::join(&self.line, left).await else { return Ok(Turn(None)) };
        match place.wait(self.push_timeout / PATIENCE, left).await {
            Ok(Waited::Turn) => Ok(Turn(Some(place))),
            Ok(Waited::TimedOut(ahead)) => Err(Error::new(ErrorKind::Contention).with_message(
                format!(
                    "saved locally; will be pushed next time: {ahead} other pushes of this machine came first"
                ),
            )),
            Ok(Waited::Stuck) | Err(_) => Ok(Turn(None)),
        }
    }
}

impl Turn {
    /// Whether the push before this one has published another commit than `tracking`.
    pub(super) async fn is_news(&self, tracking: Option<&Oid>) -> bool {
        let Some(place) = &self.0 else { return false };
        // This only saves time, so a failure does not matter.
        let pushed = place.text().await.ok().flatten();
        pushed.is_some_and(|pushed| tracking.is_none_or(|tracking| tracking.as_str() != pushed))
    }

    /// Ends the turn. `pushed` is the commit that was published.
    pub(super) async fn end(self, pushed: Option<&Oid>) {
        match (self.0, pushed) {
            // Without the text the next one finds out by itself.
            (Some(place), Some(pushed)) => drop(place.leave(pushed.as_str().to_owned()).await),
            (place, _) => drop(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_branch_of_each_remote_has_its_own_line() {
        let names =
            [("a", "b"), ("a", "c"), ("c", "b")].map(|(remote, branch)| line_name(remote, branch));
        assert_eq!(names[0], line_name("a", "b"));
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
        assert_eq!(names[0].len(), DIGITS);
    }
}
