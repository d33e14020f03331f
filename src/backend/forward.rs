//! Pointers to backends are backends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::verbs::{file_verbs, sync_verbs};
use super::{
    AsyncFileBackend, AsyncSyncFileBackend, Capabilities, Limits, StoreIdentity, SyncConflict,
    SyncReport, SyncSession,
};
use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoChanges, InfoOptions,
    ListOptions, PullOptions, PushOptions, ReadOptions, RenameOptions, SessionOptions, SyncOptions,
    VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::{ByteStream, InfoStream, PathStream};
use crate::core::upload::ResumableUpload;

/// Writes each verb in the form that `async_trait` expands to, so that the future is boxed only once.
macro_rules! forward_verbs {
    ($trait:literal: $($kind:ident $verb:ident[$($life:lifetime)*] { $($argument:ident($($type:tt)*)),* } -> $output:ty, $doc:literal;)*) => {
        $(
            fn $verb<'s, $($life,)* 'f>(&'s self, $($argument: $($type)*),*) -> BoxFuture<'f, Result<$output>>
            where
                's: 'f,
                $($life: 'f,)*
                Self: 'f,
            {
                (**self).$verb($($argument),*)
            }
        )*
    };
}

/// The lint `missing_trait_methods` reports a provided method that is missing here. Its default would bypass the pointee's override.
macro_rules! forward {
    ($pointer:ty) => {
        #[deny(clippy::missing_trait_methods)]
        impl<T: AsyncFileBackend + ?Sized> AsyncFileBackend for $pointer {
            fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
                (**self).as_sync()
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            fn limits(&self) -> Limits {
                (**self).limits()
            }

            fn identity(&self) -> Option<StoreIdentity> {
                (**self).identity()
            }

            fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
                (**self).private_view(name)
            }

            file_verbs!(forward_verbs);
        }

        #[deny(clippy::missing_trait_methods)]
        impl<T: AsyncSyncFileBackend + ?Sized> AsyncSyncFileBackend for $pointer {
            sync_verbs!(forward_verbs);
        }
    };
}

forward!(Arc<T>);
forward!(Box<T>);
forward!(&'static T);
