//! What a page of another origin may send.

/// Allowed whatever is asked for.
const USUAL_HEADERS: &str = "authorization, x-client-info, apikey, content-type, accept, idempotency-key, last-event-id, \
     x-request-id, x-region, x-retry-count, traceparent, tracestate, baggage, sentry-trace";
/// The longest list that is answered, in bytes.
const MAX_BYTES: usize = 2048;

/// The answer to `Access-Control-Request-Headers`: the usual headers, and what was asked for, whatever the names.
/// Client libraries and what traces them add headers of their own, and one that is not allowed fails the whole
/// call. A header lets nobody in: that is what tokens are for, which a browser never sends by itself as it does
/// cookies. A list that is too long, or that holds something else than names of headers (RFC 9110, section
/// 5.6.2), adds nothing.
pub fn allowed_headers(asked: Option<&str>) -> String {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_token_byte);
    let is_list = |list: &&str| {
        list.len() <= MAX_BYTES && list.split(',').all(|name| is_name(name.trim_matches([' ', '\t'])))
    };
    match asked.filter(is_list) {
        Some(list) => format!("{USUAL_HEADERS}, {list}"),
        None => USUAL_HEADERS.to_owned(),
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_allowed() {
        for list in ["authorization", "authorization,x-region", "x-made-up , traceparent", "a.b!c"] {
            assert_eq!(allowed_headers(Some(list)), format!("{USUAL_HEADERS}, {list}"));
        }
    }

    #[test]
    fn what_is_no_list_of_names_adds_nothing() {
        let long = format!("a{}", ",a".repeat(MAX_BYTES));
        for list in ["", ",", "a,,b", "a b", "a\r\nset-cookie: b", "a;b", "é", "\"a\"", "a:b", &long] {
            assert_eq!(allowed_headers(Some(list)), USUAL_HEADERS, "{list:?}");
        }
        assert_eq!(allowed_headers(None), USUAL_HEADERS);
    }
}
