//! Writes JSON objects member by member: a record is made for every request.

/// The members of a JSON object that is being written.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<u8>);

impl Members {
    /// With room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Those of a record: with room for so many bytes, and the brace before the first.
    pub(crate) fn open(bytes: usize) -> Self {
        let mut members = Self::with_capacity(bytes);
        members.0.push(b'{');
        members
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.named(name);
        self.value(value);
    }

    /// A text of which nothing has to be escaped.
    pub(crate) fn plain(&mut self, name: &'static str, value: &str) {
        self.member(&[b"\"", name.as_bytes(), b"\":\"", value.as_bytes(), b"\""]);
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &'static str, value: u64) {
        self.named(name);
        // A vector takes everything, and there is nothing in a number or a text that JSON cannot express.
        let _ = serde_json::to_writer(&mut self.0, &value);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, name: &'static str, json: &[u8]) {
        self.member(&[b"\"", name.as_bytes(), b"\":", json]);
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        self.named(name);
        self.0.push(b'{');
        write(self);
        self.0.push(b'}');
    }

    /// A list of texts of which nothing has to be escaped.
    pub(crate) fn list(&mut self, name: &'static str, values: &[&str]) {
        self.named(name);
        self.0.push(b'[');
        for (index, value) in values.iter().enumerate() {
            self.0.extend(if index == 0 { &b"\""[..] } else { b",\"" });
            self.0.extend(value.as_bytes());
            self.0.push(b'"');
        }
        self.0.push(b']');
    }

    /// A text under a name that may be anything.
    pub(crate) fn entry(&mut self, name: &str, value: &str) {
        self.separate();
        self.value(name);
        self.0.push(b':');
        self.value(value);
    }

    /// Members that were written elsewhere.
    pub(crate) fn extend(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.separate();
            self.0.extend(members);
        }
    }

    /// What was written, without a brace at the end.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn named(&mut self, name: &'static str) {
        self.member(&[b"\"", name.as_bytes(), b"\":"]);
    }

    /// A member, its beginning or some of them, in pieces: one loop, which is less code to run through than as many calls.
    #[inline(never)]
    pub(crate) fn member(&mut self, pieces: &[&[u8]]) {
        self.separate();
        for piece in pieces {
            self.0.extend_from_slice(piece);
        }
    }

    fn separate(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{')) {
            self.0.push(b',');
        }
    }

    fn value(&mut self, text: &str) {
        let _ = serde_json::to_writer(&mut self.0, text);
    }
}
