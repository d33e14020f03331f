//! The addresses of hosts.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::core::error::Result;
use crate::sys::pool;

/// Asks the system for the addresses of a host, on a thread of the pool. The resolver of reqwest would use Tokio's pool, which panics if
/// the system allows no more threads.
#[derive(Debug)]
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(addresses(name).await?.into_iter()) as Addrs) })
    }
}

async fn addresses(name: Name) -> Result<Vec<SocketAddr>> {
    let look_up = move || -> io::Result<Vec<SocketAddr>> {
        // reqwest replaces the port.
        Ok((name.as_str(), 0).to_socket_addrs()?.collect())
    };
    pool::run(move || Ok(look_up()?)).await
}
