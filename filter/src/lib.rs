//! Portcullis in a proxy (the PEP): a thin proxy-wasm shell. It reads a request as bytes, asks [`authz`] and does what the
//! answer says; it decides nothing itself.
//!
//! The module `host` is the one place that names host calls.

#[cfg(target_arch = "wasm32")]
mod allocator;
mod callouts;
mod decision_log;
mod decision_metrics;
mod exchange;
mod hasher;
mod header_map;
mod host;
mod link;
mod management;
mod metrics;
mod plugin;
mod random;
mod received;
mod replay_guard;
mod seal;
mod streams;

/// The entry point, which the SDK's macro exports.
mod start {
    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|context| Box::new(crate::plugin::Root::new(context)));
    }}
}
