//! What a host is told about a decision, for its logs and for what comes after the filter.

use super::{HostError, HostKind, abi};

/// The key of the filter state that holds the decision record: `%FILTER_STATE(wasm.portcullis.decision:PLAIN)%` in
/// Envoy's access log.
const DECISION_PROPERTY: &str = "portcullis.decision";

/// The key of the filter state of which descriptors for Envoy's rate limit filters are made.
const RATE_LIMIT_PROPERTY: &str = "portcullis.rate_limit";

/// Where Kong's plugins and logs share what they know of a request: `kong.ctx.shared.portcullis_decision`.
const KONG_CONTEXT: &str = "kong.ctx.shared.";

/// The variable of nginx that holds the decision record where there is no Kong, if its configuration declares it.
const NGINX_VARIABLE: &str = "ngx.portcullis_decision";

/// Puts a decision where the host's log finds it. An error in Envoy, if that fails. Elsewhere there may be no such place: Kong has
/// one, and plain nginx if it declares a variable.
pub(crate) fn record(kind: HostKind, decision: &[u8]) -> Result<(), HostError> {
    let set = |name: &str| abi::set_property(name.as_bytes(), decision);
    match kind {
        HostKind::Envoy => set(DECISION_PROPERTY),
        HostKind::Wasmx => {
            let _ = set(&format!("{KONG_CONTEXT}portcullis_decision")).or_else(|_| set(NGINX_VARIABLE));
            Ok(())
        }
    }
}

/// Tells Kong's plugins and logs what the upstream is told in a header, if this is Kong: `x-portcullis-subject` is
/// `kong.ctx.shared.x_portcullis_subject`.
pub(crate) fn tell_kong(header: &str, value: &[u8]) {
    let _ = abi::set_property(format!("{KONG_CONTEXT}{}", header.replace('-', "_")).as_bytes(), value);
}

/// Puts a part of the decision where what comes after the filter finds it: `%FILTER_STATE(wasm.portcullis.NAME:PLAIN)%` in Envoy,
/// `kong.ctx.shared.portcullis_NAME` in Kong. An error in Envoy, if that fails; plain nginx has no such place.
pub(crate) fn note(kind: HostKind, name: &str, value: &str) -> Result<(), HostError> {
    match kind {
        HostKind::Envoy => abi::set_property(format!("portcullis.{name}").as_bytes(), value.as_bytes()),
        HostKind::Wasmx => {
            let _ = abi::set_property(format!("{KONG_CONTEXT}portcullis_{name}").as_bytes(), value.as_bytes());
            Ok(())
        }
    }
}

/// Puts what the rate is limited by where the proxy's rate limit filters find it.
pub(crate) fn set_rate_limit(kind: HostKind, descriptor: &str) -> Result<(), HostError> {
    match kind {
        HostKind::Envoy => abi::set_property(RATE_LIMIT_PROPERTY.as_bytes(), descriptor.as_bytes()),
        // Such a bundle is not used there.
        HostKind::Wasmx => Err(HostError),
    }
}
