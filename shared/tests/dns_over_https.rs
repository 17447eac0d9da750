//! The resolver over HTTPS: exact requests, and what each answer means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::net::IpAddr;

use shared::adapters::dns::DnsOverHttps;
use shared::ports::{HttpError, ResolveError, Resolver};
use shared::settings::DEFAULT_RESOLVER_URL as DEFAULT_URL;
use support::block_on;
use support::http::{Recorder, header};

const V4: &str = r#"{"Status":0,"Answer":[{"name":"a.example","type":5,"data":"b.example."},
    {"name":"b.example","type":1,"data":"93.184.215.14"},{"name":"b.example","type":1,"data":"10.0.0.1"}]}"#;
const V6: &str = r#"{"Status":0,"Answer":[{"name":"a.example","type":28,"data":"2606:2800::1"}]}"#;
const EMPTY: &str = r#"{"Status":0,"Authority":[{"name":"a.example","type":6,"data":"x"}]}"#;
const NO_NAME: &str = r#"{"Status":3}"#;

fn ask(v4: &str, v6: &str) -> Result<Vec<String>, ResolveError> {
    let http = Recorder::default().answers(200, v4).answers(200, v6);
    let found = block_on(DnsOverHttps::new(&http, DEFAULT_URL).addresses("a.example"));
    found.map(|list| list.iter().map(IpAddr::to_string).collect())
}

#[test]
fn both_kinds_of_addresses_are_asked_for() {
    let http = Recorder::default().answers(200, V4).answers(200, V6);
    block_on(DnsOverHttps::new(&http, DEFAULT_URL).addresses("a.example")).unwrap();
    let requests = http.requests.borrow();
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://cloudflare-dns.com/dns-query?name=a.example&type=A",
            "https://cloudflare-dns.com/dns-query?name=a.example&type=AAAA"
        ]
    );
    assert_eq!(header(&requests[0], "accept"), Some("application/dns-json"));
}

#[test]
fn all_addresses_are_given_and_names_on_the_way_are_not() {
    assert_eq!(ask(V4, V6).unwrap(), ["93.184.215.14", "10.0.0.1", "2606:2800::1"]);
    assert_eq!(ask(V4, EMPTY).unwrap(), ["93.184.215.14", "10.0.0.1"]);
    assert_eq!(ask(EMPTY, V6).unwrap(), ["2606:2800::1"]);
}

#[test]
fn no_address_is_told_from_no_answer() {
    assert_eq!(ask(EMPTY, EMPTY), Err(ResolveError::NoAddress));
    assert_eq!(ask(NO_NAME, NO_NAME), Err(ResolveError::NoAddress));
    // Half an answer is none: what is missing may be the private half.
    for broken in [
        r#"{"Status":2}"#,
        "{}",
        "<html>",
        r#"{"Status":0,"Answer":[{"type":28,"data":"x"}]}"#,
        r#"{"Status":0,"Answer":[{"type":28}]}"#,
    ] {
        assert!(matches!(ask(V4, broken), Err(ResolveError::Unavailable(_))), "{broken}");
    }
    for failure in [HttpError::Timeout, HttpError::Connection] {
        let http = Recorder::default().answers(200, V4).responds(Err(failure));
        let found = block_on(DnsOverHttps::new(&http, DEFAULT_URL).addresses("a.example"));
        assert_eq!(found, Err(ResolveError::Unavailable(failure.to_string())));
    }
    let http = Recorder::default().answers(500, "").answers(200, V6);
    let found = block_on(DnsOverHttps::new(&http, DEFAULT_URL).addresses("a.example"));
    assert_eq!(found, Err(ResolveError::Unavailable("status 500".into())));
}
