//! The bundle: everything that is pushed, read whole or not at all.
//!
//! The format is documented in `docs/bundle.md` and by `authz/schema/bundle.schema.json`. Each part is parsed by the
//! module that owns it; this one reads the frame around them.

mod plugin;
#[cfg(test)]
mod tests;

pub use plugin::PluginConfiguration;

use crate::credential::{ApiKeys, Credentials};
use crate::decision::{Decision, Revision};
use crate::document::{self, BundleErrors, Node};
use crate::effect::{Assertion, HeaderEdits, IdentityHeaders, Minted, ResourceMetadata};
use crate::host_ability::HostAbility;
use crate::http::PlainCharacters;
use crate::jose::NativeVerifier;
use crate::jwt::TrustedIssuers;
use crate::policy::{Attributes, Names, Policy, Question, RuleOutline};
use crate::reason::Reason;
use crate::record::DecisionLog;
use crate::revocation::Revocations;
use crate::steps;

/// The one version of the bundle format that this code reads.
const BUNDLE_VERSION: u64 = 1;

/// A bundle that was read without a single error.
///
/// # Example
///
/// ```
/// use authz::Bundle;
///
/// let bundle = Bundle::parse(br#"{
///     "version": 1,
///     "revision": 7,
///     "issuers": [],
///     "rules": [{
///         "id": "health", "effect": "permit", "public": true,
///         "target": { "methods": ["GET"], "paths": ["/healthz"] }
///     }]
/// }"#)?;
/// assert_eq!(bundle.revision().to_string(), "7");
///
/// let errors = Bundle::parse(br#"{ "version": 1, "revision": -1, "issuers": [], "rule": [] }"#).unwrap_err();
/// assert_eq!(errors.to_string(), "\
/// document: unknown field `rule`; known here are `version`, `revision`, `issuers`, `credentials`, `api_keys`, `revocations`, `plain_in_paths`, `attributes`, `rules`, `identity_headers`, `assertion`, `resource_metadata`, `decision_log`
/// revision: expected a whole number, found a number
/// rules: is missing");
/// # Ok::<(), authz::BundleErrors>(())
/// ```
#[derive(Debug)]
pub struct Bundle {
    pub(crate) revision: Revision,
    pub(crate) issuers: TrustedIssuers,
    pub(crate) credentials: Credentials,
    pub(crate) api_keys: ApiKeys,
    pub(crate) revocations: Revocations,
    pub(crate) plain_in_paths: PlainCharacters,
    pub(crate) attributes: Attributes,
    pub(crate) policy: Policy,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) assertion: Option<Assertion>,
    pub(crate) resource_metadata: Option<ResourceMetadata>,
    pub(crate) decision_log: Option<DecisionLog>,
}

impl Bundle {
    /// Reads a bundle from JSON.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each error with its place.
    pub fn parse(text: &[u8]) -> Result<Self, BundleErrors> {
        steps::finish(document::read_in_steps(text, Self::read))
    }

    /// The revision of this bundle.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The names of the trusted issuers.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter()
    }

    /// The rules, in the order of the bundle.
    pub fn rules(&self) -> impl Iterator<Item = RuleOutline> {
        self.policy.outlines()
    }

    /// Whether decisions need the certificate of the peer.
    pub(crate) fn needs_peer(&self) -> bool {
        self.credentials.need_peer() || self.attributes.need_peer() || self.policy.needs_peer()
    }

    /// Whether decisions need the address at the other end of the connection.
    pub(crate) fn needs_source(&self) -> bool {
        self.credentials.need_source()
            || self.attributes.need_source()
            || self.policy.needs_source()
            || self.decision_log.as_ref().is_some_and(DecisionLog::needs_source)
    }

    /// Whether something is wanted of the host that not every one can do.
    pub(crate) fn demands(&self, ability: HostAbility) -> bool {
        match ability {
            HostAbility::Introspection => self.issuers.need_introspection(),
            HostAbility::PeerCertificate => self.needs_peer(),
            HostAbility::UseOnce => self.credentials.use_once() || self.policy.obliges(|one| one.once.is_some()),
            HostAbility::RateLimit => self.policy.obliges(|one| one.rate_limit.is_some()),
            HostAbility::TargetEdits => {
                let strips_all = self.policy.obliges(|one| one.strip_credentials);
                self.credentials.edit_targets(strips_all)
            }
        }
    }

    /// Whether only a hop that is believed may set the header of this name, in whatever spelling.
    pub(crate) fn owns_header_of_hops(&self, name: &[u8]) -> bool {
        self.credentials.owns_header(name) || self.attributes.own_header(name)
    }

    /// Has a proxy do what it does faster.
    pub(crate) fn use_native(&mut self, native: &NativeVerifier) {
        self.issuers.use_native(native.clone());
        if let Some(assertion) = &mut self.assertion {
            assertion.use_native(native);
        }
    }

    /// Adds the assertion about a request that is permitted, if there are assertions; the name of its transaction.
    pub(crate) fn assert(
        &self,
        edits: &mut HeaderEdits,
        question: &Question<'_>,
        decision: &Decision,
    ) -> Result<Option<String>, Reason> {
        let Some(assertion) = &self.assertion else { return Ok(None) };
        let rule = decision.rule().unwrap_or_default();
        let minted = assertion.mint(question, rule, self.revision.0).ok_or(Reason::ObligationFailed)?;
        Ok(minted.map(|Minted { token, transaction }| {
            edits.set.push((assertion.header().to_owned(), token.into_bytes()));
            transaction
        }))
    }

    /// Frees what may be long, in steps.
    pub(crate) async fn release(self) {
        let Self { policy, api_keys, revocations, .. } = self;
        policy.release().await;
        api_keys.release().await;
        revocations.release().await;
    }

    pub(crate) async fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&[
            "version",
            "revision",
            "issuers",
            "credentials",
            "api_keys",
            "revocations",
            "plain_in_paths",
            "attributes",
            "rules",
            "identity_headers",
            "assertion",
            "resource_metadata",
            "decision_log",
        ])?;
        let version = fields.required("version").and_then(|node| document::read_version(&node, BUNDLE_VERSION));
        let revision = fields.required("revision").and_then(|node| node.integer(0..=(1 << 53)));
        let (issuers, credentials) = (fields.required("issuers"), fields.optional("credentials"));
        let names = Names::of(issuers.as_ref(), credentials.as_ref());
        let issuers = match issuers {
            Some(node) => TrustedIssuers::read(&node).await,
            None => None,
        };
        let credentials =
            credentials.map_or_else(|| Some(Credentials::default()), |node| Credentials::read(&node, &names));
        let api_keys = match fields.optional("api_keys") {
            Some(node) => ApiKeys::read(&node).await,
            None => Some(ApiKeys::default()),
        };
        let revocations = match fields.optional("revocations") {
            Some(node) => Revocations::read(&node, &names).await,
            None => Some(Revocations::default()),
        };
        let plain_in_paths = fields
            .optional("plain_in_paths")
            .map_or_else(|| Some(PlainCharacters::default()), |node| PlainCharacters::read(&node));
        let attributes = fields
            .optional("attributes")
            .map_or_else(|| Some(Attributes::default()), |node| Attributes::read(&node, &names));
        let policy = match fields.required("rules") {
            Some(node) => Policy::read(&node, &names, attributes.as_ref()).await,
            None => None,
        };
        let identity_headers = fields
            .optional("identity_headers")
            .map_or_else(|| Some(IdentityHeaders::default()), |node| IdentityHeaders::read(&node));
        let assertion_node = fields.optional("assertion");
        let assertion = assertion_node.as_ref().map_or(Some(None), |node| Assertion::read(node).map(Some));
        let resource_metadata = fields.optional("resource_metadata").map_or(Some(None), |node| {
            let credentials = credentials.as_ref();
            ResourceMetadata::read(&node, credentials.unwrap_or(&Credentials::default())).map(Some)
        });
        let decision_log = fields
            .optional("decision_log")
            .map_or(Some(None), |node| DecisionLog::read(&node, &names, policy.as_ref()).map(Some));
        version?;
        let policy = policy?;
        let headers_of_rules = policy.headers().map(str::to_owned).collect();
        let mut identity_headers = identity_headers?.with_headers_of_rules(headers_of_rules);
        let (issuers, credentials, api_keys, assertion) = (issuers?, credentials?, api_keys?, assertion?);
        if let Some((assertion, node)) = assertion.as_ref().zip(assertion_node) {
            let others = [!api_keys.is_empty(), credentials.have_peers()].into_iter().filter(|is_there| *is_there);
            assertion.fit(&node, &identity_headers, issuers.iter().count().saturating_add(others.count()))?;
            identity_headers = identity_headers.with_assertion(assertion.header());
        }
        Some(Self {
            revision: Revision(revision?),
            issuers,
            credentials,
            api_keys,
            revocations: revocations?,
            plain_in_paths: plain_in_paths?,
            attributes: attributes?,
            policy,
            identity_headers,
            assertion,
            resource_metadata: resource_metadata?,
            decision_log: decision_log?,
        })
    }
}
