//! A client of S3 that shows everything of a response. It has its own signatures, so that those of s3s are checked too.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::testing::s3::S3Simulator;

/// A client with the key of a simulator.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: String,
    pub(super) bucket: String,
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) region: String,
    pub(super) now: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// With lowercase names.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// The key; `None` for the bucket.
    pub(super) key: Option<&'a str>,
    pub(super) query: Vec<(&'a str, &'a str)>,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl Client {
    pub(super) fn new(simulator: &S3Simulator) -> Self {
        Self {
            address: simulator.endpoint().replace("http://", ""),
            bucket: simulator.bucket().to_owned(),
            access_key: simulator.access_key().to_owned(),
            secret_key: simulator.secret_key().to_owned(),
            region: simulator.region().to_owned(),
            now: SystemTime::now(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Response {
        self.call("GET", Some(key), &[], &[], b"")
    }

    pub(super) fn put(&self, key: &str, body: &[u8]) -> Response {
        self.call("PUT", Some(key), &[], &[], body)
    }

    pub(super) fn delete(&self, key: &str) -> Response {
        self.call("DELETE", Some(key), &[], &[], b"")
    }

    /// Lists with version 2 and these parameters.
    pub(super) fn list(&self, parameters: &[(&str, &str)]) -> Response {
        let mut query = vec![("list-type", "2")];
        query.extend_from_slice(parameters);
        self.call("GET", None, &query, &[], b"")
    }

    pub(super) fn call(
        &self,
        method: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let call = Call { method, key, query: query.to_vec(), headers: headers.to_vec(), body };
        self.send(&call).unwrap()
    }

    /// Sends a signed request and reads the response.
    pub(super) fn send(&self, call: &Call<'_>) -> io::Result<Response> {
        let (date, time) = self.stamps();
        let digest = hex::encode(Sha256::digest(call.body));
        let mut headers: BTreeMap<String, String> = BTreeMap::from([
            ("host".to_owned(), self.address.clone()),
            ("x-amz-content-sha256".to_owned(), digest.clone()),
            ("x-amz-date".to_owned(), time.clone()),
        ]);
        for (name, value) in &call.headers {
            headers.insert((*name).to_owned(), (*value).to_owned());
        }
        let query = sorted(&call.query);
        let names: Vec<&str> = headers.keys().map(String::as_str).collect();
        let names = names.join(";");
        let listed: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let path = self.path(call.key);
        let canonical = format!("{}\n{path}\n{query}\n{listed}\n{names}\n{digest}", call.method);
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let signature = self.signature(&canonical, &date, &time, &scope);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        headers.insert("authorization".to_owned(), authorization);
        headers.insert("content-length".to_owned(), call.body.len().to_string());
        self.exchange(call.method, &format!("{path}?{query}"), &headers, call.body)
    }

    /// Returns a presigned path and query for a request with no body.
    pub(super) fn presign(&self, method: &str, key: &str, expires: Duration) -> String {
        let (date, time) = self.stamps();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let credential = format!("{}/{scope}", self.access_key);
        let seconds = expires.as_secs().to_string();
        let query = sorted(&[
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let path = self.path(Some(key));
        let canonical =
            format!("{method}\n{path}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", self.address);
        let signature = self.signature(&canonical, &date, &time, &scope);
        format!("{path}?{query}&X-Amz-Signature={signature}")
    }

    /// Sends a request without adding a signature.
    pub(super) fn unsigned(&self, method: &str, path_and_query: &str, body: &[u8]) -> Response {
        let headers = BTreeMap::from([
            ("host".to_owned(), self.address.clone()),
            ("content-length".to_owned(), body.len().to_string()),
        ]);
        self.exchange(method, path_and_query, &headers, body).unwrap()
    }

    pub(super) fn path(&self, key: Option<&str>) -> String {
        key.map_or_else(
            || format!("/{}", self.bucket),
            |key| format!("/{}/{}", self.bucket, encode(key, true)),
        )
    }

    fn exchange(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> io::Result<Response> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let mut head = format!("{method} {path_and_query} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request)?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        parse(method, &received)
    }

    /// Returns the date and the time of a signature.
    fn stamps(&self) -> (String, String) {
        let now = jiff::Timestamp::try_from(self.now).unwrap();
        (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    fn signature(&self, canonical: &str, date: &str, time: &str, scope: &str) -> String {
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical))
        );
        let secret = format!("AWS4{}", self.secret_key);
        let mut key = hmac(secret.as_bytes(), date.as_bytes());
        for part in [self.region.as_str(), "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        hex::encode(hmac(&key, to_sign.as_bytes()))
    }
}

impl Response {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the `ETag` without quotes.
    pub(super) fn etag(&self) -> &str {
        self.header("etag").trim_matches('"')
    }

    /// Returns the code of an error.
    pub(super) fn code(&self) -> String {
        self.all("Code").into_iter().next().unwrap_or_default()
    }

    /// Returns the texts of all XML elements of this name, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        let pieces = text.split(&start).skip(1);
        pieces.map(|piece| unescape(piece.split(&end).next().unwrap())).collect()
    }

    /// Returns the text of the only XML element of this name.
    pub(super) fn only(&self, name: &str) -> String {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.text());
        all.into_iter().next().unwrap()
    }
}

fn parse(method: &str, received: &[u8]) -> io::Result<Response> {
    let lost = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(lost)?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = received[end + 4..].to_vec();
    let expected = headers.get("content-length").and_then(|length| length.parse().ok());
    if method != "HEAD" && expected.is_some_and(|length: usize| length != body.len()) {
        return Err(lost());
    }
    Ok(Response { status, headers, body })
}

/// Percent-encodes as signatures need it.
pub(super) fn encode(text: &str, keeps_slashes: bool) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        b'/' if keeps_slashes => "/".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Decodes a name of a listing with `encoding-type=url`.
pub(super) fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn sorted(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

/// Returns the number of seconds since 1970 as a date of HTTP.
pub(super) fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}
