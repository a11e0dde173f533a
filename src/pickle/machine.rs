//! The machine: opcode after opcode, a stack, marks in it, and the memo.

mod construct;
mod grow;
mod inset;
mod rare;

use super::graph::{Chain, Graph, NodeId, Slot, Tools};
use super::input::Input;
use super::memo::Memo;
use super::opcode as op;
use crate::error::{Detail, Error, Result};
use inset::Around;
pub(crate) use inset::{Inset, Insets};

/// What a pickle may cost besides its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most nodes of 12 bytes each: containers and objects. Numbers, text, bytes and `None` take none.
    pub(crate) nodes: usize,
    /// The most entries of the memo.
    pub(crate) memo: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { nodes: 1 << 24, memo: 1 << 24 }
    }
}

/// Reads a pickle of protocol 0 to 5 and runs nothing of it.
///
/// `buffers` is the number of buffers that came beside it. Each is named exactly once, in order. `insets` says what there may be between
/// the opcodes.
///
/// # Errors
///
/// Kind `Peer` with the byte and the opcode where the pickle is not well-formed, or where it names more or fewer buffers than
/// came; kind `Limits`.
pub(crate) fn read<'p>(
    pickle: &'p [u8],
    buffers: usize,
    bounds: &Bounds,
    insets: &'static Insets,
) -> Result<Graph<'p>> {
    if pickle.len() > NodeId::MAX_PICKLE {
        // every element takes a byte at least, so no number overflows
        return Err(Detail::MetadataTooLong { len: pickle.len() as u64, limit: NodeId::MAX_PICKLE }.into());
    }
    let mut graph = Graph::new(pickle);
    let Tools { stack, marks, memo } = graph.tools();
    let machine = Machine {
        input: Input::new(pickle),
        graph,
        stack,
        marks,
        floor: 0,
        memo,
        bounds: Bounds { nodes: bounds.nodes.min(NodeId::MAX_SLOTS), memo: bounds.memo },
        buffers,
        next_buffer: 0,
        insets,
        has_insets: false,
        around: None,
    };
    machine.run()
}

struct Machine<'p> {
    input: Input<'p>,
    graph: Graph<'p>,
    stack: Vec<NodeId>,
    /// The height of the stack at each mark: nothing below the last one is taken.
    marks: Vec<usize>,
    /// The last mark, or 0.
    floor: usize,
    memo: Memo,
    bounds: Bounds,
    buffers: usize,
    next_buffer: usize,
    insets: &'static Insets,
    /// Whether their class was named.
    has_insets: bool,
    /// What is around the pickle at work.
    around: Option<Box<Around>>,
}

impl<'p> Machine<'p> {
    fn run(mut self) -> Result<Graph<'p>> {
        loop {
            let opcode = self.input.opcode()?;
            match opcode {
                op::STOP => match self.around.take() {
                    None => return self.stop(),
                    Some(around) => self.go_on(*around)?,
                },
                op::MARK => {
                    self.floor = self.stack.len();
                    self.marks.push(self.floor);
                }
                op::NONE => self.stack.push(NodeId::NONE),
                op::NEWTRUE => self.stack.push(NodeId::TRUE),
                op::NEWFALSE => self.stack.push(NodeId::FALSE),
                op::EMPTY_TUPLE => self.stack.push(NodeId::EMPTY_TUPLE),
                op::BININT1 => {
                    let [value] = self.input.array()?;
                    self.push_int(value.into());
                }
                op::BININT2 => {
                    let value = u16::from_le_bytes(self.input.array()?);
                    self.push_int(value.into());
                }
                op::BININT => {
                    let value = i32::from_le_bytes(self.input.array()?);
                    self.push_int(value.into());
                }
                op::BINFLOAT => {
                    self.input.array::<8>()?;
                    self.push_leaf();
                }
                op::SHORT_BINUNICODE => {
                    let [len] = self.input.array()?;
                    self.unicode(len.into())?;
                }
                op::BINUNICODE => {
                    let len = u32::from_le_bytes(self.input.array()?);
                    self.unicode(len.into())?;
                }
                op::BINUNICODE8 => {
                    let len = u64::from_le_bytes(self.input.array()?);
                    self.unicode(len)?;
                }
                op::MEMOIZE => {
                    let top = self.top()?;
                    self.check_memo()?;
                    self.memo.push(top);
                }
                op::BINPUT => {
                    let [number] = self.input.array()?;
                    self.put(number.into())?;
                }
                op::LONG_BINPUT => {
                    let number = u32::from_le_bytes(self.input.array()?);
                    self.put(number.into())?;
                }
                op::BINGET => {
                    let [number] = self.input.array()?;
                    self.get(number.into())?;
                }
                op::LONG_BINGET => {
                    let number = u32::from_le_bytes(self.input.array()?);
                    self.get(number.into())?;
                }
                op::TUPLE1 => self.short_tuple(1)?,
                op::TUPLE2 => self.short_tuple(2)?,
                op::TUPLE3 => self.short_tuple(3)?,
                op::TUPLE => {
                    let tuple = self.marked_tuple()?;
                    self.stack.push(tuple);
                }
                op::EMPTY_LIST => self.push(Slot::List(Chain::EMPTY))?,
                op::EMPTY_DICT => self.push(Slot::Dict(Chain::EMPTY))?,
                op::EMPTY_SET => self.push(Slot::Set(Chain::EMPTY))?,
                op::SETITEM => {
                    let start = self.above(2)?;
                    self.set_items(start)?;
                }
                op::SETITEMS => {
                    let start = self.pop_mark()?;
                    self.set_items(start)?;
                }
                op::APPEND => {
                    let start = self.above(1)?;
                    self.append(start)?;
                }
                op::APPENDS => {
                    let start = self.pop_mark()?;
                    self.append(start)?;
                }
                op::ADDITEMS => {
                    let start = self.pop_mark()?;
                    self.add(start)?;
                }
                op::FRAME => {
                    let len = u64::from_le_bytes(self.input.array()?);
                    self.input.frame(len)?;
                }
                op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX | op::INST | op::OBJ | op::BUILD => self.construct(opcode)?,
                op::GLOBAL | op::STACK_GLOBAL => self.global(opcode)?,
                _ => self.rare(opcode)?,
            }
        }
    }

    fn stop(mut self) -> Result<Graph<'p>> {
        let root = self.pop()?;
        self.check_end()?;
        match self.input.left() {
            0 => {}
            left => return Err(self.input.fault(format_args!("{left} bytes follow"))),
        }
        if self.next_buffer < self.buffers {
            return Err(Detail::FrameUnused { frame: self.next_buffer, frames: self.buffers }.into());
        }
        let tools = Tools { stack: self.stack, marks: self.marks, memo: self.memo };
        Ok(self.graph.finish(root, tools))
    }

    fn check_end(&self) -> Result<()> {
        let (values, marks) = (self.stack.len(), self.marks.len());
        match values + marks {
            0 => Ok(()),
            _ => Err(self.input.fault(format_args!("{values} values and {marks} marks are left on the stack"))),
        }
    }
}

/// The stack, the memo and what they are checked for.
impl<'p> Machine<'p> {
    #[inline]
    fn check_nodes(&self) -> Result<()> {
        // an opcode makes three at most
        if self.graph.len() + 3 > self.bounds.nodes {
            return Err(Detail::PickleTooLarge { what: "objects", limit: self.bounds.nodes }.into());
        }
        Ok(())
    }

    #[inline]
    fn check_memo(&self) -> Result<()> {
        if self.memo.len() >= self.bounds.memo {
            return Err(
                Detail::PickleTooLarge { what: "objects kept to be named again", limit: self.bounds.memo }.into()
            );
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, slot: Slot) -> Result<()> {
        self.check_nodes()?;
        let node = self.graph.push(slot);
        self.stack.push(node);
        Ok(())
    }

    /// What the opcode at work says by itself, which was read to its end.
    #[inline]
    fn push_leaf(&mut self) {
        self.stack.push(NodeId::leaf(self.input.start()));
    }

    /// An integer that the opcode at work says.
    #[inline]
    fn push_int(&mut self, value: i64) {
        self.stack.push(NodeId::small(value).unwrap_or_else(|| NodeId::leaf(self.input.start())));
    }

    /// Where the last `count` values begin, with another below them and all above the last mark.
    #[inline]
    fn above(&self, count: usize) -> Result<usize> {
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= self.floor => Ok(start),
            _ => Err(self.underflow()),
        }
    }

    #[cold]
    fn underflow(&self) -> Error {
        let left = self.stack.len() - self.floor.min(self.stack.len());
        match self.marks.len() {
            0 => self.input.fault(format_args!("it takes more values than the {left} on the stack")),
            _ => self.input.fault(format_args!("it takes more values than the {left} above the last mark")),
        }
    }

    #[inline]
    fn top(&self) -> Result<NodeId> {
        let start = self.above(1)?;
        Ok(self.stack[start])
    }

    #[inline]
    fn pop(&mut self) -> Result<NodeId> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the last mark away; returns where the values above it begin.
    #[inline]
    fn pop_mark(&mut self) -> Result<usize> {
        let start = self.marks.pop().ok_or_else(|| self.input.fault("there is no mark"))?;
        self.floor = self.marks.last().copied().unwrap_or(0);
        Ok(start)
    }

    fn put(&mut self, number: u64) -> Result<()> {
        let top = self.top()?;
        self.check_memo()?;
        self.memo.put(number, top);
        Ok(())
    }

    #[inline]
    fn get(&mut self, number: u64) -> Result<()> {
        match self.memo.get(number) {
            Some(node) => {
                self.stack.push(node);
                Ok(())
            }
            None => Err(self.input.fault(format_args!("there is no memo entry {number}"))),
        }
    }

    #[inline]
    fn short_tuple(&mut self, len: usize) -> Result<()> {
        let start = self.above(len)?;
        let span = self.graph.span(&self.stack[start..]);
        self.stack.truncate(start);
        self.push(Slot::Tuple(span))
    }

    /// Everything above the last mark as a tuple, which is not put on the stack.
    fn marked_tuple(&mut self) -> Result<NodeId> {
        let start = self.pop_mark()?;
        self.check_nodes()?;
        let span = self.graph.span(&self.stack[start..]);
        self.stack.truncate(start);
        Ok(self.graph.push(Slot::Tuple(span)))
    }

    #[inline]
    fn unicode(&mut self, len: u64) -> Result<()> {
        let bytes = self.input.take_long(len)?;
        // most text is, and it is quicker to tell
        if !bytes.is_ascii() {
            self.utf8(bytes)?;
        }
        self.push_leaf();
        Ok(())
    }

    /// Python's text may have halves of surrogate pairs in it, and ours may not.
    fn utf8(&self, bytes: &'p [u8]) -> Result<&'p str> {
        std::str::from_utf8(bytes).map_err(|_| self.input.fault("the text is not UTF-8"))
    }
}
