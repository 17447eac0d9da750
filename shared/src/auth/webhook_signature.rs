//! Signatures of webhooks, as Standard Webhooks 1.0.0 defines them and Replicate uses them:
//! `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{raw body}`.
//!
//! See <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. The
//! `standardwebhooks` crate reads the system clock, which panics in WebAssembly, and takes one secret
//! only; the tests compare with it.

#[cfg(test)]
mod tests;

use base64ct::{Base64, Base64Unpadded, Encoding};
use hmac::digest::CtOutput;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Header with the id of the event, the same on every delivery of it.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the time of this delivery, in unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a delivery's timestamp may lie from our clock, in seconds and both ways. The usual five minutes for
/// clocks that differ, and four for a delivery that is slow; Replicate leaves the choice to the receiver. A
/// delivery that is played again within that time changes nothing.
pub const TOLERANCE_SECONDS: u64 = 9 * 60;

/// Largest body that is verified, in bytes. A prediction takes a few kilobytes; its logs may take more.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

const MAX_ID_BYTES: usize = 256;
const MAX_SIGNATURE_BYTES: usize = 2048;
const MAX_SIGNATURES: usize = 16;
const MAX_SECRETS: usize = 4;
const MAX_KEY_BYTES: usize = 256;
const SECRET_PREFIX: &str = "whsec_";
const SIGNATURE_PREFIX: &str = "v1,";

type HmacSha256 = Hmac<Sha256>;

/// A signing secret, ready for use. It is never printed.
#[derive(Clone)]
pub struct Secret(HmacSha256);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(_)")
    }
}

/// Why a secret cannot be used. The message does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The part after `whsec_` is not base64, empty, or longer than 256 bytes.
    #[error("the webhook secret is not `whsec_` followed by base64")]
    Malformed,
    /// More than four secrets, or none.
    #[error("between one and four webhook secrets are expected")]
    Count,
}

impl Secret {
    /// Reads `whsec_<base64>`. The prefix may be missing, as in the reference implementations, and so may the padding.
    ///
    /// # Errors
    /// [`SecretError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let encoded = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
        let mut buffer = [0; MAX_KEY_BYTES];
        // Its padding is lost where it is copied with a double click.
        let key = if encoded.ends_with('=') {
            Base64::decode(encoded, &mut buffer)
        } else {
            Base64Unpadded::decode(encoded, &mut buffer)
        };
        let key = key.map_err(|_| SecretError::Malformed)?;
        if key.is_empty() {
            return Err(SecretError::Malformed);
        }
        HmacSha256::new_from_slice(key).map(Self).map_err(|_| SecretError::Malformed)
    }

    /// Reads a list of secrets separated by commas or white space: during a rotation the old and the new one
    /// are both valid.
    ///
    /// # Errors
    /// [`SecretError`]; one bad secret spoils the list, so that a typing error is noticed at once.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SecretError> {
        let parts = text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|part| !part.is_empty());
        let secrets = parts.take(MAX_SECRETS + 1).map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() || secrets.len() > MAX_SECRETS {
            return Err(SecretError::Count);
        }
        Ok(secrets)
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> CtOutput<HmacSha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize()
    }
}

/// Why a webhook is not believed. All of them answer 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No secret is configured, so nothing can be verified.
    #[error("no webhook secret is configured")]
    NoSecret,
    /// The id is missing, too long, or contains a full stop.
    #[error("the webhook id is missing or malformed")]
    MalformedId,
    /// The timestamp is missing or not a number of unix seconds.
    #[error("the webhook timestamp is missing or malformed")]
    MalformedTimestamp,
    /// The timestamp is more than [`TOLERANCE_SECONDS`] in the past.
    #[error("the webhook timestamp is too old")]
    TooOld,
    /// The timestamp is more than [`TOLERANCE_SECONDS`] in the future.
    #[error("the webhook timestamp is in the future")]
    TooNew,
    /// The body is larger than [`MAX_BODY_BYTES`].
    #[error("the webhook body is too large")]
    BodyTooLarge,
    /// The signature header is missing, too long, or holds no well-formed `v1` signature.
    #[error("the webhook signature is missing or malformed")]
    MalformedSignature,
    /// No signature in the header matches any of the secrets.
    #[error("the webhook signature does not match")]
    Mismatch,
}

/// Verifies a delivery: `id`, `timestamp` and `signature_header` are the values of its three headers (an
/// absent header is an empty string), `raw_body` is the body as received, byte for byte.
///
/// A repeated delivery passes again: acting on it once only is up to the caller.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp: &str,
    signature_header: &str,
    raw_body: &[u8],
    now_unix_seconds: u64,
) -> Result<(), SignatureError> {
    if secrets.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    // With a full stop in the id, the same signature would also fit another split of id, time and body.
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.contains('.') {
        return Err(SignatureError::MalformedId);
    }
    check_time(timestamp, now_unix_seconds)?;
    if raw_body.len() > MAX_BODY_BYTES {
        return Err(SignatureError::BodyTooLarge);
    }
    let signatures = parse_signatures(signature_header)?;
    let matches = secrets.iter().any(|secret| {
        let expected = secret.mac(id, timestamp, raw_body);
        // The comparison of two `CtOutput`s takes constant time.
        signatures.contains(&expected)
    });
    if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Signs a delivery; the result is the value of [`SIGNATURE_HEADER`]. While a secret is being rotated,
/// join the signatures of both with a space. `id` must not contain a full stop.
pub fn sign(secret: &Secret, id: &str, timestamp_unix_seconds: u64, raw_body: &[u8]) -> String {
    let mac = secret.mac(id, &timestamp_unix_seconds.to_string(), raw_body);
    format!("{SIGNATURE_PREFIX}{}", Base64::encode_string(&mac.into_bytes()))
}

fn check_time(timestamp: &str, now: u64) -> Result<(), SignatureError> {
    // `parse` alone would also take a leading plus sign.
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::MalformedTimestamp);
    }
    let sent_at: u64 = timestamp.parse().map_err(|_| SignatureError::MalformedTimestamp)?;
    if now.saturating_sub(sent_at) > TOLERANCE_SECONDS {
        return Err(SignatureError::TooOld);
    }
    if sent_at.saturating_sub(now) > TOLERANCE_SECONDS {
        return Err(SignatureError::TooNew);
    }
    Ok(())
}

/// The well-formed `v1` entries of a signature header. Others, such as `v1a` (asymmetric), are passed
/// over, as the specification asks.
fn parse_signatures(header: &str) -> Result<Vec<CtOutput<HmacSha256>>, SignatureError> {
    if header.len() > MAX_SIGNATURE_BYTES {
        return Err(SignatureError::MalformedSignature);
    }
    let entries = header.split(' ').filter_map(|entry| entry.strip_prefix(SIGNATURE_PREFIX));
    let signatures: Vec<_> = entries.take(MAX_SIGNATURES).filter_map(decode_signature).collect();
    if signatures.is_empty() {
        return Err(SignatureError::MalformedSignature);
    }
    Ok(signatures)
}

fn decode_signature(encoded: &str) -> Option<CtOutput<HmacSha256>> {
    let mut bytes = [0; 32];
    let decoded = Base64::decode(encoded, &mut bytes).ok()?;
    (decoded.len() == 32).then(|| CtOutput::new(bytes.into()))
}
