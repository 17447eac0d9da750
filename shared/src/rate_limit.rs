//! The coarse rate limit, before anything is read: who is counted, and what an answer that does not come means.
//!
//! It keeps a caller gone wild away from the database, where the exact limits are. Reading is not
//! counted for a signed-in user: polling is how a generation is followed, any number of them at once,
//! and each read is one look-up of the caller's own rows.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use uuid::Uuid;

use crate::http::problem::{Code, Problem};
use crate::ports::Clock;

/// The binding's period, and so the longest time until a caller may go on, in seconds.
const PERIOD_SECONDS: u32 = 60;

/// How long the counter may take. It is meant to be in the same machine's memory,
/// <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/#performance>.
const PATIENCE: Duration = Duration::from_millis(250);

/// The key under which a request to a path for users is counted; `None`: it is not.
///
/// `caller` is what its token came to, `address` the client's IP address. A refused token says nothing
/// about who sent it, so the address counts instead, whatever the method.
pub fn key(method: &str, caller: Result<Uuid, &Problem>, address: Option<&str>) -> Option<String> {
    match caller {
        Ok(user) => matches!(method, "POST" | "PATCH" | "DELETE").then(|| format!("user:{user}")),
        Err(problem) if problem.code == Code::Unauthorized => Some(address_key(address)),
        // The caller has no part in our own failure.
        Err(_) => None,
    }
}

/// The key under which a caller of whom nothing is known is counted: an IP address.
pub fn address_key(address: Option<&str>) -> String {
    format!("address:{}", network(address))
}

/// The key under which a server's request is counted: `about` is the user, the generation or the image that it names. Not the
/// server: its users do not wait for each other.
pub fn server_key(about: Uuid) -> String {
    format!("server:{about}")
}

/// An IPv4 address, or the /64 of an IPv6 address: one customer has at least that, RFC 6177.
fn network(address: Option<&str>) -> String {
    match address.and_then(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        None => "unknown".to_owned(),
    }
}

/// Whether the counter lets a request pass.
///
/// # Errors
/// Why that is not known; the request passes then, since the exact limits are elsewhere.
pub async fn passes<E: Display>(
    answer: impl Future<Output = Result<bool, E>>,
    clock: &impl Clock,
) -> Result<bool, String> {
    match select(pin!(answer), pin!(clock.sleep(PATIENCE))).await {
        Either::Left((answer, _)) => answer.map_err(|error| error.to_string()),
        Either::Right(((), _)) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
    }
}

/// What a caller over the limit is told.
pub fn exceeded() -> Problem {
    let mut problem = Problem::new(Code::RateLimited, "Too many requests. Please wait a minute.");
    problem.retry_after = Some(PERIOD_SECONDS);
    problem
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::FutureExt;

    use super::*;

    const USER: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_user_counts_for_what_they_change_only() {
        for method in ["POST", "PATCH", "DELETE"] {
            let found = key(method, Ok(USER), Some("192.0.2.1"));
            assert_eq!(found.unwrap(), format!("user:{USER}"), "{method}");
        }
        for method in ["GET", "HEAD"] {
            assert_eq!(key(method, Ok(USER), Some("192.0.2.1")), None, "{method}");
        }
    }

    #[test]
    fn a_refused_token_counts_for_its_address_and_our_failure_for_nobody() {
        let refused = Problem::new(Code::Unauthorized, "no");
        for method in ["GET", "POST"] {
            let found = key(method, Err(&refused), Some("192.0.2.1"));
            assert_eq!(found.as_deref(), Some("address:192.0.2.1"), "{method}");
        }
        for ours in [Problem::unavailable(), Problem::internal()] {
            assert_eq!(key("POST", Err(&ours), Some("192.0.2.1")), None, "{ours}");
        }
    }

    #[test]
    fn an_ipv6_customer_has_one_key() {
        for (address, expected) in [
            (Some("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
            (Some("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64"),
            (Some("2001:db8:1:3::1"), "2001:db8:1:3::/64"),
            (Some("::ffff:192.0.2.1"), "192.0.2.1"),
            (Some("192.0.2.1, 192.0.2.2"), "unknown"),
            (None, "unknown"),
        ] {
            assert_eq!(network(address), expected, "{address:?}");
        }
    }

    /// Waits no time.
    struct Now;

    impl Clock for Now {
        fn now_ms(&self) -> u64 {
            0
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn an_error_and_silence_are_no_refusal() {
        let params = |answer: Result<bool, &'static str>| passes(ready(answer), &Now).now_or_never().unwrap();
        assert_eq!((params(Ok(true)), params(Ok(false))), (Ok(true), Ok(false)));
        assert_eq!(params(Err("broken")), Err("broken".to_owned()));
        let silent = passes(pending::<Result<bool, String>>(), &Now).now_or_never().unwrap();
        assert_eq!(silent, Err("no answer within 250 ms".to_owned()));
    }
}
