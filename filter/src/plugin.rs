//! The plugin: one for each configuration and worker of the proxy. It holds the authorizer that new requests take.

use std::rc::Rc;

use authz::{Authorizer, NativeVerifier, PluginConfiguration};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::callouts::Callouts;
use crate::exchange::{Exchange, Stream};
use crate::host;

/// The root context. Until it is configured it refuses every request.
pub(crate) struct Plugin {
    authorizer: Rc<Authorizer>,
    callouts: Callouts,
}

impl Default for Plugin {
    fn default() -> Self {
        Self { authorizer: Rc::new(Authorizer::closed()), callouts: Callouts::default() }
    }
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, body_bytes: usize, _trailers: usize) {
        self.callouts.answered(call, body_bytes);
    }
}

impl RootContext for Plugin {
    /// Reads the plugin configuration. The host first calls this in a canary VM, so it has no effect outside; a bad
    /// configuration fails it, and the proxy keeps what it had or does not start.
    fn on_configure(&mut self, _size: usize) -> bool {
        let authorizer = match PluginConfiguration::parse(&host::plugin_configuration()) {
            Ok(configuration) => configuration.into_authorizer(),
            Err(errors) => {
                host::log_error(&format!("portcullis: the plugin configuration is refused:\n{errors}"));
                return false;
            }
        };
        // Kong's host lets a request go on by itself after a callout, whatever the filter says.
        if authorizer.needs_introspection() && !host::is_envoy() {
            host::log_error(
                "portcullis: the plugin configuration is refused:\nbundle.issuers: `introspection` works in Envoy only: this \
                 host would let requests through while an authorization server is asked; use tokens with signatures",
            );
            return false;
        }
        let authorizer = if host::is_envoy() {
            authorizer.with_native(&NativeVerifier::prove(host::verify_signature))
        } else {
            authorizer
        };
        self.authorizer = Rc::new(authorizer);
        true
    }

    fn on_tick(&mut self) {
        self.callouts.send();
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        // One request sees one revision, whatever is pushed meanwhile.
        let exchange = Exchange::new(context_id, Rc::clone(&self.authorizer), self.callouts.clone());
        Some(Box::new(Stream(Rc::new(exchange))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
