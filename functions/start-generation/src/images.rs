//! The paths of a user's own images, for the user, or for a server that acts as their owner.

use edge::{Answer, Environment, Incoming};
use serde_json::json;
use shared::http::marks::ImageMarks;
use shared::http::problem::{Code, Problem};
use shared::http::types::Deleted;
use shared::policy::bounds::MAX_BODY_BYTES;
use shared::ports::UserGenerations;
use uuid::Uuid;

use crate::access::admit_asker;
use crate::generations::{generations, private};

pub(crate) async fn mark(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_BODY_BYTES);
    let access = admit_asker(incoming, env).await?;
    let (marks, id) = (ImageMarks::parse(&body.await?)?, image_id(id)?);
    access.count(env, id).await?;
    let image = access.judged(generations(&access).mark_image(id, marks).await)?;
    Ok(private(Answer::text("application/json", image.into_string())))
}

pub(crate) async fn mark_many(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_BODY_BYTES);
    let access = admit_asker(incoming, env).await?;
    let asked = ImageMarks::parse_many(&body.await?)?;
    access.for_user(env, asked.user_id).await?;
    let images = access.judged(generations(&access).mark_images(&asked).await)?;
    Ok(private(Answer::text("application/json", images.into_string())))
}

pub(crate) async fn delete(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    let id = image_id(id)?;
    access.count(env, id).await?;
    access.judged(generations(&access).delete_image(id).await)?;
    Ok(private(Answer::json(200, json!(Deleted { id, deleted: true }))))
}

fn image_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::new(Code::NotFound, "There is no such image."))
}
