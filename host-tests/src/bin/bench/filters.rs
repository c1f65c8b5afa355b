//! The filters that are compared: ours, and what Envoy has itself.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_tests::envoy::example_filter_with;
use host_tests::workload::claim_rule;
use serde_json::{Map, Value, json};

use super::scale;
use super::tokens::{AUDIENCE, ISSUER, Tokens};

/// Our filter, with this plugin configuration.
pub(crate) fn portcullis(configuration: &Value) -> Result<Value> {
    example_filter_with(configuration)
}

/// A policy with one issuer and so many rules about claims, permitting or denying, each about the paths of one service.
pub(crate) fn claim_rules(tokens: &Tokens, key: &str, rules: usize, effect: &str) -> Result<Value> {
    let jwk = tokens.key(key)?;
    let issuer =
        json!({ "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": [jwk.get("alg")], "jwks": { "keys": [jwk] } });
    let rules: Vec<Value> = (0..rules).map(|number| claim_rule(number, effect)).collect();
    // The upstream learns as much from us as from jwt_authn: nothing that it did not ask for.
    let bundle = json!({ "version": 1, "revision": 1, "issuers": [issuer], "rules": rules, "identity_headers": {} });
    Ok(json!({ "version": 1, "bundle": bundle }))
}

/// The same rules to be pushed, permitting, with a decision log at the control endpoint and a pseudonym in its records.
pub(crate) fn recorded_claim_rules(tokens: &Tokens, key: &str, rules: usize) -> Result<Value> {
    let mut configuration = claim_rules(tokens, key, rules, "permit")?;
    let mut policy = configuration.get_mut("bundle").map(Value::take).context("there is a bundle")?;
    let members = policy.as_object_mut().context("a bundle is an object")?;
    // That of a bundle that is pushed is its epoch.
    members.remove("revision");
    let key = URL_SAFE_NO_PAD.encode([7; 32]);
    let log = json!({ "to": ["control"], "fields": { "subject": "hash" }, "pseudonym_key": key });
    members.insert("decision_log".to_owned(), log);
    Ok(policy)
}

/// Envoy's own token filter.
pub(crate) fn jwt_authn(tokens: &Tokens, key: &str, is_cached: bool) -> Result<Value> {
    let keys = json!({ "keys": [tokens.key(key)?] }).to_string();
    let provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": { "inline_string": keys },
        "payload_in_metadata": "claims",
        "jwt_cache_config": is_cached.then(|| json!({ "jwt_cache_size": 100 })),
    });
    Ok(json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "idp": provider },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        },
    }))
}

/// Envoy's own rules about claims, each about the paths of one service: those of [`claim_rules`].
pub(crate) fn rbac_of_claims(rules: usize) -> Value {
    let claim = json!({
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{ "key": "claims" }, { "key": "team" }],
        "value": { "string_match": { "exact": "shop" } },
    });
    rbac(rules, &json!({ "metadata": claim }))
}

/// The same for everybody: those of [`scale::configuration`].
pub(crate) fn rbac_for_everybody(rules: usize) -> Value {
    rbac(rules, &json!({ "any": true }))
}

fn rbac(rules: usize, principal: &Value) -> Value {
    let policy = |number: usize| {
        let path = json!({ "url_path": { "path": { "prefix": format!("/service-{number}/items/") } } });
        let method = json!({ "header": { "name": ":method", "string_match": { "exact": "GET" } } });
        let permissions = json!([{ "and_rules": { "rules": [method, path] } }]);
        (format!("rule-{number}"), json!({ "permissions": permissions, "principals": [principal] }))
    };
    let policies: Map<String, Value> = (0..rules).map(policy).collect();
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "ALLOW", "policies": policies },
        },
    })
}

/// Public rules only, which no token is needed for.
pub(crate) fn public_rules(rules: usize) -> Result<Value> {
    portcullis(&scale::configuration(rules))
}

/// A service beside the proxy that is asked about each request, over HTTP.
pub(crate) fn ext_authz() -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "http_service": {
                "server_uri": { "uri": "http://127.0.0.1", "cluster": "engine", "timeout": "1s" },
                "authorization_request": { "allowed_headers": { "patterns": [{ "exact": "authorization" }] } },
            },
        },
    })
}

/// The same over gRPC, as policy engines are asked: with all headers.
pub(crate) fn ext_authz_grpc() -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": { "envoy_grpc": { "cluster_name": "grpc_engine" }, "timeout": "1s" },
        },
    })
}

/// The cluster of a service that is asked over gRPC.
pub(crate) fn grpc_cluster(name: &str, address: SocketAddr) -> Result<Value> {
    let mut cluster = cluster(name, address);
    let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    let members = cluster.as_object_mut().context("a cluster is an object")?;
    members.insert("typed_extension_protocol_options".to_owned(), options);
    Ok(cluster)
}

/// The cluster of the control endpoint.
pub(crate) const CONTROL: &str = "control";

/// The cluster of a service on this machine.
pub(crate) fn cluster(name: &str, address: SocketAddr) -> Value {
    let socket = json!({ "address": address.ip(), "port_value": address.port() });
    let endpoint = json!({ "endpoint": { "address": { "socket_address": socket } } });
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
    })
}

/// A module that does nothing: the floor of every filter in WebAssembly.
pub(crate) fn nothing() -> Result<Value> {
    module("nothing", "", "")
}

/// One that has Envoy hand over headers and clock and take a record, and decides nothing: the floor of every filter that authorizes in
/// WebAssembly and leaves a trace of it.
pub(crate) fn hand_over() -> Result<Value> {
    const IMPORTS: &str = r#"
  (import "env" "proxy_get_header_map_pairs" (func $headers (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $clock (param i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))"#;
    // Where the module has its key and its record.
    let record = format!("(i32.const 64) (i32.const {}) (i32.const 128) (i32.const {})", KEY.len(), RECORD.len());
    let steps = format!(
        "(drop (call $headers (i32.const 0) (i32.const 0) (i32.const 4)))
    (drop (call $clock (i32.const 8)))
    (drop (call $set {record}))"
    );
    module("hand_over", IMPORTS, &steps)
}

/// What such a module leaves, as long as what ours leaves, and where.
const KEY: &str = "portcullis.decision";
const RECORD: &str = "version 1, permit, because a rule permits it, the rule service-42, of revision number 1";

/// A module with these imports that takes these steps for each request: it puts what the host hands over always in the same place, and
/// lets everything go on.
fn module(name: &str, imports: &str, steps: &str) -> Result<Value> {
    let text = format!(
        r#"(module {imports}
  (memory (export "memory") 2)
  (data (i32.const 64) "{KEY}")
  (data (i32.const 128) "{RECORD}")
  (func (export "_initialize"))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {steps} (i32.const 0))
  (func (export "proxy_on_delete") (param i32)))"#
    );
    let file = host_tests::repository().join(format!("target/bench/{name}.wasm"));
    fs::create_dir_all(file.parent().context("it has a folder")?)?;
    fs::write(&file, wat::parse_str(text)?)?;
    let mut filter = portcullis(&json!({}))?;
    let vm = json!({ "vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": { "local": { "filename": file } } });
    *filter.pointer_mut("/typed_config/config/vm_config").context("the filter has a VM")? = vm;
    Ok(filter)
}
