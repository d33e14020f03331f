//! The server: accepts connections and sends the replies of the service.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, Either, select};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::reply::{ConnectionClosed, ReplyBody};
use super::service::{Outcome, Service};

/// Binds a listener to a free port.
pub(super) fn listen() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves connections until `stop` receives a message or its sender is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        match select(&mut stop, pin!(listener.accept())).await {
            Either::Left(_) => return,
            Either::Right((Ok((stream, _)), _)) => {
                tokio::spawn(serve_connection(stream, Arc::clone(&service)));
            }
            // The connection failed before it was accepted. Others are not affected.
            Either::Right((Err(_), _)) => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, service: Arc<Service>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let resets = Arc::new(AtomicBool::new(false));
    let handler = service_fn(|request| -> BoxFuture<'static, _> {
        Box::pin(respond(Arc::clone(&service), Arc::clone(&resets), request))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), handler);
    let ended = poll_fn(|context| Pin::new(&mut connection).poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    // An error here means that the client has disconnected.
    drop(if resets.load(Ordering::Relaxed) {
        stream.set_zero_linger()
    } else if ended.is_ok() {
        stream.shutdown().await
    } else {
        Ok(())
    });
}

/// Handles one request. Sets `resets` if the connection is to be reset.
async fn respond(
    service: Arc<Service>,
    resets: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, ConnectionClosed> {
    let (head, body) = request.into_parts();
    let arrival = service.arrive(&head);
    let fault = arrival.fault().cloned();
    let is_head = head.method == Method::HEAD;
    let body = body.collect().await.map_err(|_| ConnectionClosed)?.to_bytes();
    let processing = async move { service.process(head, body, arrival).await };
    // In its own task, because the service finishes a request also after the client has disconnected.
    match tokio::spawn(processing).await.map_err(|_| ConnectionClosed)? {
        Outcome::Reply(reply) => Ok(reply.into_response(fault.as_ref(), is_head)),
        Outcome::Silence => pending().await,
        Outcome::Reset => {
            resets.store(true, Ordering::Relaxed);
            Err(ConnectionClosed)
        }
    }
}
