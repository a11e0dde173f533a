//! A graph seen as a tree: what its globals mean, and what it may cost to walk it.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::attribute;
use super::instance;
use super::list::{self, Listed, Pandas};
use super::mismatch::Mismatch;
use super::object::Objects;
use super::read::Reader;
use super::write::Classes;
use crate::array::DType;
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result};
use crate::handoff;
use crate::limits::Limits;
use crate::pickle::{Graph, Node, NodeId};

/// All that is known while a pickle is decoded.
pub(super) struct Tree<'g> {
    graph: &'g Graph<'g>,
    frames: &'g [Buffer],
    /// What each of the graph's globals stands for.
    listed: Vec<Listed>,
    /// Whether one of them is pandas' word for what is not there.
    names_missing: bool,
    /// Which of them are enums whose members are read as such.
    enums: BTreeSet<usize>,
    max_depth: usize,
    /// What walking may cost: a unit for each node, and one for each byte of text and bytes.
    budget: usize,
    spent: Cell<usize>,
    failure: Cell<Option<Failure>>,
    /// Names of fields that were met, each in one place: records in a list have the same ones.
    names: [Cell<(NodeId, &'g str)>; NAMES],
    /// The dtype that was met last, and what reading it cost.
    dtype: Cell<Option<(NodeId, DType, usize)>>,
    objects: Objects,
}

/// How many names are remembered: a power of two.
const NAMES: usize = 32;

/// The longest text that costs no more than the node that it is.
const FREE: usize = 64;

/// What ended the walk, where it was not that a value does not fit.
#[derive(Clone, Copy)]
enum Failure {
    TooDeep,
    TooLarge,
}

impl<'g> Tree<'g> {
    /// Looks up what all globals of the graph mean.
    ///
    /// # Errors
    ///
    /// Kind `Peer` with module and name of one that is neither on the list nor allowed, and for a persistent id.
    pub(super) fn new(graph: &'g Graph<'g>, frames: &'g [Buffer], limits: &Limits, classes: &Classes) -> Result<Self> {
        if let Some((at, opcode)) = graph.persistent() {
            let reason = "a persistent id, whose meaning is not in the pickle".to_owned();
            return Err(Detail::BadPickle { at, opcode, reason }.into());
        }
        let harmless = attribute::harmless(graph);
        let listed = graph.globals().enumerate().map(|(index, (module, name))| {
            let is_allowed = || classes.allowed.iter().any(|class| is_class(class, module, name));
            match list::find(module, name) {
                Some(listed) => Ok(listed),
                None if harmless.contains_key(&index) => Ok(harmless[&index]),
                None if is_allowed() => Ok(Listed::Allowed),
                None => {
                    let is_class = instance::is_class(graph, index);
                    Err(Detail::PickleGlobal { module: short(module), name: short(name), is_class }.into())
                }
            }
        });
        let listed = listed.collect::<Result<Vec<_>>>()?;
        let is_enum = |(module, name): (&str, &str)| classes.enums.iter().any(|class| is_class(class, module, name));
        let globals = graph.globals().enumerate();
        let enums = match classes.enums.is_empty() {
            true => BTreeSet::new(),
            false => globals.filter(|&(_, global)| is_enum(global)).map(|(index, _)| index).collect(),
        };
        let is_missing = |listed: &Listed| matches!(listed, Listed::NotATime | Listed::Pandas(Pandas::Missing));
        Ok(Self {
            graph,
            frames,
            names_missing: listed.iter().any(is_missing),
            listed,
            enums,
            max_depth: limits.max_depth(),
            budget: limits.max_metadata(),
            spent: Cell::new(0),
            failure: Cell::new(None),
            names: [const { Cell::new((NodeId::NOWHERE, "")) }; NAMES],
            dtype: Cell::new(None),
            objects: Objects::default(),
        })
    }

    /// The root, with nothing spent.
    pub(super) fn root(&'g self) -> Reader<'g> {
        self.spent.set(0);
        self.failure.set(None);
        Reader::new(self, self.graph.root(), self.max_depth)
    }

    #[inline]
    pub(super) fn graph(&self) -> &'g Graph<'g> {
        self.graph
    }

    /// Whether pandas' word for what is not there may be met.
    #[inline]
    pub(super) fn names_missing(&self) -> bool {
        self.names_missing
    }

    /// Whether there are any enums whose members are read as such.
    pub(super) fn knows_enums(&self) -> bool {
        !self.enums.is_empty()
    }

    /// Whether a node is one of these.
    pub(super) fn is_enum(&self, class: NodeId) -> bool {
        self.graph.global_index(class).is_some_and(|index| self.enums.contains(&index))
    }

    #[inline]
    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What a node is. What is long and read anew each time, text for one, is paid for each time: a pickle names it in two bytes as
    /// often as it likes.
    #[inline]
    pub(super) fn node(&self, id: NodeId) -> Node<'g> {
        let node = self.graph.node(id);
        let len = match node {
            Node::Str(text) | Node::BigText(text) => text.len(),
            Node::OldStr(bytes) | Node::Big(bytes) => bytes.len(),
            _ => 0,
        };
        if len > FREE {
            self.spent.set(self.spent.get().saturating_add(len));
        }
        node
    }

    /// What a node is, for who pays for its text or bytes.
    #[inline]
    pub(super) fn shown(&self, id: NodeId) -> Node<'g> {
        self.graph.node(id)
    }

    /// The name that a node is, where it is a short text.
    #[inline]
    pub(super) fn name(&self, id: NodeId) -> Option<&'g str> {
        let place = &self.names[id.scattered() % NAMES];
        let (known, name) = place.get();
        if known == id {
            return Some(name);
        }
        let name = self.graph.as_short_text(id)?;
        place.set((id, name));
        Some(name)
    }

    /// The dtype that a node is and what reading it cost, if it is the one that was met last.
    pub(super) fn known_dtype(&self, id: NodeId) -> Option<(DType, usize)> {
        let known = self.dtype.take();
        let found = known.as_ref().filter(|known| known.0 == id).map(|(_, dtype, cost)| (dtype.clone(), *cost));
        self.dtype.set(known);
        found
    }

    pub(super) fn know_dtype(&self, id: NodeId, dtype: &DType, cost: usize) {
        self.dtype.set(Some((id, dtype.clone(), cost)));
    }

    /// What a node stands for that is a global; `None` for every other node.
    pub(super) fn listed(&self, id: NodeId) -> Option<Listed> {
        self.graph.global_index(id).map(|index| self.listed[index])
    }

    /// The bytes of a frame, about to be shown.
    pub(super) fn frame(&self, index: usize) -> Result<&'g Buffer, Mismatch> {
        let frame = self.frames.get(index).ok_or_else(|| Mismatch::because("a buffer without its frame"))?;
        match handoff::showing(index) {
            true => Ok(frame),
            false => Err(Mismatch::because("frames that are named more than once, over the limit")),
        }
    }

    /// Whether there are any frames beside the pickle.
    #[cfg(feature = "arrow")]
    pub(super) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Pays for a node or for bytes.
    #[inline]
    pub(super) fn spend(&self, cost: usize) -> Result<(), Mismatch> {
        let spent = self.spent.get().saturating_add(cost);
        self.spent.set(spent);
        if spent > self.budget { Err(self.fail(Failure::TooLarge)) } else { Ok(()) }
    }

    /// What was paid so far.
    pub(super) fn spent(&self) -> usize {
        self.spent.get()
    }

    #[cold]
    pub(super) fn too_deep(&self) -> Mismatch {
        self.fail(Failure::TooDeep)
    }

    #[cold]
    fn fail(&self, failure: Failure) -> Mismatch {
        self.failure.set(Some(failure));
        Mismatch::because("it is over a limit")
    }

    /// What ended the last walk, if a limit or a cycle did.
    pub(super) fn failure(&self) -> Option<Error> {
        let detail = match self.failure.get()? {
            Failure::TooDeep if self.graph.height().is_none() => Detail::PickleCycle,
            Failure::TooDeep => Detail::ValueTooDeep { limit: self.max_depth },
            Failure::TooLarge if self.graph.height().is_none() => Detail::PickleCycle,
            Failure::TooLarge => Detail::PickleTooLarge {
                what: "objects and bytes, each counted as often as it is named,",
                limit: self.budget,
            },
        };
        Some(detail.into())
    }

    /// Whether nothing in it is nested deeper.
    pub(super) fn is_shallow(&self, depth: u8) -> bool {
        self.graph.height().is_some_and(|height| height <= depth)
    }
}

/// Whether a class's whole name is this, without putting the parts together: a peer chose their lengths.
fn is_class(class: &str, module: &str, name: &str) -> bool {
    class.strip_prefix(module).and_then(|rest| rest.strip_prefix(['.', ':'])) == Some(name)
}

/// A name that a peer chose, cut where it gets long.
fn short(name: &str) -> String {
    const LONGEST: usize = 80;
    match name.len() > LONGEST {
        true => format!("{}…", &name[..name.floor_char_boundary(LONGEST)]),
        false => name.to_owned(),
    }
}
