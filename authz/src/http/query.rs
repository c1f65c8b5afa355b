//! Query parameters, as credentials and conditions see them.

use std::borrow::Cow;

use super::{RequestHead, percent_decode};
use crate::reason::Reason;

/// All values of the query parameter of this name, decoded once.
///
/// # Errors
///
/// [`Reason::CredentialMalformed`] if a name or value cannot be decoded: it might be the one.
pub(crate) fn values<'r>(head: &RequestHead<'r>, name: &str) -> Result<Vec<Cow<'r, [u8]>>, Reason> {
    let mut values = Vec::new();
    for parameter in parameters(head) {
        let (key, value) = split(parameter);
        if decoded(key)? == name {
            values.push(Cow::Owned(decoded(value)?.into_bytes()));
        }
    }
    Ok(values)
}

/// The same for who asks what upstreams read. What has a raw `+` has two readings, for forms make a space of it (WHATWG URL section 5.1): both
/// are among the values, and nobody knows which one the upstream takes.
///
/// # Errors
///
/// Those of [`values`], and a name that is this one in some readings only: with `+`, or beside a `;`, which once stood for `&` (HTML 4.01
/// appendix B.2.2).
pub(crate) fn readings<'r>(head: &RequestHead<'r>, name: &str) -> Result<Vec<Cow<'r, [u8]>>, Reason> {
    let is_named = |key: &[u8]| Ok((decoded(key)? == name, decoded(&as_form(key))? == name));
    let mut values = Vec::new();
    for parameter in parameters(head) {
        let (key, value) = split(parameter);
        let is_split = parameter.contains(&b';');
        for part in parameter.split(|byte| *byte == b';').filter(|_| is_split) {
            if is_named(split(part).0)? != (false, false) {
                return Err(Reason::CredentialMalformed);
            }
        }
        match is_named(key)? {
            (false, false) => continue,
            (true, true) => values.push(Cow::Owned(decoded(value)?.into_bytes())),
            _ => return Err(Reason::CredentialMalformed),
        }
        if value.contains(&b'+') {
            values.push(Cow::Owned(decoded(&as_form(value))?.into_bytes()));
        }
    }
    Ok(values)
}

fn as_form(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

/// The request target without the query parameters of these names.
pub(crate) fn without(head: &RequestHead<'_>, names: &[&str]) -> Option<Vec<u8>> {
    let path = head.path?.split(|byte| *byte == b'?').next()?;
    let is_named = |parameter: &[u8]| decoded(split(parameter).0).is_ok_and(|key| names.contains(&key.as_str()));
    let kept: Vec<&[u8]> = parameters(head).filter(|parameter| !is_named(parameter)).collect();
    Some(if kept.is_empty() { path.to_vec() } else { [path, &kept.join(&b"&"[..])].join(&b"?"[..]) })
}

fn parameters<'h, 'r>(head: &'h RequestHead<'r>) -> impl Iterator<Item = &'r [u8]> + 'h {
    let mut parts = head.path.unwrap_or_default().splitn(2, |byte| *byte == b'?').skip(1);
    parts.next().into_iter().flat_map(|query| query.split(|byte| *byte == b'&'))
}

fn split(parameter: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = parameter.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn decoded(text: &[u8]) -> Result<String, Reason> {
    let text = std::str::from_utf8(text).map_err(|_| Reason::CredentialMalformed)?;
    percent_decode(text).map_err(|_| Reason::CredentialMalformed)
}
