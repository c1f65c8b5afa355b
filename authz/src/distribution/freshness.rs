//! How long an adopted bundle decides when nothing newer comes.

use crate::time::UnixTime;

/// What a bundle does with requests between the end of its freshness and the end of its staleness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenStale {
    /// Decides as ever.
    #[default]
    Serve,
    /// Denies every request.
    Deny,
    /// Denies every request but `GET`, `HEAD` and `OPTIONS`, which it decides as ever.
    DenyWrites,
}

impl WhenStale {
    /// All, by their names in a manifest.
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("serve", Self::Serve), ("deny", Self::Deny), ("deny-writes", Self::DenyWrites)];

    /// `serve`, `deny` or `deny-writes`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Deny => "deny",
            Self::DenyWrites => "deny-writes",
        }
    }
}

/// Until when a bundle is fresh, until when it is stale, and what that means. After that it denies everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The bundle is fresh before this time.
    pub fresh_until: UnixTime,
    /// The bundle is stale before this time, and of no use from then on.
    pub stale_until: UnixTime,
    /// What it does while it is stale.
    pub when_stale: WhenStale,
}

impl Freshness {
    /// Whether nothing is permitted any more, whatever the request.
    pub fn is_over(&self, now: UnixTime) -> bool {
        let is_stale = now >= self.fresh_until;
        now >= self.stale_until || (is_stale && self.when_stale == WhenStale::Deny)
    }

    /// Whether a request with this method is refused because of the age of the bundle.
    pub(crate) fn refuses(&self, method: Option<&[u8]>, now: UnixTime) -> bool {
        let is_read = matches!(method, Some(b"GET" | b"HEAD" | b"OPTIONS"));
        let is_stale = now >= self.fresh_until;
        self.is_over(now) || (is_stale && self.when_stale == WhenStale::DenyWrites && !is_read)
    }
}
