//! The live channel, from the side of those who change something.

use crate::live::Change;

/// Who listens to a user's generations hears of changes over it.
pub trait LiveChannel {
    /// Hands changes on, after the database has committed them. It does not wait and does not fail: what
    /// is lost is found by the next look at the database.
    fn publish(&self, changes: Vec<Change>);
}
