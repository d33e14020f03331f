//! git-http-backend(1) behind a small web server that can misbehave.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Connection, Listener, cli};
use crate::clock::HANGS;
use crate::remote::{REPOSITORY, Remote};

/// A server of the protocol `http`.
#[derive(Debug)]
pub(crate) struct Http {
    listener: Listener,
    site: Arc<Site>,
}

/// The reaction of a server to a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Serves the request.
    Serve,
    /// Redirects to the same path of another server, given as `http://host:port`.
    RedirectTo(String),
    /// Answers this many requests with 503 and serves the others.
    Unavailable { times: usize },
    /// Never answers.
    Stall,
    /// Serves the request, but closes the connection in the middle of the response.
    Cut,
    /// Answers with a web page, as a captive portal does.
    Page(&'static str),
    /// Answers with a status, such as `429 Too Many Requests`, and a plain text.
    Fail { status: &'static str, text: &'static str },
}

/// A request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Includes the query.
    pub(crate) path: String,
    /// Keyed by names in lower case.
    headers: HashMap<String, String>,
}

#[derive(Debug)]
struct Site {
    folder: PathBuf,
    /// The accepted `Authorization`; `None` accepts everybody.
    authorization: Option<String>,
    /// The end of a path, and the behaviour for requests of such paths.
    behaviour: Mutex<(String, Behaviour)>,
    requests: Mutex<Vec<Request>>,
    has_request: Condvar,
}

/// A response, without the headers that all have.
#[derive(Debug)]
struct Response {
    status: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Http {
    /// Starts a server that is open to everybody.
    pub(crate) fn serving(remote: &Remote) -> Self {
        Self::start(remote, None)
    }

    /// Starts a server for one user.
    pub(crate) fn guarding(remote: &Remote, user: &str, password: &str) -> Self {
        Self::start(remote, Some(basic(user, password)))
    }

    fn start(remote: &Remote, authorization: Option<String>) -> Self {
        let site = Arc::new(Site {
            folder: remote.folder().to_owned(),
            authorization,
            behaviour: Mutex::new((String::new(), Behaviour::Serve)),
            requests: Mutex::default(),
            has_request: Condvar::new(),
        });
        let served = Arc::clone(&site);
        let listener = Listener::open(move |connection| {
            // A client that has gone needs no response.
            drop(served.serve(connection));
        });
        Self { listener, site }
    }

    /// Returns `http://host:port`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{REPOSITORY}", self.origin())
    }

    /// Returns the URL with a user name and a password.
    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        let [user, password] =
            [user, password].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC));
        format!("http://{user}:{password}@{}/{REPOSITORY}", self.listener.address())
    }

    /// Sets the behaviour for every request from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behave_at("", behaviour);
    }

    /// Sets the behaviour for requests of paths that end with `end`, such as `/info/refs`, `/git-upload-pack` and
    /// `/git-receive-pack`. Other requests are served.
    pub(crate) fn behave_at(&self, end: &str, behaviour: Behaviour) {
        *self.site.behaviour.lock().unwrap() = (end.to_owned(), behaviour);
    }

    /// Returns all requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.site.requests.lock().unwrap().clone()
    }

    /// Waits for a request of a path that ends with `end`.
    pub(crate) fn wait_for_request(&self, end: &str) {
        let none = |requests: &mut Vec<Request>| !requests.iter().any(|one| one.is_for(end));
        let requests = self.site.requests.lock().unwrap();
        drop(self.site.has_request.wait_while(requests, none).unwrap());
    }
}

impl Request {
    /// Returns the `Authorization` header.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    /// Returns a header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the path and the query.
    fn parts(&self) -> (&str, &str) {
        self.path.split_once('?').unwrap_or((&self.path, ""))
    }

    fn is_for(&self, end: &str) -> bool {
        self.parts().0.ends_with(end)
    }

    /// Reads the head of a request.
    fn read(stream: &mut BufReader<&TcpStream>) -> io::Result<Self> {
        let first = read_line(stream)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut headers = HashMap::new();
        loop {
            let line = read_line(stream)?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(Self { method, path, headers });
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    fn read_body(&self, stream: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
        if self.header("expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        if self.header("transfer-encoding").is_none() {
            let length = self.header("content-length").map_or(Ok(0), str::parse);
            let length = length.map_err(io::Error::other)?;
            stream.take(length).read_to_end(&mut body)?;
            return Ok(body);
        }
        loop {
            let length = u64::from_str_radix(&read_line(stream)?, 16).map_err(io::Error::other)?;
            stream.by_ref().take(length).read_to_end(&mut body)?;
            read_line(stream)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

impl Site {
    /// Answers one request. It is read to its end first: a client that is still sending would miss the response.
    fn serve(&self, connection: &Connection) -> io::Result<()> {
        let mut stream = BufReader::new(&*connection.stream);
        let request = Request::read(&mut stream)?;
        self.requests.lock().unwrap().push(request.clone());
        self.has_request.notify_all();
        let behaviour = self.behaviour(&request);
        if matches!(behaviour, Behaviour::Stall) {
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        let body = request.read_body(&mut stream)?;
        let response = match &behaviour {
            Behaviour::Unavailable { .. } => Response::new("503 Service Unavailable", "", ""),
            Behaviour::Page(page) => Response::new("200 OK", "Content-Type: text/html", page),
            Behaviour::Fail { status, text } => {
                Response::new(status, "Content-Type: text/plain", text)
            }
            Behaviour::RedirectTo(origin) => {
                let location = format!("Location: {origin}{}", request.path);
                Response::new("302 Found", &location, "")
            }
            _ if self.refuses(&request) => {
                Response::new("401 Unauthorized", "WWW-Authenticate: Basic realm=\"notes\"", "")
            }
            _ => self.run(connection, &request, &body),
        };
        response.send(&connection.stream, matches!(behaviour, Behaviour::Cut))
    }

    /// Returns the behaviour for a request.
    fn behaviour(&self, request: &Request) -> Behaviour {
        let (end, behaviour) = &mut *self.behaviour.lock().unwrap();
        if !request.is_for(end) {
            return Behaviour::Serve;
        }
        if let Behaviour::Unavailable { times } = behaviour {
            match times.checked_sub(1) {
                Some(left) => *times = left,
                None => *behaviour = Behaviour::Serve,
            }
        }
        behaviour.clone()
    }

    fn refuses(&self, request: &Request) -> bool {
        let accepted = self.authorization.as_deref();
        accepted.is_some() && request.authorization() != accepted
    }

    /// Lets git answer.
    fn run(&self, connection: &Connection, request: &Request, body: &[u8]) -> Response {
        let (path, query) = request.parts();
        let mut git = cli::git(&self.folder);
        git.arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "http.receivepack")])
            .env("GIT_CONFIG_VALUE_0", "true")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", &*percent_decode_str(path).decode_utf8_lossy())
            .env("QUERY_STRING", query)
            .env("CONTENT_LENGTH", body.len().to_string());
        let passed = [
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ];
        for (header, variable) in passed {
            git.envs(request.header(header).map(|value| (variable, value)));
        }
        let done = cli::feed(connection.mark(&mut git), body);
        Response::from_cgi(&done.stdout).unwrap_or_else(|| {
            let stderr = String::from_utf8_lossy(&done.stderr);
            Response::new("500 Internal Server Error", "", &stderr)
        })
    }
}

impl Response {
    fn new(status: &str, header: &str, body: &str) -> Self {
        let headers = header.lines().map(str::to_owned).collect();
        Self { status: status.to_owned(), headers, body: body.as_bytes().to_vec() }
    }

    /// Parses the output of a CGI program.
    fn from_cgi(printed: &[u8]) -> Option<Self> {
        let end = printed.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&printed[..end]);
        let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
        let headers = head.lines().filter(|line| !line.starts_with("Status: "));
        Some(Self {
            status: status.unwrap_or("200 OK").to_owned(),
            headers: headers.map(str::to_owned).collect(),
            body: printed[end + 4..].to_vec(),
        })
    }

    /// Sends the response. If `is_cut`, the second half of the body is missing.
    fn send(&self, mut stream: &TcpStream, is_cut: bool) -> io::Result<()> {
        let length = self.body.len();
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        for header in &self.headers {
            head += &format!("{header}\r\n");
        }
        head += &format!("Content-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body[..if is_cut { length / 2 } else { length }])
    }
}

/// Reads a line without its end.
fn read_line(stream: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// Returns the `Authorization` of a user with a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    let secret = format!("{user}:{password}");
    format!("Basic {}", base64(secret.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let is_there = digit <= three.len();
            text.push(if is_there { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[test]
fn base64_is_padded() {
    let encoded = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
    assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
}

#[test]
fn a_client_can_send_expect_before_the_body() {
    let remote = Remote::empty();
    let http = Http::serving(&remote);
    let mut stream = TcpStream::connect(http.listener.address()).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    let head = "POST /notes.git/git-upload-pack HTTP/1.1\r\n\
                Content-Type: application/x-git-upload-pack-request\r\n\
                Expect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"0000").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
}
