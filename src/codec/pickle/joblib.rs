//! Arrays as `joblib.dump` writes them: their elements lie between the opcodes.
//!
//! joblib pickles a `NumpyArrayWrapper` where the array is, with shape, order and dtype as its state, and writes the elements into the
//! file right after that: `joblib/numpy_pickle.py`. Since 1.2 a byte before them says how many bytes of padding follow it.
//! For an array of Python objects, which has no such bytes, it is a pickle of its own.

use super::array::{self, Data};
use super::dtype;
use super::form::{Call, Form};
use super::list::Listed;
use super::mismatch::Result;
use super::read::Reader;
use crate::pickle::{Graph, Inset, Insets, Items, Node, NodeId, Object};

/// What there may be between the opcodes of a pickle.
pub(super) static INSETS: Insets = Insets { class: CLASS, after };

const CLASS: (&str, &str) = ("joblib.numpy_pickle", "NumpyArrayWrapper");

/// The most attributes of a wrapper: joblib writes five or six.
const MAX_ATTRIBUTES: usize = 16;

/// The longest name, number or code of a dtype that is looked at, which is more than the longest of them has.
const LONGEST: usize = 64;

/// The bit in the flags of a dtype that says that elements are or hold Python objects: `NPY_ITEM_REFCOUNT`.
const HOLDS_OBJECTS: i64 = 1;

/// What follows an object with this state.
fn after(graph: &Graph<'_>, object: &Object, state: NodeId) -> std::result::Result<Option<Inset>, String> {
    // a state that is none of joblib's says of nothing that it follows
    let Some(wrapper) = Some(state).filter(|_| is_wrapper(graph, object)).and_then(|state| Wrapper::of(graph, state))
    else {
        return Ok(None);
    };
    let (module, name) = CLASS;
    let element =
        element(graph, wrapper.dtype).ok_or_else(|| format!("{name} of {module} with a dtype that has no length"))?;
    let Element::Bytes(item) = element else { return Ok(Some(Inset::Pickle)) };
    let len = wrapper.count(graph).and_then(|count| count.checked_mul(item));
    let len = len.ok_or_else(|| format!("{name} of {module} with a shape that no memory holds"))?;
    Ok(Some(if wrapper.is_padded { Inset::Padded(len) } else { Inset::Bytes(len) }))
}

/// Whether an object is a wrapper: made by its class, or in protocols 0 and 1 by `copyreg._reconstructor(class, object, None)`.
fn is_wrapper(graph: &Graph<'_>, object: &Object) -> bool {
    let is_class =
        |id| matches!(graph.short(id, LONGEST), Some(Node::Global { module, name }) if (module, name) == CLASS);
    match (graph.short(object.callable, LONGEST), graph.node(object.args)) {
        (Some(Node::Global { module: "copyreg" | "copy_reg", name: "_reconstructor" }), Node::Tuple(mut arguments)) => {
            arguments.next().is_some_and(is_class)
        }
        _ => is_class(object.callable),
    }
}

/// What a wrapper says of its array.
struct Wrapper {
    subclass: NodeId,
    shape: NodeId,
    order: NodeId,
    dtype: NodeId,
    is_padded: bool,
}

impl Wrapper {
    fn of(graph: &Graph<'_>, state: NodeId) -> Option<Self> {
        let Some(Node::Dict(mut entries)) = graph.short(state, LONGEST) else { return None };
        if entries.len() > 2 * MAX_ATTRIBUTES {
            return None;
        }
        let (mut parts, mut is_padded) = ([None; 4], false);
        while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
            match graph.short(name, LONGEST) {
                Some(Node::Str("subclass")) => parts[0] = Some(value),
                Some(Node::Str("shape")) => parts[1] = Some(value),
                Some(Node::Str("order")) => parts[2] = Some(value),
                Some(Node::Str("dtype")) => parts[3] = Some(value),
                // `None` where the file could not tell its position
                Some(Node::Str("numpy_array_alignment_bytes")) => is_padded = !value.is_none(),
                _ => {}
            }
        }
        let [subclass, shape, order, dtype] = parts;
        Some(Self { subclass: subclass?, shape: shape?, order: order?, dtype: dtype?, is_padded })
    }

    /// How many elements there are.
    fn count(&self, graph: &Graph<'_>) -> Option<usize> {
        let Some(Node::Tuple(mut axes)) = graph.short(self.shape, LONGEST) else { return None };
        if axes.len() > array::MAX_DIMS {
            return None;
        }
        axes.try_fold(1_usize, |count, axis| match graph.short(axis, LONGEST) {
            Some(Node::Int(axis)) => count.checked_mul(usize::try_from(axis).ok()?),
            _ => None,
        })
    }
}

/// What an element is to who has to find the end of them.
enum Element {
    Bytes(usize),
    Objects,
}

/// An element of a dtype `dtype("f8", False, True)` with its state. Whether all of that fits together is for [`dtype`] to say.
fn element(graph: &Graph<'_>, id: NodeId) -> Option<Element> {
    let Some(Node::Object(object)) = graph.short(id, LONGEST) else { return None };
    // what makes a `StringDType`
    if let Some(Node::Global { module: "numpy._core._internal", .. }) = graph.short(object.callable, LONGEST) {
        return Some(Element::Objects);
    }
    let mut states = graph.states_of(object);
    let (Node::Tuple(mut arguments), Node::Tuple(mut state)) =
        (graph.node(object.args), graph.short(states.next()?, LONGEST)?)
    else {
        return None;
    };
    let code = match graph.short(arguments.next()?, LONGEST)? {
        Node::Str(code) => code,
        Node::OldStr(code) => std::str::from_utf8(code).ok()?,
        // the type of a record
        Node::Global { .. } => "",
        _ => return None,
    };
    let (len, flags) = (graph.short(state.nth(5)?, LONGEST)?, graph.short(state.nth(1)?, LONGEST)?);
    match (len, flags) {
        (_, Node::Int(flags)) if flags & HOLDS_OBJECTS != 0 => Some(Element::Objects),
        // it follows from the kind: `f8`
        (Node::Int(-1), Node::Int(_)) => code.get(1..)?.parse().ok().map(Element::Bytes),
        (Node::Int(len), Node::Int(_)) => usize::try_from(len).ok().map(Element::Bytes),
        _ => None,
    }
}

/// What serde is shown of an array that joblib wrote.
pub(super) fn form<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let graph = reader.tree.graph();
    let mut states = graph.states_of(call.object);
    let (Some(state), Some(bytes), None) = (states.next(), states.next(), states.next()) else {
        return Err(call.odd());
    };
    let grown: [Items<'g>; 2] = [graph.items_of(call.object), graph.entries_of(call.object)];
    if grown.iter().any(|items| items.len() > 0) {
        return Err(call.odd());
    }
    let wrapper = Wrapper::of(graph, state).ok_or_else(|| call.odd())?;
    let (order, bytes) = match (graph.short(wrapper.order, LONGEST), graph.node(bytes)) {
        (Some(Node::Str("C")), Node::Bytes(bytes)) => ("C", bytes),
        (Some(Node::Str("F")), Node::Bytes(bytes)) => ("F", bytes),
        _ => return Err(call.odd()),
    };
    if !matches!(reader.tree.listed(wrapper.subclass), Some(Listed::NdArray | Listed::MemMap)) {
        return Err(call.odd());
    }
    reader.tree.spend(bytes.len())?;
    let dtype = dtype::read(reader, wrapper.dtype)?;
    array::form(&dtype, array::axes(reader, call, wrapper.shape)?, order, Data::InBand(bytes))
}

/// The array of Python objects that a wrapper stands for, if it is one.
pub(super) fn of_objects<'g>(reader: Reader<'g>, object: &'g Object) -> Option<&'g Object> {
    let graph = reader.tree.graph();
    match graph.node(graph.states_of(object).nth(1)?) {
        Node::Object(array) if !is_wrapper(graph, array) => Some(array),
        _ => None,
    }
}
