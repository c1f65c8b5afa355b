//! What is compared: a filter chain, the requests that it gets, and what must become of them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use host_tests::endpoint::{self, Endpoint};
use host_tests::envoy::example_listener;
use host_tests::publisher::Publisher;
use serde_json::{Value, json};

use super::tokens::{Kind, Tokens};
use super::{filters, scale, service};

/// One filter chain under one kind of load.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The scenario that has the same load and no filter: what it takes is what this one does not add.
    pub(crate) floor: String,
    pub(crate) configuration: Value,
    pub(crate) requests: Vec<Line>,
    /// The status of every answer.
    pub(crate) status: u16,
}

/// One request of a load.
pub(crate) struct Line {
    pub(crate) path: String,
    pub(crate) token: Option<String>,
}

/// What the decision log costs: all that a request takes with it, beside the same without.
pub(crate) const WITHOUT_RECORDS: &str = "portcullis, warm, RS256, no records";
pub(crate) const WITH_RECORDS: &str = "portcullis, warm, RS256, records";

/// How many rules there are where that is not the question.
const RULES: usize = 100;

/// The filter chains that a load meets.
struct Chains {
    tokens: Tokens,
    engine: std::net::SocketAddr,
    grpc_engine: std::net::SocketAddr,
    /// Who pushes policies, and takes decision records.
    control: Option<Endpoint>,
    wanted: String,
    floor: String,
    scenarios: Vec<Scenario>,
}

/// Every scenario whose name has `wanted` in it, and its floor: one after the other those that have the same.
pub(crate) fn all(wanted: &str) -> Result<Vec<Scenario>> {
    let mut chains = Chains {
        tokens: Tokens::new()?,
        engine: service::start()?,
        grpc_engine: service::start_grpc()?,
        control: None,
        wanted: wanted.to_owned(),
        floor: String::new(),
        scenarios: Vec::new(),
    };
    chains.begin("bare, RS256", Kind::Warm("rs256"))?;
    chains.add("module that does nothing", vec![filters::nothing()?], Kind::Warm("rs256"), RULES, 200)?;
    chains.add(
        "module that only takes headers and leaves a record",
        vec![filters::hand_over()?],
        Kind::Warm("rs256"),
        RULES,
        200,
    )?;
    chains.add("ext_authz", vec![filters::ext_authz()], Kind::Warm("rs256"), RULES, 200)?;
    chains.add("ext_authz, gRPC", vec![filters::ext_authz_grpc()], Kind::Warm("rs256"), RULES, 200)?;
    chains.of_algorithm("RS256", "rs256")?;
    chains.with_records()?;
    for (name, key) in [("ES256", "es256"), ("EdDSA", "eddsa")] {
        chains.begin(&format!("bare, {name}"), Kind::Warm(key))?;
        chains.of_algorithm(name, key)?;
    }
    chains.begin("bare, no token", Kind::None)?;
    for rules in scale::SIZES {
        let (ours, theirs) = (filters::public_rules(rules)?, filters::rbac_for_everybody(rules));
        chains.add(&format!("portcullis, {rules} public rules"), vec![ours], Kind::None, rules, 200)?;
        chains.add(&format!("rbac, {rules} policies"), vec![theirs], Kind::None, rules, 200)?;
    }
    Ok(chains.wanted())
}

impl Chains {
    /// Begins with the floor of the scenarios that come: longer requests cost Envoy more whatever the filter.
    fn begin(&mut self, floor: &str, kind: Kind) -> Result<()> {
        floor.clone_into(&mut self.floor);
        self.push(floor, vec![], kind, RULES, 200)
    }

    /// All but the floors of nothing.
    fn wanted(self) -> Vec<Scenario> {
        let floors: BTreeSet<String> =
            self.scenarios.iter().filter(|one| one.name != one.floor).map(|one| one.floor.clone()).collect();
        self.scenarios.into_iter().filter(|one| floors.contains(&one.floor)).collect()
    }

    /// Cold, warm and forged tokens of an algorithm, and a deny by rule.
    fn of_algorithm(&mut self, name: &str, key: &'static str) -> Result<()> {
        let jwt_authn = filters::jwt_authn(&self.tokens, key, false)?;
        let cached = filters::jwt_authn(&self.tokens, key, true)?;
        let rbac = filters::rbac_of_claims(RULES);
        let ours = filters::portcullis(&filters::claim_rules(&self.tokens, key, RULES, "permit")?)?;
        let denying = filters::portcullis(&filters::claim_rules(&self.tokens, key, RULES, "deny")?)?;
        let mut add = |scenario: &str, filters: Vec<Value>, kind, status| {
            self.add(&format!("{scenario}, {name}"), filters, kind, RULES, status)
        };
        // What rules add to it does not depend on the algorithm.
        if name == "RS256" {
            add("jwt_authn, cold", vec![jwt_authn.clone()], Kind::Cold(key), 200)?;
            add("jwt_authn, cached", vec![cached.clone()], Kind::Warm(key), 200)?;
        }
        add("jwt_authn + rbac, cold", vec![jwt_authn.clone(), rbac.clone()], Kind::Cold(key), 200)?;
        add("portcullis, cold", vec![ours.clone()], Kind::Cold(key), 200)?;
        add("jwt_authn + rbac, cached", vec![cached, rbac.clone()], Kind::Warm(key), 200)?;
        add("portcullis, warm", vec![ours.clone()], Kind::Warm(key), 200)?;
        add("jwt_authn + rbac, bad signature", vec![jwt_authn, rbac], Kind::Forged(key), 401)?;
        add("portcullis, bad signature", vec![ours], Kind::Forged(key), 401)?;
        add("portcullis, warm, denied by rule", vec![denying], Kind::Warm(key), 403)
    }

    /// Warm tokens, with a policy that is pushed, without and with a decision log at the control endpoint.
    fn with_records(&mut self) -> Result<()> {
        let recorded = filters::recorded_claim_rules(&self.tokens, "rs256", RULES)?;
        let mut unrecorded = recorded.clone();
        unrecorded.as_object_mut().and_then(|policy| policy.remove("decision_log")).context("there is a log")?;
        for (name, policy) in [(WITHOUT_RECORDS, unrecorded), (WITH_RECORDS, recorded)] {
            let (publisher, endpoint) = (Publisher::new("bench")?, Endpoint::default());
            endpoint.offer(&publisher.publish(1, host_tests::now(), &policy, &[]));
            self.control = Some(endpoint);
            let control =
                json!({ "cluster": filters::CONTROL, "authority": "control.example.com", "token": endpoint::TOKEN });
            let ours = filters::portcullis(&json!({ "version": 1, "trust": publisher.trust(), "control": control }))?;
            self.add(name, vec![ours], Kind::Warm("rs256"), RULES, 200)?;
        }
        self.control = None;
        Ok(())
    }

    fn add(&mut self, name: &str, filters: Vec<Value>, kind: Kind, rules: usize, status: u16) -> Result<()> {
        if name.contains(&self.wanted) { self.push(name, filters, kind, rules, status) } else { Ok(()) }
    }

    fn push(&mut self, name: &str, filters: Vec<Value>, kind: Kind, rules: usize, status: u16) -> Result<()> {
        let paths = scale::paths(rules);
        let tokens = self.tokens.mint(kind)?;
        let requests = match tokens.as_slice() {
            [] => paths.into_iter().map(|path| Line { path, token: None }).collect(),
            tokens => {
                let paths = paths.into_iter().cycle();
                tokens.iter().cloned().zip(paths).map(|(token, path)| Line { path, token: Some(token) }).collect()
            }
        };
        let configuration = self.render(filters)?;
        self.scenarios.push(Scenario {
            name: name.to_owned(),
            floor: self.floor.clone(),
            configuration,
            requests,
            status,
        });
        Ok(())
    }

    /// The listener of `envoy-config/envoy.yaml` with these filters; Envoy answers by itself, and logs nothing.
    fn render(&self, filters: Vec<Value>) -> Result<Value> {
        let mut listener = example_listener()?;
        let port = listener.pointer_mut("/address/socket_address/port_value").context("the listener has a port")?;
        *port = json!(0);
        let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").and_then(Value::as_object_mut);
        let manager = manager.context("the listener has a connection manager")?;
        manager.remove("access_log");
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        });
        let chain: Vec<Value> = filters.into_iter().chain([router]).collect();
        let route = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 200 } });
        manager.insert("http_filters".to_owned(), json!(chain));
        manager.insert(
            "route_config".to_owned(),
            json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] }),
        );
        let engines =
            [filters::cluster("engine", self.engine), filters::grpc_cluster("grpc_engine", self.grpc_engine)?];
        let control = self.control.as_ref().map(|endpoint| Ok(filters::cluster(filters::CONTROL, endpoint.start()?)));
        let clusters = engines.into_iter().map(Ok).chain(control).collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
            "static_resources": { "listeners": [listener], "clusters": clusters },
        }))
    }
}
