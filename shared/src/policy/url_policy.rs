//! Which URLs we accept from outside. A URL that a user gives is fetched by machines that may reach
//! more than the user can (server-side request forgery).
//!
//! A host's name is ASCII, as DNS and the database have it; one in another script is refused, because its
//! `xn--` form would take Unicode's tables to find (docs/decisions/0026).

use url::{Host, Origin, Url};

/// The longest URL that is read, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Checks a URL that a user gave: https, default port, no credentials, and a public DNS name.
/// The error is the sentence that the user sees.
pub fn check_public_https(text: &str) -> Result<Url, &'static str> {
    if text.len() > MAX_URL_BYTES {
        return Err("must be at most 2048 characters long");
    }
    let url = Url::parse(text).map_err(|_| match text.is_ascii() {
        true => "must be a valid URL",
        false => "must be a valid URL, its host's name in ASCII (xn--...)",
    })?;
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

/// Origins that a webhook may name although they are not public https ones: for local development.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Vec<Origin>);

impl AllowedOrigins {
    /// Reads origins such as `http://127.0.0.1:9000`, separated by commas or white space. `None`: one of
    /// them is not an http(s) origin.
    pub fn parse(list: &str) -> Option<Self> {
        let parts = list.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let url = Url::parse(part).ok()?;
                (matches!(url.scheme(), "http" | "https") && url.path() == "/").then(|| url.origin())
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether a URL is of one of these origins.
    pub fn contain(&self, url: &Url) -> bool {
        self.0.contains(&url.origin())
    }
}

/// Checks to which URL a user wants webhooks sent. What its name resolves to is still to be asked,
/// unless its origin is an allowed one.
pub fn check_webhook(text: &str, allowed: &AllowedOrigins) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL_BYTES);
    match url.filter(|url| allowed.contain(url) && url.username().is_empty() && url.password().is_none()) {
        Some(url) => Ok(url),
        None => check_public_https(text),
    }
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
    fn no_spelling_of_an_address_passes_for_a_webhook() {
        let none = AllowedOrigins::default();
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0x7f.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "127.0.0.1%2e",
            "0",
            "0.0.0.0",
            "3232235777",
            "169.254.169.254",
            "0xa9fea9fe",
            "025177524776",
            "100.64.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[2606:4700:4700::1111]",
            "localhost",
            "localhost.",
            "LocalHost",
            "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
            "a.localhost.",
            "hooks.internal",
            "hooks.ｉｎｔｅｒｎａｌ",
            "hooks.internal。",
            "example.com.",
            "user@example.com",
            "user:password@example.com",
            "example.com@127.0.0.1",
            "127.0.0.1\\@example.com",
            "example.com:8443",
            "example.com:0",
            "xn--a",
            "xn--localhost-9999.",
            "",
        ] {
            for url in [format!("https://{host}/"), format!("https://{host}"), format!("https:\\\\{host}/")] {
                assert!(check_webhook(&url, &none).is_err(), "{url} must be refused");
            }
        }
        for url in ["https://example.com/hook", "https://xn--bcher-kva.example:443/", "https://a.example/ü"]
        {
            assert!(check_webhook(url, &none).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_hosts_name_is_ascii_in_every_spelling() {
        for host in [
            "bücher.example",
            "B\u{fc}CHER.example",
            "b%C3%BCcher.example",
            "例え.example",
            "ex\u{ad}ample.com",
        ] {
            let refusal = check_public_https(&format!("https://{host}/"));
            let sentence = if host.is_ascii() {
                "must be a valid URL"
            } else {
                "must be a valid URL, its host's name in ASCII (xn--...)"
            };
            assert_eq!(refusal, Err(sentence), "{host}");
        }
        let url = check_public_https("https://XN--Bcher-KVA.example/").unwrap();
        assert_eq!(url.host_str(), Some("xn--bcher-kva.example"));
    }

    #[test]
    fn an_allowed_origin_is_taken_whole_and_nothing_beside_it() {
        let allowed = AllowedOrigins::parse(" http://127.0.0.1:9000/, https://hooks.test").unwrap();
        for url in ["http://127.0.0.1:9000/a?b", "http://2130706433:9000/", "https://hooks.test/x"] {
            assert!(check_webhook(url, &allowed).is_ok_and(|url| allowed.contain(&url)), "{url}");
        }
        for url in [
            "https://127.0.0.1:9000/",
            "http://127.0.0.1:9001/",
            "http://127.0.0.1/",
            "http://user@127.0.0.1:9000/",
            "http://127.0.0.1:9000@10.0.0.1/",
            "http://hooks.test/",
            "https://a.hooks.test/",
        ] {
            assert!(check_webhook(url, &allowed).is_err(), "{url} must be refused");
        }
        for list in ["127.0.0.1:9000", "ftp://x", "https://x.example/path", "*"] {
            assert!(AllowedOrigins::parse(list).is_none(), "{list}");
        }
        assert!(!AllowedOrigins::parse("").unwrap().contain(&Url::parse("https://example.com").unwrap()));
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
