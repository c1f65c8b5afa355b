//! Every bound on attacker-driven work, each with the reason for its size.
//!
//! A limit without a reason gets raised by the next person; one with a reason gets discussed.

/// Longest token that is looked at. Envoy's own header limit is 60 KiB; real access tokens with many groups stay
/// under 8 KiB, and decoding happens before anybody is authenticated (CVE-2025-61920: 500 MB header, 9 s of CPU).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Deepest nesting of a JSON text. Documented provider tokens reach 5; 2,000 nested arrays overflowed the stack of
/// other libraries (CVE-2025-53864).
pub const MAX_JSON_DEPTH: u32 = 32;

/// Longest `kid` that is compared. RFC 7638 thumbprints are 43 characters; URLs and ARNs are seen in the field.
pub const MAX_KEY_ID_BYTES: usize = 512;

/// Longest request target. Envoy refuses header maps over 60 KiB, and most servers stop at 8 KiB.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// Most segments of a path. The deepest REST interfaces have about twenty.
pub const MAX_PATH_SEGMENTS: usize = 128;

/// Longest host: that of a domain name (RFC 1035 section 2.3.4).
pub const MAX_HOST_BYTES: usize = 255;

/// Longest value of one identity header. Common upstreams refuse a header line over 8 KiB (nginx, Tomcat, Node 16 KiB).
pub const MAX_IDENTITY_HEADER_BYTES: usize = 8 * 1024;

/// Largest bundle that is parsed: 10,000 rules are about 4 MB.
pub const MAX_BUNDLE_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes of all documents of one manifest, besides packed revocations: a bundle is read whole, with its text and its parsed
/// form beside the old one.
pub const MAX_DOCUMENTS_BYTES: usize = 16 * 1024 * 1024;

/// Longest manifest: five documents and eight signatures take 4 KiB.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Most signatures of a manifest: each is verified, and few organisations want more than two.
pub const MAX_SIGNATURES: usize = 8;

/// Longest manifest with its documents in one piece, where every quotation mark in a document is written as two bytes.
pub const MAX_SIGNED_BUNDLE_BYTES: usize = 24 * 1024 * 1024;

/// Longest name of a fleet or a bundle: it stands in paths, keys and logs.
pub const MAX_LABEL_BYTES: usize = 64;

/// Longest `max_staleness_seconds`: a proxy that has heard nothing for a month is controlled by nobody.
pub const MAX_STALENESS_SECONDS: u64 = 31 * 24 * 3600;

/// Most unknown keys that are remembered until they are reported, one for each issuer: a stranger makes them up.
pub const MAX_UNKNOWN_KEYS: usize = 8;

/// Most values in one JSON text, where each may take a hundred times its length in memory: 10,000 rules have about 300,000.
pub const MAX_JSON_VALUES: usize = 500_000;

/// Longest `jti` of a proof: RFC 9449 section 4.2 asks for 96 bits of randomness, and a UUID has 36 characters.
pub const MAX_PROOF_ID_BYTES: usize = 256;

/// Longest rule id: it becomes a log field and a metric label.
pub const MAX_RULE_ID_BYTES: usize = 100;

/// Longest API key that is hashed: they are made of 32 random bytes and a prefix.
pub const MAX_API_KEY_BYTES: usize = 512;

/// Longest sentence about one error: it quotes what was written, which may be anything.
pub const MAX_ERROR_BYTES: usize = 400;

/// Most errors reported for one bundle. Operators get all of a human-sized bundle; a hostile one cannot flood the log.
pub const MAX_REPORTED_ERRORS: usize = 100;

/// Most entries of any list in a bundle: room for twice the 10,000 rules that are measured.
pub const MAX_LIST_ITEMS: usize = 20_000;

/// Largest `leeway_seconds`. Clocks kept by NTP differ by milliseconds; more than five minutes only prolongs stolen tokens.
pub const MAX_LEEWAY_SECONDS: u64 = 300;

/// Largest `max_lifetime_seconds`: ten years, so that a typing error in milliseconds is noticed.
pub const MAX_LIFETIME_SECONDS: u64 = 10 * 365 * 24 * 3600;

/// Longest `assertion.lifetime_seconds`: an assertion is about one request, and whoever finds it can use it until it ends.
pub const MAX_ASSERTION_SECONDS: u64 = 300;

/// Most tokens that are remembered as verified, in each worker.
pub const MAX_CACHED_TOKENS: usize = 10_000;

/// Most memory for remembered tokens, in each worker: a quarter of a VM's 16 MiB.
pub const MAX_CACHED_BYTES: usize = 4 * 1024 * 1024;

/// Most memory for keys that are prepared for fast verification, in each worker: 113 keys of P-256, 73 of P-384, 34 of
/// Ed25519, or hundreds of RSA. Those that are not used give way to those that are.
pub const MAX_PREPARED_BYTES: usize = 1024 * 1024;

/// Most revocations in a bundle that are not packed.
pub const MAX_REVOCATIONS: usize = 20_000;

/// Most packed revocations: 12 bytes for each, in each worker and once on the host.
pub const MAX_PACKED_REVOCATIONS: usize = 1 << 20;

/// Longest name of an issuer: it is a URL, and is kept once for each tenant.
pub const MAX_ISSUER_BYTES: usize = 1024;

/// Most tenants of one issuer.
pub const MAX_TENANTS: usize = 2000;

/// Most tokens that are remembered as refused by their authorization server, in each worker: 40 bytes each.
pub const MAX_REFUSED_TOKENS: usize = 10_000;

/// Longest answer of an authorization server about one token: it says what a token of 16 KiB could say.
pub const MAX_INTROSPECTION_BYTES: usize = 64 * 1024;

/// Longest time that an authorization server may take to answer, in milliseconds: a request waits for it.
pub const MAX_INTROSPECTION_MILLISECONDS: u64 = 5000;

/// Largest compiled regular expression: those of policies take some kilobytes, and `(a{100}){100}` takes megabytes.
pub const MAX_REGEX_BYTES: usize = 64 * 1024;

/// Longest expression of a rule: a screen full, and what is longer is better said with `all` and `any`. The specification of CEL wants
/// 32 terms in a row at least.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// Deepest nesting of an expression: twice the 32 that the specification of CEL asks for at most. Each level takes some hundred bytes of
/// the stack while it is read and evaluated; a module has 1 MiB.
pub const MAX_EXPRESSION_DEPTH: usize = 64;

/// Most parts of an expression. Those of policies have 10 to 50; 10,000 rules of this size would fill a VM.
pub const MAX_EXPRESSION_NODES: usize = 500;

/// Most macros within each other: a list of a list of a token, and one to compare it with. Each multiplies the work.
pub const MAX_EXPRESSION_LOOPS: usize = 3;

/// Most steps of one evaluation: every part, item and 32 bytes of text that is looked at is one. Enough for a condition on each of 1,000
/// groups; takes less than a millisecond, whatever the token says.
pub const MAX_EXPRESSION_STEPS: usize = 10_000;

/// Longest text that an expression makes: what a header could hold.
pub const MAX_EXPRESSION_TEXT_BYTES: usize = 16 * 1024;

/// Most claims that a decision record shows: it is made for every request.
pub const MAX_RECORDED_CLAIMS: usize = 16;

/// Longest text of a request in a decision record; of what is longer the end is left out. Names of users and services have some dozen
/// bytes, and what clients write may have thousands.
pub const MAX_RECORDED_TEXT_BYTES: usize = 512;

/// Of how many permits by a rule one is recorded at the least.
pub const MAX_SAMPLING_INTERVAL: u64 = 1_000_000;
