//! The header `Idempotency-Key`,
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;
use crate::policy::bounds::MAX_KEY_BYTES;

/// A key with what it was sent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The caller's key.
    pub key: String,
    /// A hash of the body: it tells requests apart that come under the same key.
    pub request_hash: String,
}

impl Key {
    /// Reads the header's value; `None` where the caller sent none.
    pub fn parse(header: Option<&str>, body: &[u8]) -> Result<Option<Self>, Problem> {
        let Some(key) = header else { return Ok(None) };
        let key = key.trim();
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::invalid(
                "Idempotency-Key",
                "Idempotency-Key must be 1 to 255 visible ASCII characters, for example a UUID.",
            ));
        }
        let request_hash = Base64UrlUnpadded::encode_string(&Sha256::digest(body));
        Ok(Some(Self { key: key.to_owned(), request_hash }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_body_has_the_same_hash() {
        let hash = |body: &[u8]| Key::parse(Some("k"), body).unwrap().unwrap().request_hash;
        assert_eq!(hash(b"a"), hash(b"a"));
        assert_ne!(hash(b"a"), hash(b"b"));
    }

    #[test]
    fn odd_keys_are_refused() {
        assert_eq!(Key::parse(None, b"").unwrap(), None);
        for key in ["", "  ", "a b", "ü", "\u{7f}"] {
            assert!(Key::parse(Some(key), b"").is_err(), "{key:?}");
        }
        assert!(Key::parse(Some(&"k".repeat(256)), b"").is_err());
    }
}
