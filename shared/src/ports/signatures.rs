//! Public-key signatures, as a port: the runtime's own cryptography checks them.

use crate::supabase::token::PublicKey;

/// Checks the signatures of users' tokens.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Signatures {
    /// Whether `signature` over `content` was made by the owner of `key`, with the one algorithm that the
    /// key is for. A key that the runtime refuses, such as two coordinates that are no point of the curve,
    /// verifies nothing.
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool;
}
