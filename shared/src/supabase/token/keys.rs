//! The project's public keys: a JWKS as published at `/auth/v1/.well-known/jwks.json` (RFC 7517).

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::Algorithm;
use jwt_compact::alg::{Es256, VerifyingKey as _};
use serde::Deserialize;
use serde_json::Value;

/// Largest document that is looked at, in bytes. A key takes about 300.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// Most keys a document may hold. A project has a handful: in use, standby, previously used.
pub const MAX_KEYS: usize = 32;

/// Length of a coordinate on P-256, leading zeros included.
const COORDINATE_BYTES: usize = 32;
/// First byte of a point given by both its coordinates (SEC 1, 2.3.3).
const UNCOMPRESSED_POINT: u8 = 4;

type VerifyingKey = <Es256 as Algorithm>::VerifyingKey;

/// The keys that may verify an ES256 signature, by key id.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<(String, VerifyingKey)>,
}

/// Why a document cannot be used as a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More than [`MAX_KEY_SET_BYTES`] or more than [`MAX_KEYS`].
    #[error("the key set is too large")]
    TooLarge,
    /// Not `{"keys": [...]}`.
    #[error("the key set is malformed")]
    Malformed,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// An elliptic-curve key (RFC 7518, 6.2.1) and what it says about its use. The JWT library's own JWK
/// type knows every kind of key, private ones too, and costs 8 KiB of compressed WebAssembly more.
#[derive(Deserialize)]
struct Key {
    kid: String,
    kty: String,
    crv: String,
    x: String,
    y: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
}

impl Key {
    fn is_for_es256(&self) -> bool {
        self.kty == "EC"
            && self.crv == "P-256"
            && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && self.alg.as_deref().is_none_or(|alg| alg == "ES256")
    }
}

impl KeySet {
    /// Reads a JWKS. Keys that cannot verify ES256 (another type or curve, another purpose, no key id,
    /// not a point of the curve) are passed over, as RFC 7517 section 5 asks; symmetric keys are
    /// among them, so a published key set can never stand in for the shared secret.
    ///
    /// # Errors
    /// See [`KeySetError`]; the keys held until then should be kept.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooLarge);
        }
        Ok(Self { keys: document.keys.iter().filter_map(usable).collect() })
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key: a project that still signs with its shared secret.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key with this id; the first one, should the document repeat an id.
    pub(super) fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key)
    }
}

fn usable(key: &Value) -> Option<(String, VerifyingKey)> {
    let key = Key::deserialize(key).ok()?;
    if !key.is_for_es256() {
        return None;
    }
    let mut point = vec![UNCOMPRESSED_POINT];
    for coordinate in [&key.x, &key.y] {
        let bytes = Base64UrlUnpadded::decode_vec(coordinate).ok()?;
        if bytes.len() != COORDINATE_BYTES {
            return None;
        }
        point.extend(bytes);
    }
    Some((key.kid, VerifyingKey::from_slice(&point).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fixtures::{jwk, signing_key};
    use super::*;

    fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn passes_over_keys_that_cannot_verify_es256() {
        let good = jwk("good", &signing_key(1));
        let x = good["x"].clone();
        let changes = [
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("kty", json!("XYZ")),
            ("kty", json!(1)),
            ("crv", json!("P-384")),
            ("crv", json!("secp256k1")),
            ("use", json!("enc")),
            ("key_ops", json!([])),
            ("key_ops", json!(["sign"])),
            ("alg", json!("RS256")),
            ("alg", json!("HS256")),
            ("kid", json!(null)),
            ("x", json!("AAAA")),
            ("x", json!("not base64url!")),
            // Two valid coordinates that are not a point of the curve.
            ("y", x),
        ];
        let mut keys: Vec<_> = changes
            .into_iter()
            .map(|(name, value)| {
                let mut key = good.clone();
                key["kid"] = json!("bad");
                key[name] = value;
                key
            })
            .collect();
        keys.extend([json!(null), json!({}), json!([1]), json!("key"), good]);
        for key in &keys {
            let usable = parse(&json!([key])).expect("an unusable key does not spoil the set").len();
            assert_eq!(usable, usize::from(key["kid"] == "good"), "{key}");
        }
        let set = parse(&json!(keys)).expect("the set parses");
        assert_eq!(set.len(), 1);
        assert!(set.find("good").is_some() && set.find("bad").is_none());
    }

    #[test]
    fn coordinates_have_their_full_length() {
        let good = jwk("k", &signing_key(1));
        let [x, y] =
            ["x", "y"].map(|name| Base64UrlUnpadded::decode_vec(good[name].as_str().unwrap()).unwrap());
        let point = [x, y].concat();
        for split in [31, 33] {
            let mut key = good.clone();
            key["x"] = json!(Base64UrlUnpadded::encode_string(&point[..split]));
            key["y"] = json!(Base64UrlUnpadded::encode_string(&point[split..]));
            assert!(parse(&json!([key])).is_ok_and(|set| set.is_empty()), "split at {split}");
        }
    }

    #[test]
    fn what_a_key_may_leave_out() {
        let mut key = jwk("k1", &signing_key(1));
        for name in ["alg", "use", "key_ops", "ext"] {
            key.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(parse(&json!([key])).map(|set| set.len()), Ok(1));
    }

    #[test]
    fn the_first_of_two_keys_with_one_id_is_used() {
        let [first, second] = [1, 2].map(signing_key);
        let set = parse(&json!([jwk("k", &first), jwk("k", &second)])).unwrap();
        assert_eq!(set.find("k"), Some(first.verifying_key()));
    }

    #[test]
    fn refuses_other_documents() {
        assert!(parse(&json!([])).is_ok_and(|set| set.is_empty()), "a project without keys is no error");
        for document in ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[}"#, "<html>"] {
            let error = KeySet::parse(document.as_bytes()).err();
            assert_eq!(error, Some(KeySetError::Malformed), "{document}");
        }
    }

    #[test]
    fn size_and_number_are_bounded() {
        let keys = |number| json!(vec![jwk("k", &signing_key(1)); number]);
        assert_eq!(parse(&keys(MAX_KEYS)).map(|set| set.len()), Ok(MAX_KEYS));
        assert_eq!(parse(&keys(MAX_KEYS + 1)).err(), Some(KeySetError::TooLarge));
        let document = |length: usize| {
            let keys = r#"{"keys":[]}"#;
            keys.to_owned() + &" ".repeat(length - keys.len())
        };
        assert!(KeySet::parse(document(MAX_KEY_SET_BYTES).as_bytes()).is_ok());
        let too_long = KeySet::parse(document(MAX_KEY_SET_BYTES + 1).as_bytes());
        assert_eq!(too_long.err(), Some(KeySetError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = KeySet::parse(&bytes);
        }

        #[test]
        fn no_coordinates_panic(x: [u8; 32], y: [u8; 32]) {
            let mut key = jwk("k", &signing_key(1));
            key["x"] = json!(Base64UrlUnpadded::encode_string(&x));
            key["y"] = json!(Base64UrlUnpadded::encode_string(&y));
            prop_assert!(parse(&json!([key])).is_ok_and(|set| set.is_empty()));
        }
    }
}
