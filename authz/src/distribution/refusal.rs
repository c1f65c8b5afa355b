//! The closed vocabulary of why a manifest or its documents are not adopted.

use std::fmt;

/// Declares the reasons once: variant and code.
macro_rules! refusal_reasons {
    ($($(#[$doc:meta])+ $variant:ident = $code:literal;)+) => {
        /// Why something that was pushed is not adopted, or why nothing could be had: one code in status, log and tests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalReason {
            $($(#[$doc])+ $variant,)+
        }

        impl RefusalReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code of this reason, for example `rolled_back`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The reason of this code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }
    };
}

refusal_reasons! {
    /// Not a manifest: not JSON, unknown or missing fields, a header that is not one of ours.
    Malformed = "malformed";
    /// The manifest, one of its documents or all of them together are larger than is ever read.
    TooLarge = "too_large";
    /// There is no signature, or an empty one.
    SignatureMissing = "signature_missing";
    /// A signature is not that of the trusted key that it names, or is made by an algorithm that is not accepted.
    SignatureInvalid = "signature_invalid";
    /// None of the signatures is by a trusted key.
    SignerUnknown = "signer_unknown";
    /// Some signatures are good, and more are needed.
    ThresholdNotMet = "threshold_not_met";
    /// It is for another fleet.
    FleetMismatch = "fleet_mismatch";
    /// It is another bundle's.
    NameMismatch = "name_mismatch";
    /// It was not fresh any more when it came.
    Expired = "expired";
    /// It was issued in the future.
    NotYetValid = "not_yet_valid";
    /// Its epoch is smaller than one that was adopted.
    RolledBack = "rolled_back";
    /// Its epoch was adopted with other content.
    EpochReused = "epoch_reused";
    /// A document of the manifest cannot be had.
    DocumentMissing = "document_missing";
    /// A document does not have the length or the SHA-256 that the manifest says, or is not in it.
    DocumentMismatch = "document_mismatch";
    /// The documents do not make a good bundle.
    BundleInvalid = "bundle_invalid";
    /// The bundle does not decide what its own tests expect.
    TestsFailed = "tests_failed";
    /// The control endpoint cannot be reached, or its answer is of no use.
    Unreachable = "unreachable";
    /// The control endpoint does not know this proxy.
    Unauthorized = "unauthorized";
    /// The control endpoint did not answer in time.
    Timeout = "timeout";
}

/// Something that was pushed and is not adopted: the reason, and what an operator has to know to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    reason: RefusalReason,
    detail: String,
}

impl Refused {
    /// Refuses for this reason; `detail` is for the proxy's log.
    pub fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The reason.
    pub const fn reason(&self) -> RefusalReason {
        self.reason
    }

    /// More about it, in plain words; may have several lines.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}

impl std::error::Error for Refused {}
