//! Who a token belongs to, with keys that are fetched when they are needed and no oftener.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::cache::Fetch;
use super::{JwksCache, KeySet, SharedSecret, TokenError, User, Verifier};
use crate::ports::{Clock, Http, HttpRequest, Signatures};

/// A fetch of the key set ends after this time.
pub(super) const FETCH_TIME: Duration = Duration::from_secs(5);

/// How often a request looks whether another one's fetch has ended.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// Verifies users' tokens. A project may change its keys at any time: a token whose key is not known is
/// judged by a key set that was fetched after it came, or not at all.
#[derive(Debug)]
pub struct Authenticator<'a, H, S, W> {
    /// The way to the project.
    pub http: &'a H,
    /// Checks signatures.
    pub signatures: &'a S,
    /// The time.
    pub runtime: &'a W,
    /// The project's URL, without a trailing slash.
    pub project_url: &'a str,
    /// The key with which its public keys are asked for.
    pub api_key: &'a str,
    /// Its shared secret, where it signs with one.
    pub secret: Option<&'a SharedSecret>,
    /// Its public keys, as far as they are known; not borrowed while anything is awaited.
    pub cache: &'a RefCell<JwksCache>,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It does not identify a user.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// It cannot be judged, because the project's keys are not to be had now: our failure, not the caller's.
    #[error("the keys are not to be had for {retry_after} s")]
    NoKeys {
        /// After how many seconds another try makes sense.
        retry_after: u32,
    },
}

impl<H: Http, S: Signatures, W: Clock> Authenticator<'_, H, S, W> {
    /// The user a token belongs to. `warn` is told why keys could not be fetched.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn user(&self, token: &str, warn: impl Fn(&str)) -> Result<User, Denied> {
        let mut now = self.runtime.now_s();
        if self.cache.borrow_mut().begin_refresh(now) {
            self.fetch(&warn).await;
            now = self.runtime.now_s();
        }
        if let Some(user) = self.cache.borrow().verified.find(token, now) {
            return Ok(user);
        }
        let patience = now + FETCH_TIME.as_secs();
        loop {
            match self.verify(token).await {
                Err(TokenError::UnknownKey) => {}
                judged => return Ok(judged?),
            }
            let begin = self.cache.borrow_mut().begin_fetch(self.runtime.now_s());
            match begin {
                Fetch::Now => {
                    let fetched = self.fetch(&warn).await;
                    return match self.verify(token).await {
                        Err(TokenError::UnknownKey) if !fetched => Err(self.no_keys()),
                        judged => Ok(judged?),
                    };
                }
                // Not awaited itself: it belongs to another request, and ends with it.
                Fetch::UnderWay if self.runtime.now_s() <= patience => self.runtime.sleep(LOOK_TIME).await,
                Fetch::UnderWay => return Err(self.no_keys()),
                Fetch::Later(retry_after) => return Err(Denied::NoKeys { retry_after }),
            }
        }
    }

    fn no_keys(&self) -> Denied {
        let retry_after = self.cache.borrow().seconds_to_next(self.runtime.now_s()).max(1);
        Denied::NoKeys { retry_after }
    }

    async fn verify(&self, token: &str) -> Result<User, TokenError> {
        let now = self.runtime.now_s();
        let keys = self.cache.borrow().keys(now);
        let user = Verifier::new(self.secret, keys.as_deref()).verify(token, now, self.signatures).await?;
        let mut cache = self.cache.borrow_mut();
        // Other keys may have come meanwhile.
        let is_current = match (&keys, cache.keys(now)) {
            (Some(used), Some(current)) => Rc::ptr_eq(used, &current),
            (None, None) => true,
            _ => false,
        };
        if is_current {
            cache.verified.keep(token, &user, now);
        }
        Ok(user)
    }

    /// Fetches the key set; whether that worked.
    async fn fetch(&self, warn: &impl Fn(&str)) -> bool {
        let url = format!("{}/auth/v1/.well-known/jwks.json", self.project_url);
        let request = HttpRequest::new("GET", url).header("apikey", self.api_key).timeout(FETCH_TIME);
        let keys = match self.http.send(request).await {
            Ok(response) if response.is_success() => {
                KeySet::parse(&response.body).map_err(|error| error.to_string())
            }
            Ok(response) => Err(format!("status {}", response.status)),
            Err(error) => Err(error.to_string()),
        };
        let now = self.runtime.now_s();
        match keys {
            Ok(keys) => {
                self.cache.borrow_mut().fetched(keys, now);
                true
            }
            Err(error) => {
                warn(&error);
                self.cache.borrow_mut().fetch_failed(now);
                false
            }
        }
    }
}
