//! The clock of the endpoint.

use std::time::{SystemTime, UNIX_EPOCH};

use authz::UnixTime;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place where the endpoint asks what time it is")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

/// Now, in whole seconds since 1970.
pub(crate) fn seconds() -> u64 {
    now().as_millis() / 1000
}
