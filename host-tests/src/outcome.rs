//! What became of a request: what the client got, what the upstream saw, and what was decided.

use authz::{Action, Authorization};

use crate::client::{Request, Response};

/// What became of one request, on any engine.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The status that the client got.
    pub status: u16,
    /// The response headers of a refusal, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of a refusal.
    pub body: String,
    /// The headers that the upstream saw, names in lower case, values as bytes; none if it saw nothing.
    pub upstream: Option<Vec<(String, Vec<u8>)>>,
    /// Whether the host empties the headers that it should remove (Kong's, which cannot remove one).
    pub empties: bool,
    /// The request target that the upstream saw.
    pub target: Option<String>,
    /// The decision record; none if the filter was not asked.
    pub decision: Option<serde_json::Value>,
}

impl Outcome {
    /// A field of the decision record, as text.
    pub fn decided(&self, field: &str) -> Option<&str> {
        self.decision.as_ref()?.get(field)?.as_str()
    }

    /// The values of a response header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// What a proxy that carries out `authorization` to the letter makes of `request`: the reference for all engines.
    pub fn of_authorization(request: &Request, authorization: &Authorization) -> Self {
        let decision = serde_json::from_slice(&authorization.decision().to_record()).ok();
        match authorization.action() {
            Action::Reply(reply) => Self {
                status: reply.status,
                headers: reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
                body: reply.body.clone(),
                decision,
                ..Self::default()
            },
            Action::Forward(edits) => {
                let mut headers: Vec<_> = request.headers.clone();
                headers.push((b":path".to_vec(), request.path.clone()));
                headers.retain(|(name, _)| !edits.remove.contains(name));
                for (name, value) in &edits.set {
                    headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name.as_bytes()));
                    headers.push((name.clone().into_bytes(), value.clone()));
                }
                Self::forwarded(headers, decision)
            }
        }
    }

    /// A request that was forwarded with these headers, `:path` among them.
    pub fn forwarded(headers: Vec<(Vec<u8>, Vec<u8>)>, decision: Option<serde_json::Value>) -> Self {
        let (pseudo, headers): (Vec<_>, Vec<_>) = headers.into_iter().partition(|(name, _)| name.starts_with(b":"));
        let path = pseudo.into_iter().find(|(name, _)| name == b":path");
        let target = path.map(|(_, path)| String::from_utf8_lossy(&path).into_owned());
        Self { status: 200, upstream: Some(lower_case(headers)), target, decision, ..Self::default() }
    }

    /// What a real client, upstream and access log saw.
    pub fn of_response(response: Response, decision: Option<serde_json::Value>) -> Self {
        let seen = (response.status == 200).then(|| crate::upstream::seen(&response.body)).flatten();
        let (target, upstream) = seen.map(|seen| (seen.target, seen.headers)).unzip();
        let headers =
            response.headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
        Self {
            status: response.status,
            headers: headers.collect(),
            body: String::from_utf8_lossy(&response.body).into_owned(),
            upstream,
            target,
            decision,
            ..Self::default()
        }
    }
}

/// Header names as the field compares them.
pub fn lower_case(headers: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let name = |name: Vec<u8>| String::from_utf8_lossy(&name).to_ascii_lowercase();
    headers.into_iter().map(|(key, value)| (name(key), value)).collect()
}
