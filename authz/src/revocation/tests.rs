use std::rc::Rc;

use super::packed::MAX_PACKED_BYTES;
use super::*;
use crate::steps;

const ISSUER: &str = "https://idp.example.com";

fn time(seconds: u64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn identity(issuer: &str, token_id: Option<&str>, session: Attribute<String>) -> Identity {
    Identity {
        issuer: Some(issuer.into()),
        token_id: token_id.map(str::to_owned),
        session: session.into(),
        ..Identity::default()
    }
}

fn read(document: Vec<u8>) -> Result<Revocations, String> {
    let mut revocations = Revocations::default();
    steps::finish(revocations.add_packed(Rc::new(document))).map(|()| revocations)
}

#[test]
fn packed_entries_concern_what_they_name() {
    let mut packer = RevocationPacker::default();
    for number in 0..1000 {
        assert!(packer.add(PackedKind::Token, ISSUER, &format!("token-{number}"), time(200)));
    }
    assert!(packer.add(PackedKind::Session, ISSUER, "session", time(300)));
    let revocations = read(packer.pack().unwrap()).unwrap();
    let present = |name: &str| Attribute::Present(name.to_owned());
    for (issuer, token_id, session, until) in [
        (ISSUER, Some("token-0"), Attribute::Absent, 200),
        (ISSUER, Some("token-999"), Attribute::Absent, 200),
        (ISSUER, Some("token-1000"), Attribute::Absent, 0),
        (ISSUER, None, present("session"), 300),
        (ISSUER, Some("token-7"), present("session"), 300),
        // It may be any of those that are revoked.
        (ISSUER, None, Attribute::Malformed, 300),
        (ISSUER, None, present(""), 0),
        (ISSUER, Some("session"), present("token-0"), 0),
        (ISSUER, None, Attribute::Absent, 0),
        ("https://idp.example.co", Some("mtoken-0"), Attribute::Absent, 0),
        ("https://other.example", Some("token-0"), Attribute::Malformed, 0),
    ] {
        let identity = identity(issuer, token_id, session);
        for now in [0, 499, 500, 599, 600] {
            // What has expired may be good for as long as clocks may differ.
            let until = if until == 0 { 0 } else { until + MAX_LEEWAY_SECONDS };
            assert_eq!(revocations.concern(&identity, time(now)), now < until, "{identity:?} at {now}");
        }
    }
}

#[test]
fn the_longer_end_counts_and_the_dead_are_dropped() {
    let mut packer = RevocationPacker::default();
    for (name, until) in [("a", 100), ("a", 300), ("a", 200), ("b", 100)] {
        assert!(packer.add(PackedKind::Token, ISSUER, name, time(until)));
    }
    assert!(!packer.add(PackedKind::Token, ISSUER, "c", time(1 << 32)));
    let packer = RevocationPacker::with(packer.pack().unwrap(), time(400)).unwrap();
    assert_eq!(packer.len(), 1);
    let revocations = read(packer.pack().unwrap()).unwrap();
    assert!(revocations.concern(&identity(ISSUER, Some("a"), Attribute::Absent), time(599)));
}

/// The format, for those who write one of their own: `docs/distribution.md`.
#[test]
fn an_entry_is_the_beginning_of_a_digest_and_a_time() {
    for (kind, name, document) in [
        (PackedKind::Token, "4f2c", "7265766f6b656431 6bcc1e44222584bd 6b49d200"),
        (PackedKind::Session, "s-1", "7265766f6b656431 7ceacc787900d399 6b49d200 9f434bdc7f4887b9 6b49d200"),
    ] {
        let mut packer = RevocationPacker::default();
        assert!(packer.add(kind, ISSUER, name, time(1_800_000_000)));
        let hex: String = packer.pack().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, document.replace(' ', ""));
    }
}

#[test]
fn what_would_not_be_found_is_refused() {
    let entry = |first: u8| [[first; 8].as_slice(), &[0xff; 4]].concat();
    let document = |entries: &[Vec<u8>]| [b"revoked1".as_slice(), &entries.concat()].concat();
    assert!(read(document(&[])).is_ok());
    assert!(read(document(&[entry(1), entry(2)])).is_ok());
    for (bytes, why) in [
        (Vec::new(), "does not begin with `revoked1`"),
        (b"revoked2".to_vec(), "does not begin with `revoked1`"),
        (document(&[vec![0; 11]]), "ends in the middle of an entry"),
        (document(&[entry(2), entry(1)]), "entry 1 is not in the order of fingerprints"),
        (document(&[entry(1), entry(2), entry(2)]), "entry 2 is not in the order of fingerprints"),
        (vec![0; MAX_PACKED_BYTES + 12], "does not begin with `revoked1`"),
    ] {
        assert_eq!(read(bytes).unwrap_err(), why);
    }
    let entries = (0_u64..=1 << 20).flat_map(|number| [&number.to_be_bytes()[..], &[0xff; 4]].concat());
    let too_many: Vec<u8> = b"revoked1".iter().copied().chain(entries).collect();
    assert_eq!(read(too_many.clone()).unwrap_err(), "has 1048577 entries, at most 1048576 are read");
    assert!(read(too_many[..MAX_PACKED_BYTES].to_vec()).is_ok());
}

/// A template stands for thousands of issuers, and is revoked for all of them by one entry.
#[test]
fn entries_of_a_template_are_kept_once() {
    let tenants = |number: usize| format!("https://idp.example.com/{number}");
    let issuers: IssuerSet = Rc::new((0..2000).map(tenants).collect());
    let until = time(200);
    let entries = (0..1000).map(|number| {
        let entry = Entry { issuers: Rc::clone(&issuers), issued_before: None, until };
        ((Kind::Token, String::new(), format!("token-{number}")), vec![entry])
    });
    let revocations = Revocations { entries: entries.collect(), packed: None };
    let concern = |issuer: &str, token| revocations.concern(&identity(issuer, Some(token), Attribute::Absent), time(0));
    assert!(concern(&tenants(0), "token-0") && concern(&tenants(1999), "token-999"));
    assert!(!concern(&tenants(2000), "token-0") && !concern(&tenants(0), "token-1000"));
    let malformed = identity(&tenants(7), None, Attribute::Malformed);
    assert!(!revocations.concern(&malformed, time(0)), "no session is revoked");
}
