//! NumPy's arrays and scalars, in band and out of band.
//!
//! NumPy writes an array as `_frombuffer(buffer, dtype, shape, order)` where it can go out of band (protocol 5, contiguous),
//! else as `_reconstruct(ndarray, (0,), b"b")` with the state `(1, shape, dtype, is_fortran, bytes)`: `array_reduce` and
//! `array_reduce_ex` in `numpy/_core/src/multiarray/methods.c`. What is out of band stays where it is.

use std::borrow::Cow;

use super::dtype;
use super::form::{Call, Form};
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::array::{self, ByteOrder, DType, Kind, Order};
use crate::pickle::{Items, Node, NodeId};

/// An array in parts, as `Array` reads them. Whether they fit each other is for `Array` to say.
pub(super) struct Found<'g> {
    pub(super) dtype: serde_json::Value,
    pub(super) shape: Vec<usize>,
    /// The shape of the data, where elements are repeated.
    pub(super) base: Option<Vec<usize>>,
    /// `C` or `F`.
    pub(super) order: &'static str,
    /// The axes in the order in which they lie, the slowest first, where it is neither.
    pub(super) axes: Option<Vec<usize>>,
    pub(super) data: Data<'g>,
    /// Whether it is in the pickle where its writer had the choice.
    pub(super) is_chosen: bool,
}

/// Where the elements of an array lie.
pub(super) enum Data<'g> {
    Frame(usize),
    InBand(&'g [u8]),
    Made(Vec<u8>),
}

impl Data<'_> {
    /// The data, of which nothing stays.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::InBand(&[]))
    }
}

impl<'g> From<Cow<'g, [u8]>> for Data<'g> {
    fn from(bytes: Cow<'g, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Self::InBand(bytes),
            Cow::Owned(bytes) => Self::Made(bytes),
        }
    }
}

/// The most axes that are read: NumPy's own limit.
pub(super) const MAX_DIMS: usize = 64;

/// `_frombuffer(buffer, dtype, shape, order)`; NumPy 2.3 adds `axis_order` for what is neither C nor Fortran.
pub(super) fn from_buffer<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let [buffer, dtype, shape, order] = call.between(5)?;
    let dtype = dtype::read(reader, dtype)?;
    let shape = axes(reader, call, shape)?;
    let data = elements(reader, buffer)?;
    let order = match (reader.tree.node(order), call.argument(4).map(|id| reader.tree.node(id))) {
        (Node::Str("C"), None | Some(Node::None)) => "C",
        (Node::Str("F"), None | Some(Node::None)) => "F",
        (Node::Str("K"), Some(Node::Tuple(order))) => return permuted(reader, call, &dtype, &shape, order, data),
        _ => return Err(call.odd()),
    };
    form(&dtype, shape, order, data)
}

/// `ndarray(shape, dtype, buffer)`, or with all of `offset, strides, order` after them: what this crate writes. Strides are
/// there where elements are repeated or their axes lie in another order.
pub(super) fn constructed<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let [shape, dtype, buffer] = call.between(6)?;
    let (dtype, shape) = (dtype::read(reader, dtype)?, axes(reader, call, shape)?);
    let data = elements(reader, buffer)?;
    let rest = [3, 4, 5].map(|at| call.argument(at).map(|id| reader.tree.node(id)));
    let (strides, order) = match rest {
        [None, None, None] => return form(&dtype, shape, "C", data),
        [Some(Node::Int(0)), Some(strides), Some(Node::Str(order))] => (strides, order),
        _ => return Err(call.odd()),
    };
    let order = match order {
        "C" => Order::C,
        "F" => Order::F,
        _ => return Err(call.odd()),
    };
    let strides = match strides {
        Node::None => return form(&dtype, shape, name(order), data),
        Node::Tuple(strides) if strides.len() == shape.len() => strides,
        _ => return Err(call.odd()),
    };
    let mut base = shape.clone();
    let mut given = Vec::with_capacity(shape.len());
    for (stride, held) in strides.zip(&mut base) {
        let Node::Int(stride) = reader.tree.node(stride) else { return Err(call.odd()) };
        if stride == 0 {
            *held = 1;
        }
        given.push(stride);
    }
    let item = dtype.item_len();
    let steps: Vec<isize> = given
        .iter()
        .map(|&step| isize::try_from(step))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| call.odd())?;
    let wanted = array::strides(&base, order, item);
    let axes = match steps.iter().zip(&wanted).all(|(&given, &wanted)| given == 0 || given == wanted) {
        true => None,
        false => Some(array::axes_at(&base, &steps, item).ok_or_else(|| call.odd())?),
    };
    let is_broadcast = base != shape;
    let Form::Array(mut found) = form(&dtype, shape, name(order), data)? else { return Err(call.odd()) };
    found.axes = axes;
    found.base = is_broadcast.then_some(base);
    Ok(Form::Array(found))
}

/// The elements of an array, in band or out of band.
fn elements<'g>(reader: Reader<'g>, buffer: NodeId) -> Result<Data<'g>> {
    match reader.tree.shown(buffer) {
        Node::Buffer { index, .. } => Ok(Data::Frame(index)),
        _ => in_band(reader, buffer),
    }
}

/// An array that was written in C order and then had its axes put in another one: it stays where it lies.
fn permuted<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    dtype: &DType,
    written: &[usize],
    order: Items<'g>,
    data: Data<'g>,
) -> Result<Form<'g>> {
    if order.len() != written.len() {
        return Err(call.odd());
    }
    // of each axis that was written, which one it is now
    let mut axes = vec![None; written.len()];
    let mut shape = Vec::new();
    for (now, axis) in order.enumerate() {
        let axis = match reader.tree.node(axis) {
            Node::Int(axis) => usize::try_from(axis).ok().filter(|&axis| axes.get(axis) == Some(&None)),
            _ => None,
        };
        let axis = axis.ok_or_else(|| call.odd())?;
        axes[axis] = Some(now);
        shape.push(written[axis]);
    }
    let Form::Array(mut found) = form(dtype, shape, "C", data)? else { return Err(call.odd()) };
    found.axes = axes.into_iter().collect();
    Ok(Form::Array(found))
}

fn name(order: Order) -> &'static str {
    match order {
        Order::C => "C",
        Order::F => "F",
    }
}

/// `_reconstruct(ndarray, (0,), b"b")` and its state.
pub(super) fn reconstructed<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let [class, _, _] = call.exactly()?;
    let mut states = reader.tree.graph().states_of(call.object);
    let state = match (reader.tree.listed(class), states.next(), states.next()) {
        (Some(Listed::NdArray | Listed::RecArray | Listed::MemMap), Some(state), None) => reader.tree.node(state),
        _ => return Err(call.odd()),
    };
    let Node::Tuple(mut state) = state else { return Err(call.odd()) };
    let (5, Some(version)) = (state.len(), state.next()) else { return Err(call.odd()) };
    let (Node::Int(1), Some(shape), Some(dtype), Some(is_fortran), Some(data)) =
        (reader.tree.node(version), state.next(), state.next(), state.next(), state.next())
    else {
        return Err(call.odd());
    };
    if is_of_texts(reader, dtype)? {
        return texts(reader, call, shape, data).map(Form::Sequence);
    }
    let dtype = dtype::read(reader, dtype)?;
    let order = match reader.tree.node(is_fortran) {
        Node::Bool(true) | Node::Int(1) => "F",
        Node::Bool(false) | Node::Int(0) => "C",
        _ => return Err(call.odd()),
    };
    let Form::Array(mut found) = form(&dtype, axes(reader, call, shape)?, order, in_band(reader, data)?)? else {
        return Err(call.odd());
    };
    // NumPy does so with what is not in one piece, and with points and spans of time
    found.is_chosen = reader.tree.graph().is_of_protocol_5();
    Ok(Form::Array(found))
}

/// Whether a dtype is `StringDType`, as `_convert_to_stringdtype_kwargs(coerce)` or with the object that is for what is missing.
fn is_of_texts<'g>(reader: Reader<'g>, dtype: NodeId) -> Result<bool> {
    match reader.tree.node(dtype) {
        Node::Object(object) if reader.tree.listed(object.callable) == Some(Listed::Texts) => {
            reader.call(object)?.between::<1>(2).map(|_| true)
        }
        _ => Ok(false),
    }
}

/// The texts of an array of `StringDType`, which NumPy writes as a list.
fn texts<'g>(reader: Reader<'g>, call: Call<'g>, shape: NodeId, list: NodeId) -> Result<Items<'g>> {
    let shape = axes(reader, call, shape)?;
    let Node::List(items) = reader.tree.node(list) else { return Err(call.odd()) };
    match shape[..] {
        [len] if len == items.len() => Ok(items),
        [_] => Err(call.odd()),
        _ => Err(Mismatch::because(format_args!(
            "an array of StringDType of {} axes, of which those of one are read: send it with .tolist()",
            shape.len()
        ))),
    }
}

/// A dtype by itself, as NumPy prints it; those of records have fields, and no such text.
pub(super) fn dtype_alone(reader: Reader<'_>) -> Result<String> {
    let dtype = dtype::read(reader, reader.id)?;
    match dtype.kind() {
        Kind::Record(_) => {
            Err(Mismatch::because("a dtype of records by itself, which is no value: send it with an array"))
        }
        _ => Ok(dtype.to_string()),
    }
}

/// `scalar(dtype, bytes)`: a plain value where Rust has one, else an array without axes.
pub(super) fn scalar<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let [dtype, bytes] = call.exactly()?;
    let dtype = dtype::read(reader, dtype)?;
    let bytes = reader.bytes_in(bytes)?;
    reader.tree.spend(bytes.len())?;
    if bytes.len() != dtype.item_len() {
        let (len, needed) = (bytes.len(), dtype.item_len());
        return Err(Mismatch::because(format_args!("a scalar of {needed} bytes that has {len}")));
    }
    let is_big = dtype.byte_order() == Some(ByteOrder::Big);
    Ok(match dtype.kind() {
        Kind::Bool => Form::Bool(bytes[0] != 0),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => Form::Unsigned(u64::from_le_bytes(wide(&bytes, is_big, false))),
        Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => Form::Int(i64::from_le_bytes(wide(&bytes, is_big, true))),
        Kind::F32 => Form::Float(single(&bytes, is_big)),
        Kind::F64 => Form::Float(f64::from_bits(u64::from_le_bytes(wide(&bytes, is_big, false)))),
        Kind::BF16 => Form::Float(single(&[0, 0, bytes[0], bytes[1]], false)),
        Kind::F16 => Form::Float(half(u64::from_le_bytes(wide(&bytes, is_big, false)) as u16)),
        Kind::Complex64 => Form::Complex([single(&bytes[..4], is_big), single(&bytes[4..], is_big)]),
        Kind::Complex128 => Form::Complex(
            [&bytes[..8], &bytes[8..]].map(|part| f64::from_bits(u64::from_le_bytes(wide(part, is_big, false)))),
        ),
        Kind::Bytes(_) => match bytes {
            Cow::Borrowed(bytes) => Form::Bytes(bytes),
            Cow::Owned(bytes) => Form::MadeBytes(bytes),
        },
        Kind::Text(_) => {
            let chars = bytes.chunks_exact(4).map(|unit| u64::from_le_bytes(wide(unit, is_big, false)) as u32);
            let text: Option<String> = chars.map(char::from_u32).collect();
            Form::Made(text.ok_or_else(|| Mismatch::because("a text with what is no character in it"))?)
        }
        _ => return form(&dtype, Vec::new(), "C", bytes.into()),
    })
}

pub(super) fn form<'g>(dtype: &DType, shape: Vec<usize>, order: &'static str, data: Data<'g>) -> Result<Form<'g>> {
    let dtype = serde_json::to_value(dtype).map_err(Mismatch::because)?;
    Ok(Form::Array(Box::new(Found { dtype, shape, base: None, order, axes: None, data, is_chosen: false })))
}

fn in_band<'g>(reader: Reader<'g>, id: NodeId) -> Result<Data<'g>> {
    if let Node::List(_) = reader.tree.shown(id) {
        return Err(Mismatch::because(
            "an array of Python objects, which has no bytes that another process could read",
        ));
    }
    let bytes = reader.bytes_in(id)?;
    reader.tree.spend(bytes.len())?;
    Ok(bytes.into())
}

/// The lengths of axes.
pub(super) fn axes<'g>(reader: Reader<'g>, call: Call<'g>, shape: NodeId) -> Result<Vec<usize>> {
    let axis = |id| match reader.tree.node(id) {
        Node::Int(axis) => usize::try_from(axis).map_err(|_| call.odd()),
        _ => Err(call.odd()),
    };
    match reader.tree.node(shape) {
        Node::Tuple(items) if items.len() <= MAX_DIMS => {
            reader.tree.spend(items.len())?;
            items.map(axis).collect()
        }
        Node::Int(_) => Ok(vec![axis(shape)?]),
        _ => Err(call.odd()),
    }
}

/// A number of up to eight bytes as one of eight, little-endian.
fn wide(bytes: &[u8], is_big: bool, is_signed: bool) -> [u8; 8] {
    let highest = if is_big { bytes.first() } else { bytes.last() };
    let fill = if is_signed && highest.is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut wide = [fill; 8];
    for (at, place) in wide.iter_mut().enumerate().take(bytes.len()) {
        *place = if is_big { bytes[bytes.len() - 1 - at] } else { bytes[at] };
    }
    wide
}

fn single(bytes: &[u8], is_big: bool) -> f64 {
    f32::from_bits(u64::from_le_bytes(wide(bytes, is_big, false)) as u32).into()
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::{half, wide};

    #[test]
    fn halves_are_floats() {
        for (bits, expected) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65_504.0), (1, 2_f64.powi(-24)), (0x3555, 0.333_251_953_125)]
        {
            assert_eq!(half(bits), expected);
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
    }

    #[test]
    fn numbers_are_widened_from_either_order() {
        assert_eq!(i64::from_le_bytes(wide(&[0xfe, 0xff], false, true)), -2);
        assert_eq!(i64::from_le_bytes(wide(&[0xff, 0xfe], true, true)), -2);
        assert_eq!(u64::from_le_bytes(wide(&[0xff, 0xfe], true, false)), 0xfffe);
    }
}
