//! The module, compiled once for all hosts.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use wasmtime::{Config, Engine, Module};

/// The module as it was built.
pub fn module() -> Result<&'static Module> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    compiled(&MODULE, None)
}

/// The same for a processor that has no FMA.
pub(super) fn module_without_fma() -> Result<&'static Module> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    // Of a target that is named, Wasmtime takes nothing for granted that its first processors did not have.
    compiled(&MODULE, Some("x86_64-unknown-linux-gnu"))
}

fn compiled(module: &'static OnceLock<Result<Module, String>>, target: Option<&str>) -> Result<&'static Module> {
    let compile = || {
        let mut config = Config::new();
        config.consume_fuel(true);
        // What is left is WebAssembly 2.0 and relaxed SIMD, all of which Wasmtime 23 has turned on, that of Kong 3.8 (3.9 has 26); and typed
        // function references, which cannot be turned off here and which no compiler of ours writes. An engine of those days has known
        // vulnerabilities, so it is not built here; this one refuses what they do not know.
        config.wasm_tail_call(false).wasm_multi_memory(false).wasm_memory64(false);
        config.wasm_extended_const(false).wasm_wide_arithmetic(false).wasm_custom_page_sizes(false);
        if let Some(target) = target {
            config.target(target).map_err(|error| error.to_string())?;
        }
        let path = crate::repository().join("dist/portcullis.wasm");
        let bytes =
            std::fs::read(&path).map_err(|error| format!("{}: {error}. Run `cargo xtask build`", path.display()))?;
        let engine = Engine::new(&config).map_err(|error| error.to_string())?;
        Module::new(&engine, bytes).map_err(|error| error.to_string())
    };
    module.get_or_init(compile).as_ref().map_err(|error| anyhow!("{error}"))
}
