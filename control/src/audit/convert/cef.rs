//! Common Event Format, version 0: a header with bars, then `key=value`.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{PRODUCT, who};
use crate::audit::record::Record;

pub(super) fn event(record: &Record) -> String {
    let mut event = "CEF:0".to_owned();
    // On the scale of CEF, where 0 to 3 is low and 4 to 6 medium.
    let severity = if record.is_permit() { "2" } else { "5" };
    for field in [PRODUCT, PRODUCT, env!("CARGO_PKG_VERSION"), &record.reason, &record.message(), severity] {
        event.push('|');
        write_escaped(&mut event, field, '|');
    }
    event.push('|');
    let text = |text: &str| Some(text.to_owned());
    let resource = record.resource.as_ref();
    let source = record.source.as_deref().map(|source| (source, source.parse::<IpAddr>()));
    let others = serde_json::Value::Object(record.others()).to_string();
    let pairs = [
        ("rt", record.milliseconds().map(|time| time.to_string())),
        ("act", text(record.decision.name())),
        ("cat", text("decision")),
        ("reason", text(&record.reason)),
        ("externalId", text(&record.id)),
        ("deviceExternalId", text(&record.worker)),
        ("suid", who(record, |who| who.subject.as_ref()).and_then(text)),
        (
            "src",
            source
                .as_ref()
                .and_then(|(source, ip)| ip.as_ref().is_ok_and(IpAddr::is_ipv4).then(|| (*source).to_owned())),
        ),
        ("shost", source.as_ref().and_then(|(source, ip)| ip.is_err().then(|| (*source).to_owned()))),
        ("requestMethod", record.action.clone()),
        ("dhost", resource.map(|resource| resource.host.clone())),
        ("request", resource.and_then(|resource| resource.path.clone())),
    ];
    let labelled = [
        (
            "c6a2",
            "Source IPv6 Address",
            source.and_then(|(source, ip)| ip.is_ok_and(|ip| ip.is_ipv6()).then(|| source.to_owned())),
        ),
        ("cs1", "rule", record.rule.clone()),
        ("cs2", "issuer", who(record, |who| who.issuer.as_ref()).and_then(text)),
        ("cs3", "client", who(record, |who| who.client.as_ref()).and_then(text)),
        ("cs4", "route", record.route().and_then(text)),
        ("cs5", "trace", record.trace.clone()),
        ("cs6", "portcullis", Some(others)),
        ("cn1", "revision", record.revision.map(|revision| revision.to_string())),
        ("cn2", "sequence", Some(record.sequence.to_string())),
    ];
    let labelled = labelled.into_iter().flat_map(|(key, label, value)| {
        let label = value.as_ref().map(|_| label.to_owned());
        [(key.to_owned(), value), (format!("{key}Label"), label)]
    });
    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(labelled);
    for (index, (key, value)) in pairs.filter_map(|(key, value)| Some((key, value?))).enumerate() {
        // Writing into a string does not fail.
        let _ = write!(event, "{}{key}=", if index > 0 { " " } else { "" });
        write_escaped(&mut event, &value, '=');
    }
    event
}

/// In the header a bar, in the extension an equals sign would end what it stands in; everywhere a backslash takes the meaning from what
/// follows it, and the end of a line ends the event. The header has no way to write one.
fn write_escaped(event: &mut String, text: &str, separator: char) {
    for character in text.chars() {
        match character {
            '\\' => event.push_str("\\\\"),
            '\n' | '\r' if separator == '|' => event.push(' '),
            '\n' => event.push_str("\\n"),
            '\r' => event.push_str("\\r"),
            // A tab is text; what else speaks to terminals and parsers is not.
            _ if character.is_control() && character != '\t' => event.push('\u{fffd}'),
            _ if character == separator => event.extend(['\\', character]),
            _ => event.push(character),
        }
    }
}
