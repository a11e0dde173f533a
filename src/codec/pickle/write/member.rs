//! Members of enums: what Python itself writes of them, a call of their class with their value, or its attribute of their name.

use serde::ser::{Error as _, Serialize};

use super::open::Compound;
use super::{Writer, kind};
use crate::codec::pickle::attribute::is_member;
use crate::codec::pickle::member::{NAME, VALUE};
use crate::codec::unserializable::{Result, Unserializable};
use crate::pickle::opcode as op;
use crate::python::Kind;

/// How much of a member is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Its class.
    Class,
    /// That its value comes next.
    Value,
    /// That its name comes next.
    Name,
    /// All.
    Whole,
}

impl Compound<'_, '_> {
    /// What comes after the class of a member: a key, or the content.
    #[cold]
    pub(super) fn member<T: Serialize + ?Sized>(&mut self, said: Said, content: &T) -> Result<Said> {
        if said == Said::Value {
            content.serialize(&mut *self.writer)?;
            self.writer.out.ops(&[op::TUPLE1, op::REDUCE]);
            return Ok(Said::Whole);
        }
        let text = serde_json::to_value(content).map_err(Unserializable::custom)?;
        match (said, text.as_str()) {
            (Said::Class, Some(VALUE)) => Ok(Said::Value),
            (Said::Class, Some(NAME)) => Ok(Said::Name),
            (Said::Name, Some(names)) => self.writer.named(names).map(|()| Said::Whole),
            _ => Err(kind::misfit(Kind::Member, "a map of something else than \"$class\" and \"value\" or \"name\"")),
        }
    }
}

impl Writer<'_> {
    /// The member of this name, or the flags whose names are joined in it, after their class.
    fn named(&mut self, names: &str) -> Result<()> {
        let Some((module, class)) = self.member_of.filter(|_| names.split('|').all(is_member)) else {
            return Err(kind::misfit(Kind::Member, "no name of a member"));
        };
        // which is in the memo now
        self.out.op(op::POP);
        for _ in 1..names.split('|').count() {
            self.global("_operator", "or_");
        }
        // the lowest flag is the first of the name, and joined last
        for (at, name) in names.rsplit('|').enumerate() {
            self.global("builtins", "getattr");
            self.global(module, class);
            self.out.text(name);
            self.out.ops(&[op::TUPLE2, op::REDUCE]);
            if at > 0 {
                self.out.ops(&[op::TUPLE2, op::REDUCE]);
            }
        }
        Ok(())
    }
}
