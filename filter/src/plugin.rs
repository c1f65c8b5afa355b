//! The plugin: one for each configuration and worker of the proxy. It holds the authorizer that new requests take.

use std::cell::RefCell;
use std::rc::Rc;

use authz::{Authorizer, NativeVerifier, PluginConfiguration};
use proxy_wasm::traits::{Context, RootContext};

use crate::decision_metrics::INTERVAL_MILLISECONDS;
use crate::exchange::{Exchange, Stream, Tools};
use crate::host::{self, HostKind};
use crate::link::{Active, Link, TICK_MILLISECONDS};
use crate::management::Managed;
use crate::metrics;
use crate::streams::{self, Handler};

/// The root context, as the SDK has it.
pub(crate) struct Root(Rc<RefCell<Plugin>>);

/// What it holds. Until it is configured it refuses every request.
pub(crate) struct Plugin {
    kind: HostKind,
    active: Active,
    tools: Rc<Tools>,
    /// How the bundle is pushed, if it is.
    link: Option<Rc<RefCell<Link>>>,
    /// Whether this listener answers for the link.
    is_managed: bool,
}

impl Default for Plugin {
    fn default() -> Self {
        let active = Active::new(Authorizer::closed(), None);
        Self { kind: HostKind::Wasmx, active, tools: Rc::default(), link: None, is_managed: false }
    }
}

impl Plugin {
    fn with_link(&self, act: impl FnOnce(&mut Link)) {
        if let Some(Ok(mut link)) = self.link.as_ref().map(|link| link.try_borrow_mut()) {
            act(&mut link);
            // Should this fail, the next tick tries again.
            let _ = self.tools.callouts.rest_at(link.tick_milliseconds());
        }
    }
}

impl Root {
    pub(crate) fn new(context: u32) -> Self {
        let plugin = Rc::new(RefCell::new(Plugin::default()));
        streams::register(context, &plugin);
        Self(plugin)
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, body_bytes: usize, _trailers: usize) {
        let plugin = self.0.borrow();
        plugin.with_link(|link| link.answered(call, body_bytes));
        // Last, for requests go on then, and the host takes what follows to be about them.
        plugin.tools.callouts.answered(call, body_bytes);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.0.borrow_mut().configure()
    }

    fn on_tick(&mut self) {
        self.0.borrow_mut().tick();
    }
}

impl Plugin {
    /// Reads the plugin configuration. The host first calls this in a canary VM, so it has no effect outside; a bad
    /// configuration fails it, and the proxy keeps what it had or does not start. A bundle that was pushed never does.
    fn configure(&mut self) -> bool {
        let configuration = match PluginConfiguration::parse(&host::plugin_configuration()) {
            Ok(configuration) => configuration,
            Err(errors) => return refuse(&errors.to_string()),
        };
        self.kind = HostKind::find();
        let is_envoy = self.kind.is_envoy();
        let shares_data = configuration.shared_data().unwrap_or(is_envoy);
        let (authorizer, delivery) = configuration.into_parts();
        if let Some(why) = self.kind.refusal(&authorizer, shares_data) {
            return refuse(&format!("bundle: {why}"));
        }
        if let Some(why) = delivery.as_ref().and_then(|delivery| self.kind.refusal_of_delivery(delivery)) {
            return refuse(why);
        }
        if shares_data && !is_envoy {
            // A host without a zone stops the filter here and says so, and not at some request.
            let _ = host::shared_data("portcullis.probe");
        }
        let native = is_envoy.then(|| NativeVerifier::prove(host::verify_signature).with_signer(host::sign));
        if let Some(native) = &native {
            metrics::native_signatures(native);
        }
        self.active = Active::new(authorizer, native);
        self.link = None;
        if is_envoy {
            // For the metrics. Without them everything else is as ever.
            let _ = self.tools.callouts.rest_at(INTERVAL_MILLISECONDS);
        }
        if let Some(delivery) = delivery {
            self.is_managed = delivery.management.is_some();
            if self.tools.callouts.rest_at(TICK_MILLISECONDS).is_err() {
                return refuse("this host does not tell the time, and a bundle that is pushed would never come");
            }
            self.link = Some(Rc::new(RefCell::new(Link::start(
                delivery,
                self.active.clone(),
                self.tools.log.clone(),
                self.kind,
                shares_data,
            ))));
        }
        true
    }

    fn tick(&mut self) {
        self.with_link(Link::tick);
        if self.kind.is_envoy() {
            self.tools.metrics.tell(&self.active.get(), &self.tools.log);
        }
        // Last, for what cannot be asked lets requests go on, and the host takes what follows to be about them.
        self.tools.callouts.send();
    }

    /// What handles a request.
    pub(crate) fn handler(&self, context_id: u32) -> Handler {
        // One request sees one revision, whatever is pushed meanwhile.
        let exchange = Exchange::new(context_id, self.kind, self.active.get(), Rc::clone(&self.tools));
        let stream = Stream(Rc::new(exchange));
        if let Some(Ok(mut link)) = self.link.as_ref().map(|link| link.try_borrow_mut()) {
            link.is_wanted();
        }
        match &self.link {
            Some(link) if self.is_managed => {
                Handler::Managed(Box::new(Managed::new(self.kind, Rc::clone(link), stream)))
            }
            _ => Handler::Ordinary(stream),
        }
    }
}

/// Says why, and fails the configuration.
fn refuse(why: &str) -> bool {
    host::log_error(&format!("portcullis: the plugin configuration is refused:\n{why}"));
    false
}
