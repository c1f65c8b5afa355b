//! An authorization server that answers questions about tokens (RFC 7662) as a case tells it to, and counts them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use serde_json::{Value, json};

/// The client and its password in all test bundles, in the form of RFC 6749 section 2.3.1.
const CLIENT: &str = "gateway:p%40ss+word";

/// What the server answers about one token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body; `{ now = N }` is the time N seconds from now.
    #[serde(default)]
    pub body: Value,
    /// How long it takes, in milliseconds.
    #[serde(default)]
    pub delay_milliseconds: u64,
}

const fn ok() -> u16 {
    200
}

/// The server: for each token what it answers, and how often it was asked.
#[derive(Default)]
pub struct AuthorizationServer {
    tokens: Mutex<BTreeMap<String, (Answer, usize)>>,
}

impl AuthorizationServer {
    /// Sets what is answered about a token.
    ///
    /// # Errors
    ///
    /// A thread of the server panicked.
    pub fn set(&self, token: &str, answer: Answer) -> Result<()> {
        let mut tokens = self.tokens.lock().map_err(|_| anyhow!("the server panicked"))?;
        tokens.insert(token.to_owned(), (answer, 0));
        Ok(())
    }

    /// How often the server was asked about a token.
    ///
    /// # Errors
    ///
    /// A thread of the server panicked.
    pub fn asked(&self, token: &str) -> Result<usize> {
        let tokens = self.tokens.lock().map_err(|_| anyhow!("the server panicked"))?;
        Ok(tokens.get(token).map_or(0, |(_, asked)| *asked))
    }

    /// The answer to a request with this `Authorization` and this body: a token that nobody knows is not active.
    pub fn answer(&self, authorization: &str, body: &str) -> Answer {
        let error = |status| Answer { status, body: json!({ "error": "invalid_client" }), delay_milliseconds: 0 };
        if authorization != format!("Basic {}", STANDARD.encode(CLIENT)) {
            return error(401);
        }
        let parameters: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let Some(token) = parameters.get("token") else { return error(400) };
        let Ok(mut tokens) = self.tokens.lock() else { return error(500) };
        match tokens.get_mut(token) {
            Some((answer, asked)) => {
                *asked = asked.saturating_add(1);
                answer.clone()
            }
            None => Answer { status: 200, body: json!({ "active": false }), delay_milliseconds: 0 },
        }
    }

    /// Serves at a port of its own.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn start(self: &Arc<Self>) -> Result<SocketAddr> {
        let server = Arc::clone(self);
        crate::http_server::start(SocketAddr::from(([127, 0, 0, 1], 0)), move |request| {
            let server = Arc::clone(&server);
            async move { server.serve(request).await }
        })
    }

    async fn serve(&self, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default().to_owned();
        let is_question = request.method() == "POST"
            && request.uri().path() == "/introspect"
            && request.headers().get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let answer = self.answer(&authorization, &String::from_utf8_lossy(&body));
        tokio::time::sleep(Duration::from_millis(answer.delay_milliseconds)).await;
        let mut response = hyper::Response::new(Full::new(Bytes::from(answer.body.to_string())));
        let status = if is_question { answer.status } else { 404 };
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        response
    }
}
