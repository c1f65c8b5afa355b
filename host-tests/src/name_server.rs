//! A name server (RFC 1035) that has one answer to everything, which a test changes.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// Until the answer changes, nobody may remember it.
const TIME_TO_LIVE: [u8; 4] = [0; 4];

/// A running name server.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    answer: Arc<Mutex<Option<Ipv4Addr>>>,
}

impl NameServer {
    /// Starts one that knows no name.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn start() -> Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        let server = Self { address: socket.local_addr()?, answer: Arc::default() };
        let answer = Arc::clone(&server.answer);
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query) {
                let address = *answer.lock().unwrap_or_else(PoisonError::into_inner);
                let reply = query.get(..length).and_then(|query| reply(query, address));
                if let Some(reply) = reply {
                    // Who does not hear it asks again.
                    let _ = socket.send_to(&reply, client);
                }
            }
        });
        Ok(server)
    }

    /// Where it is, by UDP.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every name has this address, or none exists.
    pub fn say(&self, address: Option<Ipv4Addr>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// The reply to a query of one question: its number, flags, counts, the question again, and the address if there is one.
fn reply(query: &[u8], address: Option<Ipv4Addr>) -> Option<Vec<u8>> {
    const HEADER_BYTES: usize = 12;
    let (number, question) = (query.get(..2)?, query.get(HEADER_BYTES..)?);
    // Labels end with an empty one; then come type and class.
    let name_bytes = question.iter().position(|byte| *byte == 0)?;
    let question = question.get(..name_bytes.checked_add(5)?)?;
    let (flags, answers) = if address.is_some() { ([0x81, 0x80], 1) } else { ([0x81, 0x83], 0) };
    let mut reply = [number, &flags, &[0, 1, 0, answers, 0, 0, 0, 0], question].concat();
    if let Some(address) = address {
        // The name of the question, an address of the internet.
        reply.extend([0xc0, 12, 0, 1, 0, 1]);
        reply.extend(TIME_TO_LIVE);
        reply.extend([0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}
