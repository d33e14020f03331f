//! Git servers on the loopback. Dropping one hangs up on its clients and ends every process that it started.

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

/// The variable by which the processes of a server are known, however far they are from the process that began it.
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
    mark: String,
}

impl Listener {
    /// Opens a free port, where `serve` is called with each connection.
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
        // The acceptor looks at that when somebody comes.
        drop(TcpStream::connect(self.address));
        let ended = self.acceptor.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "a server has panicked");
    }
}

/// Serves until the port is closed, then hangs up on everybody.
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
            let connection = Connection { stream, mark: mark.clone() };
            served.push(scope.spawn(move || serve(&connection)));
        }
        for stream in connected.lock().unwrap().iter().filter_map(Weak::upgrade) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // A hook may not care that the client is gone.
        while kill_marked(&mark) || served.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

impl Connection {
    /// `command` as a process of the server.
    pub(crate) fn own<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(MARK, &self.mark)
    }

    /// Runs a program that speaks to the client by its standard input and output, as inetd(8) does, to its end.
    pub(crate) fn hand_to(&self, command: &mut Command) {
        let end = || OwnedFd::from(self.stream.try_clone().unwrap());
        self.own(command).stdin(end()).stdout(end()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.wait().unwrap();
    }
}

/// Kills the processes of a server, and says whether there were any.
fn kill_marked(mark: &str) -> bool {
    let marked = marked(mark);
    for process in &marked {
        // It may have ended meanwhile.
        let _ended = kill_process(*process, Signal::KILL);
    }
    !marked.is_empty()
}

/// The processes of a server that live.
fn marked(mark: &str) -> Vec<Pid> {
    let variable = format!("{MARK}={mark}");
    let has_it = |pid: &i32| {
        // What cannot be read belongs to somebody else, or has ended.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let ids = names.filter_map(|name| name.to_str()?.parse().ok());
    ids.filter(has_it).filter_map(Pid::from_raw).collect()
}
