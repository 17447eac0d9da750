//! The signature port over WebCrypto: native code in the runtime, so none of it is in the module.

use js_sys::futures::JsFuture;
use js_sys::{JSON, Object, Uint8Array};
use serde_json::{Value, json};
use shared::ports::{PublicKey, Signatures};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WorkerGlobalScope;

/// Signatures checked by `crypto.subtle`,
/// <https://developers.cloudflare.com/workers/runtime-apis/web-crypto/>.
#[derive(Debug, Clone, Copy)]
pub struct WebCrypto;

impl Signatures for WebCrypto {
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool {
        // What WebCrypto throws of, a key it refuses, is no valid signature either.
        verified(key, content, signature).await.unwrap_or_default()
    }
}

async fn verified(key: &PublicKey, content: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    let algorithm = object(&match key {
        PublicKey::P256 { .. } => json!({ "name": "ECDSA", "namedCurve": "P-256", "hash": "SHA-256" }),
        PublicKey::Rsa { .. } => json!({ "name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256" }),
        PublicKey::Ed25519 { .. } => json!({ "name": "Ed25519" }),
    })?;
    let usages = JSON::parse(r#"["verify"]"#)?;
    let import = subtle.import_key_with_object("jwk", &object(&key.to_jwk())?, &algorithm, false, &usages)?;
    let key = JsFuture::from(import).await?.unchecked_into();
    let (signature, content) = (Uint8Array::from(signature), Uint8Array::from(content));
    let verify =
        subtle.verify_with_object_and_js_u8_array_and_js_u8_array(&algorithm, &key, &signature, &content)?;
    Ok(JsFuture::from(verify).await?.is_truthy())
}

fn object(value: &Value) -> Result<Object, JsValue> {
    Ok(JSON::parse(&value.to_string())?.unchecked_into())
}
