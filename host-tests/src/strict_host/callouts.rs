//! Timers, waiting, and calls to others.

use std::collections::BTreeMap;

use anyhow::Result;
use wasmtime::{Caller, Linker};

use super::imports::{BAD_ARGUMENT, OK, stream};
use super::memory::{deserialize, read, write};
use super::{Call, Personality, ROOT_CONTEXT, State, wasmx};

/// The calls that are about it.
pub(super) fn define(linker: &mut Linker<State>) -> Result<()> {
    let env = "env";
    linker.func_wrap(env, "proxy_set_tick_period_milliseconds", |mut caller: Caller<'_, State>, period: i32| {
        let state = caller.data_mut();
        // What Kong's host does with a second timer, or with one of a request.
        let is_second = period != 0 && state.tick_period != 0;
        let is_envoy = state.personality == Personality::Envoy;
        wasmtime::ensure!(is_envoy || (state.is_configuring && !is_second), "this host has one timer");
        state.tick_period = period;
        wasmtime::Result::Ok(OK)
    })?;
    linker.func_wrap(env, "proxy_set_effective_context", |mut caller: Caller<'_, State>, context: i32| {
        if caller.data().personality == Personality::Wasmx {
            // It does nothing there. The SDK asks for the context of a call that was answered.
            return wasmtime::Result::Ok(OK);
        }
        if context != ROOT_CONTEXT && !caller.data().streams.contains_key(&context) {
            return wasmtime::Result::Ok(BAD_ARGUMENT);
        }
        caller.data_mut().effective = context;
        Ok(OK)
    })?;
    linker.func_wrap(env, "proxy_continue_stream", |mut caller: Caller<'_, State>, kind: i32| {
        caller.data().personality.only_in_envoy("a worker dies of resuming a request")?;
        let stream = stream(caller.data_mut())?;
        wasmtime::ensure!(kind == 0 && stream.reply.is_none(), "the filter lets a request go on that it answered");
        stream.goes_on = true;
        Ok(OK)
    })?;
    linker.func_wrap(
        env,
        "proxy_http_call",
        |mut caller: Caller<'_, State>,
         cluster: i32,
         cluster_size: i32,
         headers: i32,
         headers_size: i32,
         body: i32,
         body_size: i32,
         _trailers: i32,
         _trailers_size: i32,
         timeout: i32,
         token: i32| {
            wasmtime::ensure!(caller.data().effective == ROOT_CONTEXT, "a call that dies with the client's request");
            wasmtime::ensure!(timeout > 0, "a call without end");
            wasmtime::ensure!(!caller.data().is_configuring, "a call when there are no clusters yet");
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(wasmtime::Error::from);
            let cluster = text(read(&mut caller, cluster, cluster_size)?)?;
            if cluster == "nowhere" {
                return Ok(BAD_ARGUMENT);
            }
            let headers = deserialize(&read(&mut caller, headers, headers_size)?).unwrap_or_default();
            let headers = headers.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
            let headers = headers.collect::<wasmtime::Result<Vec<(String, String)>>>()?;
            if caller.data().personality == Personality::Wasmx {
                wasmx::check_call(caller.data(), &cluster, &headers)?;
            }
            let headers: BTreeMap<String, String> = headers.into_iter().collect();
            let body = text(read(&mut caller, body, body_size)?)?;
            // An authorization server is asked about tokens; whoever keeps records must not have them.
            if headers.get(":path").is_some_and(|path| path.ends_with("/decisions")) {
                caller.data().ensure_hidden(&body)?;
            }
            let number = caller.data().next_call.saturating_add(1);
            caller.data_mut().next_call = number;
            caller.data_mut().calls.push(Call { number, cluster, headers, body, timeout });
            write(&mut caller, token, &number.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    Ok(())
}
