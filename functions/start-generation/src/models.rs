//! `GET /models`: what the catalogue knows of the models that the database lets start, at its prices.

use std::cell::RefCell;

use edge::{Answer, EdgeRuntime, Environment, FetchClient, Incoming, misconfigured, variables};
use serde_json::{Value, json};
use shared::adapters::supabase::{Prices, Rpc};
use shared::catalogue::Catalogue;
use shared::http::models::{Charged, ChargedCache};
use shared::http::problem::Problem;
use shared::http::query;
use shared::http::routes::Target;
use shared::ports::{Clock, PriceList};

use crate::access::problem;

thread_local! {
    /// What the database has said last, kept as long as the isolate lives.
    static CHARGED: RefCell<ChargedCache> = RefCell::default();
}

/// One round trip a minute in each isolate. While the database cannot be reached a copy of up to ten minutes
/// serves, then 503: a price that nobody vouches for is none.
pub(crate) async fn list(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    query::check(Target::Models, incoming.search())?;
    let now = EdgeRuntime.now_s();
    if let Some(models) = CHARGED.with_borrow(|held| held.fresh(now).map(described)) {
        return Ok(answer(models));
    }
    match fetch(env).await {
        Ok(charged) => {
            let models = described(&charged);
            CHARGED.with_borrow_mut(|held| held.keep(now, charged));
            Ok(answer(models))
        }
        Err(problem) => CHARGED.with_borrow(|held| held.stale(now).map(described)).map(answer).ok_or(problem),
    }
}

async fn fetch(env: &Environment) -> Result<Charged, Problem> {
    let supabase = variables(env).supabase_for_anybody().map_err(|error| misconfigured(&error))?;
    let rpc = Rpc::new(&FetchClient, &supabase.url, &supabase.key, supabase.bearer());
    Prices::new(rpc).charged().await.map_err(problem)
}

fn described(charged: &Charged) -> Vec<Value> {
    charged.describe(Catalogue::builtin())
}

fn answer(models: Vec<Value>) -> Answer {
    Answer::json(200, json!({ "models": models })).header("cache-control", "public, max-age=60")
}
