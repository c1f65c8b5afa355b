//! Metrics: one of a name, and nothing that does not fit its kind.

use anyhow::Result;
use wasmtime::{Caller, Linker};

use super::imports::{INTERNAL_FAILURE, OK};
use super::memory::{read, write};
use super::{Fault, State};

/// The longest name that Kong's host takes.
const MAX_NAME_BYTES: i32 = 256;

const COUNTER: i32 = 0;
const GAUGE: i32 = 1;

/// The calls that the filter uses.
pub(super) fn define(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut caller: Caller<'_, State>, kind: i32, name: i32, size: i32, id: i32| {
            caller.data().personality.only_in_envoy("some versions trap on metrics")?;
            wasmtime::ensure!(size <= MAX_NAME_BYTES, "the name of a metric has {size} bytes");
            if caller.data().fault == Some(Fault::MetricsUnavailable) {
                return Ok(INTERNAL_FAILURE);
            }
            wasmtime::ensure!([COUNTER, GAUGE].contains(&kind), "the filter defines a metric of kind {kind}");
            let name = String::from_utf8(read(&mut caller, name, size)?)?;
            let metrics = &mut caller.data_mut().metrics;
            wasmtime::ensure!(metrics.iter().all(|(known, ..)| *known != name), "{name} is defined twice");
            let number = u32::try_from(metrics.len())?;
            metrics.push((name, kind, 0));
            write(&mut caller, id, &number.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap("env", "proxy_record_metric", |mut caller: Caller<'_, State>, id: i32, value: i64| {
        *metric(&mut caller, id, GAUGE)? = value.cast_unsigned();
        wasmtime::Result::Ok(OK)
    })?;
    linker.func_wrap("env", "proxy_increment_metric", |mut caller: Caller<'_, State>, id: i32, offset: i64| {
        let value = metric(&mut caller, id, COUNTER)?;
        *value = value.saturating_add_signed(offset);
        wasmtime::Result::Ok(OK)
    })?;
    Ok(())
}

/// The value of a metric of this kind.
fn metric<'c>(caller: &'c mut Caller<'_, State>, id: i32, kind: i32) -> wasmtime::Result<&'c mut u64> {
    let found = caller.data_mut().metrics.get_mut(usize::try_from(id)?);
    let found = found.filter(|(_, known, _)| *known == kind);
    Ok(&mut found.ok_or_else(|| wasmtime::format_err!("there is no metric {id} of kind {kind}"))?.2)
}
