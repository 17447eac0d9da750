//! One public key of a JWKS (RFC 7517), and the one signature algorithm that it is for.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ports::PublicKey;

/// Length of a coordinate on P-256 and of an Ed25519 key, leading zeros included, in bytes.
const POINT_BYTES: usize = 32;

/// Sizes of an RSA modulus that are accepted, in bits. RFC 7518 section 3.3 asks for 2,048 at least; a longer
/// key makes each check dearer, and nobody signs tokens with more than 4,096.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Longest RSA exponent that is accepted, in bytes. In practice it is 65,537.
const MAX_EXPONENT_BYTES: usize = 4;

/// What a JWK says of itself. The JWT library's own type knows private keys too, and is larger.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
}

impl PublicKey {
    /// Whether a token whose header says `alg` may be signed with this key. Ed25519 has two names: RFC 8037's,
    /// and that of RFC 9864.
    pub fn is_for(&self, alg: &str) -> bool {
        match self {
            Self::P256 { .. } => alg == "ES256",
            Self::Rsa { .. } => alg == "RS256",
            Self::Ed25519 { .. } => matches!(alg, "EdDSA" | "Ed25519"),
        }
    }

    /// The key as a JWK of no more than it needs, as WebCrypto imports it.
    pub fn to_jwk(&self) -> Value {
        match self {
            Self::P256 { x, y } => json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            Self::Rsa { n, e } => json!({ "kty": "RSA", "n": n, "e": e }),
            Self::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
        }
    }

    /// Reads a JWK, with its id. `None` where it cannot verify one of the three algorithms: another type or
    /// curve, another purpose (`use`, `key_ops`, `alg`), a size out of bounds.
    pub(super) fn read(jwk: &Value) -> Option<(Option<String>, Self)> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => Self::P256 { x: point(&jwk.x?)?, y: point(&jwk.y?)? },
            ("OKP", Some("Ed25519")) => Self::Ed25519 { x: point(&jwk.x?)? },
            ("RSA", _) => Self::Rsa { n: modulus(&jwk.n?)?, e: exponent(&jwk.e?)? },
            _ => return None,
        };
        let verifies = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && jwk.alg.as_deref().is_none_or(|alg| key.is_for(alg));
        verifies.then_some((jwk.kid, key))
    }
}

fn point(text: &str) -> Option<String> {
    (Base64UrlUnpadded::decode_vec(text).ok()?.len() == POINT_BYTES).then(|| text.to_owned())
}

/// A number's bytes without the leading zeros that some encoders write against RFC 7518 section 6.3.1.
fn number(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

fn modulus(text: &str) -> Option<String> {
    let bytes = number(text)?;
    let spare = bytes.first()?.leading_zeros() as usize;
    let is_odd = bytes.last()? & 1 == 1;
    (is_odd && RSA_BITS.contains(&(bytes.len() * 8 - spare)))
        .then(|| Base64UrlUnpadded::encode_string(&bytes))
}

fn exponent(text: &str) -> Option<String> {
    let bytes = number(text)?;
    let is_odd = bytes.last()? & 1 == 1;
    let fits = bytes.len() <= MAX_EXPONENT_BYTES && bytes != [1];
    (is_odd && fits).then(|| Base64UrlUnpadded::encode_string(&bytes))
}
