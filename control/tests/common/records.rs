//! Records of decisions, written by the specification (`docs/decision-log.md`) and not by the code that writes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest as _};

/// A worker that decides.
pub struct Worker {
    name: String,
    sequence: u64,
    last: [u8; 16],
}

/// What a record says: members of JSON in their order, as they are in the line.
#[derive(Clone, Copy)]
pub struct Said<'s> {
    /// `decision`, `reason`, `rule`, `revision`.
    pub outcome: &'s str,
    /// From `principal` to `obligations`; empty or ended by a comma.
    pub about: &'s str,
    pub latency_class: &'s str,
    /// From `trace` to `lost`; empty or begun by a comma.
    pub others: &'s str,
}

impl Worker {
    pub fn new(number: u64) -> Self {
        Self { name: format!("{number:016x}"), sequence: 0, last: [0; 16] }
    }

    /// The next record, as a line with its end.
    pub fn record(&mut self, time: &str, said: Said<'_>) -> String {
        self.sequence += 1;
        let Said { outcome, about, latency_class, others } = said;
        let (worker, sequence) = (&self.name, self.sequence);
        let line = format!(
            r#"{{"version":2,"time":"{time}","worker":"{worker}","sequence":{sequence},{outcome},{about}"latency_class":"{latency_class}"{others}"#
        );
        let hash = Blake2b::<U16>::digest([&self.last[..], line.as_bytes()].concat());
        self.last = hash.into();
        format!("{line},\"id\":\"{}\"}}\n", URL_SAFE_NO_PAD.encode(self.last))
    }
}

/// Three that are made again and again.
pub const PERMIT: Said<'_> = Said {
    outcome: r#""decision":"permit","reason":"permitted_by_rule","rule":"orders-read","revision":7"#,
    about: r#""principal":{"credential":"token","subject":"~q3V0dGVkLWJ5LWEta2V5Zg","issuer":"https://login.example.com","client":"web"},"action":"GET","resource":{"host":"api.example.com","route":"/orders/{id}"},"#,
    latency_class: "remembered",
    others: r#","trace":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7""#,
};
pub const DENY: Said<'_> = Said {
    outcome: r#""decision":"deny","reason":"scope_insufficient","rule":"orders-write","revision":7"#,
    about: r#""principal":{"credential":"token","subject":"~q3V0dGVkLWJ5LWEta2V5Zg","issuer":"https://login.example.com","client":"web"},"action":"POST","resource":{"host":"api.example.com","route":"/orders/{id}"},"#,
    latency_class: "remembered",
    others: "",
};
pub const ANONYMOUS: Said<'_> = Said {
    outcome: r#""decision":"permit","reason":"permitted_by_rule","rule":"health","revision":7"#,
    about: r#""action":"GET","resource":{"host":"api.example.com","route":"/healthz"},"#,
    latency_class: "none",
    others: "",
};
