//! One request under a policy, decided by the production core: who asks for what, and when.
//!
//! The tests of a policy and its explanations are made of trials.

mod issuer;
mod message;
mod policy;
mod request;
mod who;

use authz::document::Fields;
use authz::{Authorization, Authorizer, Decision, IntrospectionResponse, Step, UnixTime};
use serde_json::{Value, json};

pub(crate) use message::Message;
pub(crate) use policy::TestPolicy;
pub(crate) use request::{Defaults, names};

use request::Request;
use who::Presented;

/// How often the core may ask about one request: there are not more credentials in it that somebody has to be asked about.
const MAX_QUESTIONS: usize = 16;

/// A request, who makes it, and when.
pub(crate) struct Trial {
    pub(crate) request: Request,
    /// The credentials that are presented; none for an anonymous client.
    pub(crate) who: Vec<Presented>,
    /// In seconds since 1970.
    pub(crate) now: u64,
}

impl Trial {
    /// Reads the fields `request`, `who` and `now`. Names of issuers and credentials must be those of the policy.
    pub(crate) fn read(fields: &Fields<'_>, defaults: &Defaults, policy: &TestPolicy) -> Option<Self> {
        let request = fields.required("request").and_then(|node| request::read_request(&node, defaults));
        let who = fields.optional("who").map_or(Some(Vec::new()), |node| who::read(&node, policy));
        let now = request::read_now(fields, defaults.now);
        Some(Self { request: request?, who: who?, now: now? })
    }
}

/// Decides, and answers for the authorization server; what the trial has no answer to is not answered.
pub(crate) fn decide(authorizer: &Authorizer, message: &Message<'_>, now: UnixTime) -> Authorization {
    for _ in 0..MAX_QUESTIONS {
        match authorizer.authorize(&message.head(), now) {
            Step::Decided(authorization) => return authorization,
            Step::Introspect(question) => {
                let asked = question.body();
                let answer = message.answers.iter().find(|(token, _)| asked.starts_with(&format!("token={token}&")));
                let response = answer.map(|(_, body)| IntrospectionResponse { status: 200, body: body.as_bytes() });
                authorizer.introspected(&question, response, now);
            }
        }
    }
    authorizer.introspection_failed()
}

/// A decision beside the one that counts, for programs.
pub(crate) fn named(decision: &Decision) -> Value {
    json!({ "decision": decision.effect().name(), "reason": decision.reason().code(), "rule": decision.rule() })
}
