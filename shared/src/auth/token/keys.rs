//! The project's public keys: a JWKS as published at `/auth/v1/.well-known/jwks.json` (RFC 7517).

use serde::Deserialize;
use serde_json::Value;

use crate::ports::PublicKey;

/// Largest document that is looked at, in bytes. A key takes about 300, an RSA key of 4,096 bits 900.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// Most keys a document may hold. A project has a handful: in use, standby, previously used.
pub const MAX_KEYS: usize = 32;

/// The keys that may verify a signature, with their ids where they have one.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<(Option<String>, PublicKey)>,
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

impl KeySet {
    /// Reads a JWKS. Keys that cannot verify one of the three algorithms are passed over, as RFC 7517 section
    /// 5 asks; symmetric keys are among them, so a published key set can never stand in for the shared secret.
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
        Ok(Self { keys: document.keys.iter().filter_map(PublicKey::read).collect() })
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key: a project that still signs with its shared secret.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token with this `alg` and `kid`: those of that id; where there are none,
    /// those without an id; and for a token that names no key, all.
    pub(super) fn candidates(&self, alg: &str, kid: Option<&str>) -> Candidates<'_> {
        let by_id = kid.is_some() && self.keys.iter().any(|(id, _)| id.as_deref() == kid);
        let may = |id: Option<&str>| if by_id { id == kid } else { kid.is_none() || id.is_none() };
        let keys = self.keys.iter().filter(|(id, key)| may(id.as_deref()) && key.is_for(alg));
        Candidates { keys: keys.map(|(_, key)| key).collect(), by_id }
    }
}

/// Keys of which one may have signed a token.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    /// At most [`MAX_KEYS`].
    pub keys: Vec<&'a PublicKey>,
    /// Whether the token's key id chose them.
    pub by_id: bool,
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fixtures::{all_kinds, eddsa, es256, rs256};
    use super::*;

    fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// Whether the one key is usable.
    fn takes(key: &Value) -> bool {
        !parse(&json!([key])).expect("an unusable key does not spoil the set").is_empty()
    }

    #[test]
    fn passes_over_keys_for_other_uses() {
        let changes = [
            ("kty", json!("oct")),
            ("kty", json!("XYZ")),
            ("kty", json!(1)),
            ("use", json!("enc")),
            ("key_ops", json!([])),
            ("key_ops", json!(["sign"])),
            ("alg", json!("HS256")),
            ("alg", json!("ES384")),
            ("alg", json!("PS256")),
            ("alg", json!("none")),
        ];
        for signer in all_kinds() {
            let good = signer.jwk("good");
            assert!(takes(&good), "{good}");
            for (name, value) in &changes {
                let mut key = good.clone();
                key[name] = value.clone();
                assert!(!takes(&key), "{key}");
            }
            for other in all_kinds().iter().filter(|other| other.alg() != signer.alg()) {
                let mut key = good.clone();
                key["alg"] = json!(other.alg());
                assert!(!takes(&key), "{key}");
                key["alg"] = good["alg"].clone();
                key["kty"] = other.jwk("x")["kty"].clone();
                assert!(!takes(&key), "{key}");
            }
            for name in
                ["kty", "crv", "x", "y", "n", "e"].into_iter().filter(|name| good[name] != json!(null))
            {
                let mut key = good.clone();
                key.as_object_mut().unwrap().remove(name);
                assert!(!takes(&key), "without {name}: {key}");
            }
        }
        for key in [json!(null), json!({}), json!([1]), json!("key")] {
            assert!(!takes(&key), "{key}");
        }
    }

    #[test]
    fn other_curves_are_passed_over() {
        for (signer, curves) in
            [(es256(0), ["P-384", "secp256k1", "Ed25519"]), (eddsa(1), ["Ed448", "X25519", "P-256"])]
        {
            for curve in curves {
                let mut key = signer.jwk("k");
                key["crv"] = json!(curve);
                assert!(!takes(&key), "{key}");
            }
        }
    }

    #[test]
    fn points_have_their_full_length() {
        for (signer, names) in [(es256(0), vec!["x", "y"]), (eddsa(1), vec!["x"])] {
            for name in names {
                for length in [0, 31, 33] {
                    let mut key = signer.jwk("k");
                    key[name] = json!(Base64UrlUnpadded::encode_string(&vec![1; length]));
                    assert!(!takes(&key), "{name} of {length} bytes");
                }
                let mut key = signer.jwk("k");
                key[name] = json!("not base64url!");
                assert!(!takes(&key));
            }
        }
    }

    #[test]
    fn rsa_keys_are_neither_short_nor_huge() {
        let with = |name: &str, bytes: &[u8]| {
            let mut key = rs256().jwk("k");
            key[name] = json!(Base64UrlUnpadded::encode_string(bytes));
            takes(&key)
        };
        /// A number of so many bits, the lowest of which is `low`.
        fn number(bits: usize, low: u8) -> Vec<u8> {
            let mut bytes = vec![0; bits.div_ceil(8)];
            bytes[0] = 1 << ((bits - 1) % 8);
            *bytes.last_mut().unwrap() |= low;
            bytes
        }
        for (bits, expected) in [
            (512, false),
            (1024, false),
            (2047, false),
            (2048, true),
            (3072, true),
            (4096, true),
            (4097, false),
        ] {
            assert_eq!(with("n", &number(bits, 1)), expected, "{bits} bits");
        }
        assert!(!with("n", &number(2048, 0)), "an even modulus");
        assert!(with("n", &[vec![0], number(2048, 1)].concat()), "a leading zero does not count");
        assert!(!with("n", &[0; 256]) && !with("n", &[]), "nothing but zeros");
        for (exponent, expected) in [
            (&[1, 0, 1][..], true),
            (&[3], true),
            (&[0, 0, 3], true),
            (&[1], false),
            (&[2], false),
            (&[], false),
            (&[1, 0, 0, 0, 1], false),
        ] {
            assert_eq!(with("e", exponent), expected, "exponent {exponent:?}");
        }
    }

    #[test]
    fn what_a_key_may_leave_out() {
        for signer in all_kinds() {
            let mut key = signer.jwk("k1");
            for name in ["alg", "use", "key_ops", "ext", "kid"] {
                key.as_object_mut().unwrap().remove(name);
                assert!(takes(&key), "without {name}");
            }
        }
    }

    #[test]
    fn a_private_key_published_by_mistake_is_used_by_its_public_half_alone() {
        let mut key = es256(0).jwk("k");
        key["d"] = json!("AAAA");
        let set = parse(&json!([key])).unwrap();
        assert!(!format!("{set:?}").contains("AAAA"));
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn the_key_id_chooses_and_then_keys_without_one() {
        let unnamed = |signer: super::super::fixtures::Signer| {
            let mut key = signer.jwk("k");
            key.as_object_mut().unwrap().remove("kid");
            key
        };
        let set = parse(&json!([
            es256(0).jwk("a"),
            es256(1).jwk("b"),
            es256(2).jwk("b"),
            unnamed(es256(3)),
            rs256().jwk("a"),
            eddsa(1).jwk("c"),
        ]))
        .unwrap();
        let chosen = |alg: &str, kid: Option<&str>| {
            let found = set.candidates(alg, kid);
            (found.keys.into_iter().cloned().collect::<Vec<_>>(), found.by_id)
        };
        assert_eq!(chosen("ES256", Some("a")), (vec![es256(0).public()], true));
        assert_eq!(chosen("ES256", Some("b")), (vec![es256(1).public(), es256(2).public()], true));
        assert_eq!(chosen("RS256", Some("a")), (vec![rs256().public()], true));
        assert_eq!(chosen("ES256", Some("z")), (vec![es256(3).public()], false));
        assert_eq!(chosen("ES256", Some("c")), (vec![], true), "another kind of key");
        assert_eq!(chosen("ES256", None), ([0, 1, 2, 3].map(|n| es256(n).public()).to_vec(), false));
        assert_eq!(chosen("Ed25519", Some("c")), chosen("EdDSA", Some("c")));
        assert_eq!(chosen("RS256", Some("z")), (vec![], false));
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
        let keys = |number| json!(vec![es256(0).jwk("k"); number]);
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
        fn no_members_panic(kty in "EC|RSA|OKP", crv in "P-256|Ed25519|", x in ".*", y: Vec<u8>, n: Vec<u8>, e: Vec<u8>) {
            let [y, n, e] = [y, n, e].map(|bytes| Base64UrlUnpadded::encode_string(&bytes));
            let _ = parse(&json!([{ "kty": kty, "crv": crv, "x": x, "y": y, "n": n, "e": e }]));
        }
    }
}
