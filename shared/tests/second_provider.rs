//! A second provider, with words and an API of its own: the pipeline takes it as it is, on the queue in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use serde_json::{Value, json};
use shared::adapters::provider::ProviderAdapter;
use shared::job::Job;
use shared::pipeline::{Callback, Pipeline, PipelineOptions};
use shared::ports::{
    CreateError, Failure, FailureClass, FailureCode, Http, HttpRequest, ImageAt, ImageProvider,
    NewPrediction, Outcome, Ports, Prediction, ProviderError, Status,
};
use shared::settings::{SettingsError, Variables};
use support::http::{Recorder, header};
use support::{Bench, MemoryQueue, MemoryStore, TestRuntime, block_on};
use url::Url;
use uuid::Uuid;

/// Draws pictures by tickets.
#[derive(Debug)]
struct Atelier {
    origin: String,
    key: String,
}

impl ProviderAdapter for Atelier {
    const NAME: &'static str = "Atelier";
    const WEBHOOK_PATH: &'static str = "/webhooks/atelier";
    const WEBHOOK_SECRET: &'static str = "ATELIER_WEBHOOK_SECRET";

    type Client<'a, H: Http + 'a> = Tickets<'a, H>;

    fn configured<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, SettingsError> {
        Ok(Self {
            origin: variables.url("ATELIER_URL")?.unwrap_or_else(|| "https://atelier.example".into()),
            key: variables.key("ATELIER_KEY")?,
        })
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    fn client<'a, H: Http>(&'a self, http: &'a H) -> Tickets<'a, H> {
        Tickets { http, atelier: self }
    }

    fn read_webhook<F: Fn(&str) -> Option<String>>(
        _: &Variables<F>,
        body: &[u8],
    ) -> Result<Option<Prediction>, SettingsError> {
        Ok(serde_json::from_slice(body).ok().and_then(|ticket| read(&ticket)))
    }
}

fn read(ticket: &Value) -> Option<Prediction> {
    let text = |name: &str| ticket[name].as_str().map(str::to_owned);
    let (status, outcome) = match ticket["state"].as_str()? {
        "waiting" => (Status::Starting, Outcome::Running),
        "drawn" => {
            let image = ImageAt::Url(text("picture")?);
            (Status::Succeeded, Outcome::Succeeded { image, more: 0 })
        }
        _ => {
            let failure = Failure::new(FailureCode::ContentFlagged, "Nobody wants to draw this.");
            (Status::Failed, Outcome::Failed { class: FailureClass::Permanent, failure })
        }
    };
    let mut prediction = Prediction { id: text("ticket")?, status, outcome, ..Prediction::default() };
    prediction.predict_time = ticket["minutes"].as_f64().map(|minutes| minutes * 60.0);
    Some(prediction)
}

struct Tickets<'a, H> {
    http: &'a H,
    atelier: &'a Atelier,
}

impl<H: Http> Tickets<'_, H> {
    async fn send(&self, method: &'static str, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.atelier.origin);
        let mut request = HttpRequest::new(method, url).header("x-key", &self.atelier.key);
        request.body = body.to_string();
        let response = self.http.send(request).await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&response.body).map_err(|error| error.to_string())
    }
}

impl<H: Http> ImageProvider for Tickets<'_, H> {
    async fn create(&self, new: &NewPrediction) -> Result<Prediction, CreateError> {
        let wish = json!({ "painter": new.version, "wish": *new.input, "tell": new.webhook });
        let ticket = self.send("PUT", "/tickets", wish).await.map_err(CreateError::Unknown)?;
        read(&ticket).ok_or_else(|| CreateError::Unknown("no ticket".into()))
    }

    async fn get(&self, id: &str) -> Result<Prediction, ProviderError> {
        let ticket = self.send("GET", &format!("/tickets/{id}"), Value::Null).await;
        read(&ticket.map_err(ProviderError::Unavailable)?).ok_or(ProviderError::NotFound)
    }

    async fn inline_image(&self, _: &str) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }

    async fn cancel(&self, id: &str) -> Result<Option<Prediction>, ProviderError> {
        let ticket = self.send("DELETE", &format!("/tickets/{id}"), Value::Null).await;
        Ok(read(&ticket.map_err(ProviderError::Unavailable)?))
    }

    async fn list_since(&self, _: u64, _: &str) -> Result<Vec<Prediction>, ProviderError> {
        Ok(Vec::new())
    }
}

/// The ports of a bench, but for its provider.
struct Second<'a> {
    bench: &'a Bench,
    provider: Tickets<'a, Recorder>,
}

impl<'a> Ports for &Second<'a> {
    type Queue = MemoryQueue;
    type Provider = Tickets<'a, Recorder>;
    type Store = MemoryStore;
    type Runtime = TestRuntime;

    fn queue(&self) -> &MemoryQueue {
        &self.bench.queue
    }

    fn provider(&self) -> &Tickets<'a, Recorder> {
        &self.provider
    }

    fn store(&self) -> &MemoryStore {
        &self.bench.store
    }

    fn runtime(&self) -> &TestRuntime {
        &self.bench.runtime
    }
}

fn variables() -> Variables<impl Fn(&str) -> Option<String>> {
    Variables::new(|name| {
        let value = match name {
            "ATELIER_KEY" => "secret",
            "ATELIER_WEBHOOK_SECRET" => "whsec_x",
            "PUBLIC_URL" => "https://hooks.example.com",
            _ => return None,
        };
        Some(value.to_owned())
    })
}

/// Runs one generation up to the webhook that ends it; what is left to do then.
fn ends_with(bench: &Bench, webhook: &Value) -> (Uuid, Vec<Job>) {
    let atelier = Atelier::configured(&variables()).unwrap();
    let callback = variables().callback(Atelier::WEBHOOK_PATH, Atelier::WEBHOOK_SECRET).unwrap();
    let options = PipelineOptions { provider_origin: atelier.origin().to_owned(), callback };
    let http = Recorder::default().answers(200, r#"{ "ticket": "t1", "state": "waiting" }"#);
    let second = Second { bench, provider: atelier.client(&http) };
    let pipeline = Pipeline { ports: &second, options: &options };

    let job_id = bench.start();
    block_on(pipeline.run_job(&bench.claim())).unwrap();
    let request = http.only();
    assert_eq!((request.method, request.url.as_str()), ("PUT", "https://atelier.example/tickets"));
    assert_eq!(header(&request, "x-key"), Some("secret"));
    let wish: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(wish["wish"]["prompt"], "a fox in the snow");
    let row = bench.queue.row(job_id);
    assert_eq!((row.status, row.prediction_id.as_deref()), ("processing", Some("t1")));

    let called = Url::parse(wish["tell"].as_str().unwrap()).unwrap();
    assert_eq!(called.path(), "/webhooks/atelier");
    let prediction = Atelier::read_webhook(&variables(), webhook.to_string().as_bytes()).unwrap().unwrap();
    let parameter = |name: &str| {
        called.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let callback = Callback::new(parameter, prediction).expect("one of ours");
    let jobs = block_on(pipeline.receive(&callback, 0)).unwrap();
    for job in &jobs {
        block_on(pipeline.run_job(job)).unwrap();
    }
    (job_id, jobs)
}

#[test]
fn its_picture_is_stored() {
    let bench = Bench::new();
    let picture = "https://atelier.example/t1.png";
    let webhook = json!({ "ticket": "t1", "state": "drawn", "picture": picture, "minutes": 0.5 });
    let (job_id, jobs) = ends_with(&bench, &webhook);
    assert_eq!(jobs.len(), 1, "the download");
    assert_eq!(bench.queue.generation(job_id).status, "completed");
    let files = bench.store.files.borrow();
    assert_eq!(files.values().map(String::as_str).collect::<Vec<_>>(), [picture]);
}

#[test]
fn its_refusal_is_the_generations_end() {
    let bench = Bench::new();
    let (job_id, jobs) = ends_with(&bench, &json!({ "ticket": "t1", "state": "refused" }));
    assert!(jobs.is_empty());
    assert_eq!(bench.queue.generation(job_id).status, "failed");
    assert_eq!(bench.queue.row(job_id).errors[0]["code"], "content_flagged");
}
