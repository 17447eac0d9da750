//! Words that mean something: the values of fields that take one of a few.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;

pub use crate::catalogue::Operation;
pub use crate::live::Status;

/// The priority of a request in the queue. A request that has waited long overtakes all younger ones, whatever
/// their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Runs after requests of normal priority.
    Low,
    /// The default.
    Normal,
    /// Runs before requests of normal priority.
    High,
}

impl Priority {
    /// The priority of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "low" => Some(Self::Low),
            "normal" => Some(Self::Normal),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}
