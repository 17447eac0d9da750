use base64ct::{Base64UrlUnpadded, Encoding};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::*;
use super::*;

fn secret() -> SharedSecret {
    SharedSecret::new(SECRET).expect("the fixture's secret is long enough")
}

/// Verifies with the secret and with keys of each kind at hand: `k1`, `k2` and `k3`.
fn verify(token: &str) -> Result<User, TokenError> {
    verify_at(token, NOW)
}

fn verify_at(token: &str, now: u64) -> Result<User, TokenError> {
    let [one, two, three] = all_kinds();
    let keys = key_set(&[one.jwk("k1"), two.jwk("k2"), three.jwk("k3")]);
    verify_with(Some(&secret()), Some(&keys), token, now)
}

fn verify_with(
    secret: Option<&SharedSecret>,
    keys: Option<&KeySet>,
    token: &str,
    now: u64,
) -> Result<User, TokenError> {
    block_on(Verifier::new(secret, keys).verify(token, now, &Ring))
}

fn with(mut base: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().expect("changes are an object") {
        if value == "absent" {
            base.as_object_mut().expect("the base is an object").remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

/// The same claims under each kind of signature.
fn all(claims: &Value) -> [String; 4] {
    let [one, two, three] = all_kinds();
    let sign = |signer: Signer, kid: &str| {
        signer.signs(&json!({ "alg": signer.alg(), "typ": "JWT", "kid": kid }), claims)
    };
    [
        hs256(&json!({ "alg": "HS256", "typ": "JWT" }), claims, SECRET.as_bytes()),
        sign(one, "k1"),
        sign(two, "k2"),
        sign(three, "k3"),
    ]
}

#[test]
fn accepts_tokens_made_elsewhere() {
    let keys = KeySet::parse(WEB_CRYPTO_KEY_SET.as_bytes()).expect("the key set of Node.js parses");
    let expected =
        User { id: USER.parse().unwrap(), role: "authenticated".to_owned(), expires_at: NOW + 3600 };
    for token in [WEB_CRYPTO_ES256, NODE_HS256] {
        let user = verify_with(Some(&secret()), Some(&keys), token, NOW);
        assert_eq!(user.as_ref(), Ok(&expected), "{token}");
    }
}

#[test]
fn checks_verified_claims() {
    let refused = |refusal| Err(TokenError::NotAllowed(refusal));
    let cases = [
        // Changes to the claims, and what comes of them.
        (json!({}), Ok(())),
        (json!({ "aud": "absent" }), Ok(())),
        (json!({ "aud": ["other", "authenticated"] }), Ok(())),
        (json!({ "iat": "absent" }), Ok(())),
        (json!({ "sub": USER.to_uppercase() }), Ok(())),
        (json!({ "exp": NOW - 29 }), Ok(())),
        (json!({ "exp": NOW as f64 + 0.5 }), Ok(())),
        (json!({ "exp": NOW - 30 }), Err(TokenError::Expired)),
        (json!({ "exp": 0 }), Err(TokenError::Expired)),
        (json!({ "exp": -1 }), Err(TokenError::Expired)),
        (json!({ "exp": "absent" }), refused(Refusal::NoExpiry)),
        (json!({ "exp": null }), Err(TokenError::Malformed)),
        (json!({ "exp": "2000003600" }), Err(TokenError::Malformed)),
        (json!({ "exp": u64::MAX }), Err(TokenError::Malformed)),
        (json!({ "nbf": NOW + 360 }), Ok(())),
        (json!({ "nbf": NOW + 361 }), refused(Refusal::NotYetValid)),
        (json!({ "iat": NOW + 360 }), Ok(())),
        (json!({ "iat": NOW + 361 }), refused(Refusal::NotYetValid)),
        (json!({ "role": "absent" }), refused(Refusal::Role)),
        (json!({ "role": "anon", "sub": "absent" }), refused(Refusal::Role)),
        (json!({ "role": "service_role" }), refused(Refusal::Role)),
        (json!({ "role": "postgres" }), refused(Refusal::Role)),
        (json!({ "role": "Authenticated" }), refused(Refusal::Role)),
        (json!({ "role": ["authenticated"] }), Err(TokenError::Malformed)),
        (json!({ "aud": "anon" }), refused(Refusal::Audience)),
        (json!({ "aud": "" }), refused(Refusal::Audience)),
        (json!({ "aud": [] }), refused(Refusal::Audience)),
        (json!({ "aud": ["other"] }), refused(Refusal::Audience)),
        (json!({ "sub": "absent" }), refused(Refusal::Subject)),
        (json!({ "sub": "" }), refused(Refusal::Subject)),
        (json!({ "sub": "42" }), refused(Refusal::Subject)),
        (json!({ "sub": USER.replace('-', "") }), refused(Refusal::Subject)),
        (json!({ "sub": format!("{{{USER}}}") }), refused(Refusal::Subject)),
        (json!({ "sub": USER.replace('6', "g") }), refused(Refusal::Subject)),
    ];
    for (changes, expected) in cases {
        for token in all(&with(claims(), changes.clone())) {
            assert_eq!(verify(&token).map(drop), expected, "claims changed by {changes}: {token}");
        }
    }
}

#[test]
fn refuses_claims_that_are_not_one_object_without_repetition() {
    let sign = |claims: &str| signed(&json!({ "alg": "HS256" }), claims, |c| hmac(c, SECRET.as_bytes()));
    assert!(verify(&sign(&claims().to_string())).is_ok(), "the untouched claims must pass");
    let repeated = claims().to_string().replacen('{', r#"{"sub":"00000000-0000-0000-0000-000000000000","#, 1);
    for claims in ["", "{", "[]", "null", "1", r#"{"exp":1e99}"#, repeated.as_str()] {
        assert_eq!(verify(&sign(claims)), Err(TokenError::Malformed), "{claims}");
    }
}

#[test]
fn refuses_every_other_algorithm() {
    let names = [
        "none", "None", "NONE", "", "hs256", "es256", "rs256", "eddsa", "HS384", "HS512", "RS384", "RS512",
        "PS256", "ES256K", "ES384", "Ed448",
    ];
    for alg in names {
        let header = json!({ "alg": alg, "kid": "k1" });
        let unsigned = signed(&header, &claims().to_string(), |_| Vec::new());
        let with_mac = hs256(&header, &claims(), SECRET.as_bytes());
        let others = all_kinds().map(|signer| signer.signs(&header, &claims()));
        for token in [unsigned, with_mac].into_iter().chain(others) {
            assert_eq!(verify(&token), Err(TokenError::NotAllowed(Refusal::Algorithm)), "{alg}: {token}");
        }
    }
}

#[test]
fn ed25519_has_two_names() {
    let signer = eddsa(1);
    let token = signer.signs(&json!({ "alg": "Ed25519", "kid": "k3" }), &claims());
    assert!(verify(&token).is_ok());
}

/// A key serves its own algorithm alone, whatever a token says of itself.
#[test]
fn the_kind_of_a_key_decides_its_algorithm() {
    for signer in all_kinds() {
        let keys = key_set(&[signer.jwk("k")]);
        for other in all_kinds().iter().filter(|other| other.alg() != signer.alg()) {
            // The right signature under another name, and another kind of signature under this key's id.
            let renamed = signer.signs(&json!({ "alg": other.alg(), "kid": "k" }), &claims());
            for token in [renamed, other.token("k")] {
                let result = verify_with(Some(&secret()), Some(&keys), &token, NOW);
                let expected = Err(TokenError::NotAllowed(Refusal::Algorithm));
                assert_eq!(result, expected, "{} for {}", signer.alg(), other.alg());
            }
            let forged = other.signs(&json!({ "alg": signer.alg(), "kid": "k" }), &claims());
            let result = verify_with(Some(&secret()), Some(&keys), &forged, NOW);
            assert_eq!(result, Err(TokenError::BadSignature));
        }
    }
}

#[test]
fn public_keys_never_serve_as_hmac_secrets() {
    for signer in all_kinds() {
        let jwk = signer.jwk("k1");
        let mut public_forms =
            vec![jwk.to_string().into_bytes(), signer.public().to_jwk().to_string().into_bytes()];
        for name in ["x", "y", "n"] {
            let Some(text) = jwk[name].as_str() else { continue };
            public_forms.push(text.as_bytes().to_vec());
            public_forms.push(Base64UrlUnpadded::decode_vec(text).unwrap());
        }
        public_forms.push(Vec::new());
        let header = json!({ "alg": "HS256", "kid": "k1" });
        let keys = key_set(&[jwk]);
        for form in public_forms {
            let token = hs256(&header, &claims(), &form);
            assert_eq!(verify(&token), Err(TokenError::BadSignature));
            let without_secret = verify_with(None, Some(&keys), &token, NOW);
            assert_eq!(without_secret, Err(TokenError::NotAllowed(Refusal::Algorithm)));
        }
        // The other way round: the secret does not make a token of the key.
        let header = json!({ "alg": signer.alg(), "kid": "k1" });
        let token = hs256(&header, &claims(), SECRET.as_bytes());
        assert_eq!(verify_with(Some(&secret()), Some(&keys), &token, NOW), Err(TokenError::BadSignature));
    }
}

#[test]
fn a_published_symmetric_key_is_not_used() {
    let keys =
        key_set(&[json!({ "kty": "oct", "kid": "k1", "k": base64(SECRET.as_bytes()), "alg": "HS256" })]);
    let token = hs256(&json!({ "alg": "HS256", "kid": "k1" }), &claims(), SECRET.as_bytes());
    let result = verify_with(None, Some(&keys), &token, NOW);
    assert_eq!(result, Err(TokenError::NotAllowed(Refusal::Algorithm)));
}

#[test]
fn the_key_id_decides_whatever_the_order() {
    let sign = |kid: &str, number| es256(number).token(kid);
    let (one, two) = (es256(0).jwk("k1"), es256(1).jwk("k2"));
    for keys in [key_set(&[one.clone(), two.clone()]), key_set(&[two, one])] {
        let verify = |token: &str| verify_with(None, Some(&keys), token, NOW).map(drop);
        assert_eq!(verify(&sign("k1", 0)), Ok(()));
        assert_eq!(verify(&sign("k2", 1)), Ok(()));
        assert_eq!(verify(&sign("k1", 1)), Err(TokenError::BadSignature));
        assert_eq!(verify(&sign("k2", 0)), Err(TokenError::BadSignature));
        assert_eq!(verify(&sign("k3", 0)), Err(TokenError::UnknownKey));
        let unnamed = |number| es256(number).signs(&json!({ "alg": "ES256" }), &claims());
        assert_eq!(verify(&unnamed(1)), Ok(()), "a token that names no key is tried with each");
        assert_eq!(verify(&unnamed(2)), Err(TokenError::UnknownKey));
    }
    let without_keys = verify_with(Some(&secret()), None, &sign("k1", 0), NOW);
    assert_eq!(without_keys, Err(TokenError::UnknownKey));
}

#[test]
fn a_key_without_an_id_verifies_tokens_that_name_another_or_none() {
    for signer in all_kinds() {
        let mut jwk = signer.jwk("k");
        jwk.as_object_mut().unwrap().remove("kid");
        let keys = key_set(&[es256(1).jwk("other"), jwk]);
        let unnamed = signer.signs(&json!({ "alg": signer.alg() }), &claims());
        for token in [signer.token("any"), unnamed] {
            assert!(verify_with(None, Some(&keys), &token, NOW).is_ok(), "{}", signer.alg());
        }
    }
}

#[test]
fn coordinates_that_are_no_point_of_the_curve_verify_nothing() {
    let mut jwk = es256(0).jwk("k");
    jwk["y"] = jwk["x"].clone();
    let keys = key_set(&[jwk]);
    assert_eq!(verify_with(None, Some(&keys), &es256(0).token("k"), NOW), Err(TokenError::BadSignature));
}

#[test]
fn refuses_critical_extensions() {
    for crit in [json!(["b64"]), json!([]), json!("exp")] {
        let header = json!({ "alg": "HS256", "crit": crit, "b64": false });
        let token = hs256(&header, &claims(), SECRET.as_bytes());
        assert_eq!(verify(&token), Err(TokenError::NotAllowed(Refusal::CriticalHeader)), "{crit}");
    }
}

#[test]
fn refuses_what_is_not_a_token() {
    assert_eq!(verify(""), Err(TokenError::Missing));
    let [good, ..] = all(&claims());
    let (content, signature) = good.rsplit_once('.').expect("a token has dots");
    let cases = [
        " ".to_owned(),
        "undefined".to_owned(),
        "..".to_owned(),
        content.to_owned(),
        format!("{good}."),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{content}.{signature}.{signature}"),
        format!("{content}.{}", "+".repeat(43)),
        format!("é{good}"),
        signed(&json!([]), "{}", |_| vec![0; 32]),
        signed(&json!({}), "{}", |_| vec![0; 32]),
        signed(&json!({ "alg": null }), "{}", |_| vec![0; 32]),
        signed(&json!({ "alg": "HS256", "cty": "JWT" }), "{}", |_| vec![0; 32]),
    ];
    for token in cases {
        assert_eq!(verify(&token), Err(TokenError::Malformed), "{token:?}");
    }
}

#[test]
fn the_length_is_bounded() {
    let padded = |padding: usize| {
        let claims = with(claims(), json!({ "padding": "x".repeat(padding) }));
        hs256(&json!({ "alg": "HS256" }), &claims, SECRET.as_bytes())
    };
    // Three bytes of claims make four of the token.
    let padding = (MAX_TOKEN_BYTES - padded(0).len()) / 4 * 3;
    assert!(verify(&padded(padding)).is_ok());
    let too_long = padded(padding + 6);
    assert!(too_long.len() <= MAX_TOKEN_BYTES + 8, "the test should stay close to the limit");
    assert_eq!(verify(&too_long), Err(TokenError::Malformed));
}

#[test]
fn refuses_a_token_with_any_character_changed() {
    for token in all(&claims()) {
        assert!(verify(&token).is_ok());
        // Each of an RSA signature's 342 characters is one like the other.
        for position in (0..token.len()).step_by(if token.len() > 500 { 7 } else { 1 }) {
            let mut tampered = token.clone().into_bytes();
            tampered[position] = if tampered[position] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).expect("tokens are ASCII");
            assert!(verify(&tampered).is_err(), "passed with character {position} changed: {tampered}");
        }
    }
}

#[test]
fn refuses_signatures_of_other_lengths_and_empty_ones() {
    for token in all(&claims()) {
        let (content, signature) = token.rsplit_once('.').expect("a token has dots");
        let double = format!("{signature}{signature}");
        for cut in ["", &signature[..4], &signature[..40], &double[..signature.len() + 4]] {
            let result = verify(&format!("{content}.{cut}"));
            assert!(
                matches!(result, Err(TokenError::BadSignature | TokenError::Malformed)),
                "{cut}: {result:?}"
            );
        }
    }
    // r = s = 0 passed in implementations that did not check the range (CVE-2022-21449).
    for (alg, kid, length) in [("ES256", "k1", 64), ("RS256", "k2", 256), ("EdDSA", "k3", 64)] {
        let header = json!({ "alg": alg, "kid": kid });
        let zero = signed(&header, &claims().to_string(), |_| vec![0; length]);
        assert_eq!(verify(&zero), Err(TokenError::BadSignature), "{alg}");
    }
}

#[test]
fn weak_secrets_are_refused_and_none_is_printed() {
    assert_eq!(SharedSecret::new("").err(), Some(WeakSecret));
    assert_eq!(SharedSecret::new(&"x".repeat(MIN_SECRET_BYTES - 1)).err(), Some(WeakSecret));
    assert!(SharedSecret::new(&"x".repeat(MIN_SECRET_BYTES)).is_ok());
    assert!(!format!("{:?}", secret()).contains("super"), "the secret shows in debug output");
}

proptest! {
    #[test]
    fn no_text_panics_or_passes(text in ".*", now: u64) {
        prop_assert!(verify_at(&text, now).is_err());
    }

    #[test]
    fn no_parts_panic_or_pass(header: Vec<u8>, claims: Vec<u8>, signature: Vec<u8>, now: u64) {
        let token = format!("{}.{}.{}", base64(&header), base64(&claims), base64(&signature));
        prop_assert!(verify_at(&token, now).is_err());
    }

    /// Rightly signed, so that what stands behind the signature check is reached.
    #[test]
    fn no_signed_claims_panic(exp in number(), nbf in number(), iat in number(), sub in ".*", aud in ".*", now: u64) {
        let changes = json!({ "exp": exp, "nbf": nbf, "iat": iat, "sub": sub, "aud": [aud, "authenticated"] });
        let token = hs256(&json!({ "alg": "HS256" }), &with(claims(), changes), SECRET.as_bytes());
        prop_assert!(verify_at(&token, now).is_err(), "no subject matching `.*` should be a user's id");
    }
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ]
}
