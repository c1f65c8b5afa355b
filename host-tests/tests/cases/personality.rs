//! The strict host as Kong's: what a worker there dies of, or traps on, fails a test here. So says a filter that does just that.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::strict_host::{self, Personality, Setup, StrictHost};
use libtest_mimic::Trial;

use crate::{NOW, Scene, failed};

const CONFIGURE: &str = "proxy_on_configure";
const TICK: &str = "proxy_on_tick";
const HEADERS: &str = "proxy_on_request_headers";

/// Calls in a callback, with their arguments (addresses are those of [`filter`]), and what the host says to them.
const CALLS: [(&str, &str, &str); 27] = [
    (CONFIGURE, "tick 50", "this host has one timer"),
    (CONFIGURE, "call 48 3 128 45 0 0 200 4 99 1024", "a call that dies with the client's request"),
    (CONFIGURE, "get 32 3 1024 1028 1032", "this host has no shared data"),
    (TICK, "tick 50", "this host has one timer"),
    (TICK, "call 32 3 128 45 0 0 200 4 99 1024", "it would ask DNS for x-a"),
    (TICK, "call 32 0 128 45 0 0 200 4 99 1024", "it would ask DNS for "),
    (TICK, "call 48 3 200 4 0 0 200 4 99 1024", "a call without method or path"),
    (TICK, "pairs 0 1024 1028", "which is not its own"),
    (TICK, "replace 0 32 3 32 3", "which is not its own"),
    (TICK, "reply 403 0 0 0 0 200 4 -1", "which is not its own"),
    (TICK, "continue 0", "a worker dies of resuming a request"),
    (TICK, "effective 2; continue 0", "a worker dies of resuming a request"),
    (TICK, "effective 2; pairs 0 1024 1028", "which is not its own"),
    (TICK, "pairs 6 1024 1028", "a worker dies of reading an answer in proxy_on_tick"),
    (TICK, "buffer 4 0 9 1024 1028", "a worker dies of reading an answer in proxy_on_tick"),
    (TICK, "property 0 11 1024 1028", "a worker dies of reading plugin_name in the root context"),
    (TICK, "property 16 10 1024 1028", "a worker dies of reading request.id in the root context"),
    (TICK, "set 32 3 32 3 0", "this host has no shared data"),
    (TICK, "metric 0 32 3 1024", "some versions trap on metrics"),
    (TICK, "foreign 32 3 0 0 1024 1028", "it traps on a foreign function"),
    (HEADERS, "tick 50", "this host has one timer"),
    (HEADERS, "call 48 3 128 45 0 0 200 4 99 1024", "a call that dies with the client's request"),
    (HEADERS, "pause", "a request is paused that was not answered"),
    (HEADERS, "reply 403 0 0 0 0 200 4 -1; reply 403 0 0 0 0 200 4 -1", "the filter answered twice"),
    (HEADERS, "remove 0 32 3", "a header that is removed still reaches the upstream"),
    (HEADERS, "replace 0 96 5 32 3", "the upstream never learns of another :path"),
    (HEADERS, "pairs 0 1024 1028", "the map of 101 headers is damaged"),
];

pub fn trial(scene: &Arc<Scene>) -> Trial {
    let scene = Arc::clone(scene);
    Trial::test("wasmx::kong::what_a_worker_dies_of_fails_a_test", move || fails(&scene).map_err(failed))
}

fn fails(_: &Scene) -> Result<()> {
    let request = (0..100).fold(Request::get("/"), |request, at| request.with(&format!("x-{at}"), "a"));
    let run = |callback, calls| -> Result<()> {
        let binary = wat::parse_str(filter(callback, calls))?;
        let module = wasmtime::Module::new(strict_host::module()?.engine(), binary)?;
        let setup = Setup { personality: Personality::Wasmx, ..Setup::default() };
        let mut host = StrictHost::start_module(&module, b"", &setup)?;
        host.begin(&request, NOW)?;
        host.tick().map(drop)
    };
    run(TICK, "").context("who does nothing lives")?;
    for (callback, calls, complaint) in CALLS {
        let error = run(callback, calls).err().with_context(|| format!("{callback} may do `{calls}`"))?;
        ensure!(format!("{error:#}").contains(complaint), "{callback}: {calls}: {error:#}");
    }
    Ok(())
}

/// A filter that does nothing but make some calls in one callback.
fn filter(callback: &str, calls: &str) -> String {
    let call = |call: &str| {
        let mut words = call.split_whitespace();
        match words.next() {
            None => String::new(),
            Some("pause") => "(return (i32.const 1))".to_owned(),
            Some(name) => {
                let arguments: String = words.map(|word| format!(" (i32.const {word})")).collect();
                format!("(drop (call ${name}{arguments}))")
            }
        }
    };
    let calls: String = calls.split(';').map(call).collect();
    let [configure, tick, headers] = [CONFIGURE, TICK, HEADERS].map(|name| if name == callback { &*calls } else { "" });
    let imports = [
        ("tick", "proxy_set_tick_period_milliseconds", 1),
        ("call", "proxy_http_call", 10),
        ("effective", "proxy_set_effective_context", 1),
        ("pairs", "proxy_get_header_map_pairs", 3),
        ("buffer", "proxy_get_buffer_bytes", 5),
        ("replace", "proxy_replace_header_map_value", 5),
        ("remove", "proxy_remove_header_map_value", 3),
        ("reply", "proxy_send_local_response", 8),
        ("continue", "proxy_continue_stream", 1),
        ("property", "proxy_get_property", 4),
        ("get", "proxy_get_shared_data", 5),
        ("set", "proxy_set_shared_data", 5),
        ("metric", "proxy_define_metric", 4),
        ("foreign", "proxy_call_foreign_function", 6),
    ];
    let import = |(name, import, parameters): (&str, &str, usize)| {
        let parameters = "i32 ".repeat(parameters);
        format!("(import \"env\" \"{import}\" (func ${name} (param {parameters}) (result i32)))\n")
    };
    let imports: String = imports.into_iter().map(import).collect();
    format!(
        r#"(module {imports}
  (memory (export "memory") 2)
  (data (i32.const 0) "plugin_name")
  (data (i32.const 16) "request\00id")
  (data (i32.const 32) "x-a")
  (data (i32.const 48) "a:1")
  (data (i32.const 96) ":path")
  (data (i32.const 128) "\02\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00:method\00GET\00:path\00/\00\00\00")
  (func (export "_initialize"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_delete") (param i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $tick (i32.const 100))) {configure} (i32.const 1))
  (func (export "proxy_on_tick") (param i32) {tick})
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {headers} (i32.const 0)))"#
    )
}
