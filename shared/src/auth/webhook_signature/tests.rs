use proptest::prelude::*;

use super::*;

// The test vector of Replicate's official clients for Python and JavaScript.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP: &str = "1614265330";
const SENT_AT: u64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER_SIGNATURE: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn secrets(text: &str) -> Vec<Secret> {
    Secret::parse_list(text).expect("the test's secrets are well-formed")
}

fn verify_signature(header: &str) -> Result<(), SignatureError> {
    verify(&secrets(SECRET), ID, TIMESTAMP, header, BODY, SENT_AT)
}

#[test]
fn official_vector() {
    assert_eq!(verify_signature(SIGNATURE), Ok(()));
    let secret = Secret::parse(SECRET).unwrap();
    assert_eq!(sign(&secret, ID, SENT_AT, BODY), SIGNATURE);
}

#[test]
fn refuses_anything_else_under_the_same_signature() {
    use SignatureError::{BodyTooLarge, MalformedId, MalformedTimestamp, Mismatch};
    let long_id = "m".repeat(MAX_ID_BYTES + 1);
    let long_body = vec![b' '; MAX_BODY_BYTES + 1];
    let cases: &[(&str, &str, &[u8], SignatureError)] = &[
        ("msg_p5jXN8AQM9LWM0D4loKWxJel", TIMESTAMP, BODY, Mismatch),
        ("", TIMESTAMP, BODY, MalformedId),
        (&long_id, TIMESTAMP, BODY, MalformedId),
        ("msg.1", TIMESTAMP, BODY, MalformedId),
        (ID, "1614265331", BODY, Mismatch),
        (ID, "01614265330", BODY, Mismatch),
        (ID, "", BODY, MalformedTimestamp),
        (ID, "+1614265330", BODY, MalformedTimestamp),
        (ID, "-1614265330", BODY, MalformedTimestamp),
        (ID, " 1614265330", BODY, MalformedTimestamp),
        (ID, "1614265330.0", BODY, MalformedTimestamp),
        (ID, "2021-02-25T15:02:10Z", BODY, MalformedTimestamp),
        (ID, "99999999999999999999", BODY, MalformedTimestamp),
        (ID, TIMESTAMP, b"", Mismatch),
        (ID, TIMESTAMP, br#"{"test":2432232314}"#, Mismatch),
        (ID, TIMESTAMP, br#"{"test": 2432232315}"#, Mismatch),
        (ID, TIMESTAMP, &long_body, BodyTooLarge),
    ];
    for (id, timestamp, body, expected) in cases {
        let result = verify(&secrets(SECRET), id, timestamp, SIGNATURE, body, SENT_AT);
        assert_eq!(result, Err(*expected), "id {id}, timestamp {timestamp}, {} bytes", body.len());
    }
}

#[test]
fn tolerates_five_minutes_either_way() {
    let at = |now| verify(&secrets(SECRET), ID, TIMESTAMP, SIGNATURE, BODY, now);
    for (now, expected) in [
        (SENT_AT - TOLERANCE_SECONDS, Ok(())),
        (SENT_AT + TOLERANCE_SECONDS, Ok(())),
        (SENT_AT - TOLERANCE_SECONDS - 1, Err(SignatureError::TooNew)),
        (SENT_AT + TOLERANCE_SECONDS + 1, Err(SignatureError::TooOld)),
        (0, Err(SignatureError::TooNew)),
        (u64::MAX, Err(SignatureError::TooOld)),
    ] {
        assert_eq!(at(now), expected, "at {now}");
    }
}

#[test]
fn finds_the_signature_in_a_list() {
    let bare = SIGNATURE.trim_start_matches("v1,");
    for header in [
        format!("{OTHER_SIGNATURE} {SIGNATURE}"),
        format!("{SIGNATURE} {OTHER_SIGNATURE}"),
        format!("v1a,xyz v2,{bare} nonsense v1,short  {SIGNATURE} "),
    ] {
        assert_eq!(verify_signature(&header), Ok(()), "{header}");
    }
}

#[test]
fn refuses_other_signature_headers() {
    use SignatureError::{MalformedSignature, Mismatch};
    let bare = SIGNATURE.trim_start_matches("v1,");
    let beyond_the_limit = format!("{}{SIGNATURE}", format!("{OTHER_SIGNATURE} ").repeat(MAX_SIGNATURES));
    for (header, expected) in [
        (String::new(), MalformedSignature),
        ("v1,".to_owned(), MalformedSignature),
        (bare.to_owned(), MalformedSignature),
        (format!("v1={bare}"), MalformedSignature),
        (format!("V1,{bare}"), MalformedSignature),
        (format!("v1a,{bare}"), MalformedSignature),
        (format!("v2,{bare}"), MalformedSignature),
        (SIGNATURE.replace('=', ""), MalformedSignature),
        (SIGNATURE.replace('/', "_"), MalformedSignature),
        (SIGNATURE[..8].to_owned(), MalformedSignature),
        // Well-formed base64, of three bytes.
        (SIGNATURE[..7].to_owned(), MalformedSignature),
        (format!("{SIGNATURE},{SIGNATURE}"), MalformedSignature),
        (format!("{SIGNATURE}{}", " ".repeat(MAX_SIGNATURE_BYTES)), MalformedSignature),
        (OTHER_SIGNATURE.to_owned(), Mismatch),
        (beyond_the_limit, Mismatch),
    ] {
        assert_eq!(verify_signature(&header), Err(expected), "{header}");
    }
}

#[test]
fn refuses_a_signature_with_any_bit_changed() {
    let bytes = Base64::decode_vec(SIGNATURE.trim_start_matches("v1,")).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut tampered = bytes.clone();
        tampered[bit / 8] ^= 1 << (bit % 8);
        let header = format!("v1,{}", Base64::encode_string(&tampered));
        assert_eq!(verify_signature(&header), Err(SignatureError::Mismatch), "bit {bit}");
    }
}

#[test]
fn any_of_several_secrets_will_do() {
    let verify_with = |secrets: &[Secret]| verify(secrets, ID, TIMESTAMP, SIGNATURE, BODY, SENT_AT);
    for list in [format!("{SECRET} {OTHER_SECRET}"), format!("{OTHER_SECRET},{SECRET}")] {
        assert_eq!(verify_with(&secrets(&list)), Ok(()), "{list}");
    }
    assert_eq!(verify_with(&secrets(OTHER_SECRET)), Err(SignatureError::Mismatch));
    assert_eq!(verify_with(&[]), Err(SignatureError::NoSecret));
    // A sender that rotates signs with both; either receiver is content.
    let header =
        [SECRET, OTHER_SECRET].map(|s| sign(&Secret::parse(s).unwrap(), ID, SENT_AT, BODY)).join(" ");
    for secret in [SECRET, OTHER_SECRET] {
        assert_eq!(verify(&secrets(secret), ID, TIMESTAMP, &header, BODY, SENT_AT), Ok(()), "{secret}");
    }
}

#[test]
fn an_id_with_a_full_stop_cannot_shift_the_time() {
    // Signed for id `a`, time 1614265330 and the body `1614265999.x`.
    let secret = Secret::parse(SECRET).unwrap();
    let signature = sign(&secret, "a", SENT_AT, b"1614265999.x");
    let shifted = verify(&[secret], "a.1614265330", "1614265999", &signature, b"x", 1_614_265_999);
    assert_eq!(shifted, Err(SignatureError::MalformedId));
}

#[test]
fn secrets_are_base64_with_or_without_prefix() {
    for text in [SECRET, SECRET.trim_start_matches("whsec_"), &format!(" {SECRET}\n")] {
        let secret = Secret::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(sign(&secret, ID, SENT_AT, BODY), SIGNATURE, "{text:?}");
    }
    let too_long = format!("whsec_{}", Base64::encode_string(&[1; MAX_KEY_BYTES + 1]));
    for text in [
        "",
        "whsec_",
        "whsec_!",
        "whsec_MfKQ9r8GK",
        "whsec_MfKQ9r8G=",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        &too_long,
    ] {
        assert_eq!(Secret::parse(text).err(), Some(SecretError::Malformed), "{text:?}");
    }
    assert!(!format!("{:?}", Secret::parse(SECRET).unwrap()).contains("MfKQ"), "the secret shows");
}

#[test]
fn a_secret_may_have_lost_its_padding() {
    for key in [&b"sixteen bytes. 1"[..], b"seventeen bytes.1", b"eighteen bytes. 18"] {
        let padded = format!("whsec_{}", Base64::encode_string(key));
        let bare = padded.trim_end_matches('=');
        let [padded, bare] =
            [padded.as_str(), bare].map(|text| sign(&Secret::parse(text).unwrap(), ID, 1, BODY));
        assert_eq!(padded, bare);
    }
}

#[test]
fn lists_of_secrets_are_bounded() {
    assert_eq!(secrets(&[SECRET; MAX_SECRETS].join(", ")).len(), MAX_SECRETS);
    let list = [SECRET; MAX_SECRETS + 1].join(",");
    assert_eq!(Secret::parse_list(&list).err(), Some(SecretError::Count));
    assert_eq!(Secret::parse_list(" ,\n").err(), Some(SecretError::Count));
    assert_eq!(Secret::parse_list(&format!("{SECRET},whsec_!")).err(), Some(SecretError::Malformed));
}

proptest! {
    #[test]
    fn agrees_with_the_reference_implementation(
        key in prop::collection::vec(any::<u8>(), 1..64),
        id in "[a-zA-Z0-9_-]{1,40}",
        sent_at in 0..i64::MAX as u64,
        body in ".*",
    ) {
        let text = format!("whsec_{}", Base64::encode_string(&key));
        let secret = Secret::parse(&text).expect("the secret is well-formed");
        let reference = standardwebhooks::Webhook::new(&text).expect("the reference takes it too");
        let expected = reference.sign(&id, sent_at as i64, body.as_bytes()).expect("the reference signs");
        prop_assert_eq!(&sign(&secret, &id, sent_at, body.as_bytes()), &expected);
        prop_assert_eq!(verify(&[secret], &id, &sent_at.to_string(), &expected, body.as_bytes(), sent_at), Ok(()));
    }

    #[test]
    fn nothing_random_panics_or_passes(id in ".*", timestamp in "[0-9]*|.*", header in "(v1,[a-zA-Z0-9+/=]* ?)*|.*",
                                       body: Vec<u8>, now: u64) {
        prop_assert!(verify(&secrets(SECRET), &id, &timestamp, &header, &body, now).is_err());
        prop_assert!(verify(&secrets(SECRET), &id, TIMESTAMP, &header, &body, SENT_AT).is_err());
    }

    #[test]
    fn no_secret_panics(text in ".*|whsec_[a-zA-Z0-9+/=]*") {
        let _ = Secret::parse_list(&text);
    }
}
