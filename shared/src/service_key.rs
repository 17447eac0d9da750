//! The check of the service key.

use subtle::ConstantTimeEq;

/// Whether `given` is the key, compared in constant time.
pub fn matches(given: &str, key: &str) -> bool {
    !key.is_empty() && bool::from(given.as_bytes().ct_eq(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself() {
        assert!(matches("abc", "abc"));
        for given in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!matches(given, "abc"), "{given}");
        }
        assert!(!matches("", ""), "an empty key is no key");
    }
}
