//! Frames of which nothing is made. pandas writes the index of a series once more than it reads it, and in which places of a frame the
//! columns of a block are: in an array where these are not evenly apart.

use std::collections::{BTreeSet, HashSet};

use super::super::array::Data;
use super::super::mismatch::Result;
use super::super::read::Reader;
use super::object::buffer;
use crate::buffer::Buffer;
use crate::pickle::{Node, NodeId};

/// What looking at a node costs, and more bytes than are looked at: there is no frame in text.
const NODE: usize = 16;
/// A list of more is one of Python objects: an index has fewer levels, and an array fewer buffers.
const MOST: usize = 1024;

/// The frames that what is within these nodes names, in their order; not what is within those of which something is made.
pub(super) fn frames(
    reader: Reader<'_>,
    mut open: Vec<NodeId>,
    made: impl IntoIterator<Item = NodeId>,
) -> Result<Vec<Buffer>> {
    let (mut found, mut seen): (_, HashSet<_>) = (BTreeSet::new(), made.into_iter().collect());
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        reader.tree.spend(NODE)?;
        let Some(node) = reader.tree.graph().short(id, NODE) else { continue };
        match node {
            Node::Buffer { index, .. } => {
                found.insert(index);
            }
            Node::Tuple(items) | Node::List(items) | Node::Dict(items) if items.len() <= MOST => {
                reader.tree.spend(items.len())?;
                open.extend(items);
            }
            Node::Object(object) => {
                let states = reader.tree.graph().states_of(object);
                reader.tree.spend(states.len())?;
                open.extend([object.args].into_iter().chain(object.keywords).chain(states));
            }
            _ => {}
        }
    }
    found.into_iter().map(|index| buffer(reader, Data::Frame(index))).collect()
}
