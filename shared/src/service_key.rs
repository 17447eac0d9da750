//! The check of the service key.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;
use subtle::ConstantTimeEq;

/// Whether `given` is the key, compared in constant time.
pub fn matches(given: &str, key: &str) -> bool {
    !key.is_empty() && bool::from(given.as_bytes().ct_eq(key.as_bytes()))
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
    fn only_the_key_itself() {
        assert!(matches("abc", "abc"));
        for given in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!matches(given, "abc"), "{given}");
        }
        assert!(!matches("", ""), "an empty key is no key");
    }
}
