//! The module's memory, and the forms in which the ABI puts bytes and maps there.

use wasmtime::{Caller, Extern, Memory};

use super::State;
use super::imports::OK;

/// Copies bytes into memory that the module allocates for them, as the ABI wants it.
pub(super) fn hand_over(caller: &mut Caller<'_, State>, bytes: &[u8], data: i32, size: i32) -> wasmtime::Result<i32> {
    let length = i32::try_from(bytes.len())?;
    let allocate = caller.get_export("proxy_on_memory_allocate").and_then(Extern::into_func);
    let allocate =
        allocate.ok_or_else(|| wasmtime::format_err!("the module cannot allocate"))?.typed::<i32, i32>(&*caller)?;
    let address = allocate.call(&mut *caller, length)?;
    write(caller, address, bytes)?;
    write(caller, data, &address.to_le_bytes())?;
    write(caller, size, &length.to_le_bytes())?;
    Ok(OK)
}

fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or_else(|| wasmtime::format_err!("the module exports no memory"))
}

pub(super) fn read(caller: &mut Caller<'_, State>, address: i32, size: i32) -> wasmtime::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size)?];
    memory(caller)?.read(&*caller, usize::try_from(address)?, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn write(caller: &mut Caller<'_, State>, address: i32, bytes: &[u8]) -> wasmtime::Result<()> {
    Ok(memory(caller)?.write(&mut *caller, usize::try_from(address)?, bytes)?)
}

pub(super) fn number(bytes: &[u8], at: usize) -> wasmtime::Result<i32> {
    let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|number| i32::from_le_bytes(*number));
    number.ok_or_else(|| wasmtime::format_err!("a number is cut off"))
}

pub(super) fn serialize(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    bytes.extend(pairs.iter().flat_map(|(name, value)| [number(name.len()), number(value.len())].concat()));
    bytes.extend(pairs.iter().flat_map(|(name, value)| [&name[..], b"\0", value, b"\0"].concat()));
    bytes
}

pub(super) fn deserialize(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let (lengths, mut data) =
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(8)?)?;
    let mut texts = Vec::new();
    for length in lengths.chunks_exact(4) {
        let length = usize::try_from(u32::from_le_bytes(*length.first_chunk()?)).ok()?;
        let (text, rest) = data.split_at_checked(length)?;
        texts.push(text.to_vec());
        data = rest.strip_prefix(b"\0")?;
    }
    Some(texts.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.last()?.clone()))).collect())
}
