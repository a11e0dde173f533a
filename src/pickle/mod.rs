//! The pickle machine: bytes of CPython's pickle format to a graph of nodes, and nothing is run.
//!
//! It knows the opcodes of protocols 0 to 5 (CPython's `Lib/pickletools.py` and PEP 574 describe them) and refuses to know
//! what a global means: `os.system` with its arguments is a node like any other, for whoever reads the graph to refuse.
//!
//! **Hostile input.** Nothing recurses. Memory is bounded by about 50 times the pickle's length, and by [`Bounds`]: a
//! length is compared with what is left before anything is set aside, the memo has no holes that cost, and what is shared is
//! not expanded: a node is named by any number of others, or by itself. [`Graph::height`] tells whether expanding would end.
//!
//! ```text
//!   pickle ── input ──> opcodes ── machine ──> stack, memo ──> graph: nodes, items, objects
//! ```
//!
//! The other way, [`Output`] writes opcodes with their arguments; what they are to build is again for others to know.

mod graph;
mod input;
mod machine;
mod memo;
pub(crate) mod opcode;
mod outline;
mod output;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use graph::{Construction, Graph, Items, NamedAgain, Node, NodeId, Object};
pub(crate) use machine::{Bounds, Inset, Insets, read};
pub(crate) use outline::{Container, Outline, Start, between};
pub(crate) use output::{Memoized, Output};
pub(crate) use text::long;
