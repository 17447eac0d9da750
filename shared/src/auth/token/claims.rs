//! From verified claims to a user: whose token it is, for whom, and whether its time is now.

use jwt_compact::Claims;
use serde::Deserialize;
use uuid::Uuid;

use super::{Refusal, TokenError, User};

/// How long a token is taken after its time, in seconds: as long as PostgREST does.
pub const LEEWAY_SECONDS: u64 = 30;
/// How far the issuer's clock may be ahead of ours, in seconds. Whoever issues a token from the future will be
/// right soon: nobody is signed out for it. The database looks again, and its refusal passes.
const EARLY_SECONDS: u64 = 6 * 60;

/// The role and the audience of signed-in users; Supabase Auth uses one word for both.
const AUTHENTICATED: &str = "authenticated";

/// Length of the one spelling of a UUID that is accepted, the one Supabase Auth issues. The parser
/// would also take braces, `urn:uuid:` and no hyphens.
const HYPHENATED_UUID: usize = 36;

/// The claims that say whose token it is. All optional, so that an API key of the project is refused
/// for its role rather than as malformed.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    sub: Option<String>,
    role: Option<String>,
    aud: Option<Audience>,
}

/// `aud` is a string or a list of strings (RFC 7519, 4.1.3).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// Whether a token that ends then is taken no more.
pub(super) fn is_over(expires_at: u64, now: u64) -> bool {
    now >= expires_at.saturating_add(LEEWAY_SECONDS)
}

/// The user named by claims whose signature has been verified.
pub(super) fn user(claims: &Claims<Identity>, now: u64) -> Result<User, TokenError> {
    let refuse = |refusal| Err(TokenError::NotAllowed(refusal));
    // Moments before 1970 count as 1970: far in the past either way.
    let [expires_at, not_before, issued_at] = [claims.expiration, claims.not_before, claims.issued_at]
        .map(|moment| moment.map(|moment| u64::try_from(moment.timestamp()).unwrap_or(0)));

    let Some(expires_at) = expires_at else {
        return refuse(Refusal::NoExpiry);
    };
    if is_over(expires_at, now) {
        return Err(TokenError::Expired);
    }
    let latest_start = now.saturating_add(EARLY_SECONDS);
    if [not_before, issued_at].into_iter().flatten().any(|start| start > latest_start) {
        return refuse(Refusal::NotYetValid);
    }

    let identity = &claims.custom;
    if identity.role.as_deref() != Some(AUTHENTICATED) {
        return refuse(Refusal::Role);
    }
    if identity.aud.as_ref().is_some_and(|aud| !aud.contains(AUTHENTICATED)) {
        return refuse(Refusal::Audience);
    }
    let subject = identity.sub.as_deref().filter(|sub| sub.len() == HYPHENATED_UUID);
    let Some(id) = subject.and_then(|sub| Uuid::try_parse(sub).ok()) else {
        return refuse(Refusal::Subject);
    };
    Ok(User { id, role: AUTHENTICATED.to_owned(), expires_at })
}
