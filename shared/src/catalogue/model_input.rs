//! From a request to a model's input.

use super::draft::Draft;
use super::model::Model;
use super::params::{GenerationParams, Mapped, Operation, Unsupported};
use super::schema::Role;
use super::size::Plan;

impl Model {
    /// What to send to the provider for this request. Pure and deterministic; never panics.
    ///
    /// # Errors
    /// [`Unsupported`] when the model cannot do what is asked: another operation, a source image it
    /// does not take or needs, a strength without either, a prompt it needs.
    pub fn map(&self, params: &GenerationParams) -> Result<Mapped, Unsupported> {
        let operation = self.operation(params)?;
        self.check_sources(params, operation)?;
        let has_source = !params.sources.is_empty();
        if params.prompt.trim().is_empty()
            && self.input.role(Role::Prompt).is_some_and(|field| field.required)
        {
            return Err(unsupported("prompt", "This model needs a prompt."));
        }

        let asked = self.asked_size(params);
        let plan = Plan::new(self, asked, params.aspect_ratio, has_source);
        let mut draft = Draft::new(params, self.format.clone());
        for (name, field) in self.input.fields() {
            let value = draft.value(field).or_else(|| plan.value(field)).or_else(|| field.value.clone());
            if let Some(value) = value {
                draft.input.insert(name.to_owned(), value);
            }
        }
        if let Some(asked) = asked {
            draft.report_size(self, asked, &plan);
        }
        draft.report_shape(&plan);
        draft.report_left_out(self);

        // A mistake in the catalogue, not of the request; tests over all models keep it from happening.
        self.input.validate(&draft.input).map_err(|_| {
            unsupported("model_id", "This model cannot be used for this request. Please choose another one.")
        })?;
        Ok(Mapped {
            version: self.provider_version().to_owned(),
            input: draft.input.into(),
            output: plan.output,
            format: draft.format,
            operation,
            adjustments: draft.adjustments,
        })
    }

    fn operation(&self, params: &GenerationParams) -> Result<Operation, Unsupported> {
        let offers = |wanted| self.operations.contains(&wanted);
        let found = match params.operation {
            Some(wanted) => Some(wanted).filter(|wanted| offers(*wanted)),
            None => match self.operations.first().copied() {
                Some(Operation::Generate) if !params.sources.is_empty() => {
                    let from_source = [Operation::Edit, Operation::Variation].into_iter();
                    from_source.chain([Operation::Generate]).find(|operation| offers(*operation))
                }
                own => own,
            },
        };
        found.ok_or_else(|| {
            let names: Vec<_> = self.operations.iter().map(|operation| operation.as_str()).collect();
            let reason = format!("This model cannot do that; it can: {}.", names.join(", "));
            Unsupported { field: "operation", reason }
        })
    }

    fn check_sources(&self, params: &GenerationParams, operation: Operation) -> Result<(), Unsupported> {
        let field = self.input.role(Role::Source);
        let Some(first) = params.sources.first() else {
            if operation != Operation::Generate || field.is_some_and(|field| field.required) {
                let reason = "A source image is needed: source_image_url, source_generation_id or source_id.";
                return Err(unsupported("source_image_url", reason));
            }
            return match (&params.mask, params.strength) {
                (Some(_), _) => Err(unsupported("mask", "mask has a meaning only with a source image.")),
                (_, Some(_)) => {
                    Err(unsupported("strength", "strength has a meaning only with a source image."))
                }
                _ => Ok(()),
            };
        };
        let (given, most) = (params.sources.len(), self.most_sources());
        if most == 0 {
            let field = if given > 1 { "sources" } else { first.field() };
            return Err(unsupported(field, "This model takes no source image."));
        }
        if given > most {
            let reason =
                format!("This model takes fewer source images: {most} at most, and these are {given}.");
            return Err(Unsupported { field: "sources", reason });
        }
        match &params.mask {
            Some(_) if self.input.role(Role::Mask).is_none() => {
                return Err(unsupported("mask", "This model takes no mask."));
            }
            None if self.mask_required() => {
                let reason = "This model changes a source image only where a mask says so: give a mask, too.";
                return Err(unsupported("mask", reason));
            }
            _ => {}
        }
        if params.strength.is_some() && !self.has_strength() {
            return Err(unsupported("strength", "This model has no strength."));
        }
        Ok(())
    }

    pub(crate) fn has_strength(&self) -> bool {
        let either = |role| self.input.role(role).is_some();
        either(Role::Strength) || either(Role::SourceWeight)
    }

    /// The request's size; a side that it leaves out is the model's default.
    fn asked_size(&self, params: &GenerationParams) -> Option<(u32, u32)> {
        let default = self.size.unwrap_or((1024, 1024));
        match (params.width, params.height) {
            (None, None) => None,
            (width, height) => Some((width.unwrap_or(default.0), height.unwrap_or(default.1))),
        }
    }
}

fn unsupported(field: &'static str, reason: &str) -> Unsupported {
    Unsupported { field, reason: reason.to_owned() }
}
