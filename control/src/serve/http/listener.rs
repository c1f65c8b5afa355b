//! Connections: TCP, and TLS where it is configured; closed gracefully when the endpoint shuts down.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::serve::auth::PeerNames;
use crate::serve::settings::TlsSettings;

/// A client that takes longer for a handshake or the headers of a request has no good reason.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connections may go on after the endpoint was told to end.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the files of the certificate are read again, so that a new one needs no restart.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(30);

/// Headers larger than this are refused; that of the status is the largest there should be.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Starts to listen.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// The TLS configuration, kept up to date with its files.
pub(crate) fn tls(settings: TlsSettings) -> Result<watch::Receiver<Arc<ServerConfig>>, String> {
    let (sender, receiver) = watch::channel(server_config(&settings)?);
    tokio::spawn(async move {
        let mut last = modified(&settings);
        loop {
            tokio::time::sleep(CERTIFICATE_PERIOD).await;
            let now = modified(&settings);
            if now == last {
                continue;
            }
            last = now;
            match server_config(&settings) {
                Ok(config) => {
                    sender.send_replace(config);
                    tracing::info!("the certificate was read again");
                }
                Err(error) => tracing::error!(error, "the certificate was not read again; the old one goes on"),
            }
        }
    });
    Ok(receiver)
}

fn modified(settings: &TlsSettings) -> Vec<Option<std::time::SystemTime>> {
    let files = [Some(&settings.certificate), Some(&settings.key), settings.client_ca.as_ref()];
    files.into_iter().flatten().map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok()).collect()
}

fn server_config(settings: &TlsSettings) -> Result<Arc<ServerConfig>, String> {
    let failed = |file: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| failed(&settings.key, &error))?;
    let builder = ServerConfig::builder();
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| failed(file, &error))?;
            }
            // A proxy may have a token instead, so a certificate may be absent; one that is presented must be good.
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|error| failed(file, &error))?)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| failed(&settings.certificate, &error))?;
    Ok(Arc::new(config))
}

pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error| format!("{}: {error}", file.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(format!("{}: has no certificate", file.display())) } else { Ok(found) }
}

/// Serves connections until the endpoint shuts down, and then lets those that are open end.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    while !*closing.borrow_and_update() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, most likely: those who wait get their turn when others have left.
                tracing::error!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let acceptor = tls.as_ref().map(|config| TlsAcceptor::from(Arc::clone(&config.borrow())));
        tokio::spawn(connection(stream, acceptor, router.clone(), graceful.watcher()));
    }
    drop(listener);
    if tokio::time::timeout(CLOSING_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open and are closed now");
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    // A manifest that waits for more bytes to come with it would come late.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return http(stream, PeerNames::default(), router, watcher).await;
    };
    match tokio::time::timeout(HEADER_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let peer = certificates.and_then(<[_]>::first).map(names).unwrap_or_default();
            http(stream, peer, router, watcher).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS connection"),
        Err(_) => tracing::debug!("no TLS connection in time"),
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: PeerNames,
    router: Router,
    watcher: Watcher,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Arc::clone(&peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// The names in a certificate that was verified.
fn names(certificate: &CertificateDer<'_>) -> PeerNames {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return PeerNames::default() };
    let dns = certificate.valid_dns_names().map(str::to_owned);
    dns.chain(certificate.valid_uri_names().map(str::to_owned)).collect()
}
