//! Which kind of host this is, and what only one kind can do.
//!
//! Envoy and Kong's host (ngx_wasm_module) differ where it matters for security. Nobody has to say which one it is.

use authz::distribution::Delivery;
use authz::{Authorizer, HostAbility};

use super::property;

/// Most headers that Kong's host hands over, besides the four pseudo-headers; of more it makes a map that is damaged.
const MAX_WASMX_HEADERS: usize = 96;

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostKind {
    Envoy,
    /// ngx_wasm_module, in Kong or in plain nginx; and every host that is not known, because less is taken for granted of it.
    Wasmx,
}

impl HostKind {
    /// Only Envoy has ids of VMs; Kong's host answers that it knows no such property, in all versions.
    pub(crate) fn find() -> Self {
        let is_envoy = property(&["plugin_vm_id"]).is_ok_and(|id| id.is_some());
        if is_envoy { Self::Envoy } else { Self::Wasmx }
    }

    pub(crate) fn is_envoy(self) -> bool {
        self == Self::Envoy
    }

    /// Whether all of so many headers can be read.
    pub(crate) fn hands_over(self, headers: usize) -> bool {
        self.is_envoy() || headers <= MAX_WASMX_HEADERS
    }

    /// The version that stores a value only if there is none, so that the first of two workers wins. In Envoy zero would store it
    /// whatever is there, and one that no value has does it; Kong's host takes what is not there to have the version zero.
    pub(crate) const fn version_of_nothing(self) -> u32 {
        match self {
            Self::Envoy => u32::MAX,
            Self::Wasmx => 0,
        }
    }

    /// Why a bundle cannot be used here; `shares_data` says whether the workers share data.
    pub(crate) fn refusal(self, authorizer: &Authorizer, shares_data: bool) -> Option<&'static str> {
        let why = |ability| match ability {
            HostAbility::Introspection => Some(
                "issuers: `introspection` works in Envoy only: this host would let requests through while an \
                 authorization server is asked; use tokens with signatures",
            ),
            HostAbility::PeerCertificate => Some(
                "credentials: the certificate of the connection (`peer`, `certificate_bound`, `certificates` of a hop) is known in \
                 Envoy only: this host does not say its hash; use DPoP, or let a hop that is known by its address say it",
            ),
            HostAbility::UseOnce if shares_data => None,
            HostAbility::UseOnce => Some(
                "`dpop` and `once` need a memory that all workers share, which this host does not have by itself: give it a zone \
                 (in kong.conf `nginx_wasm_shm_kv = 24m eviction=none`) and add `\"shared_data\": true`",
            ),
            HostAbility::RateLimit => Some(
                "rules: `obligations.rate_limit` works in Envoy only: what limits rates on this host has done so before the rules \
                 are asked",
            ),
            HostAbility::TargetEdits => Some(
                "credentials: one in a query parameter cannot be removed (`strip`, `strip_credentials`) on this host: the target for \
                 the upstream is fixed before the rules are asked; take it from a header",
            ),
        };
        authorizer.demands().filter(|_| !self.is_envoy()).find_map(why)
    }

    /// Why a bundle cannot be pushed here in this way.
    pub(crate) fn refusal_of_delivery(self, delivery: &Delivery) -> Option<&'static str> {
        if self.is_envoy() {
            return None;
        }
        let has_port = |address: &str| {
            let port = address.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
            port.parse::<u16>().is_ok()
        };
        if delivery.control.as_ref().is_some_and(|control| !has_port(&control.cluster)) {
            return Some("control.cluster: this host wants `host:port`, where Envoy has the name of a cluster");
        }
        let has_way_in =
            delivery.control.is_some() || delivery.signed_bundle.is_some() || delivery.shared_data == Some(true);
        (!has_way_in).then_some(
            "management: a bundle cannot be sent to a listener of this host, which keeps long bodies to itself: add `control` or \
             `signed_bundle`",
        )
    }
}
