//! Messages as server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::time::Duration;

/// A sign of life after so long a silence, so that proxies and clients keep the connection.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// The sign of life: the line of a comment. No empty line follows it, because some readers take any for the end of an
/// event and hand an empty one on: Python's httpx-sse does.
pub const COMMENT: &str = ":\n";

/// What a stream's first event begins with: how long a client waits before it connects again, in milliseconds. It is
/// no event of its own, for the same readers.
pub const RETRY: &str = "retry: 2000\n";

/// One message. It is JSON and so has no line break; its number is what the client gives back as
/// `Last-Event-ID`.
pub fn event(seq: i64, message: &str) -> String {
    format!("id: {seq}\ndata: {message}\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::ready;
    use super::*;

    #[test]
    fn an_empty_line_comes_after_data_alone() {
        let stream = [RETRY, &event(4, &ready(4)), COMMENT, COMMENT, &event(5, &ready(5))].concat();
        let events: Vec<_> = stream.split_terminator("\n\n").collect();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.lines().last().unwrap().starts_with("data: ")));
    }

    #[test]
    fn an_event_is_a_number_and_one_line_of_json() {
        assert_eq!(event(5, &ready(5)), "id: 5\ndata: {\"seq\":5,\"type\":\"ready\"}\n\n");
    }
}
