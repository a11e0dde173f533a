//! Nodes as a `Value` wants them: what they are in Python, and each that is named more than once decoded once.
//!
//! serde has a word for neither, so both are told beside it (see `python::arrive`). What is shared is given back at the next
//! place where it is named, if it is not too deep there: it costs one node, not itself again.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use serde::de::Visitor;

use super::form::{Call, Form};
use super::list::Listed;
use super::member;
use super::mismatch::Result;
use super::read::{Reader, Wanted};
use super::stamp;
use crate::pickle::{Graph, NamedAgain, Node, NodeId};
use crate::python::Kind;
use crate::python::arrive::{self, Owned, Place, Told};

/// The shortest text that is decoded once where it is named more than once: a shorter one takes as much as its place.
pub(super) const LONG: usize = 64;

/// The nodes that were decoded and are named again.
#[derive(Default)]
pub(super) struct Objects {
    named_again: OnceCell<NamedAgain>,
    known: RefCell<HashMap<NodeId, Known>>,
    /// The least depth that was left since the outermost of the shared nodes that are being decoded.
    least_depth: Cell<usize>,
}

struct Known {
    place: Place,
    /// How many containers are within each other in it.
    height: usize,
}

impl Objects {
    /// Notes that so much depth is left here.
    #[inline]
    pub(super) fn reach(&self, depth: usize) {
        self.least_depth.set(self.least_depth.get().min(depth));
    }

    fn is_shared(&self, graph: &Graph<'_>, id: NodeId, node: &Node<'_>) -> bool {
        let is_worth_it = match node {
            Node::Str(text) => text.len() >= LONG,
            Node::Bytes(bytes) | Node::OldStr(bytes) => bytes.len() >= LONG,
            Node::Tuple(items) => items.len() > 0,
            Node::Global { .. } | Node::Buffer { .. } => false,
            _ => true,
        };
        is_worth_it && self.named_again.get_or_init(|| graph.named_again()).contains(id)
    }

    /// The object that a node was decoded to, and its height.
    fn known(&self, id: NodeId) -> Option<(Owned, usize)> {
        if !self.named_again.get()?.contains(id) {
            return None;
        }
        let known = self.known.borrow();
        let Known { place, height } = known.get(&id)?;
        Some((place.get()?.clone(), *height))
    }
}

/// A node on its way to who asked what it is.
enum Object<'g> {
    /// One that nothing is told of.
    Plain,
    Known(Owned),
    New(New<'g>),
}

struct New<'g> {
    kind: Option<Kind>,
    /// The node that is shown: of an enum its value.
    reader: Reader<'g>,
    /// Not on the stack, which decoding takes enough of.
    form: Option<Box<Form<'g>>>,
    again: Option<Again>,
}

/// A node that is named again.
#[derive(Clone, Copy)]
struct Again {
    id: NodeId,
    /// The depth that is left there.
    depth: usize,
    /// The least depth so far around it.
    outside: usize,
}

impl<'g> Reader<'g> {
    /// Shows a node to who asked what it is, and tells.
    pub(super) fn show_object<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        let mut new = match self.object()? {
            Object::Plain => return self.show_plain(visitor),
            Object::Known(object) => {
                let shown = visitor.visit_unit()?;
                arrive::tell(Told::Known(object));
                return Ok(shown);
            }
            Object::New(new) => new,
        };
        let shown = match new.form.take() {
            Some(form) if matches!(new.kind, Some(Kind::Range | Kind::Slice)) => {
                new.reader.show_form(*form, visitor, Wanted::Sequence)
            }
            Some(form) => {
                if matches!(*form, Form::Map(_)) {
                    arrive::show_entries();
                }
                new.reader.show_form(*form, visitor, Wanted::Anything)
            }
            None => new.reader.show_plain(visitor),
        }?;
        self.tell_new(new.kind, new.again);
        Ok(shown)
    }

    /// Shows a node whose opcode says all.
    #[inline]
    fn show_plain<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        if matches!(self.tree.shown(self.id), Node::Dict(_)) {
            arrive::show_entries();
        }
        self.show(visitor, Wanted::Anything)
    }

    fn tell_new(self, kind: Option<Kind>, again: Option<Again>) {
        let place = again.map(|Again { id, depth, outside }| {
            let objects = self.tree.objects();
            let height = depth - objects.least_depth.get();
            objects.reach(outside);
            let place = Place::default();
            objects.known.borrow_mut().insert(id, Known { place: place.clone(), height });
            place
        });
        arrive::tell(Told::New { kind, place });
    }

    /// What there is to tell of a node, before it is shown.
    fn object(self) -> Result<Object<'g>> {
        let objects = self.tree.objects();
        // before it is read: a long text is checked each time that it is
        if let Some((object, height)) = objects.known(self.id) {
            self.tree.spend(1)?;
            let left = self.depth.checked_sub(height).ok_or_else(|| self.tree.too_deep())?;
            objects.reach(left);
            return Ok(Object::Known(object));
        }
        let node = self.tree.shown(self.id);
        if matches!(node, Node::None | Node::Bool(_) | Node::Int(_) | Node::Float(_)) {
            return Ok(Object::Plain);
        }
        let mut again = None;
        if objects.is_shared(self.tree.graph(), self.id, &node) {
            let outside = objects.least_depth.replace(self.depth);
            again = Some(Again { id: self.id, depth: self.depth, outside });
        }
        let (kind, form) = match node {
            Node::Tuple(_) => (Some(Kind::Tuple), None),
            Node::Set(_) => (Some(Kind::Set), None),
            Node::FrozenSet(_) => (Some(Kind::FrozenSet), None),
            Node::ByteArray(_) => (Some(Kind::ByteArray), None),
            Node::Object(_) | Node::Big(_) | Node::BigText(_) | Node::Global { .. } => {
                self.tree.spend(1)?;
                match member::form(self, node, self.form()?)? {
                    // an enum's value may be an enum's
                    Form::Same(id) => return self.inside()?.at(id).value_of_enum(again),
                    form => (self.kind(node, &form)?, Some(Box::new(form))),
                }
            }
            _ => (None, None),
        };
        Ok(match (kind, &form, again) {
            (None, None, None) => Object::Plain,
            _ => Object::New(New { kind, reader: self, form, again }),
        })
    }

    /// The same of the value of an enum, which takes the enum's place.
    fn value_of_enum(self, again: Option<Again>) -> Result<Object<'g>> {
        let object = self.object()?;
        let Some(outer) = again else { return Ok(object) };
        Ok(match object {
            Object::Plain => Object::New(New { kind: None, reader: self, form: None, again }),
            Object::Known(object) => {
                self.tree.objects().reach(outer.outside);
                Object::Known(object)
            }
            Object::New(new) => {
                let inner = new.again.map(|inner| Again { outside: inner.outside.min(outer.outside), ..inner });
                Object::New(New { again: inner.or(again), ..new })
            }
        })
    }
    /// What Python would make, where its form does not say.
    fn kind(self, node: Node<'g>, form: &Form<'g>) -> Result<Option<Kind>> {
        let object = match node {
            Node::Object(object) => object,
            Node::Global { .. } => return Ok(matches!(form, Form::Text(_)).then_some(Kind::Ellipsis)),
            _ => return Ok(matches!(form, Form::Big(_)).then_some(Kind::Int)),
        };
        if let Form::Member(_) = form {
            return Ok(Some(Kind::Member));
        }
        let call = self.call(object)?;
        Ok(match (call.listed, form) {
            (Listed::Scalar, Form::Complex(_)) | (Listed::Complex, _) => Some(Kind::Complex),
            (Listed::Tuple, _) => Some(Kind::Tuple),
            (Listed::Set, _) => Some(Kind::Set),
            (Listed::FrozenSet, _) => Some(Kind::FrozenSet),
            (Listed::Deque, _) => Some(Kind::Deque),
            (Listed::OrderedDict, _) => Some(Kind::OrderedDict),
            (Listed::Counter, _) => Some(Kind::Counter),
            (Listed::ByteArray, _) => Some(Kind::ByteArray),
            (Listed::Range, _) => Some(Kind::Range),
            (Listed::Slice, _) => Some(Kind::Slice),
            (Listed::DateTime, _) => Some(Kind::DateTime),
            (Listed::Date, _) => Some(Kind::Date),
            (Listed::Time, _) => Some(Kind::Time),
            (Listed::TimeDelta, _) => Some(Kind::TimeDelta),
            (Listed::PandasDelta, Form::Span(span)) => span.micros().map(|_| Kind::TimeDelta),
            (Listed::Timestamp, Form::Made(text)) => stamp::is_whole(text).then_some(Kind::DateTime),
            (Listed::TimeZone, _) => Some(Kind::TimeZone),
            (Listed::ZoneInfo, _) => Some(Kind::ZoneInfo),
            (Listed::Decimal, _) => Some(Kind::Decimal),
            (Listed::Fraction, _) => Some(Kind::Fraction),
            (Listed::Uuid, _) | (Listed::Reconstructor, Form::Made(_)) => Some(Kind::Uuid),
            (Listed::PosixPath, _) => Some(Kind::PosixPath),
            (Listed::WindowsPath, _) => Some(Kind::WindowsPath),
            (Listed::Allowed | Listed::Reconstructor, _) => self.kind_of_instance(call, form)?,
            _ => None,
        })
    }

    /// What can be made again of an instance of a class that was allowed.
    fn kind_of_instance(self, call: Call<'g>, form: &Form<'g>) -> Result<Option<Kind>> {
        let has_state = self.tree.graph().states_of(call.object).len() > 0;
        Ok(match form {
            // attributes; not the entries of a dict of a class of its own
            Form::Fields(_, [None, None]) => Some(if has_state { Kind::Instance } else { Kind::Bare }),
            Form::Fields(_, [_, Some(_)]) => Some(Kind::Slots),
            Form::Fields(_, [Some(_), None]) if has_state => Some(Kind::Instance),
            // arguments, as of a named tuple; not the elements of a list of a class of its own
            Form::Sequence(_) if has_state || self.tree.graph().items_of(call.object).len() > 0 => None,
            Form::Sequence(_) if call.listed == Listed::Reconstructor => {
                let [_, base, _] = call.exactly()?;
                (self.tree.listed(base) == Some(Listed::Tuple)).then_some(Kind::Tuple)
            }
            Form::Sequence(_) => Some(Kind::Tuple),
            _ => None,
        })
    }
}
