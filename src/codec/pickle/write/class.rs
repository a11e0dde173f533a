//! The classes that a codec knows by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::{Error as _, Serialize};

use super::member::Said;
use super::open::{Compound, Form};
use super::{Writer, kind};
use crate::codec::unserializable::{Result, Unserializable};
use crate::error::excerpt;
use crate::pickle::opcode as op;
use crate::python::Kind;

/// The classes of the peer's own that may be read and written.
#[derive(Clone, Debug, Default)]
pub(in crate::codec::pickle) struct Classes {
    /// Those whose instances are read, and written where a value holds one.
    pub(in crate::codec::pickle) allowed: BTreeSet<String>,
    /// Those of them that are enums, whose members are read as such and written.
    pub(in crate::codec::pickle) enums: BTreeSet<String>,
    /// By the name of the struct that is written as one.
    pub(in crate::codec::pickle) structs: BTreeMap<String, String>,
}

impl Classes {
    pub(in crate::codec::pickle) const fn new() -> Self {
        Self { allowed: BTreeSet::new(), enums: BTreeSet::new(), structs: BTreeMap::new() }
    }

    /// The class that structs of this name are written as: its module and its name there.
    #[inline]
    pub(super) fn of_struct(&self, name: &str) -> Result<Option<(&str, &str)>> {
        match self.structs.is_empty() {
            true => Ok(None),
            false => self.structs.get(name).map(|class| split(class)).transpose(),
        }
    }

    /// The module of a class that instances may be written of, and its name there.
    pub(super) fn of_instance(&self, class: &str, state: State) -> Result<(&str, &str)> {
        let (known, what, method) = match state {
            State::Member => (&self.enums, "a member", "allow_enum"),
            _ => (&self.allowed, "an instance", "allow"),
        };
        if let Some(class) = known.get(class) {
            return split(class);
        }
        // one of the two may say with a colon where the module ends
        let found = match class.find(':') {
            Some(colon) => known.get(&class.replacen(':', ".", 1)).map(|class| (class, Some(colon))),
            None => known.iter().find(|allowed| allowed.replacen(':', ".", 1) == class).map(|class| (class, None)),
        };
        match found {
            Some((class, Some(colon))) => Ok((&class[..colon], &class[colon + 1..])),
            Some((class, None)) => split(class),
            None => Err(Unserializable::custom(format_args!(
                "{what} of {0}: Pickle::{method}(\"{0}\") reads and writes them",
                excerpt(class)
            ))),
        }
    }
}

/// What an instance is given as its state.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// Its `__dict__`.
    Dict,
    /// No `__dict__`, and what is in its slots.
    Slots,
    /// None: its `__setstate__` is not called.
    None,
    /// None: it is a member of an enum.
    Member,
}

impl<'w> Writer<'w> {
    /// An instance before its attributes; returns what gives them to it.
    pub(super) fn instance(&mut self, (module, name): (&'w str, &'w str), state: State) -> &'static [u8] {
        // a reader may show the name of the class with each
        self.repeat(module.len() + name.len());
        self.global(module, name);
        if let State::Member = state {
            self.member_of = Some((module, name));
            return &[];
        }
        self.out.ops(&[op::EMPTY_TUPLE, op::NEWOBJ]);
        match state {
            State::Dict => {
                self.out.op(op::EMPTY_DICT);
                &[op::BUILD]
            }
            State::Slots => {
                self.out.ops(&[op::NONE, op::EMPTY_DICT]);
                &[op::TUPLE2, op::BUILD]
            }
            State::None | State::Member => &[],
        }
    }
}

impl Compound<'_, '_> {
    /// A key or a value of an instance whose class is not known yet.
    #[cold]
    pub(super) fn name_class<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        if let Form::Member(said) = self.form {
            self.form = Form::Member(self.member(said, value)?);
            return Ok(());
        }
        let text = serde_json::to_value(value).map_err(Unserializable::custom)?;
        match (&mut self.form, text.as_str()) {
            (Form::Instance { is_named: is_named @ false, .. }, Some("$class")) => *is_named = true,
            (&mut Form::Instance { is_named: true, state }, Some(class)) => {
                let class = self.writer.classes.of_instance(class, state)?;
                let after = self.writer.instance(class, state);
                self.writer.in_key = false;
                self.form = match state {
                    State::None => Form::Bare,
                    State::Member => Form::Member(Said::Class),
                    _ => Form::dict(None),
                };
                self.after = after;
            }
            (Form::Bare, _) => return Err(kind::misfit(Kind::Bare, "a map with more than \"$class\"")),
            _ => return Err(kind::misfit(Kind::Instance, "a map whose first entry is not \"$class\" and a name")),
        }
        Ok(())
    }
}

/// The name of a class, from which the same module is taken again: with a colon where a dot would not tell.
pub(in crate::codec::pickle) fn whole(module: &str, name: &str) -> String {
    let dotted = format!("{module}.{name}");
    match split(&dotted) {
        Ok(parts) if parts != (module, name) => format!("{module}:{name}"),
        _ => dotted,
    }
}

/// Takes `shop.Order` or `shop.Outer.Inner` apart: the module is what comes before a colon, or before the first part that begins with a
/// capital, or else before the last dot.
fn split(class: &str) -> Result<(&str, &str)> {
    let capital = |&(at, _): &(usize, &str)| class[at + 1..].starts_with(char::is_uppercase);
    let at = match class.find(':') {
        Some(colon) => Some(colon),
        None => class.match_indices('.').find(capital).map(|(at, _)| at).or_else(|| class.rfind('.')),
    };
    match at.map(|at| (&class[..at], &class[at + 1..])) {
        Some((module, name)) if !module.is_empty() && !name.is_empty() => Ok((module, name)),
        _ => Err(Unserializable::custom(format_args!("the class {}, which names no module", excerpt(class)))),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_class_is_taken_apart_where_its_module_ends() {
        for (class, expected) in [
            ("shop.Order", Some(("shop", "Order"))),
            ("shop.orders.Order", Some(("shop.orders", "Order"))),
            ("shop.Outer.Inner", Some(("shop", "Outer.Inner"))),
            ("shop.models.order", Some(("shop.models", "order"))),
            ("shop.Outer:inner", Some(("shop.Outer", "inner"))),
            ("Shop.Order", Some(("Shop", "Order"))),
            ("__main__.Order", Some(("__main__", "Order"))),
            ("Order", None),
            (".Order", None),
            ("shop.", None),
            ("", None),
        ] {
            assert_eq!(split(class).ok(), expected, "{class}");
        }
    }
}
