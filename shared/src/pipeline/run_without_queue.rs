//! The original's stand-alone run: make one image and wait for it, without queue and store.

use std::time::Duration;

use serde_json::{Value, json};

use crate::catalogue::SourceImage;
use crate::http::json_text::JsonText;
use crate::http::problem::{Code, Problem};
use crate::http::request::{map_params, parse_params};
use crate::ports::{
    Clock, CreateError, DEADLINE, ImageAt, ImageProvider, NewPrediction, Outcome, ProviderError,
};

/// How often the prediction is read.
const POLL: Duration = Duration::from_secs(1);
/// The answer comes after this time at the latest: about as many reads as the free plan's 50
/// subrequests allow.
const PATIENCE: Duration = Duration::from_secs(45);

/// Makes one image. The body of the answer says `success: false` where the model failed; a problem
/// is for requests that never reached it.
pub async fn run_without_queue<P: ImageProvider, C: Clock>(
    body: &[u8],
    provider: &P,
    clock: &C,
) -> Result<JsonText, Problem> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| Problem::invalid("body", "The body must be valid JSON."))?;
    let params = parse_params(&body)?;
    let mut images = params.sources.iter().chain(&params.mask);
    if let Some(field) = images.find(|one| !matches!(one, SourceImage::Url(_))).map(SourceImage::field) {
        let detail = format!("{field} works through POST /start-generation only: nobody is signed in here.");
        return Err(Problem::new(Code::Unsupported, detail).with_field(field));
    }
    let mapped = map_params(&params)?;
    let new =
        NewPrediction { version: mapped.version, input: mapped.input, webhook: None, deadline: DEADLINE };
    let started = clock.now_ms();
    let mut prediction = match provider.create(&new).await {
        Ok(prediction) => prediction,
        Err(CreateError::Throttled { retry_after }) => {
            let mut problem = Problem::unavailable();
            problem.retry_after = u32::try_from(retry_after.as_secs()).ok();
            return Err(problem);
        }
        Err(CreateError::Rejected(_)) => return Ok(failed("The model does not accept this request.")),
        Err(CreateError::Model { .. }) => return Ok(failed("This model cannot be used at the moment.")),
        Err(CreateError::Account { .. } | CreateError::Unknown(_)) => return Err(Problem::unavailable()),
    };
    loop {
        match &prediction.outcome {
            Outcome::Succeeded { image, .. } => {
                let output_url = match image {
                    ImageAt::Url(url) => url.clone(),
                    ImageAt::Inside => match provider.inline_image(&prediction.id).await {
                        Ok(Some(data)) => data,
                        Ok(None) | Err(_) => return Ok(failed("The provider lost the image.")),
                    },
                };
                let elapsed = clock.now_ms().saturating_sub(started) as f64 / 1000.0;
                let made = json!({
                    "success": true,
                    "output_url": output_url,
                    "format": mapped.format,
                    "width": mapped.output.map(|(width, _)| width),
                    "height": mapped.output.map(|(_, height)| height),
                    "generation_time_seconds": elapsed,
                });
                return Ok(JsonText::new(made.to_string()));
            }
            Outcome::Failed { failure, .. } => return Ok(failed(&failure.message)),
            Outcome::Running => {}
        }
        if clock.now_ms().saturating_sub(started) > u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX) {
            // Nobody would ever see the image, so nobody should pay for it.
            let _ = provider.cancel(&prediction.id).await;
            return Ok(failed("The model took too long for a run without the queue."));
        }
        clock.sleep(POLL).await;
        prediction = match provider.get(&prediction.id).await {
            Ok(newer) => newer,
            Err(ProviderError::Unavailable(_)) => prediction,
            Err(ProviderError::NotFound) => return Ok(failed("The provider lost the image.")),
        };
    }
}

fn failed(error: &str) -> JsonText {
    JsonText::new(json!({ "success": false, "error": error }).to_string())
}
