//! One change of a generation, as the database hands it out and as a listener hears it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// As many changes of one answer are told; the channel's next look finds the others.
const MAX_CHANGES: usize = 200;
/// As many states of a look are read: the database gives at most 200 open and 100 new ones.
const MAX_STATES: usize = 300;

/// Where a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits.
    Queued,
    /// The model runs.
    Processing,
    /// The image is being stored.
    Downloading,
    /// The image is there.
    Completed,
    /// There will be no image.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

/// Why a generation has no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A stable snake_case name.
    pub code: String,
    /// A sentence that the user reads.
    pub message: String,
}

/// How a generation stands after something visible has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose it is: where the change is routed. Listeners are not told.
    pub user_id: Uuid,
    /// Which one.
    pub generation_id: Uuid,
    /// The batch that it belongs to.
    #[serde(default)]
    pub batch_id: Option<Uuid>,
    /// Where it is.
    pub status: Status,
    /// Percent.
    pub progress: u8,
    /// How many are before it, while it waits.
    #[serde(default)]
    pub queue_position: Option<i64>,
    /// The time left, as far as it can be told.
    #[serde(default)]
    pub estimated_seconds: Option<i64>,
    /// Where the image is, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// Grows with each change of the generation; about the time in milliseconds since 1970.
    pub seq: i64,
}

impl Change {
    /// Whether nothing will follow, unless somebody has its job run once more.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Failed | Status::Cancelled)
    }

    /// What a listener is told, under the number `seq`.
    pub fn message(&self, seq: i64) -> String {
        let mut message = json!({
            "type": "generation",
            "generation_id": self.generation_id,
            "batch_id": self.batch_id,
            "status": self.status,
            "progress": self.progress,
            "queue_position": self.queue_position,
            "estimated_seconds": self.estimated_seconds,
            "seq": seq,
        });
        if let Some(members) = message.as_object_mut() {
            if let Some(url) = &self.image_url {
                members.insert("image_url".into(), json!(url));
            }
            if let Some(error) = &self.error {
                members.insert("error".into(), json!(error));
            }
        }
        message.to_string()
    }
}

/// The end of the current state: what comes after it are changes.
pub fn ready(seq: i64) -> String {
    json!({ "type": "ready", "seq": seq }).to_string()
}

/// Takes the changes out of a database function's answer, where it has any. One that cannot be read is
/// left to the channel's next look.
pub fn take_changes(answer: &mut Value) -> Vec<Change> {
    let changes = answer.as_object_mut().and_then(|members| members.remove("changes"));
    changes.map_or_else(Vec::new, |changes| read(changes, MAX_CHANGES))
}

fn read(list: Value, max: usize) -> Vec<Change> {
    let Value::Array(list) = list else { return Vec::new() };
    list.into_iter().take(max).filter_map(|one| serde_json::from_value(one).ok()).collect()
}

/// What the database says of all of a user's generations, or of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How they stand, the oldest change first.
    pub states: Vec<Change>,
    /// How many of the user's generations are under way.
    pub open: u64,
}

impl Snapshot {
    /// Reads the answer of `live_snapshot`. `None`: it is none.
    pub fn read(mut answer: Value) -> Option<Self> {
        let open = answer.get("open")?.as_u64()?;
        let states = answer.get_mut("states").map(Value::take)?;
        Some(Self { states: read(states, MAX_STATES), open })
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    /// The user of all the changes that are made here.
    pub const USER: Uuid = Uuid::from_u128(0xabc);

    pub fn change(generation: u128, status: Status, seq: i64) -> Change {
        Change {
            user_id: USER,
            generation_id: Uuid::from_u128(generation),
            batch_id: None,
            status,
            progress: 10,
            queue_position: None,
            estimated_seconds: None,
            image_url: None,
            error: None,
            seq,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{USER, change};
    use super::*;

    #[test]
    fn a_listener_is_told_everything_but_whose_it_is() {
        let mut done = change(1, Status::Completed, 7);
        done.image_url = Some("https://x.co/1.webp".into());
        let told: Value = serde_json::from_str(&done.message(9)).unwrap();
        assert_eq!(
            told,
            json!({ "type": "generation", "generation_id": Uuid::from_u128(1), "batch_id": null,
                "status": "completed", "progress": 10, "queue_position": null, "estimated_seconds": null,
                "image_url": "https://x.co/1.webp", "seq": 9 })
        );
        let mut failed = change(1, Status::Failed, 7);
        failed.error = Some(Fault { code: "rejected".into(), message: "No.".into() });
        let told: Value = serde_json::from_str(&failed.message(7)).unwrap();
        assert_eq!(told["error"], json!({ "code": "rejected", "message": "No." }));
        assert!(!failed.message(7).contains(&USER.to_string()));
    }

    #[test]
    fn changes_are_taken_out_of_an_answer_and_travel_unchanged() {
        let first = change(1, Status::Queued, 5);
        let mut answer = json!({ "outcome": "recorded", "changes": [first, { "seq": "odd" }, 3] });
        assert_eq!(take_changes(&mut answer), [first]);
        assert_eq!(answer, json!({ "outcome": "recorded" }));
        for mut other in [json!({ "outcome": "stale" }), json!([{ "changes": [] }]), json!(null)] {
            let before = other.clone();
            assert_eq!((take_changes(&mut other), other), (Vec::new(), before));
        }
        let many = vec![change(1, Status::Queued, 5); MAX_CHANGES + 1];
        assert_eq!(take_changes(&mut json!({ "changes": many })).len(), MAX_CHANGES);
    }

    #[test]
    fn the_database_may_say_more_than_is_known_here() {
        let row = json!({ "type": "generation", "user_id": USER, "generation_id": USER, "status": "downloading",
            "progress": 90, "seq": 1_795_529_400_123_i64, "new": true });
        let read: Change = serde_json::from_value(row).unwrap();
        assert_eq!((read.status, read.seq, read.is_over()), (Status::Downloading, 1_795_529_400_123, false));
    }

    #[test]
    fn a_snapshot_is_states_and_a_number() {
        let state = change(1, Status::Processing, 5);
        let read = Snapshot::read(json!({ "states": [state], "open": 1 })).unwrap();
        assert_eq!((read.states, read.open), (vec![state], 1));
        for odd in
            [json!(null), json!({ "states": [] }), json!({ "open": 1 }), json!({ "open": -1, "states": [] })]
        {
            assert_eq!(Snapshot::read(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn ready_has_a_number_too() {
        assert_eq!(ready(3), r#"{"seq":3,"type":"ready"}"#);
    }
}
