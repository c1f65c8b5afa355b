//! Builds the module that proxies load.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::{branch_hints, tools};

/// What the host may call, by its names and, where they are others, ours: those of `filter/src/streams.rs`, which stand for the SDK's. The SDK
/// exports every callback of the ABI, and Envoy enters the module once a request for each one that is there. So all others are
/// removed after linking.
const EXPORTS: [(&str, Option<&str>); 13] = [
    ("memory", None),
    ("_initialize", None),
    ("proxy_abi_version_0_2_1", None),
    ("proxy_on_memory_allocate", None),
    ("proxy_on_vm_start", None),
    ("proxy_on_configure", None),
    ("proxy_on_context_create", Some("portcullis_on_context_create")),
    ("proxy_on_request_headers", Some("portcullis_on_request_headers")),
    // Entered only for requests that have a body, and those that have trailers.
    ("proxy_on_request_body", Some("portcullis_on_request_body")),
    ("proxy_on_request_trailers", Some("portcullis_on_request_trailers")),
    ("proxy_on_delete", Some("portcullis_on_delete")),
    // Entered only for questions to authorization servers.
    ("proxy_on_tick", None),
    ("proxy_on_http_call_response", None),
];

/// How code is generated. For SIMD, which the arithmetic of signatures needs anyway: SHA-256 takes a sixth less. And without LLVM's reduction
/// of strength in loops, which has a pointer for every address: an engine adds a constant to an address for nothing, and RSA takes 3 % less.
const CODE: &str = "-Ctarget-feature=+simd128\u{1f}-Cllvm-args=-disable-lsr";

/// Builds `dist/portcullis.wasm`. `profile` is that of Cargo for the program that counts branches: what the caller builds anyway, for there is a
/// WebAssembly engine in it.
pub(crate) fn build(sh: &Shell, profile: &str) -> Result<PathBuf> {
    tools::wasm_targets(sh)?;
    eprintln!("Building the module ...");
    // The module names no folder of the machine that built it, so that two machines build the same bytes.
    let repository = sh.current_dir().display().to_string();
    let cargo_home = sh.var("CARGO_HOME").or_else(|_| sh.var("HOME").map(|home| format!("{home}/.cargo")))?;
    let flags =
        format!("--remap-path-prefix={cargo_home}=cargo\u{1f}--remap-path-prefix={repository}=portcullis\u{1f}{CODE}");
    cmd!(sh, "cargo build --quiet --package filter --profile module --target wasm32-wasip1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .quiet()
        .run()?;
    let linked = sh.current_dir().join("target/wasm32-wasip1/module/filter.wasm");
    let module = trim(&sh.read_binary_file(linked)?)?;
    let counts = count_branches(sh, profile, &module)?;
    let path = sh.current_dir().join("dist").join("portcullis.wasm");
    sh.write_file(&path, branch_hints::hinted(&module, &counts)?)?;
    Ok(path)
}

/// Which way the branches of the module go when it decides.
fn count_branches(sh: &Shell, profile: &str, module: &[u8]) -> Result<Vec<u8>> {
    eprintln!("Counting which way its branches go ...");
    let folder = sh.current_dir().join("target/profile");
    let (counting, counts) = (folder.join("counting.wasm"), folder.join("counts"));
    sh.write_file(&counting, branch_hints::counting(module)?)?;
    cmd!(sh, "cargo run --quiet --profile {profile} --package host-tests --bin profile -- count {counting} {counts}")
        .quiet()
        .run()?;
    Ok(sh.read_binary_file(counts)?)
}

/// Builds the module in which signatures are timed, compiled as the one above.
pub(crate) fn build_signature_speed(sh: &Shell) -> Result<PathBuf> {
    tools::wasm_targets(sh)?;
    eprintln!("Building the module ...");
    cmd!(sh, "cargo build --quiet --package signatures --example speed --profile module --target wasm32-wasip1")
        .env("CARGO_ENCODED_RUSTFLAGS", CODE)
        .quiet()
        .run()?;
    Ok(sh.current_dir().join("target/wasm32-wasip1/module/examples/speed.wasm"))
}

/// Removes the exports that are not in [`EXPORTS`] and everything that only they used, and gives the others their names.
fn trim(linked: &[u8]) -> Result<Vec<u8>> {
    let mut module = walrus::Module::from_buffer(linked).context("the linked module cannot be read")?;
    let exports: Vec<_> = module.exports.iter().map(|export| (export.id(), export.name.clone())).collect();
    for (id, name) in exports {
        match EXPORTS.iter().find(|(theirs, ours)| ours.unwrap_or(theirs) == name) {
            Some((theirs, _)) => module.exports.get_mut(id).name = (*theirs).to_owned(),
            None => module.exports.delete(id),
        }
    }
    walrus::passes::gc::run(&mut module);
    for (wanted, _) in EXPORTS {
        module
            .exports
            .iter()
            .find(|export| export.name == wanted)
            .with_context(|| format!("the module does not export `{wanted}`"))?;
    }
    Ok(module.emit_wasm())
}
