//! How high a graph would be as a tree, or that it would be endless.

use super::{Graph, Node, NodeId};

/// Not looked at yet.
const NEW: u8 = 0;
/// On the way from the root to here.
const OPEN: u8 = u8::MAX;
/// The greatest height that is told from others. In a byte for each node: whoever asks has refused the graph, which may have millions.
const HIGHEST: u8 = OPEN - 1;

impl Graph<'_> {
    /// The most nodes in each other, or [`HIGHEST`] where they are more; `None` where a node contains itself.
    pub(crate) fn height(&self) -> Option<u8> {
        enum Step {
            Enter(NodeId),
            Leave(NodeId),
        }
        let mut heights = vec![NEW; self.len()];
        let mut steps = vec![Step::Enter(self.root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(id) => {
                    let Some(index) = id.index() else { continue };
                    match heights[index] {
                        NEW => {
                            heights[index] = OPEN;
                            steps.push(Step::Leave(id));
                            self.each_child(id, |child| steps.push(Step::Enter(child)));
                        }
                        OPEN => return None,
                        _ => {}
                    }
                }
                Step::Leave(id) => {
                    let Some(index) = id.index() else { continue };
                    let mut height = 1;
                    self.each_child(id, |child| {
                        let child = child.index().map_or(1, |index| heights[index]);
                        height = height.max(HIGHEST.min(child.saturating_add(1)));
                    });
                    heights[index] = height;
                }
            }
        }
        Some(self.root.index().map_or(1, |index| heights[index]))
    }

    fn each_child(&self, id: NodeId, mut each: impl FnMut(NodeId)) {
        match self.node(id) {
            Node::Tuple(items) | Node::List(items) | Node::Set(items) | Node::FrozenSet(items) | Node::Dict(items) => {
                items.for_each(each);
            }
            Node::Object(object) => {
                [object.callable, object.args].into_iter().chain(object.keywords).for_each(&mut each);
                for chain in [object.items, object.entries, object.states] {
                    self.of_chain(chain).for_each(&mut each);
                }
            }
            Node::Persistent(id) => each(id),
            _ => {}
        }
    }
}
