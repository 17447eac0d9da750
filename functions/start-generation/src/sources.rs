//! Uploads to start from: the token is verified, the request counted, and the body passed on to Storage with
//! the token.

use edge::{Answer, EdgeRuntime, Environment, Incoming};
use serde_json::json;
use shared::adapters::supabase::Sources;
use shared::http::problem::Problem;
use shared::pipeline::{upload_problem, upload_source};
use shared::ports::UploadError;
use worker::console_error;

use crate::access::admit_user;

pub(crate) async fn upload(incoming: &mut Incoming, env: &Environment) -> Result<Answer, Problem> {
    let answer = store(incoming, env).await;
    if answer.is_err() {
        incoming.discard_body().await;
    }
    answer
}

async fn store(incoming: &mut Incoming, env: &Environment) -> Result<Answer, Problem> {
    let (supabase, caller) = admit_user(incoming, env).await?;
    let sources = Sources::new(&supabase, &caller.token, caller.user_id);
    let uploaded = upload_source(&mut *incoming, &sources, EdgeRuntime.id(), &EdgeRuntime).await;
    let uploaded = uploaded.map_err(|error| {
        if matches!(error, UploadError::Unavailable(_) | UploadError::Defect(_)) {
            console_error!("{error}");
        }
        upload_problem(error)
    })?;
    Ok(Answer::json(201, json!(uploaded)).header("cache-control", "private, no-store"))
}
