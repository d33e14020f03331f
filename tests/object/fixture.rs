//! A simulator and backends on its bucket.

use std::net::SocketAddr;
use std::time::Duration;

use f9::testing::s3::{Operation, Rules, S3Simulator};
use f9::{Error, ErrorKind, ObjectStoreFileBackend, ObjectStoreOptions, S3Config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The smallest size of parts, so that tests need little content for several of them.
pub(crate) const PART: usize = 5 * 1024 * 1024;

pub(crate) struct Scene {
    pub(crate) s3: S3Simulator,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { s3: S3Simulator::start() }
    }

    /// A server with other rules than Amazon's.
    pub(crate) fn with_rules(change: impl FnOnce(&mut Rules)) -> Self {
        let scene = Self::new();
        scene.s3.set(change);
        scene
    }

    pub(crate) fn options() -> ObjectStoreOptions {
        ObjectStoreOptions::default()
            .with_part_size(PART as u64)
            .with_retry_delay(Duration::from_millis(1))
    }

    pub(crate) fn config(&self) -> S3Config {
        self.s3.config().with_options(Self::options())
    }

    /// Opens a backend, and forgets the requests that this took.
    pub(crate) async fn open(&self) -> ObjectStoreFileBackend {
        self.open_with(self.config()).await
    }

    pub(crate) async fn open_with(&self, config: S3Config) -> ObjectStoreFileBackend {
        let files = ObjectStoreFileBackend::open_s3(config).await.unwrap();
        self.s3.take_requests();
        files
    }

    /// Opens a backend as another process would, which shares nothing with the handles of this one.
    pub(crate) async fn open_elsewhere(
        &self,
        options: ObjectStoreOptions,
    ) -> ObjectStoreFileBackend {
        let endpoint = self.s3.endpoint().replace("127.0.0.1", "localhost");
        self.open_with(self.config().with_endpoint(endpoint).with_options(options)).await
    }

    /// Returns the operations since the last call.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.s3.take_requests().into_iter().map(|request| request.operation).collect()
    }

    pub(crate) fn content(&self, key: &str) -> Option<String> {
        let object = self.s3.object(key)?;
        Some(String::from_utf8_lossy(&object.content).into_owned())
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.s3.objects().into_iter().map(|object| object.key).collect()
    }
}

/// A network between a client and the server, which can be cut.
pub(crate) struct Proxy {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn start(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = endpoint.strip_prefix("http://").unwrap().to_owned();
        let (is_cut, state) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let Ok((mut client, _)) = listener.accept().await else { return };
                let (server, mut state) = (server.clone(), state.clone());
                tokio::spawn(async move {
                    if *state.borrow_and_update() {
                        return;
                    }
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let passing = tokio::io::copy_bidirectional(&mut client, &mut server);
                    tokio::select! {
                        _ = passing => {}
                        _ = state.changed() => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes all connections, and every new one.
    pub(crate) fn cut(&self) {
        self.is_cut.send(true).unwrap();
    }

    pub(crate) fn restore(&self) {
        self.is_cut.send(false).unwrap();
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: f9::Result<T>, kind: ErrorKind) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.operation().is_some(), "{error:?}");
    error
}

/// Content in which no two parts are alike.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
