//! What a record says about the request: only what the bundle lets through, and never a token, a key or a query.

use std::cell::OnceCell;
use std::rc::Rc;

use super::RecordId;
use super::members::Members;
use super::settings::{DecisionLog, Showing, Told};
use crate::decision::Decision;
use crate::http::{AccessRequest, RequestHead};
use crate::limits::MAX_RECORDED_TEXT_BYTES;
use crate::policy::Obligations;
use crate::principal::{Attribute, Identity, Principal};

/// Who asks for what, as far as that is known.
pub(crate) struct Known<'k> {
    pub(crate) head: &'k RequestHead<'k>,
    pub(crate) request: Option<&'k AccessRequest<'k>>,
    pub(crate) principal: &'k Principal,
    /// The path template of the rule that decided.
    pub(crate) route: Option<&'k str>,
    pub(crate) obligations: &'k [Rc<Obligations>],
}

/// What is said about a request; nothing without a decision log.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// The members of the record.
    pub(crate) members: Vec<u8>,
    /// What the host is told beside it.
    told: Vec<(Told, String)>,
}

/// What records say of an identity, once it was written: it is the same for all requests under one bundle.
#[derive(Debug, Default)]
pub(crate) struct RecordedIdentity(OnceCell<Box<[u8]>>);

/// What most records need.
const USUAL_BYTES: usize = 320;

impl DecisionLog {
    /// The members of a record that are about the request.
    pub(crate) fn about(&self, known: &Known<'_>) -> About {
        About { members: self.members(known), told: self.told_of(known.principal) }
    }

    /// What the host is told beside the record, by name: what the bundle lists, as far as it is known.
    pub(crate) fn told(&self, about: &About, decision: &Decision, id: Option<RecordId>) -> Vec<(&'static str, String)> {
        let value = |told: Told| match told {
            Told::DecisionId => id.map(|id| id.to_string()),
            Told::Reason => Some(decision.reason().code().to_owned()),
            Told::Rule => decision.rule().map(str::to_owned),
            Told::Client | Told::Issuer | Told::Subject | Told::Tenant => {
                about.told.iter().find(|(known, _)| *known == told).map(|(_, value)| value.clone())
            }
        };
        self.told.iter().filter_map(|told| Some((told.name(), value(*told)?))).collect()
    }

    /// Of those, what is about the first credential, shown as the record shows it. Left out is what has control characters, which could
    /// end a header that the host makes of it, and what was shortened: two long names must not look like one to a rule of the host.
    fn told_of(&self, principal: &Principal) -> Vec<(Told, String)> {
        let Some((_, identity)) = principal.identities.first() else { return Vec::new() };
        let issuer = identity.issuer.as_deref().unwrap_or_default();
        let show = |showing, name, attribute: &Attribute<String>| match attribute {
            Attribute::Present(value) => self.show(showing, issuer, name, value),
            Attribute::Absent | Attribute::Malformed => None,
        };
        let value = |told: Told| match told {
            Told::Client => show(self.client, told.name(), identity.client()),
            Told::Issuer => identity.issuer.as_deref().map(shortened),
            Told::Subject => show(self.subject, told.name(), identity.subject()),
            Told::Tenant => show(self.tenant, told.name(), &identity.tenant),
            Told::DecisionId | Told::Reason | Told::Rule => None,
        };
        let values = self.told.iter().filter_map(|told| Some((*told, value(*told)?)));
        values.filter(|(_, value)| !value.contains(char::is_control) && !value.ends_with(CUT)).collect()
    }

    fn members(&self, known: &Known<'_>) -> Vec<u8> {
        let mut members = Members::with_capacity(USUAL_BYTES);
        let mut identities = known.principal.identities.iter();
        if let Some((credential, identity)) = identities.next() {
            members.object("principal", |members| self.write_identity(members, *credential, identity));
        }
        if identities.len() > 0 {
            let further: Vec<Vec<u8>> = identities
                .map(|(credential, identity)| {
                    let mut members = Members::default();
                    self.write_identity(&mut members, *credential, identity);
                    [b"{", &members.into_bytes()[..], b"}"].concat()
                })
                .collect();
            members.raw("further_principals", &[b"[", &further.join(&b","[..])[..], b"]"].concat());
        }
        if let Some(source) = known.head.source.and_then(crate::http::parse_source).filter(|_| self.needs_source()) {
            self.write(&mut members, "source", self.source, "", &source.to_string());
        }
        if let Some(request) = known.request {
            members.plain("action", request.method);
            members.object("resource", |members| self.write_resource(members, known, request));
        }
        let obligations = obligation_names(known.obligations);
        if !obligations.is_empty() {
            members.list("obligations", &obligations);
        }
        if let Some((trace, span)) = trace_context(known.head) {
            members.plain("trace", trace);
            members.plain("span", span);
        }
        members.into_bytes()
    }

    fn write_resource(&self, members: &mut Members, known: &Known<'_>, request: &AccessRequest<'_>) {
        members.text("host", request.host.as_str());
        if let Some(route) = known.route {
            members.text("route", route);
        }
        if self.path != Showing::Omit {
            self.write(members, "path", self.path, "", &request.path.to_text());
        }
    }

    fn write_identity(&self, members: &mut Members, credential: usize, identity: &Identity) {
        if let Some(name) = self.credentials.get(credential) {
            members.text("credential", name);
        }
        members.extend(identity.recorded.0.get_or_init(|| {
            let mut members = Members::default();
            self.write_attributes(&mut members, identity);
            members.into_bytes().into()
        }));
    }

    fn write_attributes(&self, members: &mut Members, identity: &Identity) {
        let issuer = identity.issuer.as_deref().unwrap_or_default();
        if let Some(issuer) = identity.issuer.as_deref() {
            members.text("issuer", issuer);
        }
        for (name, showing, attribute) in [
            ("subject", self.subject, identity.subject()),
            ("client", self.client, identity.client()),
            ("tenant", self.tenant, &identity.tenant),
            ("session", self.session, identity.session()),
        ] {
            if let Attribute::Present(value) = attribute {
                self.write(members, name, showing, issuer, value);
            }
        }
        let claims = self.claims.iter().filter_map(|claim| match claim.pointer.find(identity.claims.all()) {
            Attribute::Present(value) => {
                let text = value.as_text().map_or_else(|| value.to_json(), str::to_owned);
                Some((&claim.name, self.show(claim.showing, issuer, &claim.name, &text)?))
            }
            Attribute::Absent | Attribute::Malformed => None,
        });
        let claims: Vec<_> = claims.collect();
        if !claims.is_empty() {
            members.object("claims", |members| claims.iter().for_each(|(name, value)| members.entry(name, value)));
        }
    }

    fn write(&self, members: &mut Members, name: &'static str, showing: Showing, issuer: &str, value: &str) {
        if let Some(shown) = self.show(showing, issuer, name, value) {
            members.text(name, &shown);
        }
    }

    /// A value as it may be shown.
    fn show(&self, showing: Showing, issuer: &str, field: &str, value: &str) -> Option<String> {
        match showing {
            Showing::Plain => Some(shortened(value)),
            // Without a key such a bundle is refused.
            Showing::Hash => self.key.as_ref().map(|key| key.pseudonym(issuer, field, value)),
            Showing::Omit => None,
        }
    }
}

/// What stands for the end of a text that is left out.
const CUT: char = '…';

/// A text of which the end is left out if it is longer than a record should be.
fn shortened(text: &str) -> String {
    match text.get(..text.floor_char_boundary(MAX_RECORDED_TEXT_BYTES)) {
        Some(start) if start.len() < text.len() => format!("{start}{CUT}"),
        _ => text.to_owned(),
    }
}

fn obligation_names(obligations: &[Rc<Obligations>]) -> Vec<&'static str> {
    let any = |is_there: fn(&Obligations) -> bool| obligations.iter().any(|one| is_there(one));
    [
        ("audit", any(|one| one.audit)),
        ("once", any(|one| one.once.is_some())),
        ("rate_limit", any(|one| one.rate_limit.is_some())),
        ("strip_credentials", any(|one| one.strip_credentials)),
        ("headers", any(|one| one.header_names().next().is_some())),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
    .collect()
}

/// `trace-id` and `parent-id` of the header `traceparent` (W3C Trace Context section 3.2.2); none if it is malformed, stands there
/// twice or is all zeros.
fn trace_context<'h>(head: &'h RequestHead<'_>) -> Option<(&'h str, &'h str)> {
    let mut values = head.values("traceparent");
    let (value, None) = (values.next()?, values.next()) else { return None };
    let mut parts = std::str::from_utf8(value).ok()?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hexadecimal = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |text: &str, digits: usize| is_hexadecimal(text, digits) && text.bytes().any(|byte| byte != b'0');
    // Later versions may have more parts, version 0 has not.
    let is_known = is_hexadecimal(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (is_known && is_id(trace, 32) && is_id(span, 16) && is_hexadecimal(flags, 2)).then_some((trace, span))
}
