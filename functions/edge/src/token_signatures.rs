//! The signature port over WebCrypto: native code in the runtime, so none of it is in the module.

use serde_json::json;
use shared::ports::{PublicKey, Signatures};

use crate::host::{self, call};

/// Signatures checked by `crypto.subtle`,
/// <https://developers.cloudflare.com/workers/runtime-apis/web-crypto/>.
#[derive(Debug, Clone, Copy)]
pub struct WebCrypto;

impl Signatures for WebCrypto {
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool {
        let algorithm = match key {
            PublicKey::P256 { .. } => json!({ "name": "ECDSA", "namedCurve": "P-256", "hash": "SHA-256" }),
            PublicKey::Rsa { .. } => json!({ "name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256" }),
            PublicKey::Ed25519 { .. } => json!({ "name": "Ed25519" }),
        };
        let (algorithm, jwk) = (algorithm.to_string(), key.to_jwk().to_string());
        let (verified, ()) = call(|id| host::verify(id, &algorithm, &jwk, content, signature));
        verified.await.status == 1
    }
}
