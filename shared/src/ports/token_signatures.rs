//! Public-key signatures, as a port: the runtime's own cryptography checks them.

/// A key that may verify signatures. Its kind is its algorithm: no key serves two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// ES256: a point on P-256 by its coordinates, 32 bytes each, as base64url.
    P256 {
        /// The first coordinate.
        x: String,
        /// The second one.
        y: String,
    },
    /// RS256: modulus and exponent, big-endian, as base64url.
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// EdDSA on Curve25519: 32 bytes, as base64url.
    Ed25519 {
        /// The key.
        x: String,
    },
}

/// Checks the signatures of users' tokens.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Signatures {
    /// Whether `signature` over `content` was made by the owner of `key`, with the one algorithm that the
    /// key is for. A key that the runtime refuses, such as two coordinates that are no point of the curve,
    /// verifies nothing.
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool;
}
