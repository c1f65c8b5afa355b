//! Syslog: RFC 5424 messages over TCP, each with its length before it (RFC 6587 section 3.4.1), over TLS as RFC 5425 has it.
//!
//! The protocol has no answers. What the other side had not read when a connection broke may be lost, and what was sent again may come
//! twice.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::batch::Entry;
use super::{Parcel, Undelivered};
use crate::audit::convert::Format;
use crate::audit::record::Outcome;
use crate::serve::http::certificates;

/// Facility 13, "log audit" (RFC 5424 section 6.2.1), with the severities notice and informational.
const DENY: u8 = 13 * 8 + 5;
const PERMIT: u8 = 13 * 8 + 6;

pub(super) struct Syslog {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    replica: String,
    format: Format,
    connection: Option<Box<dyn Connection>>,
}

trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Connection for S {}

impl Syslog {
    pub(super) fn new(host: &str, port: u16, ca: Option<&Path>, replica: &str, format: Format) -> Result<Self, String> {
        let tls = ca.map(tls).transpose()?;
        Ok(Self { host: host.to_owned(), port, tls, replica: replica.to_owned(), format, connection: None })
    }

    pub(super) async fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        let mut frames = Vec::new();
        for (entry, text) in parcel.lines(self.format) {
            let message = message(&self.replica, entry, &text);
            frames.extend(format!("{} ", message.len()).as_bytes());
            frames.extend(message);
        }
        // It is put back when all was written: of a connection on which something failed nobody knows where it stands.
        let mut connection = match self.connection.take().and_then(alive) {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| Undelivered::Later(error.to_string()))?,
        };
        let written = async {
            connection.write_all(&frames).await?;
            connection.flush().await
        };
        written.await.map_err(|error| Undelivered::Later(error.to_string()))?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        Ok(Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?))
    }
}

/// The connection, unless the other side has closed it. It never says anything.
fn alive(mut connection: Box<dyn Connection>) -> Option<Box<dyn Connection>> {
    connection.read(&mut [0]).now_or_never().is_none().then_some(connection)
}

/// One message (RFC 5424 section 6).
fn message(replica: &str, entry: &Entry, text: &[u8]) -> Vec<u8> {
    let record = &entry.record;
    let priority = if record.decision == Outcome::Permit { PERMIT } else { DENY };
    let head = format!("<{priority}>1 {} {replica} portcullis {} decision - ", record.time, record.worker);
    // A text that is more than ASCII begins with a byte order mark (section 6.4).
    let mark: &[u8] = if text.is_ascii() { b"" } else { b"\xef\xbb\xbf" };
    [head.as_bytes(), mark, text].concat()
}

fn tls(ca: &Path) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", ca.display()))?;
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
