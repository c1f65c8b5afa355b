//! What the tests and the demo share: keys and tokens, the case format, an upstream, a client that can send any bytes,
//! and a real Envoy running the configuration of `envoy-config/`.

pub mod authorization_server;
pub mod case;
pub mod client;
pub mod control;
pub mod decisions;
pub mod endpoint;
pub mod envoy;
pub mod http_server;
pub mod keys;
pub mod name_server;
pub mod outcome;
pub mod provider;
pub mod publisher;
pub mod secrets;
pub mod signature_speed;
pub mod strict_host;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod workers;
pub mod workload;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

/// The time now, in seconds since 1970: the tests are outside of the pure core and may look at the clock.
pub fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a real proxy has a real clock, and tokens for it need real times")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// An address at which nobody listens, for who listens there later, or cannot say which port it was given.
///
/// Its port is one from 16384 to 32767, below those that systems give away by default: such a one could be anybody's before it is listened
/// at, for every connection that is opened meanwhile takes one.
///
/// # Errors
///
/// Every one of them is taken.
pub fn free_address() -> Result<SocketAddr> {
    const COUNT: u32 = 1 << 14;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Processes that look for one at the same time begin apart.
    let begin = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let number = begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) & (COUNT - 1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(COUNT | number)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("every port from 16384 to 32767 is taken")
}

/// Lets this process have so many connections, and as many more as the system allows.
///
/// # Errors
///
/// It does not allow so many.
pub fn allow_connections(count: usize) -> Result<()> {
    let needed = u64::try_from(count)?.saturating_add(100);
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(most >= needed, "{needed} files have to be open, and {most} may be: `ulimit -Hn {needed}`, as root");
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
