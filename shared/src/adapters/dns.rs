//! The resolver over DNS over HTTPS, in its JSON form:
//! <https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/>.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join;
use serde_json::Value;
use url::Url;

use crate::adapters::json_body::json_of;
use crate::ports::{Http, HttpRequest, ResolveError, Resolver};

/// Record types, RFC 1035 and RFC 3596.
const A: u64 = 1;
const AAAA: u64 = 28;
/// Response codes, RFC 1035.
const NO_ERROR: u64 = 0;
const NAME_ERROR: u64 = 3;

/// Looks names up over HTTPS.
#[derive(Debug)]
pub struct DnsOverHttps<'a, H> {
    http: &'a H,
    url: &'a str,
}

impl<'a, H: Http> DnsOverHttps<'a, H> {
    /// `url` is the resolver's, without a query.
    pub fn new(http: &'a H, url: &'a str) -> Self {
        Self { http, url }
    }

    async fn params(&self, name: &str, record: u64) -> Result<Vec<IpAddr>, ResolveError> {
        let query = [("name", name), ("type", if record == A { "A" } else { "AAAA" })];
        let url = Url::parse_with_params(self.url, query)
            .map_err(|_| ResolveError::Unavailable("its URL is not valid".into()))?;
        let request = HttpRequest::new("GET", url)
            .header("accept", "application/dns-json")
            .timeout(Duration::from_secs(5));
        let response =
            self.http.send(request).await.map_err(|error| ResolveError::Unavailable(error.to_string()))?;
        if !response.is_success() {
            return Err(ResolveError::Unavailable(format!("status {}", response.status)));
        }
        read(&json_of(&response), record)
    }
}

/// Both kinds must be answered: a receiver whose other addresses are unknown may be anywhere.
impl<H: Http> Resolver for DnsOverHttps<'_, H> {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let (v4, v6) = join(self.params(name, A), self.params(name, AAAA)).await;
        let mut addresses = v4?;
        addresses.extend(v6?);
        if addresses.is_empty() { Err(ResolveError::NoAddress) } else { Ok(addresses) }
    }
}

fn read(answer: &Value, record: u64) -> Result<Vec<IpAddr>, ResolveError> {
    match answer.get("Status").and_then(Value::as_u64) {
        Some(NO_ERROR) => {}
        Some(NAME_ERROR) => return Ok(Vec::new()),
        status => return Err(ResolveError::Unavailable(format!("response code {status:?}"))),
    }
    // Names on the way (CNAME) are listed too.
    let records = answer.get("Answer").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    records
        .iter()
        .filter(|one| one.get("type").and_then(Value::as_u64) == Some(record))
        .map(|one| {
            let data = one.get("data").and_then(Value::as_str).unwrap_or_default();
            data.parse().map_err(|_| ResolveError::Unavailable("an answer that is no address".into()))
        })
        .collect()
}
