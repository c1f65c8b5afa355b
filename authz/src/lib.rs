//! The decision core of Portcullis (the PDP): bytes and a time in, a decision out.
//!
//! Pure: no I/O, no clock, no log, no globals. The filter, the control endpoint, the command line and the tests all call
//! the same functions; there is no second engine.
//!
//! A request's journey, in order: [`Authorizer::authorize`] → [`AccessRequest::parse`] → the token is taken apart, its
//! issuer and key are selected, its signature and claims checked → the rules are evaluated → [`Action`]. `docs/journey.md`
//! follows it function by function.
//!
//! # Untrusted input
//!
//! Every byte of a [`RequestHead`] may be hostile. No input makes this crate panic, recurse without bound or allocate more
//! than in proportion to its length; every bound is in [`limits`], with its reason.

mod authorizer;
mod bundle;
mod bytes;
mod calendar;
mod credential;
mod decision;
pub mod distribution;
pub mod document;
mod effect;
mod expression;
mod host_ability;
mod http;
mod jose;
mod json;
mod jwt;
pub mod limits;
mod matching;
mod policy;
mod principal;
mod reason;
pub mod record;
mod revocation;
mod steps;
mod time;
mod use_once;

#[cfg(test)]
mod conformance;
// The conformance cases are read by the same file here and in `host-tests`.
#[cfg(test)]
extern crate self as authz;

pub use authorizer::{Authorization, Authorizer, Explanation, Step};
pub use bundle::{Bundle, PluginConfiguration};
pub use decision::{Decision, Effect, Revision};
pub use document::{BundleError, BundleErrors, Problem};
pub use effect::{Action, HeaderEdits, Reply, assertion_keys};
pub use host_ability::HostAbility;
pub use http::{AccessRequest, Host, Path, PeerCertificate, RequestHead};
pub use jose::{Algorithm, NativeCheck, NativeSigning, NativeVerifier};
pub use jwt::{Introspection, IntrospectionResponse, Statement, UnknownKey, Work};
pub use policy::{RuleOutline, RuleTrace};
pub use reason::Reason;
pub use steps::Steps;
pub use time::UnixTime;
pub use use_once::UseOnce;
