//! Headers that were read already: all tokens of a key have the same.

use std::cell::RefCell;
use std::rc::Rc;

use super::jws::Header;
use crate::bytes::is_same;

/// How many headers are remembered: one or two for each key that is in use.
const MAX_HEADERS: usize = 32;

/// Headers of tokens whose signature was good, by the text in which they were sent. It changes how long an answer takes and never
/// what it is; nobody without a key can fill it.
#[derive(Debug, Default)]
pub(crate) struct KnownHeaders(RefCell<Vec<KnownHeader>>);

/// The text of a header, and what it says.
type KnownHeader = (Box<[u8]>, Rc<Header>);

impl KnownHeaders {
    pub(super) fn get(&self, text: &[u8]) -> Option<Rc<Header>> {
        let headers = self.0.try_borrow().ok()?;
        headers.iter().find(|(known, _)| is_same(known, text)).map(|(_, header)| Rc::clone(header))
    }

    pub(super) fn insert(&self, text: &[u8], header: &Rc<Header>) {
        let Ok(mut headers) = self.0.try_borrow_mut() else { return };
        if headers.iter().any(|(_, known)| Rc::ptr_eq(known, header)) {
            return;
        }
        if headers.len() >= MAX_HEADERS {
            headers.remove(0);
        }
        headers.push((text.into(), Rc::clone(header)));
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::{Algorithm, base64url};
    use super::*;
    use crate::jose::UnverifiedJws;

    #[test]
    fn a_header_is_known_by_all_of_its_text_and_the_oldest_is_forgotten() {
        let known = KnownHeaders::default();
        let text = |number: usize| base64url::encode(format!(r#"{{"alg":"ES256","kid":"{number}"}}"#));
        for number in 0..=MAX_HEADERS {
            let token = format!("{}.e30.AA", text(number));
            let unverified = UnverifiedJws::parse_any(token.as_bytes(), &known).unwrap();
            assert_eq!(unverified.header().algorithm, Algorithm::Es256);
            known.insert(
                text(number).as_bytes(),
                &Rc::new(Header::parse(format!(r#"{{"alg":"ES256","kid":"{number}"}}"#).as_bytes()).unwrap()),
            );
        }
        assert!(known.get(text(0).as_bytes()).is_none() && known.get(b"").is_none());
        assert_eq!(known.get(text(MAX_HEADERS).as_bytes()).unwrap().key_id.as_deref(), Some("32"));
    }
}
