//! What is made of an environment once, and kept with it.
//!
//! An isolate may outlive its environment: where nothing but bindings has changed it goes on, and its next
//! invocations come with others
//! (<https://developers.cloudflare.com/workers/runtime-apis/bindings/#making-changes-to-bindings>). A secret that was
//! replaced must be seen then, and what still runs with the old one must not bring it back.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// How many environments are remembered: while a deployment goes out, two of them may take turns.
const REMEMBERED: usize = 2;

/// Keeps a value for each of the environments that were seen last.
#[derive(Debug)]
pub struct PerEnvironment<T>(RefCell<Vec<(u32, Rc<T>)>>);

impl<T> PerEnvironment<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }
}

impl<T> Default for PerEnvironment<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> PerEnvironment<T> {
    /// What belongs to the environment with this number. Whoever holds it goes on with it, whatever comes after.
    pub fn of(&self, number: u32) -> Rc<T> {
        let mut all = self.0.borrow_mut();
        if let Some((_, known)) = all.iter().find(|(known, _)| *known == number) {
            return Rc::clone(known);
        }
        let new = Rc::<T>::default();
        all.insert(0, (number, Rc::clone(&new)));
        all.truncate(REMEMBERED);
        new
    }
}

/// A value that is made once.
#[derive(Debug)]
pub struct Kept<T>(OnceCell<Rc<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<T> Kept<T> {
    /// What was made before, or is made now.
    ///
    /// # Errors
    /// It could not be made. That is not kept: the next one who asks tries again.
    pub fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Rc<T>, E> {
        if let Some(known) = self.0.get() {
            return Ok(Rc::clone(known));
        }
        let made = Rc::new(make()?);
        Ok(Rc::clone(self.0.get_or_init(|| made)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Secret = Kept<String>;

    fn secret(of: &Secret, now: &str) -> String {
        of.get_or_make(|| Ok::<_, ()>(now.to_owned())).unwrap().to_string()
    }

    #[test]
    fn a_replaced_secret_is_seen_and_the_old_one_does_not_come_back() {
        let all = PerEnvironment::<Secret>::default();
        let old = all.of(1);
        assert_eq!(secret(&old, "old"), "old");
        assert_eq!(secret(&all.of(1), "not looked at"), "old");

        assert_eq!(secret(&all.of(2), "new"), "new");
        // An invocation that still runs goes on with what it began with, also with what it reads only now.
        assert_eq!(secret(&old, "not looked at"), "old");
        assert_eq!(secret(&all.of(2), "not looked at"), "new");
    }

    #[test]
    fn what_an_old_invocation_makes_late_is_not_the_new_ones() {
        let all = PerEnvironment::<Secret>::default();
        let old = all.of(1);
        let new = all.of(2);
        assert_eq!(secret(&old, "old"), "old");
        assert_eq!(secret(&new, "new"), "new");
    }

    #[test]
    fn two_environments_take_turns_and_a_third_makes_the_first_forgotten() {
        let all = PerEnvironment::<Secret>::default();
        for (number, now) in [(1, "a"), (2, "b"), (1, "c"), (2, "d")] {
            assert_eq!(secret(&all.of(number), now), if number == 1 { "a" } else { "b" });
        }
        assert_eq!(secret(&all.of(3), "e"), "e");
        assert_eq!(secret(&all.of(2), "f"), "b");
        assert_eq!(secret(&all.of(1), "g"), "g");
    }

    #[test]
    fn what_could_not_be_made_is_tried_again() {
        let kept = Secret::default();
        assert_eq!(kept.get_or_make(|| Err("not set")), Err("not set"));
        assert_eq!(secret(&kept, "set"), "set");
    }
}
