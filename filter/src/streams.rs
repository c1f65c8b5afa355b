//! The callbacks of a request.
//!
//! The SDK finds the context of a callback in up to three tables, with hashes made for keys that somebody else chooses: a seventh of the
//! code of a remembered decision. So the callbacks of requests are these here, to which the build gives the names that hosts
//! call (`xtask/src/module.rs`). Those of the plugin, and what they register, stay the SDK's.

#![expect(
    unsafe_code,
    reason = "a host finds exported functions by their names, and the SDK's two are called by theirs"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;

use crate::plugin::Plugin;

unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_delete(context: u32);
}

thread_local! {
    static STREAMS: RefCell<Streams> = RefCell::default();
}

#[derive(Default)]
struct Streams {
    /// The plugins of this VM, by the numbers of their contexts.
    plugins: Vec<(u32, Rc<RefCell<Plugin>>)>,
    live: HashMap<u32, Box<dyn HttpContext>, BuildHasherDefault<NumberHasher>>,
}

/// Makes a plugin known, whose requests come here.
pub(crate) fn register(root: u32, plugin: &Rc<RefCell<Plugin>>) {
    STREAMS.with_borrow_mut(|streams| streams.plugins.push((root, Rc::clone(plugin))));
}

/// Whether there was a plugin with this context.
fn forget_plugin(context: u32) -> bool {
    STREAMS.with_borrow_mut(|streams| {
        let before = streams.plugins.len();
        streams.plugins.retain(|(root, _)| *root != context);
        streams.plugins.len() < before
    })
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_context_create(context: u32, root: u32) {
    if root == 0 {
        return proxy_on_context_create(context, root);
    }
    STREAMS.with_borrow_mut(|streams| {
        let plugin = streams.plugins.iter().find(|(number, _)| *number == root);
        if let Some(Ok(plugin)) = plugin.map(|(_, plugin)| plugin.try_borrow()) {
            streams.live.insert(context, plugin.stream(context));
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_delete(context: u32) {
    let stream = STREAMS.with_borrow_mut(|streams| streams.live.remove(&context));
    // The SDK traps on what it does not know.
    if stream.is_none() && forget_plugin(context) {
        proxy_on_delete(context);
    }
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_headers(context: u32, count: usize, end_of_stream: bool) -> Action {
    with(context, |stream| stream.on_http_request_headers(count, end_of_stream))
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_body(context: u32, size: usize, end_of_stream: bool) -> Action {
    with(context, |stream| stream.on_http_request_body(size, end_of_stream))
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_trailers(context: u32, count: usize) -> Action {
    with(context, |stream| stream.on_http_request_trailers(count))
}

/// Goes on with a stream. One that nobody knows stays where it is: it was not decided.
fn with(context: u32, act: impl FnOnce(&mut dyn HttpContext) -> Action) -> Action {
    STREAMS.with_borrow_mut(|streams| streams.live.get_mut(&context).map_or(Action::Pause, |stream| act(&mut **stream)))
}

/// For the numbers of contexts, which the host counts up.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        /// 2^64 divided by the golden ratio, and odd: neighbours come to lie far apart.
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
