//! Columns as this crate writes them, in the frames of `written`.

use super::super::form::Call;
use super::super::list::{Listed, Pandas, PyArrow};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::numbers::Numbers;
use super::object::{called, text};
use super::objects::Objects;
use super::piece::Piece;
use super::written::{bare, plain_index};
use super::{arrow, extension, kind};
use crate::array::Kind;
use crate::pickle::{Node, NodeId};

/// A column, or the values of an index.
pub(super) fn column(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    let Node::Object(object) = reader.tree.node(id) else { return plain(reader, id) };
    let call = reader.call(object)?;
    match call.listed {
        Listed::Pandas(Pandas::MadeArray) if call.arguments.len() == 3 => in_arrow(reader, call),
        Listed::Pandas(Pandas::FromCodes) => {
            let [codes, categories, is_ordered] = bare(reader, call)?;
            let Node::Bool(is_ordered) = reader.tree.node(is_ordered) else { return Err(call.odd()) };
            let index = called(reader, categories)?;
            let categories = match index.arguments.len() {
                3 => in_arrow(reader, index),
                _ => values(reader, plain_index::<1>(reader, index)?[0]),
            };
            let categories = categories.map_err(|why| Mismatch::because(format_args!("categories: {why}")))?;
            extension::categories(&numbers(reader, codes)?, categories, is_ordered)
        }
        _ => values(reader, id),
    }
}

/// A column that is not in Arrow, or the categories of one: `array([text, ...], dtype)` or what is made of no other.
fn values(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    let Node::Object(object) = reader.tree.node(id) else { return plain(reader, id) };
    let call = reader.call(object)?;
    if call.listed != Listed::Pandas(Pandas::MadeArray) {
        return plain(reader, id);
    }
    let [texts, dtype] = bare(reader, call)?;
    let dtype = text(reader, call, dtype)?;
    reader.tree.spend(dtype.len())?;
    match matches!(reader.tree.node(texts), Node::List(_)) && dtype.contains("string") {
        true => Ok(plain(reader, texts)?.with_dtype(dtype)),
        false => Err(call.odd()),
    }
}

/// A column that is made of no other one.
fn plain(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    reader.tree.spend(super::objects::PIECE)?;
    if let Node::List(items) = reader.tree.node(id) {
        // what this pandas takes text for
        return Ok(Objects::of(items).text(reader)?.with_dtype("str"));
    }
    let call = called(reader, id)?;
    match call.listed {
        Listed::NdArray => numbers(reader, id)?.piece(0, None),
        Listed::Pandas(Pandas::Masked) => {
            let [data, mask] = bare(reader, call)?;
            extension::masked_by(reader, data, mask)
        }
        Listed::Pandas(Pandas::Index) if call.arguments.len() == 3 => in_arrow(reader, call),
        Listed::Pandas(Pandas::Index) => {
            let [list, dtype] = plain_index(reader, call)?;
            let Node::List(items) = reader.tree.node(list) else { return Err(call.odd()) };
            match text(reader, call, dtype)? {
                "object" => Objects::of(items).piece(reader),
                "str" => Ok(Objects::of(items).text(reader)?.with_dtype("str")),
                _ => Err(call.odd()),
            }
        }
        Listed::Pandas(Pandas::ToZone) => {
            let [instants, zone] = bare(reader, call)?;
            let zone = text(reader, call, zone)?;
            reader.tree.spend(zone.len())?;
            let instants = called(reader, instants)?;
            let (Listed::Pandas(Pandas::InZone), [naive, utc]) = (instants.listed, bare(reader, instants)?) else {
                return Err(instants.odd());
            };
            let naive = called(reader, naive)?;
            let (Listed::Pandas(Pandas::Index), "DatetimeIndex", "UTC", [values]) =
                (naive.listed, naive.name, text(reader, instants, utc)?, bare(reader, naive)?)
            else {
                return Err(naive.odd());
            };
            let numbers = numbers(reader, values)?;
            match numbers.kind() {
                Kind::DateTime(_) => numbers.piece(0, Some(zone)),
                _ => Err(naive.odd()),
            }
        }
        _ => Err(call.odd()),
    }
}

/// `array(pyarrow array, dtype, False)`, `array(pyarrow array, ArrowDtype(type), False)`, `Index(pyarrow array, "str", False)`.
fn in_arrow<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Piece> {
    let [values, dtype, copy] = match call.listed {
        Listed::Pandas(Pandas::MadeArray) => bare(reader, call)?,
        _ => plain_index(reader, call)?,
    };
    let (is_array, is_index) = (call.listed == Listed::Pandas(Pandas::MadeArray), call.name == "Index");
    let copies = !matches!(reader.tree.node(copy), Node::Bool(false));
    if let (true, false, Node::Object(_)) = (is_array, copies, reader.tree.node(dtype)) {
        let dtype = called(reader, dtype)?;
        let (Listed::Pandas(Pandas::ArrowDtype), [kind]) = (dtype.listed, bare(reader, dtype)?) else {
            return Err(dtype.odd());
        };
        let piece = arrow::values(reader, values)?;
        return match kind::read(reader, kind)?.data_type == piece.data_type {
            true => Ok(extension::by_type(piece)),
            false => Err(dtype.odd()),
        };
    }
    let dtype = text(reader, call, dtype)?;
    reader.tree.spend(dtype.len())?;
    let is_written =
        is_array && (dtype.contains("string") || dtype.ends_with("[pyarrow]")) || is_index && dtype == "str";
    let is_arrow = called(reader, values)?.listed == Listed::PyArrow(PyArrow::Array);
    if !is_written || !is_arrow || copies {
        return Err(call.odd());
    }
    let mut piece = arrow::values(reader, values)?.with_dtype(dtype);
    piece.is_in_arrow = arrow::is_text(&piece.data_type) && !dtype.ends_with("[pyarrow]") || dtype == "string[pyarrow]";
    Ok(piece)
}

/// `ndarray(rows, dtype, buffer)`, `ndarray(rows, dtype, block, offset)`.
fn numbers(reader: Reader<'_>, id: NodeId) -> Result<Numbers> {
    match called(reader, id)? {
        call if call.listed == Listed::NdArray && call.arguments.len() == 4 => {
            Numbers::of_part(reader, call, bare(reader, call)?)
        }
        call if call.listed == Listed::NdArray => Numbers::read(reader, id)?.single(),
        call => Err(call.odd()),
    }
}
