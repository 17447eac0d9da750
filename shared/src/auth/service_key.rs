//! The project's keys: which are secret, and who holds one.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The longest key that is taken from a caller, in bytes: as long as a token.
const MAX_KEY_BYTES: usize = 8 * 1024;

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

/// Keys that Supabase has accepted from callers, as digests: of what others send nothing is kept.
#[derive(Debug, Default)]
pub struct AcceptedKeys(Vec<[u8; 32]>);

impl AcceptedKeys {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether the key is among them.
    pub fn include(&self, key: &str) -> bool {
        self.0.contains(&digest(key))
    }

    /// Notes a key, in the place of the oldest one where there are as many as a project has.
    pub fn note(&mut self, key: &str) {
        if !self.include(key) {
            self.0.truncate(MAX_KEYS - 1);
            self.0.insert(0, digest(key));
        }
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether a key is meant to be the service's: `sb_secret_…`, or a JWT with the role `service_role`. Whether it is one,
/// those judge who hold the keys. It is plain ASCII without spaces, so that it can stand in a header.
pub fn is_meant_for_service(key: &str) -> bool {
    key.len() <= MAX_KEY_BYTES
        && key.bytes().all(|byte| byte.is_ascii_graphic())
        && (key.starts_with("sb_secret_") || role_of(key).as_deref() == Some("service_role"))
}

/// Whether a key of Supabase opens more than anybody may do: `sb_secret_…`, or a JWT with another role than
/// `anon`, <https://supabase.com/docs/guides/api/api-keys>. What is not known counts as secret.
pub fn is_secret(key: &str) -> bool {
    if key.starts_with("sb_") {
        return !key.starts_with("sb_publishable_");
    }
    role_of(key).as_deref() != Some("anon")
}

/// The role that a JWT claims, unverified.
fn role_of(jwt: &str) -> Option<String> {
    let claims = Base64UrlUnpadded::decode_vec(jwt.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("role")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_keys_are_few_and_the_latest() {
        let mut accepted = AcceptedKeys::new();
        for key in ["a", "b", "a", "c", "d"] {
            accepted.note(key);
        }
        assert!(["a", "b", "c", "d"].iter().all(|key| accepted.include(key)));
        accepted.note("e");
        assert!(!accepted.include("a") && accepted.include("b") && accepted.include("e"));
    }

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
    fn what_is_meant_for_the_service() {
        let jwt = |claims: &str| format!("e30.{}.x", Base64UrlUnpadded::encode_string(claims.as_bytes()));
        for meant in ["sb_secret_x", &jwt(r#"{"role":"service_role"}"#)] {
            assert!(is_meant_for_service(meant), "{meant}");
        }
        let others =
            ["anon", "authenticated", "postgres"].map(|role| jwt(&format!(r#"{{"role":"{role}"}}"#)));
        let odd = ["", "sb_publishable_x", "sb_secret_a b", "sb_secret_é", "a.b.c", &jwt("{}"), &jwt("[]")];
        for other in odd.into_iter().chain(others.iter().map(String::as_str)) {
            assert!(!is_meant_for_service(other), "{other}");
        }
        assert!(!is_meant_for_service(&format!("sb_secret_{}", "x".repeat(MAX_KEY_BYTES))));
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
