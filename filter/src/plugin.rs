//! The plugin: one for each configuration and worker of the proxy. It holds the authorizer that new requests take.

use std::rc::Rc;

use authz::{Authorizer, PluginConfiguration};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::exchange::Exchange;
use crate::host;

/// The root context. Until it is configured it refuses every request.
pub(crate) struct Plugin {
    authorizer: Rc<Authorizer>,
}

impl Default for Plugin {
    fn default() -> Self {
        Self { authorizer: Rc::new(Authorizer::closed()) }
    }
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// Reads the plugin configuration. The host first calls this in a canary VM, so it has no effect outside; a bad
    /// configuration fails it, and the proxy keeps what it had or does not start.
    fn on_configure(&mut self, _size: usize) -> bool {
        match PluginConfiguration::parse(&host::plugin_configuration()) {
            Ok(configuration) => {
                self.authorizer = Rc::new(Authorizer::new(configuration.into_bundle()));
                true
            }
            Err(errors) => {
                host::log_error(&format!("portcullis: the plugin configuration is refused:\n{errors}"));
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        // One request sees one revision, whatever is pushed meanwhile.
        Some(Box::new(Exchange::new(Rc::clone(&self.authorizer))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
