//! Keys and tokens for the tests, made without the library under test.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Value, json};

use super::KeySet;
use crate::ports::{PublicKey, Signatures};

/// The tokens of these tests are issued at this moment and live for an hour.
pub const NOW: u64 = 2_000_000_000;
/// The published secret of every local Supabase stack.
pub const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
pub const USER: &str = "6f1d9f52-5d4a-4c0e-9a43-0d2c5a0b7e11";

pub fn claims() -> Value {
    json!({ "sub": USER, "role": "authenticated", "aud": "authenticated", "iat": NOW, "exp": NOW + 3600 })
}

/// A private key and the algorithm that it signs with.
pub enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// An elliptic-curve key of its own for each number from 0 to 3.
pub fn es256(number: usize) -> Signer {
    static KEYS: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
    let rng = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let make = |_| EcdsaKeyPair::generate_pkcs8(algorithm, &rng).expect("a key is made").as_ref().to_vec();
    let keys = KEYS.get_or_init(|| [0, 1, 2, 3].map(make));
    Signer::Es256(EcdsaKeyPair::from_pkcs8(algorithm, &keys[number], &rng).expect("ring reads its own keys"))
}

/// The one RSA key of these tests.
pub fn rs256() -> Signer {
    let der = Base64UrlUnpadded::decode_vec(RSA_KEY).expect("the fixture is base64");
    Signer::Rs256(RsaKeyPair::from_pkcs8(&der).expect("the fixture is a key"))
}

/// An Ed25519 key of its own for each number.
pub fn eddsa(number: u8) -> Signer {
    Signer::EdDsa(Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("any 32 bytes are a seed"))
}

/// A key of each kind.
pub fn all_kinds() -> [Signer; 3] {
    [es256(0), rs256(), eddsa(1)]
}

impl Signer {
    pub fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                PublicKey::P256 { x: base64(&point[1..33]), y: base64(&point[33..]) }
            }
            Self::Rs256(key) => {
                let parts: RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                PublicKey::Rsa { n: base64(&parts.n), e: base64(&parts.e) }
            }
            Self::EdDsa(key) => PublicKey::Ed25519 { x: base64(key.public_key().as_ref()) },
        }
    }

    /// As Supabase publishes it.
    pub fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public().to_jwk();
        jwk["alg"] = json!(self.alg());
        jwk["use"] = json!("sig");
        jwk["key_ops"] = json!(["verify"]);
        jwk["ext"] = json!(true);
        jwk["kid"] = json!(kid);
        jwk
    }

    pub fn sign(&self, content: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&rng, content).expect("a signature").as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &rng, content, &mut signature).expect("a signature");
                signature
            }
            Self::EdDsa(key) => key.sign(content).as_ref().to_vec(),
        }
    }

    /// A token with these claims under any header.
    pub fn signs(&self, header: &Value, claims: &Value) -> String {
        signed(header, &claims.to_string(), |content| self.sign(content))
    }

    /// A token as Supabase Auth makes it.
    pub fn token(&self, kid: &str) -> String {
        self.signs(&json!({ "alg": self.alg(), "typ": "JWT", "kid": kid }), &claims())
    }
}

/// The signature port over ring.
pub struct Ring;

impl Signatures for Ring {
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool {
        let bytes = |text: &str| Base64UrlUnpadded::decode_vec(text).expect("keys have been checked");
        match key {
            PublicKey::P256 { x, y } => {
                let point = [vec![4], bytes(x), bytes(y)].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(content, signature).is_ok()
            }
            PublicKey::Rsa { n, e } => RsaPublicKeyComponents { n: bytes(n), e: bytes(e) }
                .verify(&RSA_PKCS1_2048_8192_SHA256, content, signature)
                .is_ok(),
            PublicKey::Ed25519 { x } => {
                UnparsedPublicKey::new(&ED25519, bytes(x)).verify(content, signature).is_ok()
            }
        }
    }
}

/// Polls a future until it is done; nothing here waits for anything outside.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future is never done: does a loop not end?");
}

pub fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("the fixture is a key set")
}

pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed(header, &claims.to_string(), |content| hmac(content, secret))
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

/// A private key (PKCS #8, 2,048 bits) that nothing but these tests knows or uses.
const RSA_KEY: &str = "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCTUG0uqJTQkAG_LZRPyY8j_XkJIg_grZXPBkFgRCJKScizuJ3_LzL4lPG6oqe3F4-ZLxGP2oAINJc8Ka8kQCNXBuYAD1u1f6N42GCeBnPGftnKggUXSz0W5ud7ONSPiPG9_Oxrl4kLEmL_KjiXcACPuHxcC7NDUbjYQNeIZ7cISJzKxMHexAodxuagr0XgSKO-CBWf-V4uXMMfMS17WXks4cx7laZBLElbJMcGeoSkyB7nXgsRem0Q_nmBT_WVk7lzZyIPe1rzXDyjW-0vT98rf1ZbvPt6QP7hsmQAuoaBriMj1U750IZCxAoqWRADjDUV32LaixaA5xUZ_oE-QCxpAgMBAAECggEAB5F_OoFwu9JaNJ872mmJkBjKqhx04l8ori0tGKwHcveddxZKD702Ci1kyejnYvGz7_PKHDDmmQVSq8WceOlOp370PBaN6KI5HNFJDXVZZ15HBC9v4YV9Cvsr81m1Gfa4LMGcx95OLSJxsZhStf0MGlYpFXWIbTH6pCmYqSpi7erxHbZQheV9i8OVw8uUzjxOKlL2POi79xnHaBMi_iR_d2zxayh7AOkVdlK9Ag7S2jAB-7wqvB8tQDeMbJn-8BOwHJTfBvYRSxo3sk-clnSNGPVfPFYHmwOrryNObDvMlQXLmfP-s6GBsNetfTWSJ8IaWgEmFwDeUcjx707d2MLkHQKBgQDOPAM3HqJnKt2aXe6LlIpGJXin0zs8IWbWUWeJ9micbdfwGIuoDGfi9Ex-yqDrWz2QBSMP82RpZJHMSIX8Ofmn3mIrwSs-q5jQMoD9crY3cFqLZmDjgcpTpc0JtznCvrZ8YjBiuavow5VhtGglvM0fu8Hil_Osfw4MRNbDK_7nuwKBgQC23Kf6Mo8DVpRUcXx7NANfS_x-ASGEOHhu-12Xj5_ECqjHn1cTxP5O4HseIKSv8ainYraSx5F2TMqagav59eY9DU2ttUDPBND4--T6_AAaupNnm1FNMI3hr_9jmRd5am_2dQja8ZYH1tG4vXuR5u0mhu-lgRfOxqy6pwTU_DnAKwKBgG18HpjcgosSjqKsyz7-lIm4yt0NnpzFfrq4bKcpUU_6YHDuFvYX3-70ksec-uD3hy82Cu8k32G0KlKxDbBhdtBPlv5zhmm232Fn7mKey22TD_6BU150QN03YCqQQvHIHUjbN6SxvTnM2zkLdV7TZHI8UyngUVR5_xM0WG80pBaRAoGASnWjOK_pqBRTJedoJsrRLLbGQ5C2Ux6je52DSLnE9pDYlSB-1p_6ZafmuifUp4ghgrchXLdCtgci4LM4kfndHLMUFE2f7Cwr45a-cKy4Zine5-tIucOxolqGBcpK0rfSi2qwhmalDuAcWbteW9TKcEu1vZDJXvtrTj3AK_Hgmi0CgYA7GdBaKVvVIFMtDFQ7jvBltuyBf9I0gxbGo_g-C-vkjFYv-2VwfAx6c1lmKQ6K4aY7owlW7ki35YvJgC9raV3dskNmngzYNXafi7DxFn8LhsIddtQbeICP0wASw0dSOlULalLiwuJ3rP09EycsiQxNxz7voUixnC58pLFUAPwJOA";

/// A key set, and a token it verifies, made by the Web Crypto of Node.js.
pub const WEB_CRYPTO_KEY_SET: &str = r#"{"keys":[{"alg":"ES256","crv":"P-256","ext":true,"key_ops":["verify"],"kid":"b81269f1-21d8-4f2e-b719-c2240a840d90","kty":"EC","use":"sig","x":"vashTQe8vtAiB01X1XGLhFPAj4N7XCg9tr7yHqhQtrI","y":"SilqQL-4wtOb_wUiZr_uaWJEIgGjKKCxi3ie9w2bEHU"}]}"#;
pub const WEB_CRYPTO_ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImI4MTI2OWYxLTIxZDgtNGYyZS1iNzE5LWMyMjQwYTg0MGQ5MCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3Byb2plY3Quc3VwYWJhc2UuY28vYXV0aC92MSIsInN1YiI6IjZmMWQ5ZjUyLTVkNGEtNGMwZS05YTQzLTBkMmM1YTBiN2UxMSIsImF1ZCI6ImF1dGhlbnRpY2F0ZWQiLCJleHAiOjIwMDAwMDM2MDAsImlhdCI6MjAwMDAwMDAwMCwiZW1haWwiOiJ1c2VyQGV4YW1wbGUuY29tIiwicGhvbmUiOiIiLCJhcHBfbWV0YWRhdGEiOnsicHJvdmlkZXIiOiJlbWFpbCIsInByb3ZpZGVycyI6WyJlbWFpbCJdfSwidXNlcl9tZXRhZGF0YSI6e30sInJvbGUiOiJhdXRoZW50aWNhdGVkIiwiYWFsIjoiYWFsMSIsImFtciI6W3sibWV0aG9kIjoicGFzc3dvcmQiLCJ0aW1lc3RhbXAiOjIwMDAwMDAwMDB9XSwic2Vzc2lvbl9pZCI6ImMwYzNhM2Y4LTRkMWYtNGEzZi04YTBjLTBiNmIyYzBmN2Y1ZSIsImlzX2Fub255bW91cyI6ZmFsc2V9.wIVcWT4K74S2T7hyu9AUwc2JCHObiRFqHriokNMZBAGN87SrKASg3eOxj4r3tqvUEYzVCrpD4tM4TeYlVJEUPg";
/// The same claims signed with [`SECRET`] by Node.js.
pub const NODE_HS256: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6Ilg1azNaejAiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL3Byb2plY3Quc3VwYWJhc2UuY28vYXV0aC92MSIsInN1YiI6IjZmMWQ5ZjUyLTVkNGEtNGMwZS05YTQzLTBkMmM1YTBiN2UxMSIsImF1ZCI6ImF1dGhlbnRpY2F0ZWQiLCJleHAiOjIwMDAwMDM2MDAsImlhdCI6MjAwMDAwMDAwMCwiZW1haWwiOiJ1c2VyQGV4YW1wbGUuY29tIiwicGhvbmUiOiIiLCJhcHBfbWV0YWRhdGEiOnsicHJvdmlkZXIiOiJlbWFpbCIsInByb3ZpZGVycyI6WyJlbWFpbCJdfSwidXNlcl9tZXRhZGF0YSI6e30sInJvbGUiOiJhdXRoZW50aWNhdGVkIiwiYWFsIjoiYWFsMSIsImFtciI6W3sibWV0aG9kIjoicGFzc3dvcmQiLCJ0aW1lc3RhbXAiOjIwMDAwMDAwMDB9XSwic2Vzc2lvbl9pZCI6ImMwYzNhM2Y4LTRkMWYtNGEzZi04YTBjLTBiNmIyYzBmN2Y1ZSIsImlzX2Fub255bW91cyI6ZmFsc2V9.jLSydyzNIWy5w8OhhXrCzNAf4eZLoV2jBRUaO1fJd-k";
