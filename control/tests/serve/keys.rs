//! Keys of issuers: fetched, published, kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use host_tests::http_server;
use host_tests::keys::SigningKey;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Home, policy};

/// Status and body by path.
type Answers = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

/// An identity provider, whose answers can be changed.
#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub fn start() -> Self {
        let (answers, asked): (Answers, Arc<Mutex<Vec<String>>>) = Default::default();
        let (all, log) = (Arc::clone(&answers), Arc::clone(&asked));
        let address = http_server::start("127.0.0.1:0".parse().unwrap(), move |request| {
            let path = request.uri().path().to_owned();
            let (status, body) = all.lock().unwrap().get(&path).cloned().unwrap_or((404, String::new()));
            let etag = format!("\"{}\"", crate::endpoint::sha256(&body));
            let known = request.headers().get("if-none-match").is_some_and(|known| known.as_bytes() == etag.as_bytes());
            log.lock().unwrap().push(format!("{path}{}", if known { " unchanged" } else { "" }));
            let (status, body) = if known && status == 200 { (304, String::new()) } else { (status, body) };
            let response = Response::builder().status(status).header("etag", etag).header("location", "/elsewhere");
            let response = response.body(Full::new(Bytes::from(body))).unwrap();
            async move { response }
        });
        Self { address: address.unwrap(), answers, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn answer(&self, path: &str, status: u16, body: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Publishes these keys, and where they are.
    pub fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.answer("/jwks", 200, &json!({ "keys": keys }).to_string());
        let discovery = json!({ "issuer": self.url(), "jwks_uri": format!("{}/jwks", self.url()) });
        self.answer("/.well-known/openid-configuration", 200, &discovery.to_string());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A policy with this issuer.
    pub fn policy(&self) -> Value {
        let mut policy = policy("a");
        policy["issuers"] = json!([{
            "issuer": self.url(), "audiences": ["api"], "algorithms": ["EdDSA"],
            "keys_from": { "discovery": format!("{}/.well-known/openid-configuration", self.url()) },
        }]);
        policy
    }

    /// Settings that let it be fetched from.
    pub fn allow(&self, home: &mut Home) {
        home.fleet()["issuers"] = json!([{ "issuer": self.url(), "allow_http": true, "allow_private_addresses": true, "refresh_seconds": 1 }]);
    }
}

fn key(name: &str) -> SigningKey {
    SigningKey::generate("EdDSA", name).unwrap()
}

/// The names of the keys that are served.
fn served(endpoint: &Endpoint, provider: &Provider) -> Vec<String> {
    let (_, documents) = endpoint.served();
    let keys = documents["keys"]["issuers"][provider.url()]["keys"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn keys_follow_their_issuer() {
    let provider = Provider::start();
    let (one, two) = (key("one"), key("two"));
    provider.publish(&[&one]);
    let mut home = Home::new();
    provider.allow(&mut home);
    let endpoint = home.start();
    // They are there with the first epoch: nobody is refused for want of keys.
    endpoint.publish(&provider.policy());
    assert_eq!(endpoint.served().0["epoch"], 1);
    assert_eq!(served(&endpoint, &provider), ["one"]);
    // The next one is published beside it, and then alone.
    provider.publish(&[&one, &two]);
    endpoint.until("both are served", |endpoint| served(endpoint, &provider) == ["one", "two"]);
    provider.publish(&[&two]);
    endpoint.until("the new one is served", |endpoint| served(endpoint, &provider) == ["two"]);
    assert_eq!(endpoint.served().0["epoch"], 3);
    // Whoever asks again says what is known.
    endpoint
        .until("it is asked whether anything changed", |_| provider.asked().contains(&"/jwks unchanged".to_owned()));
    assert_eq!(endpoint.served().0["epoch"], 3);
}

#[test]
fn no_answer_takes_good_keys_away() {
    let provider = Provider::start();
    let good = json!({ "keys": [key("good").jwk()] }).to_string();
    let other =
        json!({ "issuer": "https://other.example.com", "jwks_uri": format!("{}/0/jwks", provider.url()) }).to_string();
    let weak = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AA" }] }).to_string();
    let private =
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AA", "d": "AA" }] }).to_string();
    let other_use =
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AA", "use": "enc" }] }).to_string();
    let large = " ".repeat(600 * 1024);
    let cases = [
        ("jwks", 500, "", "answers 500"),
        ("jwks", 302, "", "redirects are not followed"),
        ("jwks", 200, "<html>", "not acceptable JSON"),
        ("jwks", 200, "{\"keys\":[]}", "must not be empty"),
        ("jwks", 200, "{}", "keys: is missing"),
        ("jwks", 200, &weak, "is not a sound public key"),
        ("jwks", 200, &private, "is a private key"),
        ("jwks", 200, &other_use, "none of the issuer's keys can verify"),
        ("jwks", 200, &large, "more than"),
        ("discovery", 200, &other, "is about the issuer `https://other.example.com`"),
        ("discovery", 404, "", "answers 404"),
        ("discovery", 200, "{\"issuer\":1}", "expected a string"),
    ];
    let name = |index: usize| format!("{}/{index}", provider.url());
    let indices = 0..cases.len();
    let mut policy = policy("a");
    policy["issuers"] = indices
        .clone()
        .map(|index| {
            json!({
                "issuer": name(index), "audiences": ["api"], "algorithms": ["EdDSA"],
                "keys_from": { "discovery": format!("{}/discovery", name(index)) },
            })
        })
        .collect();
    for index in indices.clone() {
        let discovery = json!({ "issuer": name(index), "jwks_uri": format!("{}/jwks", name(index)) });
        provider.answer(&format!("/{index}/discovery"), 200, &discovery.to_string());
        provider.answer(&format!("/{index}/jwks"), 200, &good);
    }
    let mut home = Home::new();
    home.fleet()["issuers"] = indices
        .clone()
        .map(|index| {
            json!({
                "issuer": name(index), "allow_http": true, "allow_private_addresses": true, "refresh_seconds": 1,
            })
        })
        .collect();
    let endpoint = home.start();
    endpoint.publish(&policy);
    let before = endpoint.served().1["keys"].clone();
    assert_eq!(before["issuers"].as_object().unwrap().len(), cases.len());

    for (index, (what, status, body, _)) in cases.iter().enumerate() {
        provider.answer(&format!("/{index}/{what}"), *status, body);
    }
    let error = |endpoint: &Endpoint, index: usize| {
        let status: Value = serde_json::from_slice(&endpoint.get("/v1/fleets/production/status").body).unwrap();
        let issuers = status["issuers"].as_array().unwrap().clone();
        issuers.iter().find(|issuer| issuer["issuer"] == name(index)).unwrap()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    for (index, (.., part)) in cases.iter().enumerate() {
        endpoint.until(part, |endpoint| error(endpoint, index).contains(part));
    }
    assert_eq!(endpoint.served().1["keys"], before);
    drop(endpoint);
    // A replica that starts meanwhile goes on with the keys that are there, and publishes with them.
    let endpoint = home.start();
    assert_eq!(endpoint.served().1["keys"], before);
    endpoint.publish(&policy);
    assert_eq!(endpoint.served().1["keys"], before);
}

/// A policy that needs keys which nobody can get would refuse everybody.
#[test]
fn a_policy_without_keys_is_not_published() {
    let provider = Provider::start();
    let mut home = Home::new();
    provider.allow(&mut home);
    let endpoint = home.start();
    let (status, answer) = endpoint.post("/v1/fleets/production/publish", &json!({ "policy": provider.policy() }));
    assert_eq!(status, 409, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("answers 404"), "{answer}");
    assert_eq!(endpoint.poll(None, 0).status, 204);
    provider.publish(&[&key("one")]);
    endpoint.until("the keys are there", |endpoint| {
        endpoint.post("/v1/fleets/production/publish", &json!({ "policy": provider.policy() })).0 == 200
    });
}

/// Server-side request forgery: whoever writes policies need not be one who may reach this network.
#[test]
fn nothing_is_fetched_from_where_nobody_said() {
    let provider = Provider::start();
    provider.publish(&[&key("one")]);
    for (settings, part) in [
        (json!([]), "is not https"),
        (json!([{ "issuer": provider.url(), "allow_http": true }]), "no public address"),
        (
            json!([{ "issuer": "https://other.example.com", "allow_http": true, "allow_private_addresses": true }]),
            "is not https",
        ),
    ] {
        let mut home = Home::new();
        home.fleet()["issuers"] = settings;
        let endpoint = home.start();
        let (status, answer) = endpoint.post("/v1/fleets/production/publish", &json!({ "policy": provider.policy() }));
        assert_eq!(status, 409, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(part), "{answer}");
    }
    // A name that leads here is no better than an address.
    let mut home = Home::new();
    home.fleet()["issuers"] = json!([{ "issuer": provider.url(), "allow_http": true }]);
    let endpoint = home.start();
    let mut policy = provider.policy();
    policy["issuers"][0]["keys_from"] =
        json!({ "jwks_uri": format!("http://localhost:{}/jwks", provider.address.port()) });
    let (status, answer) = endpoint.post("/v1/fleets/production/publish", &json!({ "policy": policy }));
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains("no public address"), "{answer}");
    assert_eq!(provider.asked(), Vec::<String>::new());
}

#[test]
fn a_key_that_a_proxy_does_not_know_is_asked_for() {
    let provider = Provider::start();
    let (one, two) = (key("one"), key("two"));
    provider.publish(&[&one]);
    let mut home = Home::new();
    provider.allow(&mut home);
    home.fleet()["issuers"][0]["refresh_seconds"] = json!(3600);
    let endpoint = home.start();
    endpoint.publish(&provider.policy());
    provider.publish(&[&one, &two]);
    let report = |kid: &str| {
        let status = json!({ "version": 1, "proxy": "e", "worker": "w", "epoch": 1, "unknown_keys": [{ "issuer": provider.url(), "kid": kid }] });
        endpoint.send(&endpoint.poll_request(None, 0).with("portcullis-status", &status.to_string()));
    };
    report("two");
    endpoint.until("the key is served", |endpoint| served(endpoint, &provider) == ["one", "two"]);
    // Whatever else is not known is asked for once in a while only.
    let before = provider.asked().len();
    (0..200).for_each(|number| report(&format!("made-up-{number}")));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(provider.asked().len() <= before + 2, "{:?}", provider.asked());
}

#[test]
fn keys_of_an_issuer_that_nobody_has_heard_of_for_too_long_are_dropped() {
    let provider = Provider::start();
    provider.publish(&[&key("one")]);
    let mut home = Home::new();
    provider.allow(&mut home);
    let endpoint = home.start();
    let mut policy = provider.policy();
    policy["issuers"][0]["keys_from"]["staleness_seconds"] = json!(4);
    policy["issuers"][0]["jwks"] = json!({ "keys": [key("zero").jwk()] });
    endpoint.publish(&policy);
    assert_eq!(served(&endpoint, &provider), ["one"]);
    provider.answer("/jwks", 500, "");
    endpoint.until("the keys are too old", |endpoint| served(endpoint, &provider).is_empty());
    // That there are none is said, or those that the policy begins with would be good again; and still after a restart.
    let none = json!({ "keys": [] });
    let said = |endpoint: &Endpoint| endpoint.served().1["keys"]["issuers"][provider.url()].clone();
    assert_eq!(said(&endpoint), none);
    drop(endpoint);
    let endpoint = home.start();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(said(&endpoint), none);
    provider.publish(&[&key("two")]);
    endpoint.until("there are keys again", |endpoint| served(endpoint, &provider) == ["two"]);
}
