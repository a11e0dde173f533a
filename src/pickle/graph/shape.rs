//! What a graph would be as a tree: how deep, how large, or endless.

use super::{Graph, Node, NodeId};

/// What expanding a graph to a tree would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The most nodes in each other.
    pub(crate) depth: usize,
    /// The nodes of the tree, each counted as often as it is named; saturating.
    pub(crate) expanded: u64,
}

impl Graph<'_> {
    /// What expanding the graph to a tree would cost; `None` where a node contains itself.
    pub(crate) fn shape(&self) -> Option<Shape> {
        #[derive(Clone, Copy)]
        enum Visit {
            New,
            Open,
            Done(Shape),
        }
        enum Step {
            Enter(NodeId),
            Leave(NodeId),
        }
        const LEAF: Shape = Shape { depth: 1, expanded: 1 };
        let mut visits = vec![Visit::New; self.len()];
        let mut steps = vec![Step::Enter(self.root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(id) => {
                    let Some(index) = id.index() else { continue };
                    match visits[index] {
                        Visit::Done(_) => {}
                        // open nodes are those on the way from the root to here
                        Visit::Open => return None,
                        Visit::New => {
                            visits[index] = Visit::Open;
                            steps.push(Step::Leave(id));
                            self.each_child(id, |child| steps.push(Step::Enter(child)));
                        }
                    }
                }
                Step::Leave(id) => {
                    let Some(index) = id.index() else { continue };
                    let mut shape = LEAF;
                    self.each_child(id, |child| {
                        let child = match child.index().map(|index| visits[index]) {
                            Some(Visit::Done(child)) => child,
                            _ => LEAF,
                        };
                        shape.depth = shape.depth.max(1 + child.depth);
                        shape.expanded = shape.expanded.saturating_add(child.expanded);
                    });
                    visits[index] = Visit::Done(shape);
                }
            }
        }
        match self.root.index().map(|index| visits[index]) {
            Some(Visit::Done(shape)) => Some(shape),
            _ => Some(LEAF),
        }
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
