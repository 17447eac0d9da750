//! Uploads to start from: the token is verified, the request counted, and the body passed on to Storage with
//! the token; or with the secret key of a server, for one of its users.

use edge::{Answer, EdgeRuntime, Environment, Incoming};
use serde_json::json;
use shared::http::named_user::{USER_ID, user_in_query};
use shared::http::problem::Problem;
use shared::pipeline::{upload_problem, upload_source};
use shared::ports::UploadError;
use worker::console_error;

use crate::access::admit_asker;

pub(crate) async fn upload(incoming: &mut Incoming, env: &Environment) -> Result<Answer, Problem> {
    let answer = store(incoming, env).await;
    if answer.is_err() {
        incoming.discard_body().await;
    }
    answer
}

async fn store(incoming: &mut Incoming, env: &Environment) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    let user_id = user_in_query(incoming.query(USER_ID))?;
    let named = access.for_user(env, user_id).await?;
    let sources = access.sources(named);
    let uploaded = upload_source(&mut *incoming, &sources, EdgeRuntime.id(), &EdgeRuntime).await;
    let uploaded = uploaded.map_err(|error| {
        if matches!(error, UploadError::Unavailable(_) | UploadError::Defect(_)) {
            console_error!("{error}");
        }
        upload_problem(error)
    })?;
    access.accepted();
    Ok(Answer::json(201, json!(uploaded)).header("cache-control", "private, no-store"))
}
