//! Insets: what a writer puts between the opcodes, after the state of an object that says how much it is.

use std::mem;

use super::Machine;
use crate::error::Result;
use crate::pickle::graph::{Graph, NodeId, Object};
use crate::pickle::memo::Memo;

/// Which objects have an inset, and how much it is.
#[derive(Debug)]
pub(crate) struct Insets {
    /// Module and name that a pickle with insets names: no other is looked at.
    pub(crate) class: (&'static str, &'static str),
    /// What follows an object that is given this state, its first; why it cannot be told, where it has to be.
    pub(crate) after: fn(&Graph<'_>, &Object, state: NodeId) -> std::result::Result<Option<Inset>, String>,
}

/// What lies between the opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inset {
    /// So many bytes.
    Bytes(usize),
    /// A byte that says how many bytes of padding follow it, those, and then so many bytes.
    Padded(usize),
    /// A whole pickle, with a stack and a memo of its own.
    Pickle,
}

/// The machine's tools for what is around an inset that is a pickle.
pub(super) struct Around {
    object: u32,
    stack: Vec<NodeId>,
    marks: Vec<usize>,
    floor: usize,
    memo: Memo,
}

impl Machine<'_> {
    /// Notes whether a global is the class of objects with insets.
    #[inline]
    pub(super) fn note_class(&mut self, module: NodeId, name: NodeId) {
        let (wanted_module, wanted_name) = self.insets.class;
        self.has_insets |= self.graph.is_text(name, wanted_name) && self.graph.is_text(module, wanted_module);
    }

    /// Reads what follows the state that an object was given.
    pub(super) fn inset(&mut self, object: u32, state: NodeId) -> Result<()> {
        let whole = self.graph.object(object);
        if self.graph.states_of(whole).len() > 1 {
            // one at most for each object: another takes three bytes to ask for, and more to tell
            return Ok(());
        }
        let inset = (self.insets.after)(&self.graph, whole, state);
        match inset.map_err(|reason| self.input.fault(reason))? {
            None => Ok(()),
            Some(Inset::Bytes(len)) => self.bytes(object, len),
            Some(Inset::Padded(len)) => {
                self.input.end_frame()?;
                let [padding] = self.input.array()?;
                self.input.take(padding.into())?;
                self.bytes(object, len)
            }
            Some(Inset::Pickle) if self.around.is_some() => {
                Err(self.input.fault("a pickle within a pickle within a pickle"))
            }
            Some(Inset::Pickle) => {
                self.input.end_frame()?;
                let (stack, marks) = (mem::take(&mut self.stack), mem::take(&mut self.marks));
                let (floor, memo) = (mem::take(&mut self.floor), mem::take(&mut self.memo));
                self.around = Some(Box::new(Around { object, stack, marks, floor, memo }));
                Ok(())
            }
        }
    }

    fn bytes(&mut self, object: u32, len: usize) -> Result<()> {
        self.input.end_frame()?;
        let start = self.input.at();
        self.input.take(len)?;
        self.check_nodes()?;
        let bytes = self.graph.inset_node(start, len);
        self.add_state(object, bytes);
        Ok(())
    }

    /// Goes on with what is around a pickle that has ended.
    pub(super) fn go_on(&mut self, around: Around) -> Result<()> {
        // what follows is no part of it, and of no frame of it either
        self.input.end_frame()?;
        let root = self.pop()?;
        self.check_end()?;
        let Around { object, stack, marks, floor, memo } = around;
        (self.stack, self.marks, self.floor, self.memo) = (stack, marks, floor, memo);
        self.add_state(object, root);
        Ok(())
    }

    pub(super) fn add_state(&mut self, object: u32, state: NodeId) {
        let states = self.graph.object(object).states;
        let states = self.graph.extend(states, &[state]);
        self.graph.object_mut(object).states = states;
    }
}
