//! The service beside the proxy that `ext_authz` asks: it permits everything, as fast as it can. Its own CPU time does not count, so
//! the comparison is in its favour.

use std::net::SocketAddr;

use anyhow::Result;
use http_body_util::Full;
use hyper::body::Bytes;

/// Starts it.
pub(crate) fn start() -> Result<SocketAddr> {
    let permit = |_| async { hyper::Response::new(Full::new(Bytes::new())) };
    host_tests::http_server::start(SocketAddr::from(([127, 0, 0, 1], 0)), permit)
}
