//! An async backend on top of the blocking facade, so that the suite tests the facade too.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, StreamExt as _};

use crate::backend::verbs::file_verbs;
use crate::backend::{
    AsyncFileBackend, AsyncSyncFileBackend, Capabilities, Limits, SessionHandle, StoreIdentity,
    SyncSession,
};
use crate::blocking::{self, Blocking, FileBackend};
use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoChanges, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, SessionOptions, VersionOptions, WatchOptions,
    WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::{ByteStream, InfoStream, PathStream};
use crate::core::upload::ResumableUpload;

/// An async backend that calls another backend through the blocking facade.
///
/// A call blocks the thread that polls it until it completes. So its futures cannot be dropped half-way, and it needs a
/// multi-thread runtime.
#[derive(Debug)]
pub struct FacadeBackend {
    inner: FileBackend,
}

impl FacadeBackend {
    /// Wraps `backend`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Bridge::shared`](blocking::Bridge::shared).
    pub fn new(backend: Arc<dyn AsyncFileBackend>) -> Result<Self> {
        let inner = Blocking::from_backend(backend)?;
        Ok(Self { inner })
    }
}

/// Implements each verb with the facade's verb of the same name, and turns its iterators into streams.
macro_rules! facade_verbs {
    ($trait:literal: $($kind:ident $verb:ident[$($life:lifetime)*] { $($argument:ident($($type:tt)*)),* } -> $output:ty, $doc:literal;)*) => {
        $(
            fn $verb<'s, $($life,)* 'f>(&'s self, $($argument: $($type)*),*) -> BoxFuture<'f, Result<$output>>
            where
                's: 'f,
                $($life: 'f,)*
                Self: 'f,
            {
                Box::pin(async move { facade_verb!($kind self.inner.$verb($($argument),*)) })
            }
        )*
    };
}

macro_rules! facade_verb {
    (source $self:ident.inner.$verb:ident($path:ident, $data:ident, $options:ident)) => {{
        let mut data = $data;
        match data.next().now_or_never() {
            Some(first) => {
                let rest = iter::from_fn(|| $self.inner.bridge().wait(data.next()));
                $self.inner.$verb($path, first.into_iter().chain(rest), $options)
            }
            // An iterator would block the thread that may have to make the first chunk, so the facade's writer takes the chunks.
            None => write_by_hand($self.inner.writer_with($path, $options)?, data).await,
        }
    }};
    (core $self:ident.inner.write_bytes($($argument:ident),*)) => { $self.inner.write_with($($argument),*) };
    (content $($call:tt)*) => {{
        let blocking::FileContent { info, range, stream, .. } = $($call)*?;
        Ok(FileContent::new(info, range, stream::iter(stream).boxed()))
    }};
    (bytes $($call:tt)*) => { Ok(stream::iter($($call)*?).boxed()) };
    (paths $($call:tt)*) => { Ok(stream::iter($($call)*?).boxed()) };
    (versions $($call:tt)*) => { Ok(stream::iter($($call)*?).boxed()) };
    // A stream of changes has no end, so waiting for the next one would block the thread that must make it.
    (changes $self:ident.inner.$verb:ident($($argument:ident),*)) => { $self.inner.backend().$verb($($argument),*).await };
    (store $self:ident.inner.$verb:ident($source:ident, $from:ident, $to:ident, $options:ident)) => {
        $self.inner.bridge().wait($self.inner.backend().$verb($source, $from, $to, $options))
    };
    (part $self:ident.inner.$verb:ident($upload:ident, $data:ident)) => {{
        let mut data = $data;
        let chunks = iter::from_fn(|| $self.inner.bridge().wait(data.next()));
        $self.inner.$verb($upload, chunks)
    }};
    (entries $($call:tt)*) => { Ok(stream::iter($($call)*?).boxed()) };
    (session $($call:tt)*) => { Ok(SyncSession::new(FacadeSession($($call)*?))) };
    (value $($call:tt)*) => { $($call)* };
    (many $($call:tt)*) => { $($call)* };
}

#[deny(clippy::missing_trait_methods)]
impl AsyncFileBackend for FacadeBackend {
    fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
        // The facade has its own methods for sync.
        None
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.inner.identity()
    }

    fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        Ok(Arc::new(Self { inner: self.inner.private_view(name)? }))
    }

    file_verbs!(facade_verbs);
}

async fn write_by_hand(
    mut writer: blocking::FileWriter<'_>,
    mut data: ByteStream<'_>,
) -> Result<FileInfo> {
    while let Some(chunk) = data.next().await {
        writer.write_all(&chunk?)?;
    }
    writer.commit()
}

struct FacadeSession(blocking::SyncSession);

#[async_trait]
impl SessionHandle for FacadeSession {
    async fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}
