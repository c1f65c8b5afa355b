//! The certificate of the endpoint is not one to believe: nothing is asked of it, and what was adopted goes on deciding.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::tls::Authority;
use rustls::ServerConfig;

use crate::scene::{AUTHORITY, Line, Scene, Test};

/// Years until which certificates are good.
const LONG_AGO: i32 = 2020;
const FAR_AWAY: i32 = 4000;

type Bad = fn(&Authority) -> Result<Arc<ServerConfig>>;

const CERTIFICATES: [(&str, Bad); 3] = [
    ("F31_certificate_expired", |authority| authority.server(AUTHORITY, LONG_AGO)),
    ("F31_certificate_untrusted", |_| Authority::generate()?.server(AUTHORITY, FAR_AWAY)),
    ("F31_certificate_of_another_name", |authority| authority.server("other.example.com", FAR_AWAY)),
];

pub fn tests() -> impl Iterator<Item = (&'static str, Box<Test>)> {
    let test = |(name, bad)| -> (&'static str, Box<Test>) {
        (name, Box::new(move |scene, line| bad_certificate(scene, line, bad)))
    };
    CERTIFICATES.into_iter().map(test)
}

fn bad_certificate(scene: &Scene, line: &Line, bad: Bad) -> Result<()> {
    let authority = line.authority.as_ref().context("the line has an authority")?;
    let good = authority.server(AUTHORITY, FAR_AWAY)?;
    line.endpoint.present(Arc::clone(&good));
    line.offer(1);
    line.wait_for(scene, 1)?;
    line.endpoint.present(bad(authority)?);
    line.offer(2);
    // What was on its way has arrived after a second.
    line.keeps(scene, Some(1), 1)?;
    let (requests, connections) = (line.endpoint.requests(), line.endpoint.connections());
    line.keeps(scene, Some(1), 3)?;
    ensure!(line.endpoint.requests() == requests, "the credential of the proxy went to who knows whom");
    ensure!(line.endpoint.connections() > connections, "it is tried again");
    line.endpoint.present(good);
    line.offer(3);
    line.wait_for(scene, 3)?;
    ensure!(line.was_told("unreachable"), "{:?}", line.endpoint.statuses().last());
    Ok(())
}
