//! The opcodes that import and call: here they note what would be imported and called.

use super::Machine;
use crate::error::Result;
use crate::pickle::graph::{Chain, Construction, NodeId, Object, Slot};
use crate::pickle::opcode as op;

impl Machine<'_> {
    pub(super) fn global(&mut self, opcode: u8) -> Result<()> {
        let (module, name) = match opcode {
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                if !self.graph.is_any_text(module) || !self.graph.is_any_text(name) {
                    return Err(self.input.fault("module and name have to be text"));
                }
                (module, name)
            }
            _ => self.global_lines()?,
        };
        self.check_nodes()?;
        self.note_class(module, name);
        let node = self.graph.global_node(module, name);
        self.stack.push(node);
        Ok(())
    }

    fn global_lines(&mut self) -> Result<(NodeId, NodeId)> {
        Ok((self.line_of_text()?, self.line_of_text()?))
    }

    /// A line as a node of text.
    pub(super) fn line_of_text(&mut self) -> Result<NodeId> {
        let line = self.input.line()?;
        self.utf8(line)?;
        self.check_nodes()?;
        // behind it there is its end
        Ok(self.graph.line_node(self.input.at() - 1 - line.len(), line.len()))
    }

    pub(super) fn construct(&mut self, opcode: u8) -> Result<()> {
        let (construction, callable, args, keywords) = match opcode {
            op::BUILD => {
                let state = self.pop()?;
                let target = self.top()?;
                let Some(Slot::Object(index)) = self.graph.slot(target) else {
                    return Err(self.input.fault("a state is for an object, and there is none on the stack"));
                };
                self.add_state(index, state);
                return if self.has_insets { self.inset(index, state) } else { Ok(()) };
            }
            op::INST => {
                let (module, name) = self.global_lines()?;
                self.note_class(module, name);
                let class = self.graph.global_node(module, name);
                let args = self.marked_tuple()?;
                (Construction::Instance, class, args, None)
            }
            op::OBJ => {
                let start = *self.marks.last().ok_or_else(|| self.input.fault("there is no mark"))?;
                if start == self.stack.len() {
                    return Err(self.input.fault("there is no class after the mark"));
                }
                let class = self.stack.remove(start);
                let args = self.marked_tuple()?;
                (Construction::Instance, class, args, None)
            }
            op::NEWOBJ_EX => {
                let (keywords, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                if !matches!(self.graph.slot(keywords), Some(Slot::Dict(_))) {
                    return Err(self.input.fault("the keyword arguments are no dict"));
                }
                (Construction::New, class, args, Some(keywords))
            }
            _ => {
                let (args, callable) = (self.pop()?, self.pop()?);
                let construction = if opcode == op::NEWOBJ { Construction::New } else { Construction::Reduce };
                (construction, callable, args, None)
            }
        };
        if !matches!(self.graph.slot(args), Some(Slot::Tuple(_))) {
            return Err(self.input.fault("the arguments are no tuple"));
        }
        if !matches!(self.graph.slot(callable), Some(Slot::Global(_) | Slot::Object(_))) {
            return Err(self.input.fault("what is called is neither a global nor an object"));
        }
        self.check_nodes()?;
        let (items, entries, states) = (Chain::EMPTY, Chain::EMPTY, Chain::EMPTY);
        let object = Object { construction, callable, args, keywords, items, entries, states };
        let node = self.graph.object_node(object);
        self.stack.push(node);
        Ok(())
    }
}
