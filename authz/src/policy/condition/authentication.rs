//! How strongly and how recently the end user must have authenticated (RFC 9470).

use std::fmt;

use super::demand::Demand;
use super::identity::{is_scope_token, one_of};
use super::outcome::Outcome;
use crate::document::Node;
use crate::limits::MAX_LIFETIME_SECONDS;
use crate::principal::{Attribute, Identity};
use crate::time::UnixTime;

/// Tolerance for providers whose clocks are ahead, in seconds.
const AUTH_TIME_LEEWAY_SECONDS: u64 = 60;

/// How strongly and how recently the end user must have authenticated.
#[derive(Debug)]
pub(in crate::policy) struct Authentication {
    /// One of these classes, in the order of preference.
    pub(in crate::policy) acr: Option<Vec<String>>,
    amr: Option<Demand>,
    pub(in crate::policy) max_age_seconds: Option<u64>,
}

impl Authentication {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["acr", "amr", "max_age_seconds"])?;
        let acr = fields.optional("acr").map_or(Some(None), |node| node.texts().map(Some));
        let amr = Demand::read(&fields, "amr");
        let max_age_seconds = fields
            .optional("max_age_seconds")
            .map_or(Some(None), |node| node.integer(0..=MAX_LIFETIME_SECONDS).map(Some));
        let authentication = Self { acr: acr?, amr: amr?, max_age_seconds: max_age_seconds? };
        if let Some(acr) = authentication.acr.iter().flatten().find(|acr| !is_scope_token(acr)) {
            return node
                .refuse(format!("`{acr}` is not an authentication context class: no spaces, quotes or backslashes"));
        }
        if let Self { acr: None, amr: None, max_age_seconds: None } = authentication {
            return node.refuse("demands nothing; write `acr`, `amr` or `max_age_seconds`");
        }
        Some(authentication)
    }

    pub(super) fn evaluate(&self, identity: &Identity, now: UnixTime) -> Outcome {
        let acr = self.acr.as_ref().map(|accepted| one_of(accepted, identity.acr()));
        let amr = self.amr.as_ref().map(|demand| demand.evaluate(identity.amr()));
        let age = self.max_age_seconds.map(|oldest| match *identity.auth_time() {
            Attribute::Absent => Outcome::Fails,
            Attribute::Malformed => Outcome::Undecidable,
            // A provider that dates an authentication into the future has not said when it was.
            Attribute::Present(at) if at > now.plus_seconds(AUTH_TIME_LEEWAY_SECONDS) => Outcome::Undecidable,
            Attribute::Present(at) => Outcome::holds_if(now <= at.plus_seconds(oldest)),
        });
        Outcome::all([acr, amr, age].into_iter().flatten())
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let acr = self.acr.as_ref().map(|acr| format!("class {}", acr.join(" or ")));
        let amr = self.amr.as_ref().map(|amr| format!("methods {amr}"));
        let age = self.max_age_seconds.map(|seconds| format!("at most {seconds} seconds ago"));
        f.write_str(&[acr, amr, age].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
