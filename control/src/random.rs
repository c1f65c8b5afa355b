//! Random numbers of the operating system.

/// Random bytes, fit for keys.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("the operating system gives no random numbers: {error}"))?;
    Ok(bytes)
}

/// A fraction from 0 up to 1, for jitter.
pub(crate) fn fraction() -> f64 {
    // Without random numbers there is no jitter, which is nothing to fail for.
    f64::from(u32::from_le_bytes(bytes().unwrap_or_default())) / (f64::from(u32::MAX) + 1.0)
}

/// A name that nobody else has.
pub(crate) fn name() -> Result<String, String> {
    bytes::<8>().map(|bytes| hexadecimal(&bytes))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
