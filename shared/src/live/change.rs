//! One change of a generation, as the database hands it out and as a listener hears it.

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// As many changes of one answer are told; the channel's next look finds the others.
const MAX_CHANGES: usize = 200;
/// As many states of a look are read: the database gives at most 200 open and 100 new ones.
const MAX_STATES: usize = 300;

/// The status of a generation. `completed`, `failed` and `cancelled` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The generation waits in the queue, or for its next attempt.
    Queued,
    /// The model is running.
    Processing,
    /// The image is made and is being stored.
    Downloading,
    /// The image is stored.
    Completed,
    /// The generation failed; `error` says why.
    Failed,
    /// The user cancelled the generation, or it expired before it started.
    Cancelled,
}

impl Status {
    /// All of them, in the order in which a generation has them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Processing, Self::Downloading, Self::Completed, Self::Failed, Self::Cancelled];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Downloading => "downloading",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Why a generation has no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable snake_case name.
    pub code: String,
    /// A sentence that the user reads.
    pub message: String,
}

/// How a generation stands after something visible has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose it is: where the change is routed. Listeners are not told.
    pub user_id: Uuid,
    /// Which one.
    pub generation_id: Uuid,
    /// The batch that it belongs to.
    pub batch_id: Option<Uuid>,
    /// Where it is.
    pub status: Status,
    /// Percent.
    pub progress: u8,
    /// How many are before it, while it waits.
    pub queue_position: Option<i64>,
    /// The time left, as far as it can be told.
    pub estimated_seconds: Option<i64>,
    /// Where the image is, once it is there.
    pub image_url: Option<String>,
    /// Why there is none.
    pub error: Option<Reason>,
    /// Grows with each change of the generation; about the time in milliseconds since 1970.
    pub seq: i64,
}

impl Change {
    /// Whether nothing will follow, unless somebody has its job run once more.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Failed | Status::Cancelled)
    }

    /// Reads a row of the database, or what another Worker hands on. `None`: it is no change.
    ///
    /// By hand, since derived code for it is a tenth of a Worker's size.
    fn read(row: &Value) -> Option<Self> {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let uuid = |name: &str| text(name).and_then(|text| Uuid::try_parse(text).ok());
        let number = |name: &str| row.get(name).and_then(Value::as_i64);
        let reason = row.get("error").and_then(|error| {
            let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
            Some(Reason { code: text("code")?, message: text("message")? })
        });
        Some(Self {
            user_id: uuid("user_id")?,
            generation_id: uuid("generation_id")?,
            batch_id: uuid("batch_id"),
            status: text("status").and_then(Status::from_name)?,
            progress: u8::try_from(number("progress")?).ok()?,
            queue_position: number("queue_position"),
            estimated_seconds: number("estimated_seconds"),
            image_url: text("image_url").map(str::to_owned),
            error: reason,
            seq: number("seq")?,
        })
    }

    /// As another Worker hands it on.
    pub fn to_json(&self) -> Value {
        let mut members = self.members(self.seq);
        members.insert("user_id".into(), json!(self.user_id));
        Value::Object(members)
    }

    /// What a listener is told, under the number `seq`.
    pub fn message(&self, seq: i64) -> String {
        Value::Object(self.members(seq)).to_string()
    }

    fn members(&self, seq: i64) -> Map<String, Value> {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("type", json!("generation"));
        set("generation_id", json!(self.generation_id));
        set("batch_id", json!(self.batch_id));
        set("status", json!(self.status.as_str()));
        set("progress", json!(self.progress));
        set("queue_position", json!(self.queue_position));
        set("estimated_seconds", json!(self.estimated_seconds));
        set("seq", json!(seq));
        if let Some(url) = &self.image_url {
            set("image_url", json!(url));
        }
        if let Some(Reason { code, message }) = &self.error {
            set("error", json!({ "code": code, "message": message }));
        }
        members
    }
}

/// The end of the current state: what comes after it are changes.
pub fn ready(seq: i64) -> String {
    json!({ "type": "ready", "seq": seq }).to_string()
}

/// The last message to a listener that did not keep up: it connects again with the greatest `seq` that it
/// has seen, and is told what it lacks.
pub fn resume(seq: i64) -> String {
    json!({ "type": "resume", "seq": seq }).to_string()
}

/// Takes the changes out of a database function's answer, where it has any. One that cannot be read is
/// left to the channel's next look.
pub fn take_changes(answer: &mut Value) -> Vec<Change> {
    let changes = answer.as_object_mut().and_then(|members| members.remove("changes"));
    changes.as_ref().map_or_else(Vec::new, read_changes)
}

/// Reads a list of changes; what is none is left out.
pub fn read_changes(list: &Value) -> Vec<Change> {
    read(list, MAX_CHANGES)
}

fn read(list: &Value, max: usize) -> Vec<Change> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().take(max).filter_map(Change::read).collect()
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
    pub fn read(answer: &Value) -> Option<Self> {
        let open = answer.get("open")?.as_u64()?;
        let states = answer.get("states")?;
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
        failed.error = Some(Reason { code: "rejected".into(), message: "No.".into() });
        let told: Value = serde_json::from_str(&failed.message(7)).unwrap();
        assert_eq!(told["error"], json!({ "code": "rejected", "message": "No." }));
        assert!(!failed.message(7).contains(&USER.to_string()));
    }

    #[test]
    fn changes_are_taken_out_of_an_answer_and_travel_unchanged() {
        let first = change(1, Status::Queued, 5);
        let mut answer = json!({ "outcome": "recorded", "changes": [first.to_json(), { "seq": "odd" }, 3] });
        assert_eq!(take_changes(&mut answer), std::slice::from_ref(&first));
        assert_eq!(answer, json!({ "outcome": "recorded" }));
        for mut other in [json!({ "outcome": "stale" }), json!([{ "changes": [] }]), json!(null)] {
            let before = other.clone();
            assert_eq!((take_changes(&mut other), other), (Vec::new(), before));
        }
        let many = vec![first.to_json(); MAX_CHANGES + 1];
        assert_eq!(take_changes(&mut json!({ "changes": many })).len(), MAX_CHANGES);
    }

    #[test]
    fn the_database_may_say_more_than_is_known_here() {
        let row = json!({ "type": "generation", "user_id": USER, "generation_id": USER, "status": "downloading",
            "progress": 90, "seq": 1_795_529_400_123_i64, "new": true });
        let read = Change::read(&row).unwrap();
        assert_eq!((read.status, read.seq, read.is_over()), (Status::Downloading, 1_795_529_400_123, false));
    }

    #[test]
    fn a_snapshot_is_states_and_a_number() {
        let state = change(1, Status::Processing, 5);
        let read = Snapshot::read(&json!({ "states": [state.to_json()], "open": 1 })).unwrap();
        assert_eq!((read.states, read.open), (vec![state], 1));
        for odd in
            [json!(null), json!({ "states": [] }), json!({ "open": 1 }), json!({ "open": -1, "states": [] })]
        {
            assert_eq!(Snapshot::read(&odd), None, "{odd}");
        }
    }

    #[test]
    fn ready_and_resume_have_a_number_too() {
        assert_eq!(ready(3), r#"{"seq":3,"type":"ready"}"#);
        assert_eq!(resume(3), r#"{"seq":3,"type":"resume"}"#);
    }
}
