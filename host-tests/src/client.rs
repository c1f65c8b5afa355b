//! An HTTP/1.1 client that sends exactly the bytes it is told to, well formed or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpSocket;

use crate::tls::Pki;

/// How long an answer may take before the test fails: a request that hangs is an outage too.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request, as bytes.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Vec<u8>,
    /// The request target.
    pub path: Vec<u8>,
    /// The value of `Host`.
    pub host: Vec<u8>,
    /// All other headers, in order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A plain GET request.
    pub fn get(path: &str) -> Self {
        Self {
            method: b"GET".to_vec(),
            path: path.into(),
            host: b"api.example.com".to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The head as the core reads it.
    pub fn head(&self) -> authz::RequestHead<'_> {
        authz::RequestHead {
            method: Some(&self.method),
            authority: Some(&self.host),
            path: Some(&self.path),
            scheme: Some(b"http"),
            peer: None,
            source: None,
            headers: self.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.method[..], b" ", &self.path, b" HTTP/1.1\r\nhost: ", &self.host, b"\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([&name[..], b": ", value, b"\r\n"].concat());
        }
        // Whatever the method, its length is said.
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

/// One connection, kept alive: all its requests are served by one worker of the proxy.
pub struct Connection {
    stream: Box<dyn Stream + Send>,
    open: bool,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: Box::new(connect(address)?), open: true })
    }

    /// Connects from an address of this machine.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the machine has no such address.
    pub fn open_from(address: SocketAddr, source: IpAddr) -> Result<Self> {
        // The standard library cannot choose it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(async {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind(SocketAddr::new(source, 0))?;
            socket.connect(address).await?.into_std()
        });
        let stream = stream.with_context(|| format!("no answer from {address} to {source}"))?;
        stream.set_nonblocking(false)?;
        Ok(Self { stream: Box::new(prepared(stream)?), open: true })
    }

    /// Connects with TLS, with the certificate of a workload or without one.
    ///
    /// # Errors
    ///
    /// Nobody listens, or there is no such workload.
    pub fn open_tls(address: SocketAddr, pki: &Pki, workload: Option<&str>) -> Result<Self> {
        Ok(Self { stream: Box::new(pki.connect(connect(address)?, workload)?), open: true })
    }

    /// Whether the proxy left the connection open.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Sends a request and reads the response.
    ///
    /// # Errors
    ///
    /// No response in time, or one that is not HTTP.
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        self.begin(request)?;
        self.finish(request)
    }

    /// Sends a request only.
    ///
    /// # Errors
    ///
    /// The connection was closed.
    pub fn begin(&mut self, request: &Request) -> Result<()> {
        Ok(self.stream.write_all(&request.to_bytes())?)
    }

    /// Reads the response to the request that was sent.
    ///
    /// # Errors
    ///
    /// No response in time, or one that is not HTTP.
    pub fn finish(&mut self, request: &Request) -> Result<Response> {
        let mut received = Vec::new();
        let (mut response, head_bytes) = loop {
            self.receive(&mut received)?;
            if let Some(parsed) = parse_head(&received)? {
                break parsed;
            }
        };
        self.open = response.header("connection") != Some(b"close");
        let mut body = received.split_off(head_bytes);
        if request.method == b"HEAD" {
            return Ok(response);
        }
        if response.header("transfer-encoding").is_some() {
            response.body = self.receive_chunks(body)?;
            return Ok(response);
        }
        let length = std::str::from_utf8(response.header("content-length").unwrap_or(b"0"))?.parse::<usize>()?;
        while body.len() < length {
            self.receive(&mut body)?;
        }
        response.body = body;
        Ok(response)
    }

    /// RFC 9112 section 7.1; trailers are not expected.
    fn receive_chunks(&mut self, mut received: Vec<u8>) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&received) {
                Ok(httparse::Status::Complete((_, 0))) => return Ok(body),
                Ok(httparse::Status::Complete((start, size))) => {
                    let end = start.saturating_add(usize::try_from(size)?);
                    while received.len() < end.saturating_add(2) {
                        self.receive(&mut received)?;
                    }
                    body.extend(received.get(start..end).unwrap_or_default());
                    received.drain(..end.saturating_add(2));
                }
                Ok(httparse::Status::Partial) => self.receive(&mut received)?,
                Err(_) => bail!("a chunk has no size"),
            }
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = loop {
            match self.stream.read(&mut buffer) {
                // A signal says nothing about the proxy.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.context("no response in time")?,
            }
        };
        if count == 0 {
            bail!("the connection was closed without a response");
        }
        into.extend(buffer.iter().take(count));
        Ok(())
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    prepared(TcpStream::connect(address).with_context(|| format!("no answer from {address}"))?)
}

fn prepared(stream: TcpStream) -> Result<TcpStream> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn parse_head(received: &[u8]) -> Result<Option<(Response, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(received)? else {
        return Ok(None);
    };
    let status = response.code.context("a response has a status")?;
    let headers =
        response.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec())).collect();
    Ok(Some((Response { status, headers, body: Vec::new() }, head_bytes)))
}
