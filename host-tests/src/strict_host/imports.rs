//! The host calls, as the ABI (proxy-wasm 0.2.1) defines them.

use crate::outcome::Outcome;
use anyhow::Result;
use wasmtime::{Caller, Linker, Module};

use super::memory::{deserialize, hand_over, number, read, serialize, write};
use super::{Fault, Personality, State, Stream, UNUSED_IMPORTS};
use super::{callouts, metrics, native_crypto, shared_data, wasmx};

pub(super) const OK: i32 = 0;
pub(super) const NOT_FOUND: i32 = 1;
pub(super) const BAD_ARGUMENT: i32 = 2;
pub(super) const CAS_MISMATCH: i32 = 8;
pub(super) const INTERNAL_FAILURE: i32 = 10;
const REQUEST_HEADERS: i32 = 0;
const REQUEST_TRAILERS: i32 = 1;
const CALL_RESPONSE_HEADERS: i32 = 6;
const REQUEST_BODY: i32 = 0;
const CALL_RESPONSE_BODY: i32 = 4;
const PLUGIN_CONFIGURATION: i32 = 7;

/// The calls that the filter uses.
pub fn define_imports(linker: &mut Linker<State>) -> Result<()> {
    let env = "env";
    linker.func_wrap(env, "proxy_log", |mut caller: Caller<'_, State>, _level: i32, data: i32, size: i32| {
        let message = read(&mut caller, data, size)?;
        caller.data_mut().write_log(&String::from_utf8_lossy(&message))?;
        wasmtime::Result::Ok(OK)
    })?;
    linker.func_wrap(env, "proxy_get_current_time_nanoseconds", |mut caller: Caller<'_, State>, time: i32| {
        if caller.data().fault == Some(Fault::ClockFails) {
            return wasmtime::Result::Ok(INTERNAL_FAILURE);
        }
        let fuel_left = caller.get_fuel()?;
        let state = caller.data();
        let spent = state.fuel.saturating_sub(fuel_left).checked_div(state.fuel_per_millisecond.unwrap_or(u64::MAX));
        let nanoseconds = state.now.saturating_add(spent.unwrap_or_default()).saturating_mul(1_000_000);
        write(&mut caller, time, &nanoseconds.to_le_bytes())?;
        Ok(OK)
    })?;
    linker.func_wrap(
        env,
        "proxy_get_buffer_bytes",
        |mut caller: Caller<'_, State>, buffer: i32, start: i32, max: i32, data: i32, size: i32| {
            let bytes = match (buffer, start) {
                (PLUGIN_CONFIGURATION, 0) => Some(caller.data().configuration.clone()),
                (REQUEST_BODY, 0) if caller.data().personality == Personality::Wasmx => {
                    let effective = caller.data().effective;
                    let Some(body) = caller.data().streams.get(&effective).and_then(wasmx::body) else {
                        return Ok(NOT_FOUND);
                    };
                    Some(body)
                }
                (REQUEST_BODY, 0) => Some(stream(caller.data_mut())?.body.clone()),
                (CALL_RESPONSE_BODY, 0) if caller.data().personality == Personality::Wasmx => {
                    wasmx::check_answer(caller.data())?;
                    caller.data().answer.as_ref().map(|answer| answer.body.clone())
                }
                (CALL_RESPONSE_BODY, 0) => caller.data().answer.as_ref().map(|answer| answer.body.clone()),
                _ => None,
            };
            let mut bytes =
                bytes.ok_or_else(|| wasmtime::format_err!("the filter reads buffer {buffer} at {start}"))?;
            // Numbers are unsigned in the ABI.
            bytes.truncate(usize::try_from(max.cast_unsigned())?);
            hand_over(&mut caller, &bytes, data, size)
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_get_header_map_pairs",
        |mut caller: Caller<'_, State>, map: i32, data: i32, size: i32| {
            if map == CALL_RESPONSE_HEADERS {
                if caller.data().personality == Personality::Wasmx {
                    wasmx::check_answer(caller.data())?;
                }
                let Some(answer) = &caller.data().answer else { return Ok(BAD_ARGUMENT) };
                let serialized = serialize(&answer.headers);
                return hand_over(&mut caller, &serialized, data, size);
            }
            if caller.data().personality == Personality::Wasmx {
                if map == REQUEST_TRAILERS {
                    return Ok(BAD_ARGUMENT);
                }
                let state = caller.data();
                let stream = state.streams.get(&state.effective);
                stream.map_or(Ok(()), |stream| wasmx::check_reading(state, stream))?;
            }
            let mut serialized = serialize(map_of(caller.data_mut(), map)?);
            match caller.data().fault {
                Some(Fault::HeadersUnavailable) => return Ok(INTERNAL_FAILURE),
                Some(Fault::HeadersDamaged) => serialized.truncate(serialized.len().saturating_sub(3)),
                _ => {}
            }
            hand_over(&mut caller, &serialized, data, size)
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_replace_header_map_value",
        |mut caller: Caller<'_, State>, map: i32, name: i32, name_size: i32, value: i32, value_size: i32| {
            wasmtime::ensure!(map == REQUEST_HEADERS, "the filter writes map {map}");
            let (name, value) = (read(&mut caller, name, name_size)?, read(&mut caller, value, value_size)?);
            wasmtime::ensure!(value.iter().all(|byte| (0x20..0x7f).contains(byte)), "{value:?} can leave its header");
            if caller.data().fault == Some(Fault::SetHeaderFails) {
                return Ok(INTERNAL_FAILURE);
            }
            if caller.data().personality == Personality::Wasmx {
                wasmx::overwrite(stream(caller.data_mut())?, name, value)?;
                return Ok(OK);
            }
            let headers = &mut stream(caller.data_mut())?.headers;
            headers.retain(|(key, _)| *key != name);
            headers.push((name, value));
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_remove_header_map_value",
        |mut caller: Caller<'_, State>, map: i32, name: i32, size: i32| {
            let name = read(&mut caller, name, size)?;
            caller.data().personality.only_in_envoy("a header that is removed still reaches the upstream")?;
            if caller.data().fault == Some(Fault::RemoveHeaderFails) {
                return Ok(INTERNAL_FAILURE);
            }
            map_of(caller.data_mut(), map)?.retain(|(key, _)| *key != name);
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_get_property",
        |mut caller: Caller<'_, State>, path: i32, path_size: i32, data: i32, size: i32| {
            let path = read(&mut caller, path, path_size)?;
            if caller.data().personality == Personality::Wasmx {
                return match wasmx::property(caller.data(), &path)? {
                    Some(value) => hand_over(&mut caller, &value, data, size),
                    None => Ok(NOT_FOUND),
                };
            }
            if path == b"plugin_vm_id" {
                return hand_over(&mut caller, b"portcullis", data, size);
            }
            match caller.data().attributes.get(&path).cloned() {
                Some(value) => hand_over(&mut caller, &value, data, size),
                None => Ok(NOT_FOUND),
            }
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_set_property",
        |mut caller: Caller<'_, State>, path: i32, path_size: i32, value: i32, value_size: i32| {
            let (path, value) = (read(&mut caller, path, path_size)?, read(&mut caller, value, value_size)?);
            if caller.data().fault == Some(Fault::RecordFails) {
                return wasmtime::Result::Ok(INTERNAL_FAILURE);
            }
            if path.ends_with(b"decision") {
                caller.data().ensure_hidden(&String::from_utf8_lossy(&value))?;
            }
            let path = match caller.data().personality {
                Personality::Envoy => path,
                Personality::Wasmx => match wasmx::place(caller.data(), &path) {
                    Some(place) => place,
                    None => return Ok(NOT_FOUND),
                },
            };
            stream(caller.data_mut())?.properties.insert(path, value);
            Ok(OK)
        },
    )?;
    shared_data::define(linker)?;
    callouts::define(linker)?;
    define_local_response(linker)?;
    native_crypto::define(linker)?;
    metrics::define(linker)?;
    define_wasi(linker)
}

fn define_local_response(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut caller: Caller<'_, State>,
         status: i32,
         details: i32,
         details_size: i32,
         body: i32,
         body_size: i32,
         headers: i32,
         headers_size: i32,
         _grpc: i32| {
            read(&mut caller, details, details_size)?;
            let body = read(&mut caller, body, body_size)?;
            let headers = deserialize(&read(&mut caller, headers, headers_size)?)
                .ok_or_else(|| wasmtime::format_err!("the reply's headers are damaged"))?;
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(wasmtime::Error::from);
            let headers = headers.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
            let headers = headers.collect::<wasmtime::Result<Vec<(String, String)>>>()?;
            let (headers, body) = match caller.data().personality {
                Personality::Envoy => (headers, text(body)?),
                Personality::Wasmx => wasmx::reply(headers, text(body)?),
            };
            let outcome = Outcome { status: u16::try_from(status)?, headers, body, ..Outcome::default() };
            // Two answers to one request stick the client on some versions of Envoy and trap on Kong.
            let earlier = stream(caller.data_mut())?.reply.replace(outcome);
            wasmtime::ensure!(earlier.is_none(), "the filter answered twice");
            Ok(OK)
        },
    )?;
    Ok(())
}

/// What Rust's standard library asks for at its start: an empty environment, random numbers for hash maps, and a place to
/// complain when it panics.
fn define_wasi(linker: &mut Linker<State>) -> Result<()> {
    let wasi = "wasi_snapshot_preview1";
    linker.func_wrap(wasi, "environ_sizes_get", |mut caller: Caller<'_, State>, count: i32, size: i32| {
        write(&mut caller, count, &[0; 4])?;
        write(&mut caller, size, &[0; 4])?;
        wasmtime::Result::Ok(OK)
    })?;
    linker.func_wrap(wasi, "environ_get", |_: i32, _: i32| OK)?;
    linker.func_wrap(wasi, "random_get", |mut caller: Caller<'_, State>, data: i32, size: i32| {
        let seed = caller.data().seed;
        write(&mut caller, data, &vec![seed; usize::try_from(size)?])?;
        wasmtime::Result::Ok(OK)
    })?;
    linker.func_wrap(
        wasi,
        "fd_write",
        |mut caller: Caller<'_, State>, _file: i32, vectors: i32, count: i32, written: i32| {
            let mut total = 0_i32;
            for vector in read(&mut caller, vectors, count.saturating_mul(8))?.chunks_exact(8) {
                let (data, size) = (number(vector, 0)?, number(vector, 4)?);
                let text = read(&mut caller, data, size)?;
                caller.data_mut().write_log(&String::from_utf8_lossy(&text))?;
                total = total.saturating_add(size);
            }
            write(&mut caller, written, &total.to_le_bytes())?;
            wasmtime::Result::Ok(OK)
        },
    )?;
    Ok(())
}

/// Imports that come with the SDK and must never be called.
pub fn define_unused(linker: &mut Linker<State>, module: &Module) -> Result<()> {
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        if let (true, wasmtime::ExternType::Func(signature)) = (UNUSED_IMPORTS.contains(&name.as_str()), import.ty()) {
            linker.func_new(import.module(), import.name(), signature, move |_, _, _| {
                Err(wasmtime::format_err!("the filter called {name}"))
            })?;
        }
    }
    Ok(())
}

/// The request that the calls are about.
pub(super) fn stream(state: &mut State) -> wasmtime::Result<&mut Stream> {
    let effective = state.effective;
    let stream = state.streams.get_mut(&effective).filter(|stream| !stream.goes_on);
    stream.ok_or_else(|| wasmtime::format_err!("the filter touches request {effective}, which is not its own any more"))
}

fn map_of(state: &mut State, map: i32) -> wasmtime::Result<&mut Vec<(Vec<u8>, Vec<u8>)>> {
    match map {
        REQUEST_HEADERS => Ok(&mut stream(state)?.headers),
        // They come when the headers have gone on.
        REQUEST_TRAILERS => {
            let stream = state.streams.get_mut(&state.effective);
            stream.map(|stream| &mut stream.trailers).ok_or_else(|| wasmtime::format_err!("there are no trailers"))
        }
        _ => Err(wasmtime::format_err!("the filter uses map {map}")),
    }
}
