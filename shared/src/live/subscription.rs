//! What somebody asks for who wants to listen, on its way from the public Worker, which knows who it
//! is, to the user's channel.

use uuid::Uuid;

/// How messages reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket, RFC 6455.
    WebSocket,
    /// Server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
    ServerSentEvents,
}

impl Transport {
    /// What the headers of a request ask for; `None`: neither.
    pub fn of(method: &str, upgrade: Option<&str>, accept: Option<&str>) -> Option<Self> {
        if method != "GET" {
            return None;
        }
        if upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
            return Some(Self::WebSocket);
        }
        let types = accept?.split(',').map(|one| one.split(';').next().unwrap_or_default().trim());
        types
            .into_iter()
            .any(|one| one.eq_ignore_ascii_case("text/event-stream"))
            .then_some(Self::ServerSentEvents)
    }
}

/// What a listener wants to hear. Only a verified token leads to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose generations.
    pub user_id: Uuid,
    /// Only this one.
    pub generation_id: Option<Uuid>,
    /// The greatest number heard before.
    pub since: Option<i64>,
    /// When the token's time is over (milliseconds since 1970).
    pub expires_at_ms: u64,
    /// How.
    pub transport: Transport,
}

/// The greatest number that a change can have: of the year 2286.
pub const MAX_SEQ: i64 = 9_999_999_999_999;

const USER: &str = "x-live-user";
const GENERATION: &str = "x-live-generation";
const SINCE: &str = "x-live-since";
const EXPIRES: &str = "x-live-expires";

impl Subscription {
    /// As headers of the request to the channel.
    pub fn to_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![(USER, self.user_id.to_string()), (EXPIRES, self.expires_at_ms.to_string())];
        headers.extend(self.generation_id.map(|id| (GENERATION, id.to_string())));
        headers.extend(self.since.map(|since| (SINCE, since.to_string())));
        headers.push(match self.transport {
            Transport::WebSocket => ("upgrade", "websocket".to_owned()),
            Transport::ServerSentEvents => ("accept", "text/event-stream".to_owned()),
        });
        headers
    }

    /// The way back. `None`: not a request of ours.
    pub fn from_headers(header: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let generation_id = match header(GENERATION) {
            Some(text) => Some(Uuid::try_parse(&text).ok()?),
            None => None,
        };
        Some(Self {
            user_id: Uuid::try_parse(&header(USER)?).ok()?,
            generation_id,
            since: header(SINCE).as_deref().and_then(since),
            expires_at_ms: header(EXPIRES)?.parse().ok()?,
            transport: Transport::of("GET", header("upgrade").as_deref(), header("accept").as_deref())?,
        })
    }
}

/// The parameter `since` is none of our numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("since must be the greatest seq that you have seen, a whole number.")]
pub struct NoSeq;

/// The greatest number that a client has heard before: by the header `Last-Event-ID`, else by the parameter `since` of
/// the URL. A header that holds none of our numbers does not hide the parameter: readers that have heard nothing send it
/// empty. Without a parameter any other such header counts as 0, with which the client is told more than it lacks: an
/// `EventSource` sends on its own what another server has given it, and gives up for ever where it is refused.
///
/// # Errors
/// [`NoSeq`].
pub fn heard(
    last_event_id: Option<&str>,
    parameter: impl FnOnce() -> Option<String>,
) -> Result<Option<i64>, NoSeq> {
    let header = last_event_id.filter(|id| !id.trim().is_empty());
    if let Some(number) = header.and_then(since) {
        return Ok(Some(number));
    }
    match parameter().filter(|text| !text.is_empty()) {
        None => Ok(header.map(|_| 0)),
        Some(text) => since(&text).map(Some).ok_or(NoSeq),
    }
}

/// Reads the number that a client gives back: milliseconds since 1970, and not those of another unit, after which
/// nothing would be new.
fn since(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|since| (0..=MAX_SEQ).contains(since))
}

#[cfg(test)]
mod tests {
    use super::Transport::{ServerSentEvents, WebSocket};
    use super::*;

    #[test]
    fn a_request_says_how_it_wants_to_listen() {
        for (upgrade, accept, expected) in [
            (Some("websocket"), None, Some(WebSocket)),
            (Some("WebSocket"), Some("text/event-stream"), Some(WebSocket)),
            (None, Some("text/event-stream"), Some(ServerSentEvents)),
            (None, Some("application/json, Text/Event-Stream;q=0.9"), Some(ServerSentEvents)),
            (Some("h2c"), Some("*/*"), None),
            (None, None, None),
        ] {
            assert_eq!(Transport::of("GET", upgrade, accept), expected, "{upgrade:?} {accept:?}");
        }
        assert_eq!(Transport::of("HEAD", None, Some("text/event-stream")), None);
    }

    #[test]
    fn an_ask_arrives_as_it_was_sent() {
        let full = Subscription {
            user_id: Uuid::from_u128(1),
            generation_id: Some(Uuid::from_u128(2)),
            since: Some(1_795_529_400_123),
            expires_at_ms: 1_795_533_000_000,
            transport: WebSocket,
        };
        let least =
            Subscription { generation_id: None, since: None, transport: ServerSentEvents, ..full.clone() };
        for subscription in [full, least] {
            let headers = subscription.to_headers();
            let header =
                |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            assert_eq!(Subscription::from_headers(header), Some(subscription));
        }
        assert_eq!(Subscription::from_headers(|_| None), None);
        assert_eq!(Subscription::from_headers(|_| Some("odd".to_owned())), None);
    }

    #[test]
    fn what_was_heard_is_in_the_header_or_else_in_the_url() {
        for (header, parameter, expected) in [
            (Some("7"), Some("3"), Some(7)),
            (Some("7"), Some("x"), Some(7)),
            (Some(""), Some("3"), Some(3)),
            (Some("x"), Some("3"), Some(3)),
            (None, Some("3"), Some(3)),
            (Some(""), None, None),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let heard = heard(header, || parameter.map(str::to_owned));
            assert_eq!(heard.unwrap(), expected, "{header:?} {parameter:?}");
        }
    }

    #[test]
    fn a_header_of_another_server_misses_no_end() {
        for header in ["abc", "-1", "99999999999999999999", "0193f3a2-6c1e", "1795529400123000"] {
            assert_eq!(heard(Some(header), || None).unwrap(), Some(0), "{header}");
        }
    }

    #[test]
    fn a_parameter_that_is_none_of_our_numbers_is_refused() {
        for parameter in ["abc", "-1", "99999999999999999999", " ", "1.5", "1795529400123000"] {
            for header in [None, Some(""), Some("x")] {
                let heard = heard(header, || Some(parameter.to_owned()));
                assert_eq!(heard, Err(NoSeq), "{header:?} {parameter}");
            }
        }
    }

    #[test]
    fn a_number_that_is_none_of_ours_counts_as_none() {
        assert_eq!((since(" 12 "), since("-1"), since("x"), since("")), (Some(12), None, None, None));
        assert_eq!(since("99999999999999999999"), None);
    }
}
