//! The blocking object store.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocking, Bridge};
use crate::backends::object::{ObjectStoreRepair, S3Config};
use crate::core::error::Result;

/// Files in an object store; the twin of [`f9::ObjectStoreFileBackend`](crate::ObjectStoreFileBackend).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use f9::blocking::ObjectStoreFileBackend;
/// use f9::testing::s3::S3Simulator;
///
/// # fn main() -> f9::Result<()> {
/// let s3 = S3Simulator::start(); // or S3Config::new("bucket"), with the credentials where Amazon's tools find them
/// let files = ObjectStoreFileBackend::open_s3(s3.config())?;
/// files.create("notes/today.md", "# Today")?;
/// assert_eq!(files.read_text("notes/today.md")?, "# Today");
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
pub type ObjectStoreFileBackend = Blocking<crate::backends::object::ObjectStoreFileBackend>;

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async method")]
impl ObjectStoreFileBackend {
    /// Opens a bucket of S3. See [`open_s3`](crate::ObjectStoreFileBackend::open_s3).
    pub fn open_s3(config: S3Config) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let opened =
            bridge.wait(crate::backends::object::ObjectStoreFileBackend::open_s3(config))?;
        Ok(Self::with_bridge(Arc::new(opened), bridge))
    }

    /// Removes what dead processes have left. See [`repair`](crate::ObjectStoreFileBackend::repair).
    pub fn repair(&self, age: Duration) -> Result<ObjectStoreRepair> {
        self.bridge().wait(self.backend().repair(age))
    }

    /// Returns the number of requests sent. See [`requests_sent`](crate::ObjectStoreFileBackend::requests_sent).
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.backend().requests_sent()
    }
}
