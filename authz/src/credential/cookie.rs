//! Cookies (RFC 6265 section 4.2.1 and 5.4), as far as a credential may stand in one.

use std::borrow::Cow;

use crate::http::RequestHead;

/// All values of the cookie of this name, from all `Cookie` headers.
pub(super) fn values<'r>(head: &RequestHead<'r>, name: &str) -> Vec<Cow<'r, [u8]>> {
    pairs(head).filter(|pair| name_of(pair) == name.as_bytes()).map(|pair| Cow::Borrowed(value_of(pair))).collect()
}

/// The `Cookie` header without the cookies of these names; none if nothing is left.
pub(crate) fn without(head: &RequestHead<'_>, names: &[&str]) -> Option<Vec<u8>> {
    let kept =
        pairs(head).filter(|pair| !pair.is_empty() && !names.iter().any(|name| name_of(pair) == name.as_bytes()));
    let kept: Vec<&[u8]> = kept.collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

fn pairs<'h, 'r>(head: &'h RequestHead<'r>) -> impl Iterator<Item = &'r [u8]> + 'h {
    head.values("cookie").flat_map(|value| value.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end()
}

fn value_of(pair: &[u8]) -> &[u8] {
    let mut parts = pair.splitn(2, |byte| *byte == b'=').skip(1);
    parts.next().unwrap_or_default().trim_ascii_start()
}
