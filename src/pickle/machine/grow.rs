//! The opcodes that put values into a container that is on the stack already.

use super::Machine;
use crate::error::Result;
use crate::pickle::graph::{NodeId, Slot};

impl Machine<'_> {
    /// The container below the values that begin at `start`.
    #[inline]
    fn container(&self, start: usize) -> Result<NodeId> {
        if start <= self.floor {
            return Err(self.underflow());
        }
        Ok(self.stack[start - 1])
    }

    pub(super) fn check_pairs(&self, start: usize) -> Result<()> {
        if (self.stack.len() - start) % 2 == 1 {
            return Err(self.input.fault("a key without a value"));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn set_items(&mut self, start: usize) -> Result<()> {
        let target = self.container(start)?;
        self.check_pairs(start)?;
        match self.graph.slot(target) {
            Some(Slot::Dict(chain)) => {
                let chain = self.graph.extend(chain, &self.stack[start..]);
                self.graph.set_slot(target, Slot::Dict(chain));
            }
            Some(Slot::Object(index)) => {
                let chain = self.graph.object_mut(index).entries;
                let chain = self.graph.extend(chain, &self.stack[start..]);
                self.graph.object_mut(index).entries = chain;
            }
            _ => return Err(self.input.fault("entries are for a dict or an object, and there is none")),
        }
        self.stack.truncate(start);
        Ok(())
    }

    #[inline]
    pub(super) fn append(&mut self, start: usize) -> Result<()> {
        let target = self.container(start)?;
        match self.graph.slot(target) {
            Some(Slot::List(chain)) => {
                let chain = self.graph.extend(chain, &self.stack[start..]);
                self.graph.set_slot(target, Slot::List(chain));
                self.stack.truncate(start);
                Ok(())
            }
            _ => self.grow_object(target, start, "elements are for a list or an object, and there is none"),
        }
    }

    pub(super) fn add(&mut self, start: usize) -> Result<()> {
        let target = self.container(start)?;
        match self.graph.slot(target) {
            Some(Slot::Set(chain)) => {
                let chain = self.graph.extend(chain, &self.stack[start..]);
                self.graph.set_slot(target, Slot::Set(chain));
                self.stack.truncate(start);
                Ok(())
            }
            _ => self.grow_object(target, start, "members are for a set or an object, and there is none"),
        }
    }

    fn grow_object(&mut self, target: NodeId, start: usize, otherwise: &'static str) -> Result<()> {
        let Some(Slot::Object(index)) = self.graph.slot(target) else { return Err(self.input.fault(otherwise)) };
        let chain = self.graph.object_mut(index).items;
        let chain = self.graph.extend(chain, &self.stack[start..]);
        self.graph.object_mut(index).items = chain;
        self.stack.truncate(start);
        Ok(())
    }
}
