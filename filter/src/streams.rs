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
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use proxy_wasm::types::Action;

use crate::exchange::{Progress, Stream};
use crate::hasher::OwnKeysHasher;
use crate::management::Managed;
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
    /// The request that was announced last, and the context of its plugin: nearly always the one that is heard of next. Then no table has to
    /// know it.
    latest: Option<(u32, u32)>,
    others: HashMap<u32, Known, BuildHasherDefault<OwnKeysHasher>>,
}

/// What is known of a request.
enum Known {
    /// It was announced, for the plugin with this context.
    Announced(u32),
    /// Something more may be heard of it.
    Begun(Handler),
}

/// Who handles a request.
pub(crate) enum Handler {
    Ordinary(Stream),
    /// On a listener with management.
    Managed(Box<Managed>),
}

/// Makes a plugin known, whose requests come here.
pub(crate) fn register(root: u32, plugin: &Rc<RefCell<Plugin>>) {
    STREAMS.with_borrow_mut(|streams| streams.plugins.push((root, Rc::clone(plugin))));
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_context_create(context: u32, root: u32) {
    if root == 0 {
        return proxy_on_context_create(context, root);
    }
    STREAMS.with_borrow_mut(|streams| {
        if let Some((context, root)) = streams.latest.replace((context, root)) {
            streams.others.insert(context, Known::Announced(root));
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_delete(context: u32) {
    let is_plugin = STREAMS.with_borrow_mut(|streams| !streams.forget(context) && streams.forget_plugin(context));
    // The SDK traps on what it does not know.
    if is_plugin {
        proxy_on_delete(context);
    }
}

/// Begins with a request. One that was not announced stays where it is: nobody decides it.
#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_headers(context: u32, count: usize, end_of_stream: bool) -> Action {
    STREAMS.with_borrow_mut(|streams| {
        let Some(handler) = streams.begin(context) else { return Action::Pause };
        let (action, is_over) = handler.on_request_headers(count, end_of_stream);
        if !is_over {
            streams.others.insert(context, Known::Begun(handler));
        }
        action
    })
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_body(context: u32, size: usize, end_of_stream: bool) -> Action {
    with(context, |handler| match handler {
        Handler::Ordinary(stream) => stream.on_request_body(),
        Handler::Managed(managed) => managed.on_request_body(size, end_of_stream),
    })
}

#[unsafe(no_mangle)]
extern "C" fn portcullis_on_request_trailers(context: u32, _count: usize) -> Action {
    with(context, |handler| match handler {
        Handler::Ordinary(stream) => stream.on_request_trailers(),
        Handler::Managed(managed) => managed.on_request_trailers(),
    })
}

/// Goes on with a request. One that has not begun, or is forgotten, stays where it is.
fn with(context: u32, act: impl FnOnce(&Handler) -> Action) -> Action {
    STREAMS.with_borrow(|streams| match streams.others.get(&context) {
        Some(Known::Begun(handler)) => act(handler),
        Some(Known::Announced(_)) | None => Action::Pause,
    })
}

impl Streams {
    /// What handles a request that was announced.
    fn begin(&mut self, context: u32) -> Option<Handler> {
        let latest = self.latest.take_if(|(latest, _)| *latest == context);
        let root = match latest {
            Some((_, root)) => root,
            None => match self.others.remove(&context)? {
                Known::Announced(root) => root,
                Known::Begun(handler) => return Some(handler),
            },
        };
        let (_, plugin) = self.plugins.iter().find(|(number, _)| *number == root)?;
        Some(plugin.try_borrow().ok()?.handler(context))
    }

    /// Whether there was a request with this context.
    fn forget(&mut self, context: u32) -> bool {
        let is_latest = self.latest.take_if(|(latest, _)| *latest == context).is_some();
        is_latest || (!self.others.is_empty() && self.others.remove(&context).is_some())
    }

    /// Whether there was a plugin with this context.
    fn forget_plugin(&mut self, context: u32) -> bool {
        let before = self.plugins.len();
        self.plugins.retain(|(root, _)| *root != context);
        self.plugins.len() < before
    }
}

impl Handler {
    /// What becomes of the request, and whether nothing more of it is to be decided: it was refused, and what may follow stays where it is as
    /// that of every request that is not known; or it went on, and was nothing but headers.
    fn on_request_headers(&self, count: usize, end_of_stream: bool) -> (Action, bool) {
        match self {
            Self::Ordinary(stream) => {
                let progress = stream.on_request_headers(count);
                let is_over = match progress {
                    Progress::Forwarded => end_of_stream,
                    Progress::Stopped => true,
                    Progress::Waiting => false,
                };
                (progress.action(), is_over)
            }
            Self::Managed(managed) => (managed.on_request_headers(count, end_of_stream), false),
        }
    }
}
