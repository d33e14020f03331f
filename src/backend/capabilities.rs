//! What a store can do beyond what every store must.

use std::fmt;

use serde::Serialize;

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// One thing that not every store can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[$doc])* $name),*
        }

        impl Capability {
            /// Every capability there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text),*
                }
            }
        }
    };
}

capabilities! {
    /// Of racing creators exactly one wins, also across processes where the store spans them and has
    /// [`CrossProcessWrites`](Self::CrossProcessWrites).
    ExclusiveCreate = "exclusive-create",
    /// Etags, and writes that succeed only while an etag is current: [`WriteMode::IfMatch`](crate::WriteMode::IfMatch).
    ConditionalWrite = "conditional-write",
    /// [`UpdateMode::Append`](crate::UpdateMode::Append).
    Append = "append",
    /// Directories that hold nothing persist. Elsewhere there are only those on the way to a file, and
    /// [`create_dir`](crate::AsyncFileBackend::create_dir_with) is [`Unsupported`](crate::ErrorKind::Unsupported).
    EmptyDirectories = "empty-directories",
    /// A directory made on the way to a file stays when the file goes. Elsewhere only one that was made by itself stays.
    LastingDirectories = "lasting-directories",
    /// [`rename`](crate::AsyncFileBackend::rename_with) is atomic, also of a directory.
    AtomicRename = "atomic-rename",
    /// [`copy`](crate::AsyncFileBackend::copy_with) does not move the bytes through this process.
    ServerSideCopy = "server-side-copy",
    /// What a finished write acknowledged survives a power loss.
    Durable = "durable",
    /// [`sync_session`](crate::AsyncFileBackend::sync_session_with) excludes other sessions within this process.
    Sessions = "sessions",
    /// Sessions exclude those of other processes too.
    CrossProcessSessions = "cross-process-sessions",
    /// Exclusive creates, conditional writes and appends hold against writers of other processes too. Elsewhere a writer in another
    /// process may come between the look and the write.
    CrossProcessWrites = "cross-process-writes",
    /// Paths may have up to [`MAX_PATH_BYTES`](crate::MAX_PATH_BYTES). Elsewhere the documentation of the store tells how many, at least
    /// 1,024, and a longer one is an [`InvalidPath`](crate::ErrorKind::InvalidPath).
    LongPaths = "long-paths",
}

/// The set of things a store can do.
///
/// # Examples
///
/// ```
/// use f9::{AsyncFileBackend as _, Capability, MemoryFileBackend};
/// let capabilities = MemoryFileBackend::new().capabilities();
/// assert!(capabilities.has(Capability::Append));
/// assert!(!capabilities.has(Capability::CrossProcessSessions));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The capabilities named.
    #[must_use]
    pub fn of(capabilities: &[Capability]) -> Self {
        capabilities.iter().fold(Self::default(), |set, &capability| set.with(capability))
    }

    /// The same and one more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u32)
    }

    /// The same but for one.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u32))
    }

    /// Whether the store can do this.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// What the store can do, one by one.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |&capability| self.has(capability))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Capabilities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Capabilities::of(&[Capability::Append, Capability::Sessions]);
        assert!(set.has(Capability::Append) && !set.has(Capability::Durable));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::Append, Capability::Sessions]);
        assert_eq!(set.without(Capability::Append), Capabilities::of(&[Capability::Sessions]));
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["append","sessions"]"#);
        assert_eq!(format!("{set:?}"), "{Append, Sessions}");
    }

    #[test]
    fn names_are_those_of_serde() {
        for capability in Capability::ALL {
            let json = serde_json::to_string(capability).unwrap();
            assert_eq!(json, format!("\"{capability}\""));
        }
    }
}
