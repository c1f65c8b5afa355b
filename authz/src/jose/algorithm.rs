//! The signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1). There is no `none`.

/// Declares the algorithms once: variant, registered name, and another name for the same.
macro_rules! algorithms {
    ($($variant:ident = $name:literal $(or $alias:literal)?),+ $(,)?) => {
        /// An algorithm that a trusted issuer may sign its tokens with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of the IANA registry, RFC 7518 section 3.1 and RFC 8037")]
        pub enum Algorithm {
            $($variant,)+
        }

        impl Algorithm {
            /// Every algorithm, in the order of RFC 7518.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in a JOSE header, for example `ES256`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The algorithm of this name, compared byte for byte.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name $(| $alias)? => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

algorithms! {
    Hs256 = "HS256", Hs384 = "HS384", Hs512 = "HS512",
    Rs256 = "RS256", Rs384 = "RS384", Rs512 = "RS512",
    Es256 = "ES256", Es384 = "ES384",
    Ps256 = "PS256", Ps384 = "PS384", Ps512 = "PS512",
    // RFC 9864 section 2.2: the fully specified name of what `EdDSA` is with the only curve that we know.
    EdDsa = "EdDSA" or "Ed25519",
}

/// The kind of key that an algorithm needs: what a JWK's `kty` and `crv` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Rsa,
    P256,
    P384,
    Ed25519,
    Secret,
}

impl KeyType {
    /// How long each coordinate of a point is (RFC 7518 section 6.2.1.2); none where a key is no pair of coordinates.
    pub(super) const fn coordinate_bytes(self) -> Option<usize> {
        match self {
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::Rsa | Self::Ed25519 | Self::Secret => None,
        }
    }
}

impl Algorithm {
    /// The kind of key that this algorithm needs.
    pub(super) const fn key_type(self) -> KeyType {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyType::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::EdDsa => KeyType::Ed25519,
        }
    }

    /// The length of the hash, in bytes: the length of an HMAC, and the least length of its key (RFC 7518 section 3.2).
    pub(super) const fn hash_bytes(self) -> usize {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Es256 | Self::Ps256 => 32,
            Self::Hs384 | Self::Rs384 | Self::Es384 | Self::Ps384 => 48,
            Self::Hs512 | Self::Rs512 | Self::Ps512 | Self::EdDsa => 64,
        }
    }
}
