//! Git servers on the loopback interface. Dropping one closes its connections and kills all processes that it started.

mod daemon;
mod http;
mod ssh;

use std::fs;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use self::daemon::Daemon;
pub(crate) use self::http::{Behaviour, Http, Request, basic};
pub(crate) use self::ssh::Ssh;
use crate::cli;

/// The environment variable that marks all processes of a server, descendants included.
const MARK: &str = "F9_TEST_SERVER";

/// A port, and a thread for each connection to it.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Arc<TcpStream>,
    server: String,
}

impl Listener {
    /// Opens a free port and calls `serve` with each connection.
    pub(crate) fn open(serve: impl Fn(&Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let open = Arc::clone(&is_open);
        let acceptor = thread::spawn(move || accept(&listener, &open, &serve));
        Self { address, is_open, acceptor: Some(acceptor) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_open.store(false, Ordering::SeqCst);
        // The acceptor checks the flag at the next connection.
        drop(TcpStream::connect(self.address));
        let ended = self.acceptor.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "a server has panicked");
    }
}

/// Serves until the port is closed, then closes all connections.
fn accept(listener: &TcpListener, is_open: &AtomicBool, serve: &(impl Fn(&Connection) + Sync)) {
    let mark = listener.local_addr().unwrap().to_string();
    let connected: Mutex<Vec<Weak<TcpStream>>> = Mutex::default();
    thread::scope(|scope| {
        let mut served = Vec::new();
        for stream in listener.incoming() {
            if !is_open.load(Ordering::SeqCst) {
                break;
            }
            let stream = Arc::new(stream.unwrap());
            connected.lock().unwrap().push(Arc::downgrade(&stream));
            let connection = Connection { stream, server: mark.clone() };
            served.push(scope.spawn(move || serve(&connection)));
        }
        for stream in connected.lock().unwrap().iter().filter_map(Weak::upgrade) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // A hook may go on after the client has gone.
        while kill_marked(&mark) || served.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

impl Connection {
    /// Marks `command` as a process of the server.
    pub(crate) fn mark<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(MARK, &self.server)
    }

    /// Runs a program to its end with the connection as its standard input and output, as inetd(8) does.
    pub(crate) fn hand_to(&self, command: &mut Command) {
        let end = || OwnedFd::from(self.stream.try_clone().unwrap());
        self.mark(command).stdin(end()).stdout(end()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.wait().unwrap();
    }
}

/// Kills the processes of a server. Reports whether there were any.
fn kill_marked(mark: &str) -> bool {
    let marked = marked(mark);
    for process in &marked {
        // The process may have ended already.
        let _ended = kill_process(*process, Signal::KILL);
    }
    !marked.is_empty()
}

/// Returns the running processes of a server.
fn marked(mark: &str) -> Vec<Pid> {
    let variable = format!("{MARK}={mark}");
    let is_marked = |pid: &i32| {
        // A process that cannot be read has ended or belongs to another user.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let ids = names.filter_map(|name| name.to_str()?.parse().ok());
    ids.filter(is_marked).filter_map(Pid::from_raw).collect()
}
