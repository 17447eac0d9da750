//! Rotations: what a project does to its keys, and which requests that may cost (none).

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde_json::json;

use super::fixtures::*;
use super::*;
use crate::ports::{
    Accepted, Clock, Http, HttpError, HttpRequest, HttpResponse, PipeError, PipeHead, PublicKey, Signatures,
};

/// A project that publishes keys, as one start-generation sees it.
struct Project {
    secret: SharedSecret,
    cache: RefCell<JwksCache>,
    published: RefCell<Option<String>>,
    fetches: Cell<usize>,
    now_ms: Cell<u64>,
}

impl Project {
    fn publishing(signers: &[(&str, &Signer)]) -> Self {
        let project = Self {
            secret: SharedSecret::new(SECRET).unwrap(),
            cache: RefCell::default(),
            published: RefCell::default(),
            fetches: Cell::default(),
            now_ms: Cell::new(NOW * 1000),
        };
        project.publishes(signers);
        project
    }

    fn publishes(&self, signers: &[(&str, &Signer)]) {
        let keys: Vec<_> = signers.iter().map(|(kid, signer)| signer.jwk(kid)).collect();
        *self.published.borrow_mut() = Some(json!({ "keys": keys }).to_string());
    }

    /// The endpoint answers 502 from now on.
    fn fails(&self) {
        *self.published.borrow_mut() = None;
    }

    fn passes(&self, seconds: u64) {
        self.now_ms.set(self.now_ms.get() + seconds * 1000);
    }

    fn user(&self, token: &str) -> Result<User, Denied> {
        block_on(self.ask(token))
    }

    async fn ask(&self, token: &str) -> Result<User, Denied> {
        let authenticator = Authenticator {
            http: self,
            signatures: &Ring,
            runtime: self,
            project_url: "https://x.supabase.co",
            api_key: "sb_publishable_x",
            secret: Some(&self.secret),
            cache: &self.cache,
        };
        authenticator.user(token, |_| {}).await
    }

    /// A token of now.
    fn token(&self, signer: &Signer, kid: &str) -> String {
        signer.signs(&json!({ "alg": signer.alg(), "kid": kid }), &self.claims())
    }

    fn claims(&self) -> serde_json::Value {
        let mut claims = claims();
        claims["iat"] = json!(self.now_s());
        claims["exp"] = json!(self.now_s() + 3600);
        claims
    }
}

impl Clock for Project {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    async fn sleep(&self, time: Duration) {
        self.now_ms.set(self.now_ms.get() + u64::try_from(time.as_millis()).unwrap());
        let mut first = true;
        // Lets others run once.
        std::future::poll_fn(|_| {
            if std::mem::take(&mut first) { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .await;
    }
}

impl Http for Project {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        assert_eq!(request.url, "https://x.supabase.co/auth/v1/.well-known/jwks.json");
        self.fetches.set(self.fetches.get() + 1);
        self.sleep(Duration::from_millis(100)).await;
        let published = self.published.borrow().clone();
        let status = if published.is_some() { 200 } else { 502 };
        Ok(HttpResponse { status, retry_after: None, body: published.unwrap_or_default().into_bytes() })
    }

    async fn pipe<E>(
        &self,
        _: HttpRequest,
        _: u64,
        _: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>> {
        Err(PipeError::Source(HttpError::Connection))
    }
}

const UNKNOWN: Denied = Denied::Token(TokenError::UnknownKey);

#[test]
fn a_project_that_goes_through_every_kind_of_key_loses_no_request() {
    let project = Project::publishing(&[]);
    let legacy = hs256(&json!({ "alg": "HS256" }), &claims(), SECRET.as_bytes());
    assert!(project.user(&legacy).is_ok());
    assert_eq!(project.fetches.get(), 0, "a shared secret needs no public key");
    let [first, second, third] = all_kinds();
    // Each new key signs at once; tokens of the one before go on until they expire.
    let mut before: Option<(&Signer, &str)> = None;
    for (signer, kid) in [(&first, "a"), (&second, "b"), (&third, "c"), (&first, "d")] {
        let mut keys = vec![(kid, signer)];
        keys.extend(before.map(|(signer, kid)| (kid, signer)));
        project.publishes(&keys);
        for (signer, kid) in [Some((signer, kid)), before].into_iter().flatten() {
            assert!(project.user(&project.token(signer, kid)).is_ok(), "{kid}");
        }
        assert!(project.user(&legacy).is_ok());
        before = Some((signer, kid));
    }
    assert_eq!(project.fetches.get(), 4, "one fetch for each new key");
}

#[test]
fn a_new_key_is_found_at_once_also_after_invented_ones() {
    let project = Project::publishing(&[("a", &es256(0))]);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    for kid in ["x", "y", "z"] {
        assert_eq!(project.user(&project.token(&es256(1), kid)), Err(UNKNOWN));
    }
    project.publishes(&[("a", &es256(0)), ("b", &rs256())]);
    assert!(project.user(&project.token(&rs256(), "b")).is_ok());
}

#[test]
fn a_flood_of_invented_keys_is_bounded_and_holds_up_nobody_whose_key_is_known() {
    let project = Project::publishing(&[("a", &es256(0))]);
    let known = project.token(&es256(0), "a");
    assert!(project.user(&known).is_ok());
    let before = project.fetches.get();
    let mut unjudged = 0;
    for n in 0..1000 {
        match project.user(&project.token(&es256(1), &format!("made-up-{n}"))) {
            Err(Denied::NoKeys { retry_after }) => {
                assert!((1..=3).contains(&retry_after), "{retry_after}");
                unjudged += 1;
            }
            refused => assert_eq!(refused, Err(UNKNOWN)),
        }
        assert!(project.user(&known).is_ok());
    }
    assert!(project.fetches.get() - before <= 12, "{} fetches", project.fetches.get() - before);
    assert!(unjudged > 900);
    // A key that came meanwhile is found as soon as there may be a fetch again.
    project.publishes(&[("b", &es256(2))]);
    project.passes(6);
    assert!(project.user(&project.token(&es256(2), "b")).is_ok());
}

#[test]
fn many_requests_with_a_new_key_share_one_fetch() {
    let project = Project::publishing(&[("a", &es256(0))]);
    let token = project.token(&es256(0), "a");
    let asked = (0..20).map(|_| project.ask(&token));
    let answers = block_on(futures::future::join_all(asked));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(project.fetches.get(), 1);
}

#[test]
fn a_withdrawn_key_is_refused_after_ten_minutes_at_the_latest() {
    let project = Project::publishing(&[("a", &es256(0)), ("b", &es256(1))]);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    project.publishes(&[("b", &es256(1))]);
    project.passes(cache::TTL_SECONDS - 1);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok(), "nothing has told us yet");
    project.passes(1);
    assert_eq!(project.user(&project.token(&es256(0), "a")), Err(UNKNOWN));
    assert!(project.user(&project.token(&es256(1), "b")).is_ok());
}

#[test]
fn while_the_keys_cannot_be_fetched_the_last_good_ones_go_on_for_a_day() {
    let project = Project::publishing(&[("a", &es256(0))]);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    project.fails();
    project.passes(MAX_STALE_SECONDS);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    // A key that is not among them may be new: nobody is signed out by our ignorance.
    let unjudged = project.user(&project.token(&es256(1), "b"));
    assert!(matches!(unjudged, Err(Denied::NoKeys { .. })), "{unjudged:?}");
    project.passes(1);
    let unjudged = project.user(&project.token(&es256(0), "a"));
    assert!(matches!(unjudged, Err(Denied::NoKeys { .. })), "{unjudged:?}");
    project.publishes(&[("a", &es256(0))]);
    project.passes(6);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
}

#[test]
fn an_answer_that_is_no_key_set_counts_as_none() {
    let project = Project::publishing(&[("a", &es256(0))]);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    *project.published.borrow_mut() = Some("<html>sorry</html>".into());
    project.passes(cache::TTL_SECONDS);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
}

#[test]
fn a_token_that_is_bad_in_itself_costs_no_fetch() {
    let project = Project::publishing(&[("a", &es256(0))]);
    assert!(project.user(&project.token(&es256(0), "a")).is_ok());
    let before = project.fetches.get();
    let expired = es256(0).signs(&json!({ "alg": "ES256", "kid": "a" }), &json!({ "exp": 1 }));
    let none = signed(&json!({ "alg": "none" }), "{}", |_| Vec::new());
    for token in ["garbage", &expired, &none, &project.token(&es256(1), "a")] {
        assert!(matches!(project.user(token), Err(Denied::Token(_))), "{token}");
    }
    assert_eq!(project.fetches.get(), before);
}

/// Counts what is verified.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Signatures for Counting {
    async fn verify(&self, key: &PublicKey, content: &[u8], signature: &[u8]) -> bool {
        self.0.set(self.0.get() + 1);
        Ring.verify(key, content, signature).await
    }
}

#[test]
fn a_token_is_verified_once_a_minute_and_again_when_the_keys_are_others() {
    let project = Project::publishing(&[("k", &es256(0))]);
    let signatures = Counting::default();
    let token = project.token(&es256(0), "k");
    let ask = |token: &str| {
        let authenticator = Authenticator {
            http: &project,
            signatures: &signatures,
            runtime: &project,
            project_url: "https://x.supabase.co",
            api_key: "sb_publishable_x",
            secret: None,
            cache: &project.cache,
        };
        block_on(authenticator.user(token, |_| {})).is_ok()
    };
    assert!(ask(&token) && ask(&token));
    assert_eq!(signatures.0.get(), 1);
    let forged = format!("{}x", &token[..token.len() - 1]);
    assert!(!ask(&forged) && !ask(&forged), "what was refused is looked at each time");
    project.passes(60);
    assert!(ask(&token));
    let before = signatures.0.get();
    // Another key's token has the keys fetched anew, and this key is not among them.
    project.publishes(&[("new", &es256(1))]);
    assert!(ask(&project.token(&es256(1), "new")));
    assert!(!ask(&token), "its key was withdrawn");
    assert_eq!(signatures.0.get(), before + 1);
}
