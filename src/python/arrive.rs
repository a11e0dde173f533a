//! What a decoder says of an object beside serde: what it is in Python, and whether it was there before.
//!
//! serde's data model has a word for neither. So who wants to know [`ask`]s while it decodes; a decoder that knows Python's
//! objects finds out that it [`is_asked`] and [`tell`]s; any other never looks, and nothing is told. The question stands
//! only until the decoder shows the first part of the object, the answer only until the decoder returns: neither is left
//! behind for the next object, by error or by panic either.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use super::Kind;

/// An object of whoever asked, for every place in which it stands.
pub(crate) type Owned = Arc<dyn Any + Send + Sync>;

/// Where who asked leaves the object, for the decoder to give it back at the next place.
pub(crate) type Place = Rc<OnceCell<Owned>>;

/// What an object is.
pub(crate) enum Told {
    /// One that was just decoded: its kind, if what was shown does not say all, and a place where it is to be left, if it
    /// is named again.
    New { kind: Option<Kind>, place: Option<Place> },
    /// One that was decoded before; what was shown of it now is nothing.
    Known(Owned),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Talk {
    Silence,
    Asked,
    /// What is shown next are entries, whatever the first of them is called.
    Entries,
    Answered,
}

thread_local! {
    static TALK: Cell<Talk> = const { Cell::new(Talk::Silence) };
    /// Never dropped: who decodes while the thread ends needs it still.
    static TOLD: ManuallyDrop<Cell<Option<Told>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

/// A question that stands until it is dropped. It is no closure around the decoder: decoding recurses through here, and a
/// frame more on the stack at each level is one too many.
pub(crate) struct Question(());

/// Asks what the object is that is decoded next.
#[inline]
pub(crate) fn ask() -> Question {
    TALK.set(Talk::Asked);
    Question(())
}

impl Question {
    /// What the decoder told, which has returned.
    #[inline]
    pub(crate) fn answer(self) -> Option<Told> {
        if TALK.get() == Talk::Answered { TOLD.with(|place| place.take()) } else { None }
    }
}

impl Drop for Question {
    #[inline]
    fn drop(&mut self) {
        TALK.set(Talk::Silence);
    }
}

/// Whether the caller of a decoder wants to be told, which ends the question.
#[inline]
pub(crate) fn is_asked() -> bool {
    TALK.get() != Talk::Silence && TALK.replace(Talk::Silence) == Talk::Asked
}

/// Says that the map that is shown next is one, also where its first key is how an array says what it is: of a decoder that was asked.
#[inline]
pub(crate) fn show_entries() {
    TALK.set(Talk::Entries);
}

/// Whether a map that is shown is one for certain, which ends the question.
#[inline]
pub(crate) fn are_entries() -> bool {
    TALK.replace(Talk::Silence) == Talk::Entries
}

/// Ends the question: the decoder had nothing to say, and decodes parts now.
#[inline]
pub(crate) fn stop_asking() {
    TALK.set(Talk::Silence);
}

/// Answers: the last thing that a decoder does that was asked.
pub(crate) fn tell(told: Told) {
    TOLD.with(|place| place.set(Some(told)));
    TALK.set(Talk::Answered);
}

#[cfg(test)]
mod tests {
    use super::{Kind, Told, are_entries, ask, is_asked, show_entries, stop_asking, tell};

    fn tuple() {
        tell(Told::New { kind: Some(Kind::Tuple), place: None });
    }

    #[test]
    fn only_who_asks_is_told() {
        assert!(!is_asked());
        let question = ask();
        assert!(is_asked() && !is_asked());
        tuple();
        assert!(matches!(question.answer(), Some(Told::New { kind: Some(Kind::Tuple), .. })));
        assert!(ask().answer().is_none());
    }

    #[test]
    fn parts_are_asked_for_themselves() {
        let outer = ask();
        stop_asking();
        assert!(!is_asked());
        let inner = ask();
        assert!(is_asked());
        tuple();
        assert!(inner.answer().is_some());
        assert!(outer.answer().is_none());
    }

    #[test]
    fn entries_are_said_once_and_to_who_asked_last() {
        let _question = ask();
        assert!(!are_entries());
        let _question = ask();
        assert!(is_asked());
        show_entries();
        assert!(are_entries() && !are_entries());
    }

    #[test]
    fn nothing_is_left_behind() {
        drop(ask());
        assert!(!is_asked());
        let panics = std::panic::catch_unwind(|| {
            let _question = ask();
            panic!("in the middle");
        });
        assert!(panics.is_err() && !is_asked());
        tuple();
        assert!(!is_asked());
        assert!(ask().answer().is_none());
    }
}
