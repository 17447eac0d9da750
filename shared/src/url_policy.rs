//! Which URLs we accept from outside. A URL that a user gives is fetched by machines that may reach
//! more than the user can (server-side request forgery).

use url::{Host, Url};

/// The longest URL that is read, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Checks a URL that a user gave: https, default port, no credentials, and a public DNS name.
/// The error is the sentence that the user sees.
pub fn check_public_https(text: &str) -> Result<Url, &'static str> {
    if text.len() > MAX_URL_BYTES {
        return Err("must be at most 2048 characters long");
    }
    let url = Url::parse(text).map_err(|_| "must be a valid URL")?;
    if url.scheme() != "https" {
        return Err("must be an https URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password");
    }
    if url.port().is_some() {
        return Err("must not name a port");
    }
    match url.host() {
        Some(Host::Domain(name)) if is_public_name(name) => Ok(url),
        Some(Host::Domain(_)) => Err("must not point to a private host"),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Err("must name a host, not an IP address"),
        None => Err("must name a host"),
    }
}

/// Checks where a provider's output lies: https, or the origin that the provider's API has (a local
/// simulator speaks http).
pub fn check_output(text: &str, provider_origin: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL_BYTES)?;
    let same_origin = Url::parse(provider_origin).is_ok_and(|api| api.origin() == url.origin());
    (same_origin || check_public_https(text).is_ok()).then_some(url)
}

/// A name with a dot that no resolver answers with a private address by convention.
/// Reserved names: RFC 2606, 6761, 6762, 8375; `internal`: ICANN 2024.
fn is_public_name(name: &str) -> bool {
    const PRIVATE: [&str; 13] = [
        "localhost",
        "localdomain",
        "local",
        "internal",
        "intranet",
        "private",
        "corp",
        "home",
        "lan",
        "home.arpa",
        "test",
        "invalid",
        "onion",
    ];
    let name = name.to_ascii_lowercase();
    let within =
        |suffix: &str| name == suffix || name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    name.contains('.') && !name.ends_with('.') && !PRIVATE.into_iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_urls_pass() {
        for url in [
            "https://example.com/a.png",
            "https://cdn.example.co.uk/x?y=1#z",
            "https://xn--bcher-kva.example/",
        ] {
            assert!(check_public_https(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "http://example.com/a.png",
            "ftp://example.com",
            "file:///etc/passwd",
            "data:image/png;base64,AA==",
            "javascript:alert(1)",
            "https://",
            "//example.com/a",
            "example.com/a",
            "",
            "https://user@example.com/",
            "https://u:p@example.com/",
            "https://example.com:8443/",
            "https://localhost/",
            "https://a.localhost/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://192.168.1.1/",
            "https://8.8.8.8/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "https://intranet/",
            "https://router.home.arpa/",
            "https://LOCALHOST./",
            "https://example.com./",
            "https://１２７.0.0.1/",
        ] {
            assert!(check_public_https(url).is_err(), "{url} must be refused");
        }
        assert!(check_public_https(&format!("https://example.com/{}", "a".repeat(3000))).is_err());
    }

    #[test]
    fn an_output_is_https_or_from_the_providers_own_origin() {
        let api = "http://127.0.0.1:9000";
        assert!(check_output("https://replicate.delivery/x/out-0.webp", api).is_some());
        assert!(check_output("http://127.0.0.1:9000/files/x/out-0.webp", api).is_some());
        for url in [
            "http://127.0.0.1:9001/x",
            "http://replicate.delivery/x",
            "https://127.0.0.1/x",
            "data:image/png;base64,AA==",
        ] {
            assert!(check_output(url, api).is_none(), "{url}");
        }
    }
}
