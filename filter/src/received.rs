//! A request as the host hands it over, with what each kind of host says in its own way.

use authz::RequestHead;

use crate::header_map::HeaderMap;
use crate::host::{self, HostError, HostKind};

/// What was read of a request.
pub(crate) struct Received {
    headers: HeaderMap,
    /// The target as the client wrote it, where the host changes `:path`.
    target: Option<Vec<u8>>,
    kind: HostKind,
}

impl Received {
    /// Reads it. Whether all headers can be read is to be asked before ([`HostKind::hands_over`]).
    pub(crate) fn read(kind: HostKind) -> Result<Self, HostError> {
        let target = match kind {
            HostKind::Envoy => None,
            // `:path` is decoded and normalised there.
            HostKind::Wasmx => Some(host::request_target()?.ok_or(HostError)?),
        };
        Ok(Self { headers: host::request_headers()?, target, kind })
    }

    /// The head of the request; none if the host damaged it.
    pub(crate) fn head(&self) -> Option<RequestHead<'_>> {
        let mut head = self.headers.request_head()?;
        if self.kind == HostKind::Wasmx {
            // `:authority` is the server's own name there. Two hosts are none.
            let hosts: Vec<_> = head.values("host").collect();
            head.authority = if let [host] = *hosts { Some(host) } else { None };
            head.path = self.target.as_deref();
        }
        Some(head)
    }
}
