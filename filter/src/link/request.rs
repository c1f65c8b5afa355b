//! The requests to the control endpoint, and what its answers are worth.

use std::time::Duration;

use authz::distribution::{Control, Digest, DocumentReference, RefusalReason, Refused, Trust};
use authz::limits::MAX_MANIFEST_BYTES;

use crate::host::{self, CallResponse, HostError};

/// How long an answer may take besides the time that the endpoint may wait: connecting and sending all of it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a document may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How exactly this clock and the host's agree about the end of a call, in milliseconds.
const PATIENCE_MILLISECONDS: u64 = 2000;

/// A call that is under way.
#[derive(Clone, Copy)]
pub(super) struct Call {
    number: u32,
    /// When its time is over, by the stopwatch.
    ends_at: u64,
}

impl Call {
    fn new(number: u32, timeout: Duration, elapsed: u64) -> Self {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Self { number, ends_at: elapsed.saturating_add(timeout) }
    }

    pub(super) const fn is(&self, number: u32) -> bool {
        self.number == number
    }

    /// Whether the host should have told of its end. The host keeps the time; this is for one that forgets.
    pub(super) const fn is_overdue(&self, elapsed: u64) -> bool {
        elapsed >= self.ends_at.saturating_add(PATIENCE_MILLISECONDS)
    }

    /// Why there is no answer.
    pub(super) fn failure(&self, elapsed: u64) -> Refused {
        match elapsed.saturating_add(PATIENCE_MILLISECONDS) >= self.ends_at {
            true => Refused::new(RefusalReason::Timeout, "no answer in time"),
            false => Refused::new(RefusalReason::Unreachable, "no connection, or it ended before the answer did"),
        }
    }
}

/// Asks for a manifest other than `epoch`, for which the endpoint may wait this long.
pub(super) fn ask_for_manifest(
    control: &Control,
    trust: &Trust,
    epoch: Option<u64>,
    status: &str,
    seconds: u64,
    elapsed: u64,
) -> Result<Call, HostError> {
    let path = format!("/v1/fleets/{}/manifest", trust.fleet());
    let (etag, prefer) = (epoch.map(|epoch| format!("\"{epoch}\"")), format!("wait={seconds}"));
    let mut headers =
        vec![("accept", "application/portcullis-manifest+json"), ("prefer", &prefer), ("portcullis-status", status)];
    headers.extend(etag.as_deref().map(|etag| ("if-none-match", etag)));
    ask(control, &path, headers, TIMEOUT.saturating_add(Duration::from_secs(seconds)), elapsed)
}

/// Asks for a document.
pub(super) fn ask_for_document(control: &Control, sha256: Digest, elapsed: u64) -> Result<Call, HostError> {
    ask(control, &format!("/v1/documents/{sha256}"), vec![("accept", "application/json")], DOCUMENT_TIMEOUT, elapsed)
}

fn ask(
    control: &Control,
    path: &str,
    more: Vec<(&str, &str)>,
    timeout: Duration,
    elapsed: u64,
) -> Result<Call, HostError> {
    let mut headers =
        vec![(":method", "GET"), (":scheme", "https"), (":authority", &*control.authority), (":path", path)];
    headers.extend(more);
    send(control, headers, None, timeout, elapsed)
}

/// Sends decision records, each a line.
pub(super) fn send_records(control: &Control, trust: &Trust, lines: &[u8], elapsed: u64) -> Result<Call, HostError> {
    let path = format!("/v1/fleets/{}/decisions", trust.fleet());
    let headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", &*control.authority),
        (":path", &path),
        ("content-type", "application/x-ndjson"),
    ];
    send(control, headers, Some(lines), TIMEOUT, elapsed)
}

fn send(
    control: &Control,
    headers: Vec<(&str, &str)>,
    body: Option<&[u8]>,
    timeout: Duration,
    elapsed: u64,
) -> Result<Call, HostError> {
    let authorization = control.token.as_ref().map(|token| format!("Bearer {token}"));
    // For as long as the token is here.
    let mut headers: Vec<(&str, &str)> = headers;
    headers.extend(authorization.as_deref().map(|authorization| ("authorization", authorization)));
    let number = host::dispatch(&control.cluster, headers, body, timeout)?;
    Ok(Call::new(number, timeout, elapsed))
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Manifest,
    Document(DocumentReference),
}

impl Wanted {
    /// Most bytes that are read of an answer.
    pub(super) const fn max_bytes(self) -> usize {
        match self {
            Self::Manifest => MAX_MANIFEST_BYTES,
            Self::Document(reference) => reference.bytes,
        }
    }
}

/// The body of an answer of which all is there; none if nothing has changed. Redirects are not followed.
pub(super) fn body_of(response: CallResponse, wanted: Wanted) -> Result<Option<Vec<u8>>, Refused> {
    let unreachable = |detail: String| Err(Refused::new(RefusalReason::Unreachable, detail));
    match response.status() {
        200 if response.total_bytes() > wanted.max_bytes() => {
            let detail =
                format!("the answer has {} bytes, at most {} are read", response.total_bytes(), wanted.max_bytes());
            let reason = match wanted {
                Wanted::Manifest => RefusalReason::TooLarge,
                Wanted::Document(_) => RefusalReason::DocumentMismatch,
            };
            Err(Refused::new(reason, detail))
        }
        // An answer that was cut off, or that Kong's host could not read, is not taken for a short one.
        200 if response.content_length() != Some(response.total_bytes()) => {
            unreachable("the answer does not have the length that it announces, or announces none".to_owned())
        }
        200 => Ok(Some(response.into_body())),
        // Nothing was published yet, or nothing new.
        204 | 304 if matches!(wanted, Wanted::Manifest) => Ok(None),
        401 | 403 => {
            Err(Refused::new(RefusalReason::Unauthorized, "the endpoint does not accept this proxy's credential"))
        }
        404 if matches!(wanted, Wanted::Document(_)) => {
            Err(Refused::new(RefusalReason::DocumentMissing, "the endpoint does not have a document of the manifest"))
        }
        // What Envoy answers in the place of an endpoint that is too slow.
        408 | 504 => Err(Refused::new(RefusalReason::Timeout, "no answer in time")),
        status => unreachable(format!("the endpoint answers {status}")),
    }
}
