//! Pointers to backends are backends.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{AsyncFileBackend, AsyncSyncFileBackend, Capabilities, SyncConflict, SyncSession};
use crate::stream::{ByteStream, InfoStream};
use crate::{
    ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, FileInfo,
    FilePath, GlobOptions, InfoOptions, ListOptions, ReadOptions, RenameOptions, Result,
    SessionOptions, UpdateOptions, WriteOptions,
};

/// Forwards each method as `async_trait` spells it, so that the future is boxed once. `missing_trait_methods` keeps a provided
/// method from slipping past what the pointee overrides.
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
            forward! {
                stream_write_with['a 'b](path: &'a str, data: ByteStream<'b>, options: WriteOptions) -> FileInfo;
                create_dir_with['a](path: &'a str, options: CreateDirOptions) -> ();
                stream_read_with['a](path: &'a str, options: ReadOptions) -> ByteStream<'static>;
                update_with['a](path: &'a str, data: Bytes, options: UpdateOptions) -> FileInfo;
                delete_with['a](path: &'a str, options: DeleteOptions) -> ();
                info_with['a](path: &'a str, options: InfoOptions) -> FileInfo;
                list_with['a](prefix: &'a str, options: ListOptions) -> InfoStream<'static>;
                rename_with['a 'b](from: &'a str, to: &'b str, options: RenameOptions) -> FileInfo;
                create_with['a](path: &'a str, data: Bytes, options: CreateOptions) -> FileInfo;
                read_with['a](path: &'a str, options: ReadOptions) -> Bytes;
                copy_with['a 'b](from: &'a str, to: &'b str, options: CopyOptions) -> FileInfo;
                exists['a](path: &'a str) -> bool;
                glob_with['a](pattern: &'a str, options: GlobOptions) -> Vec<FilePath>;
                checksum['a](path: &'a str, algorithm: ChecksumAlgorithm) -> String;
                checksum_many['a 'b](paths: &'a [&'b str], algorithm: ChecksumAlgorithm) -> BTreeMap<FilePath, String>;
                sync_session_with[](options: SessionOptions) -> SyncSession;
            }
        }

        #[deny(clippy::missing_trait_methods)]
        impl<T: AsyncSyncFileBackend + ?Sized> AsyncSyncFileBackend for $pointer {
            forward! {
                push['a](message: &'a str) -> ();
                pull[]() -> ();
                sync['a](message: &'a str) -> ();
                conflict_report[]() -> Vec<SyncConflict>;
                conflict_accept_local['a](path: &'a str) -> ();
                conflict_accept_remote['a](path: &'a str) -> ();
                conflict_resolve['a](path: &'a str, data: Bytes) -> ();
            }
        }
    };
    ($($verb:ident[$($life:lifetime)*]($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(
            fn $verb<'s, $($life,)* 'f>(&'s self, $($argument: $type),*) -> BoxFuture<'f, Result<$output>>
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

forward!(Arc<T>);
forward!(Box<T>);
forward!(&'static T);
