//! The project's keys: which are secret, and who holds one.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;
use subtle::ConstantTimeEq;

/// Most keys that a list may hold.
const MAX_KEYS: usize = 4;

/// The project's service keys: the first is the one that we call with, the others are accepted as well while
/// one is replaced by another. They are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceKeys(Vec<String>);

impl ServiceKeys {
    /// Reads a list of keys separated by white space. `None` where there is none, or more than four.
    pub fn parse(list: &str) -> Option<Self> {
        let keys: Vec<_> = list.split_ascii_whitespace().take(MAX_KEYS + 1).map(str::to_owned).collect();
        (1..=MAX_KEYS).contains(&keys.len()).then_some(Self(keys))
    }

    /// The key that we call with.
    pub fn current(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether `given` is one of the keys, compared in constant time.
    pub fn include(&self, given: &str) -> bool {
        // No early end: how long it takes does not tell which key it was.
        self.0.iter().fold(false, |found, key| found | bool::from(given.as_bytes().ct_eq(key.as_bytes())))
    }
}

impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceKeys").field(&self.0.len()).finish()
    }
}

/// Whether a key of Supabase opens more than anybody may do: `sb_secret_…`, or a JWT with another role than
/// `anon`, <https://supabase.com/docs/guides/api/api-keys>. What is not known counts as secret.
pub fn is_secret(key: &str) -> bool {
    if key.starts_with("sb_") {
        return !key.starts_with("sb_publishable_");
    }
    let claims = key.split('.').nth(1).and_then(|part| Base64UrlUnpadded::decode_vec(part).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    claims.is_none_or(|claims| claims.get("role").and_then(Value::as_str) != Some("anon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_that_are_made_for_browsers_are_public() {
        let jwt = |claims: &str| format!("e30.{}.x", Base64UrlUnpadded::encode_string(claims.as_bytes()));
        assert!(!is_secret("sb_publishable_x"));
        assert!(!is_secret(&jwt(r#"{"role":"anon"}"#)));
        for secret in
            ["sb_secret_x", "sb_x", "", "no.token", "a.b.c", &jwt(r#"{"role":"service_role"}"#), &jwt("{}")]
        {
            assert!(is_secret(secret), "{secret}");
        }
    }

    #[test]
    fn only_the_keys_themselves() {
        let keys = ServiceKeys::parse(" sb_secret_new \n sb_secret_old ").unwrap();
        assert_eq!(keys.current(), "sb_secret_new");
        assert!(keys.include("sb_secret_new") && keys.include("sb_secret_old"));
        let wrong = ["", "sb_secret_ne", "sb_secret_newx", "SB_SECRET_NEW", "sb_secret_new sb_secret_old"];
        for given in wrong {
            assert!(!keys.include(given), "{given}");
        }
        assert!(!format!("{keys:?}").contains("sb_"), "a key shows in debug output");
    }

    #[test]
    fn one_to_four_keys() {
        for (list, count) in [("", 0), (" ", 0), ("a", 1), ("a b c d", 4), ("a b c d e", 0)] {
            assert_eq!(ServiceKeys::parse(list).map_or(0, |keys| keys.0.len()), count, "{list}");
        }
    }
}
