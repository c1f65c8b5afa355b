//! What must hold.

use serde_json::Value;

use super::identity::{Attribute, Identity};
use super::test::{WrongType, claim_passes, find_claim, texts_pass, value_passes};
use super::truth::{Missing, Outcome, Truth};
use super::{Scene, list, source, text, texts};

/// The fields that are about a credential.
const ABOUT_CREDENTIALS: [&str; 13] = [
    "credential",
    "issuers",
    "subjects",
    "clients",
    "tenants",
    "audiences",
    "scopes",
    "roles",
    "groups",
    "claims",
    "authentication",
    "proof_of_possession",
    "actors",
];

impl Scene<'_> {
    /// Remembers how something went.
    pub fn count(&self, name: &'static str, outcome: Truth) -> Truth {
        *self.outcomes.borrow_mut().entry(name).or_default().entry(outcome).or_default() += 1;
        outcome
    }
}

/// All fields that are there must hold. `around` is the credential that the condition around this one is about.
pub fn evaluate(condition: &Value, around: Option<&Value>, scene: &Scene<'_>) -> Outcome {
    let credential = condition.get("credential").or(around);
    let identity = Identity::find(scene.bundle, scene.request, credential);
    let fields = condition.as_object().unwrap().iter().map(|(name, wanted)| {
        let about_credential = ABOUT_CREDENTIALS.iter().find(|known| *known == name);
        match (about_credential, &identity) {
            (Some(name), Some(identity)) => {
                let outcome = Outcome::from(scene.count(name, of_credential(name, wanted, identity, scene)));
                match *name {
                    "scopes" => outcome.or_missing(Missing::Scope),
                    "authentication" => outcome.or_missing(Missing::Authentication),
                    _ => outcome,
                }
            }
            // The field is about a credential that is not there.
            (Some(name), None) => Outcome::from(scene.count(name, Truth::No)).or_missing(Missing::Credential),
            (None, _) => of_request(name, wanted, credential, scene),
        }
    });
    Outcome::all(&fields.collect::<Vec<_>>())
}

/// Whether a rule's condition has a field about a credential, or only alternatives that are about somebody.
pub fn says_who(condition: &Value, bundle: &Value) -> bool {
    let fields = condition.as_object().unwrap();
    let is_choice =
        |alternatives: &Value| list(alternatives).iter().all(|condition| demands_somebody(condition, bundle));
    fields.keys().any(|name| ABOUT_CREDENTIALS.contains(&name.as_str())) || fields.get("any").is_some_and(is_choice)
}

/// Whether it is about somebody, in whichever way it is met.
fn demands_somebody(condition: &Value, bundle: &Value) -> bool {
    let fields = condition.as_object().unwrap();
    fields.iter().any(|(name, wanted)| match name.as_str() {
        "all" => list(wanted).iter().any(|condition| demands_somebody(condition, bundle)),
        "any" => list(wanted).iter().all(|condition| demands_somebody(condition, bundle)),
        "attributes" => list(wanted).iter().any(|test| is_of_credential(declaration(test, bundle))),
        name => ABOUT_CREDENTIALS.contains(&name),
    })
}

/// Whether it is a matter of a credential.
fn is_of_credential(declaration: &Value) -> bool {
    declaration.get("claim").is_some()
}

/// An attribute that the bundle declares, by its name.
fn declaration<'s>(test: &Value, bundle: &'s Value) -> &'s Value {
    list(&bundle["attributes"]).iter().find(|declaration| declaration["name"] == test["name"]).unwrap()
}

fn attribute_passes(test: &Value, scene: &Scene<'_>) -> Outcome {
    let declaration = declaration(test, scene.bundle);
    let found = if is_of_credential(declaration) {
        match Identity::find(scene.bundle, scene.request, declaration.get("credential")) {
            None => return Outcome::from(Truth::No).or_missing(Missing::Credential),
            Some(identity) => find_claim(declaration["claim"].as_str().unwrap(), &identity.claims()),
        }
    } else {
        header_of_hop(declaration, scene)
    };
    let is_of_type = |value: &Value| match declaration["type"].as_str().unwrap() {
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_string(),
    };
    match found {
        Ok(Some(value)) if !is_of_type(&value) => Truth::Undecided.into(),
        Ok(value) => value_passes(test, value.as_ref(), scene).into(),
        Err(WrongType) => Truth::Undecided.into(),
    }
}

/// The value of a header that a hop wrote; from everybody else it is not there.
fn header_of_hop(declaration: &Value, scene: &Scene<'_>) -> Result<Option<Value>, WrongType> {
    let is_ours = |name: &str| declaration["header"].as_str().unwrap().eq_ignore_ascii_case(name);
    let values: Vec<_> = scene.request.headers.iter().filter(|(name, _)| is_ours(name)).collect();
    match values.as_slice() {
        _ if !source::is_named_hop(&declaration["by"], scene.request) => Ok(None),
        [] => Ok(None),
        [(_, value)] => {
            let text = String::from_utf8(value.clone()).map_err(|_| WrongType)?;
            match declaration["type"].as_str().unwrap() {
                "string" => Ok(Some(Value::from(text))),
                _ if text.trim() != text => Err(WrongType),
                _ => serde_json::from_str(&text).map(Some).map_err(|_| WrongType),
            }
        }
        _ => Err(WrongType),
    }
}

fn of_credential(name: &str, wanted: &Value, identity: &Identity<'_>, scene: &Scene<'_>) -> Truth {
    match name {
        "credential" => Truth::Yes,
        "issuers" => texts(wanted).iter().any(|issuer| identity.issuers().contains(issuer)).into(),
        "subjects" => is_one_of(&identity.subject(), wanted),
        "clients" => is_one_of(&identity.client(), wanted),
        "tenants" => is_one_of(&identity.tenant(), wanted),
        "audiences" => has_any(&identity.audience(), wanted),
        "scopes" => meets(&identity.scopes(), wanted),
        "roles" => meets(&identity.roles(), wanted),
        "groups" => meets(&identity.groups(), wanted),
        "claims" => {
            let claims = identity.claims();
            Truth::all(list(wanted).iter().map(|test| claim_passes(test, &claims, scene)))
        }
        "authentication" => authenticated(wanted, identity),
        "proof_of_possession" => (identity.is_bound() == *wanted).into(),
        "actors" => identity.claims().get("act").map_or(Truth::No, |actor| may_act(actor, wanted, 7)),
        _ => unreachable!("{name}"),
    }
}

fn of_request(name: &str, wanted: &Value, credential: Option<&Value>, scene: &Scene<'_>) -> Outcome {
    let conditions =
        || -> Vec<Outcome> { list(wanted).iter().map(|condition| evaluate(condition, credential, scene)).collect() };
    let counted = |name, outcome: Outcome| {
        scene.count(name, outcome.truth);
        outcome
    };
    let every = |passes: fn(&Value, &Scene<'_>) -> Truth| {
        Truth::all(list(wanted).iter().map(|test| passes(test, scene))).into()
    };
    match name {
        "attributes" => {
            let outcomes: Vec<Outcome> = list(wanted).iter().map(|test| attribute_passes(test, scene)).collect();
            counted("attributes", Outcome::all(&outcomes))
        }
        "source" => counted("source", source::is_in_networks(wanted, scene.request).into()),
        "headers" => counted("headers", every(header_passes)),
        "query" => counted("query", every(parameter_passes)),
        "all" => counted("all", Outcome::all(&conditions())),
        "any" => counted("any", Outcome::any(&conditions())),
        "not" => counted("not", evaluate(wanted, credential, scene).not()),
        _ => unreachable!("{name}"),
    }
}

fn is_one_of(value: &Attribute<String>, wanted: &Value) -> Truth {
    match value {
        Attribute::Absent => Truth::No,
        Attribute::Wrong => Truth::Undecided,
        Attribute::Is(value) => texts(wanted).contains(value).into(),
    }
}

fn has_any(values: &Attribute<Vec<String>>, wanted: &Value) -> Truth {
    match values {
        Attribute::Absent => Truth::No,
        Attribute::Wrong => Truth::Undecided,
        Attribute::Is(values) => texts(wanted).iter().any(|wanted| values.contains(wanted)).into(),
    }
}

/// `{ "all": [..], "any": [..] }`.
fn meets(values: &Attribute<Vec<String>>, demand: &Value) -> Truth {
    let all = texts(&demand["all"]);
    match values {
        Attribute::Absent => Truth::No,
        Attribute::Wrong => Truth::Undecided,
        Attribute::Is(values) => {
            let has_all = all.iter().all(|wanted| values.contains(wanted));
            let has_any = demand.get("any").is_none_or(|any| texts(any).iter().any(|wanted| values.contains(wanted)));
            (has_all && has_any).into()
        }
    }
}

fn authenticated(wanted: &Value, identity: &Identity<'_>) -> Truth {
    let part = |name: &str, holds: &dyn Fn(&Value) -> Truth| wanted.get(name).map_or(Truth::Yes, holds);
    Truth::all([
        part("acr", &|classes| is_one_of(&identity.acr(), classes)),
        part("amr", &|demand| meets(&identity.amr(), demand)),
        part("max_age_seconds", &|longest| match identity.age() {
            Attribute::Absent => Truth::No,
            Attribute::Wrong => Truth::Undecided,
            // An issuer that dates an authentication into the future has not said when it was.
            Attribute::Is(age) if age < -60.0 => Truth::Undecided,
            Attribute::Is(age) => (age <= longest.as_f64().unwrap()).into(),
        }),
    ])
}

/// The actor, and who acts for the actor in turn, to the end of the chain or to the first who may not. So many may follow.
fn may_act(actor: &Value, wanted: &Value, may_follow: u32) -> Truth {
    match (actor["sub"].as_str(), actor.get("act")) {
        (None, _) => Truth::Undecided,
        (Some(subject), _) if !texts(wanted).iter().any(|known| known == subject) => Truth::No,
        (Some(_), None) => Truth::Yes,
        (Some(_), Some(_)) if may_follow == 0 => Truth::Undecided,
        (Some(_), Some(next)) => may_act(next, wanted, may_follow - 1),
    }
}

fn header_passes(test: &Value, scene: &Scene<'_>) -> Truth {
    let name = test["name"].as_str().unwrap();
    let counts = test.get("by").is_none_or(|by| source::is_named_hop(by, scene.request));
    let plain = |name: &str| name.to_ascii_lowercase().replace(|part: char| !part.is_ascii_alphanumeric(), "-");
    let is_other = |known: &str| plain(known) == plain(name) && !known.eq_ignore_ascii_case(name);
    if counts && scene.request.headers.iter().any(|(known, _)| is_other(known)) {
        return Truth::Undecided;
    }
    let named = scene.request.headers.iter().filter(|(known, _)| counts && known.eq_ignore_ascii_case(name));
    let values: Vec<Option<String>> = named.map(|(_, value)| String::from_utf8(value.clone()).ok()).collect();
    texts_pass(test, &values, scene)
}

fn parameter_passes(test: &Value, scene: &Scene<'_>) -> Truth {
    let query = scene.request.target.split_once('?').map_or("", |(_, query)| query);
    match readings(query, test["name"].as_str().unwrap()) {
        // It may be this one, or have this value, whatever the test.
        None => Truth::Undecided,
        Some(values) => texts_pass(test, &values.into_iter().map(Some).collect::<Vec<_>>(), scene),
    }
}

/// All values that a parameter may have, a `+` taken as itself and as a space. None where it may be this one or not.
fn readings(query: &str, wanted: &str) -> Option<Vec<String>> {
    let is_named = |name: &str| {
        let both = [text::decode(name)?, text::decode(&name.replace('+', " "))?];
        Some(both.map(|name| name == wanted))
    };
    let mut values = Vec::new();
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // Each part may be a parameter, and so may the whole.
        for part in parameter.split(';').filter(|part| *part != parameter) {
            if is_named(part.split('=').next()?)? != [false; 2] {
                return None;
            }
        }
        match is_named(name)? {
            [true, true] => {}
            [false, false] => continue,
            _ => return None,
        }
        values.extend([text::decode(value)?, text::decode(&value.replace('+', " "))?]);
    }
    Some(values)
}
