//! Forms: what serde is shown of a node.
//!
//! This is the one place where something that Python would call gets a meaning: what is listed, with the arguments that
//! CPython, NumPy or the classes themselves write, and nothing else.

use std::borrow::Cow;

use super::array::{self, Found};
use super::attribute;
use super::instance;
use super::joblib;
use super::list::{Listed, Pandas};
use super::member::Member;
use super::mismatch::{Mismatch, Result};
use super::number;
#[cfg(feature = "arrow")]
use super::pandas::{self, Shown};
use super::path;
use super::plain;
use super::read::Reader;
use super::stamp;
use super::time::{self, Span};
use crate::memory;
use crate::pickle::{Construction, Items, Node, NodeId, Object};

/// What serde is shown of a node.
pub(super) enum Form<'g> {
    Unit,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    /// An integer of more than 64 bits, in decimal.
    Big(String),
    Float(f64),
    Text(&'g str),
    /// Text that stands for something else than itself.
    Made(String),
    /// A `Decimal`, as text.
    Decimal(&'g str),
    Span(Span),
    Bytes(&'g [u8]),
    MadeBytes(Vec<u8>),
    /// A buffer beside the pickle.
    Frame(usize),
    Sequence(Items<'g>),
    /// Keys and values in turn.
    Map(Items<'g>),
    Complex([f64; 2]),
    /// A map of so many entries to who asks for one, else a sequence.
    Parts(&'static [&'static str], Items<'g>),
    /// The attributes of an instance, in one or two parts, and its class.
    Fields(Option<NodeId>, [Option<Items<'g>>; 2]),
    /// A member of an enum, to who asks what it is.
    Member(Box<Member<'g>>),
    Array(Box<Found<'g>>),
    #[cfg(feature = "arrow")]
    Table(Box<Shown>),
    /// What another node is.
    Same(NodeId),
}

/// What Python would call, taken apart: a list of arguments may be long and named often, so it is not copied.
#[derive(Clone, Copy)]
pub(super) struct Call<'g> {
    pub(super) listed: Listed,
    module: &'g str,
    pub(super) name: &'g str,
    pub(super) object: &'g Object,
    pub(super) arguments: Items<'g>,
    first: [Option<NodeId>; 6],
}

impl<'g> Call<'g> {
    /// An argument, by position, of which there are up to six.
    pub(super) fn argument(&self, at: usize) -> Option<NodeId> {
        self.first.get(at).copied().flatten()
    }

    /// All arguments, where there are just so many.
    pub(super) fn exactly<const N: usize>(&self) -> Result<[NodeId; N]> {
        self.between::<N>(N)
    }

    /// The first `N` arguments, where there are at least so many and at most `most`.
    pub(super) fn between<const N: usize>(&self, most: usize) -> Result<[NodeId; N]> {
        let first = self.first.first_chunk::<N>().filter(|_| self.arguments.len() <= most);
        let mut ids = [self.object.callable; N];
        for (id, argument) in ids.iter_mut().zip(first.ok_or_else(|| self.odd())?) {
            *id = argument.ok_or_else(|| self.odd())?;
        }
        Ok(ids)
    }

    /// Says what this program was built without.
    #[cfg(not(feature = "arrow"))]
    #[cold]
    fn needs_arrow(&self) -> Mismatch {
        let Self { name, module, .. } = self;
        Mismatch::because(format_args!(
            "{name} of {module}, which is a table: this program was built without the feature outband/arrow"
        ))
    }

    /// Says that this is not how anybody writes it.
    #[cold]
    pub(super) fn odd(&self) -> Mismatch {
        let Self { name, module, .. } = self;
        Mismatch::because(format_args!("{name} of {module} in a form that it is not written in"))
    }
}

impl<'g> Reader<'g> {
    /// What serde is shown of this node.
    pub(super) fn form(self) -> Result<Form<'g>> {
        Ok(match self.tree.shown(self.id) {
            Node::None => Form::Unit,
            Node::Bool(value) => Form::Bool(value),
            Node::Int(value) => Form::Int(value),
            node @ (Node::Big(_) | Node::BigText(_)) => self.big(node)?,
            Node::Float(value) => Form::Float(value),
            Node::Bytes(bytes) | Node::ByteArray(bytes) => Form::Bytes(bytes),
            Node::Str(text) => Form::Text(text),
            Node::OldStr(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => Form::Text(text),
                _ => Form::Bytes(bytes),
            },
            Node::Tuple(items) | Node::List(items) | Node::Set(items) | Node::FrozenSet(items) => Form::Sequence(items),
            Node::Dict(items) => Form::Map(items),
            Node::Global { .. } if self.tree.listed(self.id) == Some(Listed::Ellipsis) => Form::Text("Ellipsis"),
            Node::Global { .. } if self.tree.listed(self.id) == Some(Listed::Pandas(Pandas::Missing)) => Form::Unit,
            Node::Global { module, name } => {
                return Err(Mismatch::because(format_args!("{name} of {module} itself, which is a type and no value")));
            }
            Node::Object(object) => self.made(object)?,
            Node::Persistent(_) => {
                return Err(Mismatch::because("a persistent id, whose meaning is not in the pickle"));
            }
            Node::Buffer { index, .. } => Form::Frame(index),
        })
    }

    fn big(self, node: Node<'g>) -> Result<Form<'g>> {
        if let Some(value) = number::unsigned(node).and_then(|value| u64::try_from(value).ok()) {
            return Ok(Form::Unsigned(value));
        }
        if let Some(value) = number::signed(node).and_then(|value| i64::try_from(value).ok()) {
            return Ok(Form::Int(value));
        }
        match node {
            Node::Big(bytes) => {
                // writing it out takes longer than reading it
                self.tree.spend(bytes.len().saturating_mul(8))?;
                number::digits(bytes).map(Form::Big)
            }
            Node::BigText(digits) => {
                self.tree.spend(digits.len())?;
                number::plain(digits).map(Form::Big)
            }
            _ => Err(Mismatch::because("no integer")),
        }
    }

    /// What Python would call, if that is listed.
    pub(super) fn call(self, object: &'g Object) -> Result<Call<'g>> {
        let (listed, callable) = match self.tree.listed(object.callable) {
            Some(listed) => (listed, object.callable),
            None => (Listed::ZoneInfo, attribute::class_of_zone(self, object)?),
        };
        let Node::Global { module, name } = self.tree.node(callable) else {
            return Err(Mismatch::because("what is called is no global"));
        };
        let Node::Tuple(arguments) = self.tree.node(object.args) else {
            return Err(Mismatch::because("arguments that are no tuple"));
        };
        let mut ids = arguments;
        let first = std::array::from_fn(|_| ids.next());
        let call = Call { listed, module, name, object, arguments, first };
        let call = if listed == Listed::Reconstructor { self.of_class(call).unwrap_or(call) } else { call };
        match call.listed {
            Listed::Joblib => joblib::of_objects(self, object).map_or(Ok(call), |array| self.call(array)),
            _ => Ok(call),
        }
    }

    /// `copyreg._reconstructor(class, object, None)`, as protocols 0 and 1 make instances, as the call of a class without
    /// arguments that it stands for, where the class is one of pandas or joblib's.
    fn of_class(self, call: Call<'g>) -> Option<Call<'g>> {
        let [class, base, value] = call.exactly().ok()?;
        let (Node::Global { module, name }, Node::None) = (self.tree.node(class), self.tree.node(value)) else {
            return None;
        };
        match (self.tree.listed(class)?, self.tree.listed(base)?) {
            (listed @ (Listed::Pandas(_) | Listed::Joblib), Listed::Object) => {
                let mut none = call.arguments;
                none.by_ref().for_each(drop);
                Some(Call { listed, module, name, arguments: none, first: [None; 6], ..call })
            }
            _ => None,
        }
    }

    fn made(self, object: &'g Object) -> Result<Form<'g>> {
        let call = self.call(object)?;
        let object = call.object;
        match call.listed {
            Listed::Joblib => return joblib::form(self, call),
            Listed::Allowed | Listed::Reconstructor | Listed::NewObj | Listed::NewObjEx | Listed::Uuid => {
                return instance::form(self, call);
            }
            Listed::Reconstruct => return array::reconstructed(self, call),
            Listed::DType => return array::dtype_alone(self).map(Form::Made),
            Listed::Texts => {
                return Err(Mismatch::because("a StringDType by itself, which is no value: send it with an array"));
            }
            #[cfg(feature = "arrow")]
            Listed::Pandas(_) | Listed::PyArrow(_) => return pandas::form(self, call),
            #[cfg(not(feature = "arrow"))]
            Listed::Pandas(_) | Listed::PyArrow(_) => return Err(call.needs_arrow()),
            _ => {}
        }
        let graph = self.tree.graph();
        if graph.states_of(object).len() > 0 || object.keywords.is_some() {
            return Err(call.odd());
        }
        let (items, entries) = (graph.items_of(object), graph.entries_of(object));
        let is_bare = items.len() == 0 && entries.len() == 0;
        match call.listed {
            Listed::Dict | Listed::OrderedDict if call.arguments.len() == 0 && items.len() == 0 => {
                Ok(Form::Map(entries))
            }
            // the factory of missing values is of no use here
            Listed::DefaultDict if call.arguments.len() <= 1 && items.len() == 0 => Ok(Form::Map(entries)),
            Listed::Deque if entries.len() == 0 => self.deque(call, items),
            _ if is_bare && call.object.construction != Construction::Instance => self.plain(call),
            _ => Err(call.odd()),
        }
    }

    /// What its arguments alone describe.
    fn plain(self, call: Call<'g>) -> Result<Form<'g>> {
        match call.listed {
            Listed::Bytes | Listed::Encode | Listed::ByteArray => Ok(match self.called_bytes(call)? {
                Cow::Borrowed(bytes) => Form::Bytes(bytes),
                Cow::Owned(bytes) => Form::MadeBytes(bytes),
            }),
            Listed::Set | Listed::FrozenSet | Listed::List | Listed::Tuple => match call.argument(0) {
                None => Ok(Form::Sequence(call.arguments)),
                Some(_) => Ok(Form::Sequence(self.items_in(call.exactly::<1>()?[0], call)?)),
            },
            Listed::Counter => {
                let [counts] = call.exactly()?;
                match self.tree.node(counts) {
                    Node::Dict(items) => Ok(Form::Map(items)),
                    _ => Err(call.odd()),
                }
            }
            Listed::Complex => {
                let parts = call.exactly::<2>()?.map(|part| match self.tree.node(part) {
                    Node::Float(value) => Ok(value),
                    _ => Err(call.odd()),
                });
                let [re, im] = parts;
                Ok(Form::Complex([re?, im?]))
            }
            Listed::Slice | Listed::Range => {
                call.exactly::<3>()?;
                Ok(Form::Parts(&["start", "stop", "step"], call.arguments))
            }
            Listed::Date | Listed::DateTime | Listed::Time | Listed::TimeZone | Listed::ZoneInfo => {
                time::text(self, call).map(Form::Made)
            }
            Listed::TimeDelta => time::span(self, call).map(Form::Span),
            Listed::PandasDelta => stamp::span(self, call).map(Form::Span),
            Listed::Timestamp => stamp::point(self, call).map(Form::Made),
            Listed::NotATime => match self.tree.node(call.exactly::<1>()?[0]) {
                Node::None => Ok(Form::Unit),
                _ => Err(call.odd()),
            },
            Listed::Decimal => plain::decimal(self, call).map(Form::Decimal),
            Listed::Fraction => plain::fraction(self, call).map(Form::Made),
            Listed::PosixPath => path::posix(self, call).map(Form::Made),
            Listed::WindowsPath => path::windows(self, call).map(Form::Made),
            Listed::FromBuffer => array::from_buffer(self, call),
            Listed::NdArray => array::constructed(self, call),
            Listed::Scalar => array::scalar(self, call),
            Listed::Attribute | Listed::Flags => attribute::names(self, call),
            _ => Err(call.odd()),
        }
    }

    /// `deque()`, `deque((), most)`, with the elements appended, or `deque(elements, most)`.
    fn deque(self, call: Call<'g>, appended: Items<'g>) -> Result<Form<'g>> {
        let Some(first) = call.argument(0) else { return Ok(Form::Sequence(appended)) };
        let given = self.items_in(first, call)?;
        match (call.arguments.len(), given.len(), appended.len()) {
            (1 | 2, 0, _) => Ok(Form::Sequence(appended)),
            (1 | 2, _, 0) => Ok(Form::Sequence(given)),
            _ => Err(call.odd()),
        }
    }

    pub(super) fn items_in(self, id: NodeId, call: Call<'g>) -> Result<Items<'g>> {
        match self.tree.node(id) {
            Node::Tuple(items) | Node::List(items) | Node::Set(items) | Node::FrozenSet(items) => Ok(items),
            _ => Err(call.odd()),
        }
    }

    /// The bytes of a node: of protocols 0 to 2 in text, as Latin-1.
    pub(super) fn bytes_in(self, id: NodeId) -> Result<Cow<'g, [u8]>> {
        match self.tree.shown(id) {
            Node::Bytes(bytes) | Node::ByteArray(bytes) | Node::OldStr(bytes) => Ok(Cow::Borrowed(bytes)),
            Node::Object(object) => self.called_bytes(self.call(object)?),
            _ => Err(Mismatch::because("something else where bytes should be")),
        }
    }

    /// `bytes()`, `bytearray(b"")`, `bytearray("", "latin-1")`, `_codecs.encode("", "latin1")`.
    fn called_bytes(self, call: Call<'g>) -> Result<Cow<'g, [u8]>> {
        let text = match (call.listed, call.arguments.len()) {
            (Listed::Bytes | Listed::ByteArray, 0) => return Ok(Cow::Borrowed(&[])),
            (Listed::ByteArray, 1) => {
                let [bytes] = call.exactly()?;
                return match self.tree.node(bytes) {
                    Node::Bytes(bytes) | Node::OldStr(bytes) => Ok(Cow::Borrowed(bytes)),
                    // never another bytearray: this goes no deeper
                    Node::Object(object) => match self.call(object)? {
                        inner if matches!(inner.listed, Listed::Encode | Listed::Bytes) => self.called_bytes(inner),
                        _ => Err(call.odd()),
                    },
                    _ => Err(call.odd()),
                };
            }
            (Listed::Encode | Listed::ByteArray, 2) => call.exactly::<2>()?,
            _ => return Err(call.odd()),
        };
        match text.map(|id| self.tree.shown(id)) {
            [Node::Str(text), Node::Str("latin1" | "latin-1")] => {
                self.tree.spend(text.len())?;
                memory::count_copy(text.len());
                let bytes = text.chars().map(|char| u8::try_from(u32::from(char)));
                let bytes: Vec<u8> = bytes.collect::<std::result::Result<_, _>>().map_err(|_| call.odd())?;
                Ok(Cow::Owned(bytes))
            }
            _ => Err(call.odd()),
        }
    }
}
