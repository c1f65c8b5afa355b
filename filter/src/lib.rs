//! Portcullis in a proxy (the PEP): a thin proxy-wasm shell. It reads a request as bytes, asks [`authz`] and does what the
//! answer says; it decides nothing itself.
//!
//! [`host`] is the one place that names host calls.

mod exchange;
mod header_map;
mod host;
mod plugin;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(plugin::Plugin::default()));
}}
