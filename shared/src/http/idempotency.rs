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
    /// A hash of the request: it tells requests apart that come under the same key.
    pub request_hash: String,
}

impl Key {
    /// Reads the header's value; `None` where the caller sent none. `request` is what names the request: its body, and
    /// what its path says besides.
    pub fn parse(header: Option<&str>, request: &[&[u8]]) -> Result<Option<Self>, Problem> {
        let Some(key) = header else { return Ok(None) };
        let key = key.trim();
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::invalid(
                "Idempotency-Key",
                "Idempotency-Key must be 1 to 255 visible ASCII characters, for example a UUID.",
            ));
        }
        let hash = request.iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        let request_hash = Base64UrlUnpadded::encode_string(&hash);
        Ok(Some(Self { key: key.to_owned(), request_hash }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_body_has_the_same_hash() {
        let hash = |request: &[&[u8]]| Key::parse(Some("k"), request).unwrap().unwrap().request_hash;
        assert_eq!(hash(&[b"a"]), hash(&[b"a"]));
        assert_ne!(hash(&[b"a"]), hash(&[b"b"]));
        assert_ne!(hash(&[b"id", b"a"]), hash(&[b"other", b"a"]));
    }

    #[test]
    fn odd_keys_are_refused() {
        assert_eq!(Key::parse(None, &[]).unwrap(), None);
        for key in ["", "  ", "a b", "ü", "\u{7f}"] {
            assert!(Key::parse(Some(key), &[]).is_err(), "{key:?}");
        }
        assert!(Key::parse(Some(&"k".repeat(256)), &[]).is_err());
    }
}
