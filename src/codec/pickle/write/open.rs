//! Open containers: what comes before, between and after their parts.
//!
//! Lists, sets and dicts are made empty and take their parts in batches of a thousand, as CPython writes them, so that the
//! stack of the reader stays short and a length need not be known.

use serde::ser::{Error as _, Serialize};

use super::array::Parts;
use super::class::State;
use super::member::Said;
use super::{Next, Writer, kind};
use crate::codec::container::{Container, Open};
use crate::codec::unserializable::{Result, Unserializable};
use crate::pickle::opcode as op;
use crate::python::Kind;

/// How many parts a batch has: CPython's number.
const BATCH: usize = 1000;

/// A container that is being written.
pub(crate) struct Compound<'a, 'w> {
    pub(super) writer: &'a mut Writer<'w>,
    pub(super) form: Form,
    /// The opcodes that come after it.
    pub(super) after: &'static [u8],
    /// How many levels deep it is: a variant's content is within a dict of its own.
    levels: usize,
    /// Whether what it is in is to be hashed.
    in_key: bool,
}

/// How the parts of a container follow each other.
pub(super) enum Form {
    /// Each with this opcode after it: the only one.
    Single(u8),
    /// Behind a mark, up to a thousand, and this opcode after them.
    Batches { end: u8, left: usize, is_open: bool },
    /// A tuple of up to three: none, one, two or three, whose opcodes need no mark.
    Short { len: usize, written: usize },
    /// Behind a mark that stands there already, with this opcode after them.
    Marked(u8),
    /// A struct that is an array or a table if its first field says so.
    Claimed { name: &'static str, len: usize },
    /// An array whose elements are still to come.
    Array(Box<Parts>),
    /// An instance before the name of its class: before the key, and before the value.
    Instance { is_named: bool, state: State },
    /// An instance without a state.
    Bare,
    /// A member of an enum.
    Member(Said),
    /// Whole: nothing more may come.
    Whole,
}

impl Form {
    /// Parts that are taken by `one` and by `many`.
    fn parts(len: Option<usize>, one: u8, many: u8) -> Self {
        match len {
            Some(1) => Self::Single(one),
            _ => Self::Batches { end: many, left: 0, is_open: false },
        }
    }

    fn list(len: Option<usize>) -> Self {
        Self::parts(len, op::APPEND, op::APPENDS)
    }

    pub(super) fn dict(len: Option<usize>) -> Self {
        Self::parts(len, op::SETITEM, op::SETITEMS)
    }
}

/// What ends a container that is nothing but itself.
const NOTHING: &[u8] = &[];

impl<'w> Writer<'w> {
    fn opened(&mut self, form: Form, after: &'static [u8], levels: usize) -> Open<Compound<'_, 'w>> {
        let in_key = self.in_key;
        Open(Compound { writer: self, form, after, levels, in_key })
    }

    /// A sequence: a list, or what was announced.
    pub(super) fn open_list(&mut self, len: Option<usize>) -> Result<Open<Compound<'_, 'w>>> {
        if let Next::Kind(kind) = self.next {
            return self.open_kind(kind, len);
        }
        self.unhashed += 1;
        match self.in_key {
            // Python hashes no list
            true => self.open_tuple(len, 1, NOTHING),
            false => {
                self.plain("a sequence")?;
                self.enter(1)?;
                self.out.op(op::EMPTY_LIST);
                Ok(self.opened(Form::list(len), NOTHING, 1))
            }
        }
    }

    /// A tuple, in `levels - 1` others, with these opcodes after it.
    pub(super) fn open_tuple(
        &mut self,
        len: Option<usize>,
        levels: usize,
        after: &'static [u8],
    ) -> Result<Open<Compound<'_, 'w>>> {
        if let Next::Kind(kind) = self.next {
            return self.open_kind(kind, len);
        }
        self.plain("a tuple")?;
        self.enter(levels)?;
        let form = match len {
            Some(len @ ..4) => Form::Short { len, written: 0 },
            _ => {
                self.out.op(op::MARK);
                Form::Marked(op::TUPLE)
            }
        };
        Ok(self.opened(form, after, levels))
    }

    /// The content of an object that Python makes of a sequence.
    fn open_kind(&mut self, kind: Kind, len: Option<usize>) -> Result<Open<Compound<'_, 'w>>> {
        self.next = Next::Value;
        match kind {
            Kind::Tuple => self.open_tuple(len, 1, NOTHING),
            Kind::Complex | Kind::Range | Kind::Slice => {
                let name = match kind {
                    Kind::Complex => "complex",
                    Kind::Range => "range",
                    _ => "slice",
                };
                self.global("builtins", name);
                self.open_tuple(len, 1, &[op::REDUCE])
            }
            Kind::Set => {
                self.unhashable("a set")?;
                self.enter(1)?;
                self.out.op(op::EMPTY_SET);
                let form = Form::Batches { end: op::ADDITEMS, left: 0, is_open: false };
                Ok(self.opened(form, NOTHING, 1).of_keys())
            }
            Kind::FrozenSet => {
                self.enter(1)?;
                self.out.op(op::MARK);
                Ok(self.opened(Form::Marked(op::FROZENSET), NOTHING, 1).of_keys())
            }
            Kind::Deque => {
                self.unhashable("a deque")?;
                self.enter(1)?;
                self.global("collections", "deque");
                self.out.ops(&[op::EMPTY_TUPLE, op::REDUCE]);
                Ok(self.opened(Form::list(len), NOTHING, 1))
            }
            _ => Err(kind::misfit(kind, "a sequence")),
        }
    }

    /// A map: a dict, or what was announced.
    pub(super) fn open_map(&mut self, len: Option<usize>) -> Result<Open<Compound<'_, 'w>>> {
        let next = self.take_next();
        if let Next::Kind(kind @ (Kind::Instance | Kind::Slots | Kind::Bare | Kind::Member)) = next {
            self.enter(1)?;
            let state = match kind {
                Kind::Slots => State::Slots,
                Kind::Bare => State::None,
                Kind::Member => State::Member,
                _ => State::Dict,
            };
            return Ok(self.opened(Form::Instance { is_named: false, state }, NOTHING, 1));
        }
        self.unhashable("a map")?;
        self.enter(1)?;
        let after = match next {
            Next::Kind(Kind::OrderedDict) => {
                self.global("collections", "OrderedDict");
                self.out.ops(&[op::EMPTY_TUPLE, op::REDUCE]);
                return Ok(self.opened(Form::dict(len), NOTHING, 1));
            }
            Next::Kind(Kind::Counter) => {
                self.global("collections", "Counter");
                &[op::TUPLE1, op::REDUCE][..]
            }
            next => {
                self.unexpected(next, "a map")?;
                NOTHING
            }
        };
        self.out.op(op::EMPTY_DICT);
        Ok(self.opened(Form::dict(len), after, 1))
    }

    /// A struct: a dict, an instance of a class, an array.
    #[inline]
    pub(super) fn open_struct(&mut self, name: &'static str, len: usize) -> Result<Open<Compound<'_, 'w>>> {
        self.plain("a struct")?;
        self.enter(1)?;
        if matches!(name, "Array" | "Table") {
            return Ok(self.opened(Form::Claimed { name, len }, NOTHING, 1));
        }
        let (form, after) = self.record(name, len)?;
        Ok(self.opened(form, after, 1).of_values())
    }

    /// Begins a struct that is a dict or an instance.
    #[inline]
    fn record(&mut self, name: &str, len: usize) -> Result<(Form, &'static [u8])> {
        let form = Form::dict(Some(len));
        match self.classes.of_struct(name)? {
            None => {
                self.unhashable("a struct")?;
                self.out.op(op::EMPTY_DICT);
                Ok((form, NOTHING))
            }
            Some(class) => Ok((form, self.instance(class, State::Dict))),
        }
    }

    /// The fields of a variant, in the dict that the variant is.
    pub(super) fn open_variant_struct(&mut self, len: usize) -> Result<Open<Compound<'_, 'w>>> {
        self.enter(2)?;
        self.out.op(op::EMPTY_DICT);
        Ok(self.opened(Form::dict(Some(len)), &[op::SETITEM], 2))
    }

    /// Begins the dict of one entry that a variant with content is.
    pub(super) fn variant(&mut self, variant: &'static str) -> Result<()> {
        self.plain("an enum variant with content")?;
        self.unhashable("an enum variant with content")?;
        self.out.op(op::EMPTY_DICT);
        self.name(variant);
        Ok(())
    }
}

impl Open<Compound<'_, '_>> {
    /// The same, with parts that are to be hashed.
    fn of_keys(self) -> Self {
        self.0.writer.in_key = true;
        self
    }

    /// The same, with parts that are not.
    fn of_values(self) -> Self {
        self.0.writer.in_key = false;
        self
    }
}

impl Compound<'_, '_> {
    /// Before a part.
    #[inline]
    fn before(&mut self) {
        match &mut self.form {
            Form::Batches { end, left, is_open } => {
                if *left == 0 {
                    if *is_open {
                        self.writer.out.op(*end);
                    }
                    self.writer.out.op(op::MARK);
                    (*left, *is_open) = (BATCH, true);
                }
                *left -= 1;
            }
            Form::Short { written, .. } => *written += 1,
            _ => {}
        }
    }

    /// After a part.
    #[inline]
    fn after(&mut self) {
        if let Form::Single(opcode) = self.form {
            self.writer.out.op(opcode);
        }
    }

    /// A field of what may be an array, or is one.
    #[cold]
    fn claimed_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        match (&mut self.form, name) {
            (Form::Claimed { name: "Array", .. }, "$array") => {
                self.writer.unhashable("an array")?;
                self.form = Form::Array(Box::new(Parts::of_dtype(value)?));
                Ok(())
            }
            (Form::Claimed { name: "Table", .. }, "$table") => {
                self.form = Form::Whole;
                self.writer.table_at_hand()
            }
            (&mut Form::Claimed { name: own, len }, _) => {
                (self.form, self.after) = self.writer.record(own, len)?;
                self.writer.in_key = false;
                self.field(name, value)
            }
            (Form::Array(parts), "data") => {
                self.writer.array(parts, value)?;
                self.form = Form::Whole;
                Ok(())
            }
            (Form::Array(parts), _) => parts.set(name, value),
            // the rest of a table that was written whole
            (Form::Whole, "rows" | "columns") => Ok(()),
            _ => Err(Unserializable::custom("an array with something after its elements")),
        }
    }
}

impl Container for Compound<'_, '_> {
    type Error = Unserializable;

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.before();
        value.serialize(&mut *self.writer)?;
        self.after();
        Ok(())
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        if !matches!(self.form, Form::Batches { .. } | Form::Single(_)) {
            return self.claimed_field(name, value);
        }
        self.before();
        self.writer.name(name);
        value.serialize(&mut *self.writer)?;
        self.after();
        Ok(())
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        if let Form::Instance { .. } | Form::Bare | Form::Member(_) = self.form {
            return self.name_class(key);
        }
        self.before();
        self.writer.in_key = true;
        key.serialize(&mut *self.writer)?;
        self.writer.in_key = false;
        Ok(())
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        if let Form::Instance { .. } | Form::Member(_) = self.form {
            return self.name_class(value);
        }
        value.serialize(&mut *self.writer)?;
        self.after();
        Ok(())
    }

    #[inline]
    fn close(mut self) -> Result<()> {
        if let Form::Claimed { name, len } = self.form {
            (self.form, self.after) = self.writer.record(name, len)?;
        }
        let out = &mut self.writer.out;
        match self.form {
            Form::Batches { end, is_open: true, .. } | Form::Marked(end) => out.op(end),
            Form::Short { len, written } if len == written => {
                out.op([op::EMPTY_TUPLE, op::TUPLE1, op::TUPLE2, op::TUPLE3][len]);
            }
            Form::Short { len, written } => {
                return Err(Unserializable::custom(format_args!(
                    "a tuple of {written} elements that was to have {len}"
                )));
            }
            Form::Array(_) => return Err(Unserializable::custom("an array without elements")),
            Form::Instance { .. } => return Err(kind::misfit(Kind::Instance, "a map without entries")),
            Form::Member(said) if said != Said::Whole => return Err(kind::misfit(Kind::Member, "a class alone")),
            _ => {}
        }
        out.ops(self.after);
        self.writer.depth += self.levels;
        self.writer.in_key = self.in_key;
        Ok(())
    }
}
