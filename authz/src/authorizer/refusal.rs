//! Requests that nobody can decide about, and those that are refused after they were decided: what the host could not do.

use super::{Authorization, Authorizer};
use crate::effect::{Action, Refusal};
use crate::http::RequestHead;
use crate::reason::Reason;

impl Authorizer {
    /// Refuses a request about whose token nobody can be asked.
    pub fn introspection_failed(&self) -> Authorization {
        self.refuse(Refusal::from(Reason::IntrospectionFailed))
    }

    /// The same decision for a host that cannot remove headers, and overwrites only the first of several: what was to be removed is
    /// overwritten with nothing. A request of which the upstream would see more than that is refused.
    pub fn by_overwriting(&self, mut authorization: Authorization, head: &RequestHead<'_>) -> Authorization {
        let overwritten = match &mut authorization.parts_mut().action {
            Action::Reply(_) => Ok(()),
            Action::Forward(edits) => edits.by_overwriting(head),
        };
        match overwritten {
            Ok(()) => authorization,
            Err(reason) => {
                let refusal = Refusal { scheme: authorization.parts().scheme, ..Refusal::from(reason) };
                authorization.refused(self.refuse(refusal))
            }
        }
    }

    /// Refuses a request of which the host cannot hand over all headers.
    pub fn headers_too_many(&self) -> Authorization {
        self.refuse(Refusal::from(Reason::HeadersTooMany))
    }

    /// Refuses a request that the host could not hand over.
    pub fn host_failure(&self) -> Authorization {
        self.refuse(Refusal::from(Reason::HostFailure))
    }

    /// Refuses a request for which the host could not do what was decided.
    pub fn cannot_carry_out(&self, authorization: Authorization) -> Authorization {
        authorization.refused(self.host_failure())
    }

    /// Refuses a request that was permitted and has something that may be used once and was used before.
    pub fn replayed(&self, permitted: Authorization) -> Authorization {
        let refusal = Refusal { scheme: permitted.parts().scheme, ..Refusal::from(Reason::CredentialReplayed) };
        permitted.refused(self.refuse(refusal))
    }
}
