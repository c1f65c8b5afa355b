//! The services beside the proxy that `ext_authz` asks: they permit everything, as fast as they can. Their own CPU time does not count,
//! so the comparison is in their favour.

use std::net::SocketAddr;

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// Where they get a port.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Starts the one that is asked over HTTP.
pub(crate) fn start() -> Result<SocketAddr> {
    let permit = |_| async { hyper::Response::new(Full::new(Bytes::new())) };
    host_tests::http_server::start(ANY_PORT, permit)
}

/// Starts the one that is asked over gRPC (`envoy.service.auth.v3`), as policy engines are.
pub(crate) fn start_grpc() -> Result<SocketAddr> {
    /// A message of two bytes, not compressed: a `CheckResponse` whose `status` is the one that stands for success.
    const PERMIT: [u8; 7] = [0, 0, 0, 0, 2, 0x0a, 0];
    let permit = |request: hyper::Request<Incoming>| async {
        // A question that is not read to its end would be reset.
        drop(request.into_body().collect().await);
        let success = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let message = Full::new(Bytes::from_static(&PERMIT)).with_trailers(std::future::ready(Some(Ok(success))));
        let mut response = hyper::Response::new(message);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response
    };
    host_tests::http_server::start(ANY_PORT, permit)
}
