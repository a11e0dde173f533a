//! Members of enums that are read as such: their class, and their value or the name that Python wrote.

use std::borrow::Cow;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, MapAccess};

use super::access::CLASS;
use super::form::Form;
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use super::write::whole;
use crate::pickle::{Node, NodeId};

/// The name of the entry that has the value of a member.
pub(super) const VALUE: &str = "value";
/// The name of the entry that has its name instead.
pub(super) const NAME: &str = "name";

/// A member of an enum.
pub(super) struct Member<'g> {
    class: NodeId,
    said: Said<'g>,
}

/// What Python says of it.
enum Said<'g> {
    Value(NodeId),
    Name(Cow<'g, str>),
}

/// The form of a node as a member, where it is one of an enum that was allowed as that; else the form.
pub(super) fn form<'g>(reader: Reader<'g>, node: Node<'g>, form: Form<'g>) -> Result<Form<'g>> {
    let (Node::Object(object), true) = (node, reader.tree.knows_enums()) else { return Ok(form) };
    let call = reader.call(object)?;
    let (class, said) = match (call.listed, form) {
        (Listed::Allowed, Form::Same(value)) => (call.object.callable, Said::Value(value)),
        (Listed::Attribute | Listed::Flags, Form::Text(name)) => (class_of(reader, node)?, Said::Name(name.into())),
        (Listed::Attribute | Listed::Flags, Form::Made(name)) => (class_of(reader, node)?, Said::Name(name.into())),
        (_, form) => return Ok(form),
    };
    Ok(match (reader.tree.is_enum(class), said) {
        (true, said) => Form::Member(Box::new(Member { class, said })),
        (false, Said::Value(value)) => Form::Same(value),
        (false, Said::Name(Cow::Borrowed(name))) => Form::Text(name),
        (false, Said::Name(Cow::Owned(name))) => Form::Made(name),
    })
}

/// The class of `getattr(class, name)`, and of the last of `or_(..., getattr(class, name))`.
fn class_of<'g>(reader: Reader<'g>, node: Node<'g>) -> Result<NodeId> {
    let Node::Object(object) = node else { return Err(Mismatch::because("a flag that is no member")) };
    let call = reader.call(object)?;
    let [one, other] = call.exactly()?;
    match call.listed {
        Listed::Attribute => Ok(one),
        _ => class_of(reader, reader.tree.node(other)),
    }
}

/// What serde is shown of a member.
pub(super) struct Entries<'g> {
    inside: Reader<'g>,
    member: Member<'g>,
    at: usize,
}

impl<'g> Entries<'g> {
    pub(super) fn new(inside: Reader<'g>, member: Member<'g>) -> Self {
        Self { inside, member, at: 0 }
    }
}

impl<'g> MapAccess<'g> for Entries<'g> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let name = match (self.at, &self.member.said) {
            (0, _) => CLASS,
            (1, Said::Value(_)) => VALUE,
            (1, Said::Name(_)) => NAME,
            _ => return Ok(None),
        };
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        self.at += 1;
        if self.at == 1 {
            let Node::Global { module, name } = self.inside.tree.node(self.member.class) else {
                return Err(Mismatch::because("a member whose class is no class"));
            };
            self.inside.tree.spend(module.len() + name.len())?;
            return seed.deserialize(StringDeserializer::new(whole(module, name)));
        }
        match &self.member.said {
            Said::Value(value) => seed.deserialize(self.inside.at(*value)),
            Said::Name(name) => {
                self.inside.tree.spend(name.len())?;
                seed.deserialize(StringDeserializer::new(name.clone().into_owned()))
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(2_usize.saturating_sub(self.at))
    }
}
