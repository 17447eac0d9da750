//! `Sec-WebSocket-Protocol`: the only header that a browser lets an app set on a WebSocket, so it
//! carries the token as well. In the URL a token would end up in logs.

/// The subprotocol that is spoken here, and the only one that is ever selected.
pub const NAME: &str = "picture-queue.v1";

const BEARER: &str = "bearer.";

/// What a client offers (RFC 6455, section 11.3.4: a list with commas).
fn offered(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').map(str::trim)
}

/// Whether the client speaks our protocol.
pub fn is_offered(header: &str) -> bool {
    offered(header).any(|one| one == NAME)
}

/// The token among the offers.
pub fn token(header: &str) -> Option<&str> {
    offered(header).find_map(|one| one.strip_prefix(BEARER)).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_one_of_the_offers() {
        for (header, name, expected) in [
            ("picture-queue.v1, bearer.a.b-c.d_e", true, Some("a.b-c.d_e")),
            ("bearer.x,picture-queue.v1", true, Some("x")),
            ("picture-queue.v1", true, None),
            ("picture-queue.v10, bearer.", false, None),
            ("Bearer.x", false, None),
            ("", false, None),
        ] {
            assert_eq!((is_offered(header), token(header)), (name, expected), "{header}");
        }
    }
}
