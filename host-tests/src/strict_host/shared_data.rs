//! The data that the VMs of a host share.

use anyhow::Result;
use wasmtime::{Caller, Linker};

use super::imports::{CAS_MISMATCH, INTERNAL_FAILURE, NOT_FOUND, OK};
use super::memory::{hand_over, read, write};
use super::{Fault, SharedData, State};

/// The longest value for which shared data has room when it is full.
const MAX_VALUE_WHEN_FULL: usize = 256;

/// The calls that are about it.
pub(super) fn define(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut caller: Caller<'_, State>, name: i32, name_size: i32, data: i32, size: i32, version: i32| {
            let name = read(&mut caller, name, name_size)?;
            let shared = shared(caller.data())?;
            if caller.data().fault == Some(Fault::SharedDataUnavailable) {
                return Ok(INTERNAL_FAILURE);
            }
            let Some((value, number)) = shared.0.borrow().get(&name).cloned() else {
                return Ok(NOT_FOUND);
            };
            write(&mut caller, version, &number.to_le_bytes())?;
            hand_over(&mut caller, &value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut caller: Caller<'_, State>, name: i32, name_size: i32, data: i32, size: i32, version: i32| {
            let (name, value) = (read(&mut caller, name, name_size)?, read(&mut caller, data, size)?);
            // As in Envoy: a version is compared where there is a value, and zero stores whatever is there.
            wasmtime::ensure!(version != 0, "the filter overwrites what another worker may have written");
            let shared = shared(caller.data())?;
            if caller.data().fault == Some(Fault::SharedDataUnavailable)
                || (caller.data().fault == Some(Fault::SharedDataFull) && value.len() > MAX_VALUE_WHEN_FULL)
            {
                return Ok(INTERNAL_FAILURE);
            }
            let current = shared.0.borrow().get(&name).map(|(_, number)| *number);
            let is_overtaken = caller.data().fault == Some(Fault::SharedDataContended);
            if is_overtaken || current.is_some_and(|current| current.to_le_bytes() != version.to_le_bytes()) {
                return Ok(CAS_MISMATCH);
            }
            let number = current.unwrap_or_default().saturating_add(1);
            shared.0.borrow_mut().insert(name, (value, number));
            wasmtime::Result::Ok(OK)
        },
    )?;
    Ok(())
}

/// Kong's host traps where it has no zone for shared data.
fn shared(state: &State) -> wasmtime::Result<SharedData> {
    state.shared_data.clone().ok_or_else(|| wasmtime::format_err!("this host has no shared data"))
}
