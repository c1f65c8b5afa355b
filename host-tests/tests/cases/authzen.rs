//! The decisions of AuthZEN's interop scenarios (`authz/conformance/README.md`), on all three engines.
//!
//! AuthZEN asks "may this subject do this action to this resource?"; a filter sees a request and a token. What an evaluation
//! says becomes what a client would send:
//!
//! | AuthZEN | here |
//! | --- | --- |
//! | `subject.id` | `sub` of a token; what the scenario has the decision point look up, roles and email, are claims beside it |
//! | `action` of a Todo evaluation | the method and path of the Todo backend that has this permission |
//! | `resource.id` of a Todo evaluation | the last segment of that path, where the backend has one |
//! | `resource.properties.ownerID` | a segment before it, `/users/{owner}/todos/{todo}`: whose todo it is the backend looks up in its database, and a filter knows only what the request says. The backend has to find the todo below that owner |
//! | `action`, `resource.id` of a gateway evaluation | method and route, with a value for each variable |
//!
//! The expected decision is AuthZEN's; besides, a permit has to come from the rule for the action, and a denial from no rule.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::case::{Case, CaseFile};
use serde::Deserialize;
use serde_json::{Value, json};

const DECISIONS: &str = include_str!("../../../authz/conformance/authzen-decisions.json");

/// What the scenario says of its users: subject, email, roles.
const USERS: [(&str, &str, &[&str]); 5] = [
    ("CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "rick@the-citadel.com", &["admin", "evil_genius"]),
    ("CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "morty@the-citadel.com", &["editor"]),
    ("CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "summer@the-smiths.com", &["editor"]),
    ("CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "beth@the-smiths.com", &["viewer"]),
    ("CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", "jerry@the-smiths.com", &["viewer"]),
];

#[derive(Deserialize)]
struct Decisions {
    count: usize,
    cases: Vec<Evaluation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evaluation {
    id: String,
    request: Request,
    expect: bool,
}

/// What would say more, such as a context, has no place here and is no evaluation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    subject: Subject,
    action: Action,
    resource: Resource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    #[serde(rename = "ownerID")]
    owner: Option<String>,
}

/// The evaluations as case files, one for each scenario and bundle.
pub fn read() -> Result<BTreeMap<String, CaseFile>> {
    let decisions: Decisions = serde_json::from_str(DECISIONS)?;
    ensure!(decisions.cases.len() == decisions.count, "the decisions are not complete");
    let mut files = BTreeMap::new();
    for evaluation in &decisions.cases {
        let is_route = evaluation.request.resource.kind == "route";
        let name = if is_route { "authzen-gateway" } else { "authzen-todo" };
        let file = files.entry(name.to_owned()).or_insert_with(|| empty(name));
        let case = if is_route { evaluation.through_gateway() } else { evaluation.through_todo_backend() };
        file.cases.push(case.with_context(|| evaluation.id.clone())?);
    }
    Ok(files)
}

fn empty(bundle: &str) -> CaseFile {
    CaseFile { bundle: bundle.to_owned(), tls: false, cases: Vec::new() }
}

impl Evaluation {
    fn through_todo_backend(&self) -> Result<Case> {
        let Request { action: Action { name }, resource: Resource { id, properties, .. }, .. } = &self.request;
        let (method, path) = match (name.as_str(), &properties.owner) {
            ("can_read_user", None) => ("GET", format!("/users/{id}")),
            ("can_read_todos", None) => ("GET", "/todos".to_owned()),
            ("can_create_todo", None) => ("POST", "/todos".to_owned()),
            ("can_update_todo", Some(owner)) => ("PUT", format!("/users/{owner}/todos/{id}")),
            ("can_delete_todo", Some(owner)) => ("DELETE", format!("/users/{owner}/todos/{id}")),
            _ => bail!("the scenario has no such evaluation"),
        };
        self.case(method, &path, name)
    }

    fn through_gateway(&self) -> Result<Case> {
        let Request { action: Action { name: method }, resource: Resource { id: route, .. }, .. } = &self.request;
        let path = route.replace("{userId}", "morty@the-citadel.com").replace("{todoId}", "todo-1");
        self.case(method, &path, &format!("{method}:{}", route.replace('{', ":").replace('}', "")))
    }

    /// The request with the subject's token, and what must be decided.
    fn case(&self, method: &str, path: &str, rule: &str) -> Result<Case> {
        let subject = &self.request.subject.id;
        let user = USERS.iter().find(|(id, _, _)| id == subject);
        let (_, email, roles) = user.context("the scenario has no such user")?;
        let expect: Value = match self.expect {
            true => json!({ "status": 200, "reason": "permitted_by_rule", "rule": rule }),
            false => json!({ "status": 403, "reason": "no_rule_permits" }),
        };
        let token = json!({ "key": "es256", "claims": { "sub": subject, "email": email, "roles": roles } });
        let case = json!({ "name": self.id, "method": method, "path": path, "token": token, "expect": expect });
        Ok(serde_json::from_value(case)?)
    }
}
