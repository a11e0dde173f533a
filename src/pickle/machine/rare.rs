//! The opcodes that are seldom met: old ones, bytes, buffers, persistent ids.

use std::borrow::Cow;

use super::Machine;
use crate::error::{Detail, Result};
use crate::pickle::graph::{Chain, Node, NodeId, Slot};
use crate::pickle::{opcode as op, text};

impl<'p> Machine<'p> {
    /// The opcodes that are seldom met.
    pub(super) fn rare(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            op::PROTO => {
                let [version] = self.input.array()?;
                if version > 5 {
                    return Err(self.input.fault(format_args!("protocol {version}, and 5 is the last that is known")));
                }
                Ok(())
            }
            op::POP => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => self.pop_mark().map(drop),
                _ => self.pop().map(drop),
            },
            op::POP_MARK => {
                let start = self.pop_mark()?;
                self.stack.truncate(start);
                Ok(())
            }
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            op::LIST => {
                let start = self.pop_mark()?;
                let chain = self.graph.extend(Chain::EMPTY, &self.stack[start..]);
                self.stack.truncate(start);
                self.push(Slot::List(chain))
            }
            op::DICT => {
                let start = self.pop_mark()?;
                self.check_pairs(start)?;
                let chain = self.graph.extend(Chain::EMPTY, &self.stack[start..]);
                self.stack.truncate(start);
                self.push(Slot::Dict(chain))
            }
            op::FROZENSET => {
                let start = self.pop_mark()?;
                let span = self.graph.span(&self.stack[start..]);
                self.stack.truncate(start);
                self.push(Slot::FrozenSet(span))
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => {
                let len = match opcode {
                    op::SHORT_BINBYTES => self.input.array::<1>()?[0].into(),
                    op::BINBYTES => u32::from_le_bytes(self.input.array()?).into(),
                    _ => u64::from_le_bytes(self.input.array()?),
                };
                self.input.take_long(len)?;
                self.push_leaf();
                Ok(())
            }
            op::SHORT_BINSTRING => {
                let [len] = self.input.array()?;
                self.input.take(len.into())?;
                self.push_leaf();
                Ok(())
            }
            op::BINSTRING => {
                let len = self.signed_len()?;
                self.input.take(len)?;
                self.push_leaf();
                Ok(())
            }
            op::LONG1 => {
                let [len] = self.input.array()?;
                self.long(len.into())
            }
            op::LONG4 => {
                let len = self.signed_len()?;
                self.long(len)
            }
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE | op::PERSID | op::GET | op::PUT => {
                self.line(opcode)
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.persistent(id)
            }
            op::NEXT_BUFFER => {
                if self.next_buffer >= self.buffers {
                    return Err(Detail::FrameMissing { frame: self.next_buffer as u64, frames: self.buffers }.into());
                }
                let index = self.next_buffer as u32;
                self.next_buffer += 1;
                self.push(Slot::Buffer { index, readonly: false })
            }
            op::READONLY_BUFFER => {
                let top = self.top()?;
                match self.graph.node(top) {
                    Node::Buffer { index, .. } => {
                        self.stack.pop();
                        self.push(Slot::Buffer { index: index as u32, readonly: true })
                    }
                    // read-only as they are
                    Node::Bytes(_) => Ok(()),
                    _ => Err(self.input.fault("there is no buffer on the stack")),
                }
            }
            op::EXT1 | op::EXT2 | op::EXT4 => {
                Err(self.input.fault("extension codes are numbers of a registry that a pickle does not bring along"))
            }
            unknown => Err(self.input.fault(format_args!("0x{unknown:02x} is no opcode"))),
        }
    }

    /// The opcodes whose argument is a line of text.
    fn line(&mut self, opcode: u8) -> Result<()> {
        if opcode == op::PERSID {
            let id = self.line_of_text()?;
            return self.persistent(id);
        }
        let line = self.input.line()?;
        match opcode {
            op::INT if line == b"00" => self.stack.push(NodeId::FALSE),
            op::INT if line == b"01" => self.stack.push(NodeId::TRUE),
            op::INT | op::LONG => {
                let digits = if opcode == op::LONG { text::without_l(line) } else { line };
                let number = text::integer(digits).ok_or_else(|| self.input.fault("the line is no integer"))?;
                match number.parse() {
                    Ok(value) => self.push_int(value),
                    Err(_) => self.push_leaf(),
                }
            }
            op::FLOAT => {
                // it is read again each time that it is named
                if line.len() > LONGEST_FLOAT {
                    return Err(self
                        .input
                        .fault(format_args!("a float of {} bytes, which no float needs", line.len())));
                }
                text::float(line).ok_or_else(|| self.input.fault("the line is no float"))?;
                self.push_leaf();
            }
            op::STRING => {
                let bytes = text::quoted(line);
                match bytes.ok_or_else(|| self.input.fault("the line is no string in quotes"))? {
                    Cow::Borrowed(_) => self.push_leaf(),
                    Cow::Owned(bytes) => {
                        self.check_nodes()?;
                        let node = self.graph.old_text_node(bytes.into());
                        self.stack.push(node);
                    }
                }
            }
            op::UNICODE => {
                let text = text::raw_unicode(line);
                match text.ok_or_else(|| self.input.fault("the line is no Unicode text"))? {
                    Cow::Borrowed(_) => self.push_leaf(),
                    Cow::Owned(text) => {
                        self.check_nodes()?;
                        let node = self.graph.text_node(text.into());
                        self.stack.push(node);
                    }
                }
            }
            _ => {
                let number = text::decimal(line).and_then(|number| number.parse().ok());
                let number = number.ok_or_else(|| self.input.fault("the line is no number of a memo entry"))?;
                return if opcode == op::PUT { self.put(number) } else { self.get(number) };
            }
        }
        Ok(())
    }

    fn persistent(&mut self, id: NodeId) -> Result<()> {
        self.check_nodes()?;
        let node = self.graph.persistent_node(id, self.input.place());
        self.stack.push(node);
        Ok(())
    }

    fn signed_len(&mut self) -> Result<usize> {
        let len = i32::from_le_bytes(self.input.array()?);
        usize::try_from(len).map_err(|_| self.input.fault(format_args!("a length of {len}")))
    }

    /// An integer in two's complement, little-endian.
    fn long(&mut self, len: usize) -> Result<()> {
        match text::long(self.input.take(len)?) {
            Some(value) => self.push_int(value),
            None => self.push_leaf(),
        }
        Ok(())
    }
}

/// The longest line that is a float: Python writes up to 24 bytes.
const LONGEST_FLOAT: usize = 64;
