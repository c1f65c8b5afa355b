//! The data that the VMs of a host share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::Result;
use wasmtime::{Caller, Linker};

use super::imports::{CAS_MISMATCH, INTERNAL_FAILURE, NOT_FOUND, OK};
use super::memory::{hand_over, read, write};
use super::{Fault, Personality, State, wasmx};

/// The longest value for which shared data has room when it is full.
const MAX_VALUE_WHEN_FULL: usize = 256;

/// The data that the VMs of a host share: by name, and in Kong's host by the CRC-32 of the name.
#[derive(Clone, Default)]
pub struct SharedData(Rc<RefCell<BTreeMap<Vec<u8>, Value>>>);

#[derive(Clone, Default)]
struct Value {
    name: Vec<u8>,
    bytes: Vec<u8>,
    version: u32,
    /// What was there before.
    earlier: Vec<u8>,
}

impl SharedData {
    /// Changes every value, as something that damages memory would.
    pub fn damage(&self, mut damage: impl FnMut(&str, &mut Vec<u8>)) {
        for value in self.0.borrow_mut().values_mut() {
            damage(&String::from_utf8_lossy(&value.name), &mut value.bytes);
        }
    }

    /// Lets another filter in Kong's host write a value, of which that host does not mind whose name it has.
    pub fn write_in_wasmx(&self, name: &[u8], bytes: &[u8]) {
        self.set(wasmx::key(name), name.to_vec(), bytes.to_vec());
    }

    /// All values by their names.
    pub fn values(&self) -> BTreeMap<String, Vec<u8>> {
        let name = |value: &Value| String::from_utf8_lossy(&value.name).into_owned();
        self.0.borrow().values().map(|value| (name(value), value.bytes.clone())).collect()
    }

    /// How many values there are, and how many bytes they have.
    pub fn size(&self) -> (usize, usize) {
        let values = self.0.borrow();
        (values.len(), values.values().map(|value| value.bytes.len()).fold(0, usize::saturating_add))
    }

    fn set(&self, key: Vec<u8>, name: Vec<u8>, bytes: Vec<u8>) {
        let mut values = self.0.borrow_mut();
        let value = values.entry(key).or_default();
        value.name = name;
        value.earlier = std::mem::replace(&mut value.bytes, bytes);
        value.version = value.version.saturating_add(1);
    }
}

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
            let Some(mut value) = shared.0.borrow().get(&key(caller.data(), &name)).cloned() else {
                return Ok(NOT_FOUND);
            };
            if caller.data().fault == Some(Fault::SharedDataTorn) {
                value.bytes = wasmx::torn(&value.earlier, &value.bytes);
            }
            write(&mut caller, version, &value.version.to_le_bytes())?;
            hand_over(&mut caller, &value.bytes, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut caller: Caller<'_, State>, name: i32, name_size: i32, data: i32, size: i32, version: i32| {
            let (name, bytes) = (read(&mut caller, name, name_size)?, read(&mut caller, data, size)?);
            let is_envoy = caller.data().personality == Personality::Envoy;
            // In Envoy a version is compared where there is a value, and zero stores whatever is there.
            wasmtime::ensure!(!is_envoy || version != 0, "the filter overwrites what another worker may have written");
            let shared = shared(caller.data())?;
            let fault = caller.data().fault;
            if fault == Some(Fault::SharedDataFull) && bytes.len() > MAX_VALUE_WHEN_FULL {
                wasmtime::ensure!(is_envoy, "it traps where there is no room in the zone");
                return Ok(INTERNAL_FAILURE);
            }
            if fault == Some(Fault::SharedDataUnavailable) {
                return Ok(INTERNAL_FAILURE);
            }
            let key = key(caller.data(), &name);
            let current = shared.0.borrow().get(&key).map(|value| value.version);
            // In Kong's host what is not there has the version zero.
            let current = if is_envoy { current } else { Some(current.unwrap_or_default()) };
            let is_overtaken = fault == Some(Fault::SharedDataContended);
            if is_overtaken || current.is_some_and(|current| current != version.cast_unsigned()) {
                return Ok(CAS_MISMATCH);
            }
            shared.set(key, name, bytes);
            wasmtime::Result::Ok(OK)
        },
    )?;
    Ok(())
}

fn key(state: &State, name: &[u8]) -> Vec<u8> {
    match state.personality {
        Personality::Envoy => name.to_vec(),
        Personality::Wasmx => wasmx::key(name),
    }
}

/// Kong's host traps where it has no zone for shared data.
fn shared(state: &State) -> wasmtime::Result<SharedData> {
    state.shared_data.clone().ok_or_else(|| wasmtime::format_err!("this host has no shared data"))
}
