//! What rules see of a credential.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{NOW, list};
use crate::request::{Credential, Request};

/// A value that is there, is not there, or has the wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute<T> {
    Absent,
    Wrong,
    Is(T),
}

/// One credential that was presented.
pub struct Identity<'i> {
    bundle: &'i Value,
    credential: &'i Credential,
}

impl<'i> Identity<'i> {
    /// The credential of this name; the first of the bundle if none is given. None if it was not presented.
    pub fn find(bundle: &'i Value, request: &'i Request, name: Option<&Value>) -> Option<Self> {
        let name = name.or_else(|| list(&bundle["credentials"]).first()?.get("name"))?;
        let (_, credential) = request.credentials.iter().find(|(known, _)| name == known.as_str())?;
        Some(Self { bundle, credential })
    }

    /// The claims of a token or of a certificate; an API key has none.
    pub fn claims(&self) -> Cow<'i, Value> {
        match self.credential {
            Credential::Token(claims) => Cow::Borrowed(claims),
            Credential::ApiKey(_) => Cow::Owned(json!({})),
            Credential::Peer(peer) => {
                let mut claims = json!({ "x5t#S256": peer.thumbprint });
                let names =
                    [("uri_san", &peer.uri_san), ("dns_san", &peer.dns_san), ("subject_name", &peer.subject_name)];
                for (name, value) in names {
                    if let Some(value) = value {
                        claims[name] = Value::from(value.as_str());
                    }
                }
                Cow::Owned(claims)
            }
        }
    }

    /// The names under which rules know the issuer: its own and, if it is that of one of several tenants, the template.
    pub fn issuers(&self) -> Vec<String> {
        let Credential::Token(claims) = self.credential else { return Vec::new() };
        let template = self.template().map(|(template, _)| template);
        [claims["iss"].as_str().unwrap().to_owned()].into_iter().chain(template).collect()
    }

    /// The tenant whose issuer this is: it says so whether a claim does or not.
    fn tenant_of_issuer(&self) -> Option<String> {
        self.template().map(|(_, tenant)| tenant)
    }

    /// The issuer of the bundle that stands for this one and others, and the tenant whose this one is.
    fn template(&self) -> Option<(String, String)> {
        let Credential::Token(claims) = self.credential else { return None };
        list(&self.bundle["issuers"]).iter().find_map(|issuer| {
            let template = issuer["issuer"].as_str().unwrap();
            let mut tenants = list(&issuer["tenants"]).iter().filter_map(Value::as_str);
            let tenant = tenants.find(|tenant| claims["iss"] == template.replace("{tenant}", tenant))?;
            Some((template.to_owned(), tenant.to_owned()))
        })
    }

    pub fn subject(&self) -> Attribute<String> {
        match self.credential {
            Credential::Token(claims) => first(claims, &["sub"]),
            Credential::ApiKey(entry) => first(entry, &["owner"]),
            Credential::Peer(peer) => {
                let name = peer.uri_san.as_ref().or(peer.dns_san.as_ref()).or(peer.subject_name.as_ref());
                name.map_or(Attribute::Absent, |name| Attribute::Is(name.clone()))
            }
        }
    }

    pub fn client(&self) -> Attribute<String> {
        match self.credential {
            Credential::Token(claims) => first(claims, &["client_id", "azp"]),
            Credential::ApiKey(entry) => first(entry, &["id"]),
            Credential::Peer(_) => Attribute::Absent,
        }
    }

    pub fn tenant(&self) -> Attribute<String> {
        match self.credential {
            Credential::Token(claims) => match (first(claims, &["tid"]), self.tenant_of_issuer()) {
                (Attribute::Absent, Some(tenant)) => Attribute::Is(tenant),
                (tenant, _) => tenant,
            },
            Credential::ApiKey(_) => Attribute::Absent,
            Credential::Peer(peer) => {
                let domain = peer.uri_san.as_deref().and_then(|uri| uri.strip_prefix("spiffe://"));
                domain.map_or(Attribute::Absent, |rest| Attribute::Is(rest.split('/').next().unwrap().to_owned()))
            }
        }
    }

    pub fn audience(&self) -> Attribute<Vec<String>> {
        self.set(&["aud"], &[], false)
    }

    pub fn scopes(&self) -> Attribute<Vec<String>> {
        self.set(&["scope", "scp"], &["scopes"], true)
    }

    pub fn roles(&self) -> Attribute<Vec<String>> {
        self.set(&["roles"], &["roles"], false)
    }

    pub fn groups(&self) -> Attribute<Vec<String>> {
        self.set(&["groups"], &["groups"], false)
    }

    pub fn acr(&self) -> Attribute<String> {
        self.token().map_or(Attribute::Absent, |claims| first(claims, &["acr"]))
    }

    pub fn amr(&self) -> Attribute<Vec<String>> {
        self.set(&["amr"], &[], false)
    }

    /// How long ago the end user authenticated, in seconds.
    pub fn age(&self) -> Attribute<f64> {
        match self.token().and_then(|claims| claims.get("auth_time")) {
            None => Attribute::Absent,
            Some(Value::Number(time)) if time.as_f64().is_some_and(|time| time >= 0.0) => {
                Attribute::Is(json!(NOW).as_f64().unwrap() - time.as_f64().unwrap())
            }
            Some(_) => Attribute::Wrong,
        }
    }

    /// Whether it is bound to a key or certificate. Then it was proved that the client has it, or it would not be here.
    pub fn is_bound(&self) -> bool {
        self.token().is_some_and(|claims| claims.get("cnf").is_some())
    }

    /// What tells a token from others: its issuer and, if it has one, its own id.
    pub fn token_id(&self) -> (String, Option<String>) {
        let claims = self.claims();
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        (text("iss").unwrap(), text("jti"))
    }

    fn token(&self) -> Option<&'i Value> {
        match self.credential {
            Credential::Token(claims) => Some(claims),
            Credential::ApiKey(_) | Credential::Peer(_) => None,
        }
    }

    /// The values of a set, at all its places together.
    fn set(&self, of_token: &[&str], of_key: &[&str], with_spaces: bool) -> Attribute<Vec<String>> {
        let (members, names) = match self.credential {
            Credential::Token(claims) => (claims, of_token),
            Credential::ApiKey(entry) => (entry, of_key),
            Credential::Peer(_) => return Attribute::Absent,
        };
        let mut all: Option<Vec<String>> = None;
        for value in names.iter().filter_map(|name| members.get(name)) {
            let all = all.get_or_insert_default();
            match value {
                Value::String(text) if with_spaces => {
                    all.extend(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned));
                }
                Value::String(text) => all.push(text.clone()),
                Value::Array(values) => {
                    for value in values {
                        let Some(value) = value.as_str() else { return Attribute::Wrong };
                        all.push(value.to_owned());
                    }
                }
                _ => return Attribute::Wrong,
            }
        }
        all.map_or(Attribute::Absent, Attribute::Is)
    }
}

/// Of a single value the first that is there counts; null is there, and has the wrong type.
fn first(members: &Value, names: &[&str]) -> Attribute<String> {
    match names.iter().find_map(|name| members.get(name)) {
        None => Attribute::Absent,
        Some(Value::String(text)) => Attribute::Is(text.clone()),
        Some(_) => Attribute::Wrong,
    }
}

/// Whether the identity headers that the bundle wants can be made: of the first credential that is there.
pub fn can_be_told(bundle: &Value, request: &Request) -> bool {
    let names = list(&bundle["credentials"]).iter().map(|credential| &credential["name"]);
    let Some(identity) = names.filter_map(|name| Identity::find(bundle, request, Some(name))).next() else {
        return true;
    };
    let is_told = |attribute: &str| bundle.get("identity_headers").is_none_or(|told| told.get(attribute).is_some());
    let is_wrong = |attribute: &str| match attribute {
        "subject" => identity.subject() == Attribute::Wrong,
        "client" => identity.client() == Attribute::Wrong,
        "tenant" => identity.tenant() == Attribute::Wrong,
        "scopes" => identity.scopes() == Attribute::Wrong,
        "roles" => identity.roles() == Attribute::Wrong,
        _ => identity.groups() == Attribute::Wrong,
    };
    let attributes = ["subject", "client", "tenant", "scopes", "roles", "groups"];
    !attributes.into_iter().any(|attribute| is_told(attribute) && is_wrong(attribute))
}
