//! What an input leaves out or makes differently, in words a user can read.

use serde_json::{Value, json};

use super::draft::Draft;
use super::model::{Model, SourceSize};
use super::schema::Role;
use super::size::Plan;

const NOT_TAKEN: &str = "not supported by this model, left out";
const UNKNOWN_STYLE: &str = "not one of the model's styles, left out";
const CLOSEST: &str = "the closest size the model offers";
const CLOSEST_RATIO: &str = "the closest aspect ratio the model offers; it chooses the pixels itself";
const CLOSEST_SHAPE: &str = "the closest aspect ratio the model offers";
const FROM_SOURCE: &str = "the size follows the source image";
const OTHER_FORMAT: &str = "the model does not make this file format";
const OWN_VERSION: &str = "only the version in the catalogue is run";

impl Draft<'_> {
    /// Reports a size that is not the one asked for, or that nobody can promise.
    pub fn report_size(&mut self, model: &Model, asked: (u32, u32), plan: &Plan) {
        if let Some(output) = plan.output {
            self.report("width", json!(asked.0), json!(output.0), CLOSEST);
            self.report("height", json!(asked.1), json!(output.1), CLOSEST);
            return;
        }
        let kept = !self.sources.is_empty() && model.source_size == SourceSize::Kept;
        let reason = if kept || model.size.is_none() { FROM_SOURCE } else { CLOSEST_RATIO };
        let requested = format!("{}x{}", asked.0, asked.1);
        self.report("size", json!(requested), plan.ratio(), reason);
    }

    /// Reports a shape that is not the one asked for.
    pub fn report_shape(&mut self, plan: &Plan) {
        if let Some(asked) = self.params.aspect_ratio
            && let Some(used) = plan.other_shape(asked)
        {
            let reason = if used.is_null() { FROM_SOURCE } else { CLOSEST_SHAPE };
            self.report("aspect_ratio", json!(asked), used, reason);
        }
    }

    /// Reports what no field of the model took.
    pub fn report_left_out(&mut self, model: &Model) {
        let params = self.params;
        let asked = [
            ("negative_prompt", Role::NegativePrompt, text(params.negative_prompt.as_ref())),
            ("seed", Role::Seed, params.seed.map(|seed| json!(seed))),
            ("num_inference_steps", Role::Steps, params.num_inference_steps.map(|steps| json!(steps))),
            ("guidance_scale", Role::Guidance, params.guidance_scale.map(|guidance| json!(guidance))),
            ("scale", Role::Scale, params.scale.map(|scale| json!(scale))),
            ("style", Role::Style, text(params.style.as_ref())),
        ];
        for (field, role, value) in asked {
            let has_field = model.input.role(role).is_some();
            let reason = if has_field { UNKNOWN_STYLE } else { NOT_TAKEN };
            let taken = if role == Role::Style { self.styled } else { has_field };
            if let Some(value) = value.filter(|_| !taken) {
                self.report(field, value, Value::Null, reason);
            }
        }
        if let Some(asked) = params.output_format {
            self.report("output_format", json!(asked), json!(self.format), OTHER_FORMAT);
        }
        let own = model.provider_version();
        let same = |version: &str| {
            let bare = version.strip_prefix(&model.id).map_or(version, |rest| rest.trim_start_matches(':'));
            bare.is_empty() || bare == own
        };
        if let Some(version) = params.model_version.as_ref().filter(|version| !same(version)) {
            self.report("model_version", json!(version), json!(own), OWN_VERSION);
        }
    }
}

fn text(text: Option<&String>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(|text| json!(text))
}
