//! The paths of a user's own images.

use edge::{Answer, Environment, Incoming};
use serde_json::json;
use shared::http::marks::ImageMarks;
use shared::http::problem::{Code, Problem};
use shared::http::types::Deleted;
use shared::policy::bounds::MAX_BODY_BYTES;
use shared::ports::UserGenerations;
use uuid::Uuid;

use crate::access::{admit, problem};
use crate::generations::{generations, private};

pub(crate) async fn mark(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_BODY_BYTES);
    let access = admit(incoming, env).await?;
    let marks = ImageMarks::parse(&body.await?)?;
    let image = generations(&access).mark_image(image_id(id)?, marks).await.map_err(problem)?;
    Ok(private(Answer::text("application/json", image.into_string())))
}

pub(crate) async fn mark_many(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_BODY_BYTES);
    let access = admit(incoming, env).await?;
    let (ids, marks) = ImageMarks::parse_many(&body.await?)?;
    let images = generations(&access).mark_images(&ids, marks).await.map_err(problem)?;
    Ok(private(Answer::text("application/json", images.into_string())))
}

pub(crate) async fn delete(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    let access = admit(incoming, env).await?;
    let id = image_id(id)?;
    generations(&access).delete_image(id).await.map_err(problem)?;
    Ok(private(Answer::json(200, json!(Deleted { id, deleted: true }))))
}

fn image_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::new(Code::NotFound, "There is no such image."))
}
