//! Keys and tokens for the tests, made without the library under test.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use super::KeySet;

/// The tokens of these tests are issued at this moment and live for an hour.
pub const NOW: u64 = 2_000_000_000;
/// The published secret of every local Supabase stack.
pub const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
pub const USER: &str = "6f1d9f52-5d4a-4c0e-9a43-0d2c5a0b7e11";

pub fn claims() -> Value {
    json!({ "sub": USER, "role": "authenticated", "aud": "authenticated", "iat": NOW, "exp": NOW + 3600 })
}

/// A key of its own for each number but 0.
pub fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).expect("any number from 1 to 254 makes a scalar of P-256")
}

pub fn jwk(kid: &str, key: &SigningKey) -> Value {
    let point = key.verifying_key().to_encoded_point(false);
    let [x, y] = [point.x(), point.y()].map(|c| base64(c.expect("the point is uncompressed")));
    json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true,
            "kid": kid, "x": x, "y": y })
}

pub fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("the fixture is a key set")
}

pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed(header, &claims.to_string(), |content| hmac(content, secret))
}

pub fn es256(header: &Value, claims: &Value, key: &SigningKey) -> String {
    signed(header, &claims.to_string(), |content| {
        let signature: Signature = key.sign(content);
        signature.to_bytes().to_vec()
    })
}

pub fn hmac(content: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

pub fn signed(header: &Value, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let content = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.as_bytes()));
    let signature = base64(&sign(content.as_bytes()));
    format!("{content}.{signature}")
}

pub fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A key set, and a token it verifies, made by the Web Crypto of Node.js.
pub const WEB_CRYPTO_KEY_SET: &str = r#"{"keys":[{"alg":"ES256","crv":"P-256","ext":true,"key_ops":["verify"],"kid":"b81269f1-21d8-4f2e-b719-c2240a840d90","kty":"EC","use":"sig","x":"vashTQe8vtAiB01X1XGLhFPAj4N7XCg9tr7yHqhQtrI","y":"SilqQL-4wtOb_wUiZr_uaWJEIgGjKKCxi3ie9w2bEHU"}]}"#;
pub const WEB_CRYPTO_ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImI4MTI2OWYxLTIxZDgtNGYyZS1iNzE5LWMyMjQwYTg0MGQ5MCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3Byb2plY3Quc3VwYWJhc2UuY28vYXV0aC92MSIsInN1YiI6IjZmMWQ5ZjUyLTVkNGEtNGMwZS05YTQzLTBkMmM1YTBiN2UxMSIsImF1ZCI6ImF1dGhlbnRpY2F0ZWQiLCJleHAiOjIwMDAwMDM2MDAsImlhdCI6MjAwMDAwMDAwMCwiZW1haWwiOiJ1c2VyQGV4YW1wbGUuY29tIiwicGhvbmUiOiIiLCJhcHBfbWV0YWRhdGEiOnsicHJvdmlkZXIiOiJlbWFpbCIsInByb3ZpZGVycyI6WyJlbWFpbCJdfSwidXNlcl9tZXRhZGF0YSI6e30sInJvbGUiOiJhdXRoZW50aWNhdGVkIiwiYWFsIjoiYWFsMSIsImFtciI6W3sibWV0aG9kIjoicGFzc3dvcmQiLCJ0aW1lc3RhbXAiOjIwMDAwMDAwMDB9XSwic2Vzc2lvbl9pZCI6ImMwYzNhM2Y4LTRkMWYtNGEzZi04YTBjLTBiNmIyYzBmN2Y1ZSIsImlzX2Fub255bW91cyI6ZmFsc2V9.wIVcWT4K74S2T7hyu9AUwc2JCHObiRFqHriokNMZBAGN87SrKASg3eOxj4r3tqvUEYzVCrpD4tM4TeYlVJEUPg";
/// The same claims signed with [`SECRET`] by Node.js.
pub const NODE_HS256: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6Ilg1azNaejAiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL3Byb2plY3Quc3VwYWJhc2UuY28vYXV0aC92MSIsInN1YiI6IjZmMWQ5ZjUyLTVkNGEtNGMwZS05YTQzLTBkMmM1YTBiN2UxMSIsImF1ZCI6ImF1dGhlbnRpY2F0ZWQiLCJleHAiOjIwMDAwMDM2MDAsImlhdCI6MjAwMDAwMDAwMCwiZW1haWwiOiJ1c2VyQGV4YW1wbGUuY29tIiwicGhvbmUiOiIiLCJhcHBfbWV0YWRhdGEiOnsicHJvdmlkZXIiOiJlbWFpbCIsInByb3ZpZGVycyI6WyJlbWFpbCJdfSwidXNlcl9tZXRhZGF0YSI6e30sInJvbGUiOiJhdXRoZW50aWNhdGVkIiwiYWFsIjoiYWFsMSIsImFtciI6W3sibWV0aG9kIjoicGFzc3dvcmQiLCJ0aW1lc3RhbXAiOjIwMDAwMDAwMDB9XSwic2Vzc2lvbl9pZCI6ImMwYzNhM2Y4LTRkMWYtNGEzZi04YTBjLTBiNmIyYzBmN2Y1ZSIsImlzX2Fub255bW91cyI6ZmFsc2V9.jLSydyzNIWy5w8OhhXrCzNAf4eZLoV2jBRUaO1fJd-k";
