//! OpenTelemetry: log records as protobuf over HTTP (OTLP 1, `ExportLogsServiceRequest`).
//!
//! The messages are those few of `opentelemetry/proto` that are needed, with its field numbers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::{Enumeration, Message, Oneof};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, StatusCode, Url};

use super::super::batch::Entry;
use super::{Parcel, Undelivered};
use crate::audit::convert::Format;
use crate::audit::record::Outcome;
use crate::serve::clock;

/// Longer than the attempt as a whole may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Collector {
    client: Client,
    url: Url,
    token_file: Option<PathBuf>,
    resource: Resource,
    format: Format,
}

impl Collector {
    pub(super) fn new(
        url: &Url,
        token_file: Option<&Path>,
        ca: Option<&Path>,
        resource: Resource,
        format: Format,
    ) -> Result<Self, String> {
        let mut builder =
            Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = ca {
            let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            let text = std::fs::read(file).map_err(|error| failed(&error))?;
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&text).map_err(|error| failed(&error))?);
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, url: url.clone(), token_file: token_file.map(Path::to_owned), resource, format })
    }

    pub(super) async fn send(&self, parcel: &Parcel) -> Result<(), Undelivered> {
        let later = |error: &dyn std::fmt::Display| Undelivered::Later(error.to_string());
        let request = self.request(parcel).encode_to_vec();
        let mut sending =
            self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(request);
        if let Some(file) = &self.token_file {
            // Read each time: tokens are changed under programs that run.
            let token =
                std::fs::read_to_string(file).map_err(|error| later(&format!("{}: {error}", file.display())))?;
            sending = sending.bearer_auth(token.trim());
        }
        let answer = sending.send().await.map_err(|error| later(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| later(&error))?;
        judge(status, &body, parcel.count())
    }

    fn request(&self, parcel: &Parcel) -> LogsRequest {
        let observed = nanoseconds(clock::now().as_millis());
        let records = parcel.lines(self.format).map(|(entry, text)| log_record(entry, text, observed, self.format));
        let logs =
            ScopeLogs { scope: Some(Scope { name: "portcullis.decision".to_owned() }), records: records.collect() };
        LogsRequest { resource_logs: vec![ResourceLogs { resource: Some(self.resource.clone()), logs: vec![logs] }] }
    }
}

/// What an answer means: which codes are worth another attempt is in "OTLP/HTTP Response" of the specification.
fn judge(status: StatusCode, body: &[u8], count: usize) -> Result<(), Undelivered> {
    if matches!(status.as_u16(), 429 | 502 | 503 | 504) {
        return Err(Undelivered::Later(format!("the collector answers {status}")));
    }
    if !status.is_success() {
        return Err(Undelivered::Never(count, format!("the collector answers {status}")));
    }
    let partial = LogsResponse::decode(body).unwrap_or_default().partial_success.unwrap_or_default();
    match usize::try_from(partial.rejected) {
        Ok(rejected) if rejected > 0 => Err(Undelivered::Never(rejected.min(count), partial.message)),
        _ => Ok(()),
    }
}

/// Who speaks.
pub(super) fn resource(fleet: &str, replica: &str) -> Resource {
    let attributes = [
        ("service.name", "portcullis"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", replica),
        ("portcullis.fleet", fleet),
    ];
    Resource { attributes: attributes.map(|(key, value)| attribute(key, value)).into() }
}

fn log_record(entry: &Entry, text: Vec<u8>, observed: u64, format: Format) -> LogRecord {
    let record = &entry.record;
    let is_permit = record.decision == Outcome::Permit;
    let severity = if is_permit { Severity::Info } else { Severity::Warn };
    let attributes = [
        ("portcullis.decision", Some(record.decision.name())),
        ("portcullis.reason", Some(&*record.reason)),
        ("portcullis.rule", record.rule.as_deref()),
        ("portcullis.id", Some(&*record.id)),
        ("portcullis.format", Some(format.name())),
    ];
    let attributes = attributes.into_iter().filter_map(|(key, value)| Some(attribute(key, value?)));
    LogRecord {
        time: record.milliseconds().and_then(|time| u64::try_from(time).ok()).map_or(0, nanoseconds),
        severity: severity.into(),
        severity_text: if is_permit { "INFO" } else { "WARN" }.to_owned(),
        // A record is JSON, which is text, and what a format has that is no text of a record was escaped.
        body: Some(string(String::from_utf8_lossy(&text).into_owned())),
        attributes: attributes.collect(),
        trace_id: hexadecimal(record.trace.as_deref()),
        span_id: hexadecimal(record.span.as_deref()),
        observed,
        event_name: "portcullis.decision".to_owned(),
    }
}

const fn nanoseconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000_000)
}

/// The bytes of hexadecimal digits; none of what is not there.
fn hexadecimal(text: Option<&str>) -> Vec<u8> {
    let digits = text.unwrap_or_default().as_bytes().chunks_exact(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(string(value.to_owned())) }
}

const fn string(text: String) -> AnyValue {
    AnyValue { value: Some(AnyValueKind::String(text)) }
}

#[derive(Clone, PartialEq, Message)]
struct LogsRequest {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(enumeration = "Severity", tag = "2")]
    severity: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
enum Severity {
    Unspecified = 0,
    Info = 9,
    Warn = 13,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyValueKind", tags = "1")]
    value: Option<AnyValueKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum AnyValueKind {
    #[prost(string, tag = "1")]
    String(String),
}

#[derive(Clone, PartialEq, Message)]
struct LogsResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}
