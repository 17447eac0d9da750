//! Verification of Supabase user tokens (JWTs) at the edge, before anything else is done for a caller.
//!
//! A project signs with its shared secret (HS256, the legacy system) or with a key whose public half is
//! published as a JWKS (ES256, RS256, EdDSA). The algorithm decides which of the two is consulted, and the
//! kind of a public key is its one algorithm: a public key can never serve as an HMAC secret, nor for
//! another algorithm. Every other algorithm, `none` included, is refused.
//! See <https://supabase.com/docs/guides/auth/jwts> and RFC 8725 (best practices for JWTs).

mod authenticate;
#[cfg(test)]
mod authenticate_tests;
mod cache;
mod claims;
#[cfg(test)]
mod fixtures;
mod keys;
mod public_key;
#[cfg(test)]
mod tests;
mod verified;

pub use authenticate::{Authenticator, Denied};
pub use cache::{JwksCache, MAX_STALE_SECONDS};
pub use claims::LEEWAY_SECONDS;
pub use keys::{KeySet, KeySetError, MAX_KEY_SET_BYTES, MAX_KEYS};

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, UntrustedToken, ValidationError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::ports::Signatures;
use claims::Identity;

/// Longest token that is looked at, in bytes. Supabase's own are about 1 KiB; custom claims add to that.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Shortest shared secret that is accepted, in bytes: RFC 7518 section 3.2 asks for a key at least as
/// long as the hash, and PostgREST refuses to start with less.
pub const MIN_SECRET_BYTES: usize = 32;

/// A signed-in user, as vouched for by the project's own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id (`sub`), which is `auth.uid()` in the database.
    pub id: Uuid,
    /// The Postgres role the database will run as; always `authenticated`.
    pub role: String,
    /// End of the token's life, in unix seconds. A long-lived connection should end then.
    pub expires_at: u64,
}

/// Why a token does not identify a user. The sentences are fit for the caller to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no bearer token.
    #[error("Sign in first: the request carries no access token.")]
    Missing,
    /// `Authorization` is there and is no bearer token.
    #[error("Authorization must be the word Bearer, a space and the access token.")]
    NoBearer,
    /// There is a key of the project's, which is no user's.
    #[error(
        "An API key signs nobody in. Send the user's access token as Authorization: Bearer, or from a server the \
         project's secret key."
    )]
    ApiKey,
    /// Not a JWT, or larger than [`MAX_TOKEN_BYTES`].
    #[error("The access token is malformed.")]
    Malformed,
    /// Rightly signed, but its time is over.
    #[error("The access token has expired.")]
    Expired,
    /// The signature does not match the content.
    #[error("The signature of the access token is not valid.")]
    BadSignature,
    /// Signed with a key that is not among those at hand. The project may have rotated its keys: see
    /// [`Authenticator`].
    #[error("The access token was signed with an unknown key.")]
    UnknownKey,
    /// Well-formed, but not a token this service accepts.
    #[error("The access token is not accepted: {0}.")]
    NotAllowed(Refusal),
}

/// What makes a well-formed token one that is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `alg` is not one of the four, is not that of the key which the token names, or is HS256 where no shared
    /// secret is configured.
    #[error("its signature algorithm is not allowed")]
    Algorithm,
    /// The header asks for an extension (`crit`), none of which is understood here (RFC 7515, 4.1.11).
    #[error("it requires an extension that is not supported")]
    CriticalHeader,
    /// A token without `exp` would be valid for ever.
    #[error("it has no expiry")]
    NoExpiry,
    /// `nbf` or `iat` lies in the future.
    #[error("it is not valid yet")]
    NotYetValid,
    /// Not a signed-in user's token; the project's anon and service keys end here.
    #[error("it does not belong to a signed-in user")]
    Role,
    /// `aud` is present and does not name signed-in users.
    #[error("it is meant for another audience")]
    Audience,
    /// `sub` is missing or not a UUID.
    #[error("it does not name a user")]
    Subject,
}

/// The project's shared secret for HS256. Its content is wiped on drop and never printed.
#[derive(Debug, Clone)]
pub struct SharedSecret(Hs256Key);

/// The shared secret is shorter than [`MIN_SECRET_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JWT secret is shorter than {MIN_SECRET_BYTES} bytes")]
pub struct WeakSecret;

impl SharedSecret {
    /// Takes the secret as Supabase shows it: the characters themselves are the key.
    ///
    /// # Errors
    /// [`WeakSecret`], above all for the empty secret, with which anybody could sign.
    pub fn new(secret: &str) -> Result<Self, WeakSecret> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(WeakSecret);
        }
        Ok(Self(Hs256Key::new(secret)))
    }
}

/// Header fields beyond those the JWT library knows.
#[derive(Debug, Clone, Deserialize)]
struct HeaderExtensions {
    crit: Option<IgnoredAny>,
}

/// Verifies tokens with the key material of one project. It borrows, so it costs nothing to make for
/// each request.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    secret: Option<&'a SharedSecret>,
    keys: Option<&'a KeySet>,
}

impl<'a> Verifier<'a> {
    /// A verifier that accepts HS256 where there is a secret, and the other algorithms by the keys at hand.
    pub fn new(secret: Option<&'a SharedSecret>, keys: Option<&'a KeySet>) -> Self {
        Self { secret, keys }
    }

    /// The user a token belongs to, at the time `now_unix_seconds`. It is taken for
    /// [`LEEWAY_SECONDS`] more, and six minutes before its own time: clocks differ.
    ///
    /// # Errors
    /// See [`TokenError`]; all of them mean that the caller is not signed in.
    pub async fn verify(
        &self,
        token: &str,
        now_unix_seconds: u64,
        signatures: &impl Signatures,
    ) -> Result<User, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let parsed: UntrustedToken<'_, HeaderExtensions> =
            token.try_into().map_err(|_| TokenError::Malformed)?;
        if parsed.header().other_fields.crit.is_some() {
            return Err(TokenError::NotAllowed(Refusal::CriticalHeader));
        }
        let claims = match parsed.algorithm() {
            "HS256" => {
                let secret = self.secret.ok_or(TokenError::NotAllowed(Refusal::Algorithm))?;
                let verified = Hs256.validator::<Identity>(&secret.0).validate(&parsed);
                verified.map(|token| token.into_parts().1)
            }
            alg @ ("ES256" | "RS256" | "EdDSA" | "Ed25519") => {
                let content = token.rsplit_once('.').map_or("", |(content, _)| content).as_bytes();
                let signature = parsed.signature_bytes();
                self.check(alg, parsed.header().key_id.as_deref(), content, signature, signatures).await?;
                parsed.deserialize_claims_unchecked::<Identity>()
            }
            _ => return Err(TokenError::NotAllowed(Refusal::Algorithm)),
        };
        let claims = claims.map_err(|error| match error {
            ValidationError::MalformedClaims(_) => TokenError::Malformed,
            _ => TokenError::BadSignature,
        })?;
        claims::user(&claims, now_unix_seconds)
    }

    async fn check(
        &self,
        alg: &str,
        kid: Option<&str>,
        content: &[u8],
        signature: &[u8],
        signatures: &impl Signatures,
    ) -> Result<(), TokenError> {
        let candidates = self.keys.ok_or(TokenError::UnknownKey)?.candidates(alg, kid);
        if candidates.by_id && candidates.keys.is_empty() {
            return Err(TokenError::NotAllowed(Refusal::Algorithm));
        }
        for key in candidates.keys {
            if signatures.verify(key, content, signature).await {
                return Ok(());
            }
        }
        // Where nothing names the key, it may be one that we have not heard of yet.
        Err(if candidates.by_id { TokenError::BadSignature } else { TokenError::UnknownKey })
    }
}
