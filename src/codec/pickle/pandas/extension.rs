//! pandas' own arrays as columns: dates in time zones, categories, masked numbers, text, Arrow's.

use arrow_schema::DataType;

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::arrow;
use super::came::Mask;
use super::index;
use super::numbers::Numbers;
use super::object::{attributes, called, elements, entry, needed, state, text};
use super::objects::{Objects, only};
use super::piece::{Nulls, Piece};
use super::zone;
use crate::pickle::{Node, NodeId};

/// The columns of an array, as many as it has rows: one for all but matrices. An error is that of the one column.
pub(super) fn columns(reader: Reader<'_>, id: NodeId) -> Result<Vec<std::result::Result<Piece, String>>> {
    // categories may be categorical
    let reader = reader.inside()?;
    let call = called(reader, id)?;
    match call.listed {
        Listed::Pandas(Pandas::Backed) => backed(reader, call),
        Listed::Pandas(Pandas::Masked) => Ok(vec![masked(reader, call).map_err(|why| why.to_string())]),
        Listed::Pandas(Pandas::ArrowStrings | Pandas::ArrowValues) => Ok(vec![arrow_backed(reader, call)?]),
        _ => of_numpy(reader, id),
    }
}

fn of_numpy(reader: Reader<'_>, id: NodeId) -> Result<Vec<std::result::Result<Piece, String>>> {
    match Objects::read(reader, id)? {
        Some(objects) => objects.pieces(reader),
        None => plain(reader, Numbers::read(reader, id)?, None),
    }
}

/// The one column of an array.
pub(super) fn column(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    only(columns(reader, id)?)
}

fn plain(reader: Reader<'_>, numbers: Numbers, zone: Option<&str>) -> Result<Vec<std::result::Result<Piece, String>>> {
    let numbers = numbers.laid_out()?;
    let piece = |column| {
        reader.tree.spend(super::objects::PIECE)?;
        zone.map(|zone| zone::bounded(reader, zone)).transpose()?;
        Ok(numbers.piece(column, zone).map_err(|why| why.to_string()))
    };
    (0..numbers.columns).map(piece).collect()
}

/// `__pyx_unpickle_NDArrayBacked(class, checksum, None)` with the state `(dtype, array)`, and attributes in pandas 2.
fn backed<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Vec<std::result::Result<Piece, String>>> {
    let [class, _, _] = call.exactly()?;
    let mut parts = elements(reader, call, state(reader, call)?)?;
    let (2 | 3, Some(dtype), Some(array)) = (parts.len(), parts.next(), parts.next()) else { return Err(call.odd()) };
    match reader.tree.listed(class) {
        Some(Listed::Pandas(Pandas::Datetimes)) => {
            let zone = zone_of(reader, dtype)?;
            plain(reader, Numbers::read(reader, array)?, zone.as_deref())
        }
        Some(Listed::Pandas(Pandas::Timedeltas)) => plain(reader, Numbers::read(reader, array)?, None),
        Some(Listed::Pandas(Pandas::Wrapped)) => of_numpy(reader, array),
        Some(Listed::Pandas(Pandas::Categorical)) => Ok(vec![categorical(reader, dtype, array)?]),
        Some(Listed::Pandas(Pandas::Strings)) => {
            let objects = Objects::read(reader, array)?.ok_or_else(|| call.odd())?;
            let name = string_name(reader, dtype)?;
            let named = |piece: std::result::Result<Piece, String>| piece.map(|piece| piece.with_dtype(name));
            Ok(objects.texts(reader)?.into_iter().map(named).collect())
        }
        _ => Err(call.odd()),
    }
}

/// The zone of a `DatetimeTZDtype`; `None` for a dtype of NumPy.
fn zone_of(reader: Reader<'_>, dtype: NodeId) -> Result<Option<String>> {
    let call = called(reader, dtype)?;
    match call.listed {
        Listed::Pandas(Pandas::ZonedDtype) => {
            let zone = needed(reader, call, attributes(reader, call)?, "tz")?;
            zone::name(reader, zone).map(Some)
        }
        Listed::DType => Ok(None),
        _ => Err(call.odd()),
    }
}

/// Codes and a `CategoricalDtype` with the categories, which are an index.
fn categorical(reader: Reader<'_>, dtype: NodeId, codes: NodeId) -> Result<std::result::Result<Piece, String>> {
    let call = called(reader, dtype)?;
    if call.listed != Listed::Pandas(Pandas::CategoricalDtype) {
        return Err(call.odd());
    }
    let entries = attributes(reader, call)?;
    let is_ordered = match reader.tree.node(needed(reader, call, entries, "ordered")?) {
        Node::Bool(is_ordered) => is_ordered,
        Node::None => false,
        _ => return Err(call.odd()),
    };
    let categories = match index::values(reader, needed(reader, call, entries, "categories")?) {
        Ok(categories) => categories,
        Err(why) => return Ok(Err(format!("categories: {why}"))),
    };
    let codes = Numbers::read(reader, codes)?.single()?;
    self::categories(&codes, categories, is_ordered).map(Ok)
}

/// A column of codes, of which -1 is no category.
pub(super) fn categories(codes: &Numbers, categories: Piece, is_ordered: bool) -> Result<Piece> {
    let values = codes.integers(0)?;
    let nulls = Nulls::looked_for(values.map(|code| code == -1), codes.item_len())?;
    let mut piece = codes.piece(0, None)?.with_nulls(nulls);
    piece.data_type = DataType::Dictionary(Box::new(piece.data_type), Box::new(categories.data_type));
    piece.categories = Some((categories.column.len, is_ordered));
    piece.is_in_arrow = categories.is_in_arrow;
    piece.column.dictionary = Some(Box::new(categories.column));
    // of the others pandas makes the same again
    let is_of_its_own = |dtype: &str| {
        let is_masked = dtype.starts_with(['I', 'U', 'F']) || dtype == "boolean";
        is_masked || dtype == "object" || dtype.contains("string") || dtype.ends_with("[pyarrow]")
    };
    if is_of_its_own(&categories.dtype) {
        piece.part.get_or_insert_default().categories_dtype = Some(categories.dtype);
    }
    if let Some(part) = categories.part {
        piece.part.get_or_insert_default().categories = Some(part);
    }
    Ok(piece)
}

/// The state `{"_data": values, "_mask": true where there is none}`.
fn masked<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Piece> {
    reader.tree.spend(super::objects::PIECE)?;
    let entries = attributes(reader, call)?;
    masked_by(reader, needed(reader, call, entries, "_data")?, needed(reader, call, entries, "_mask")?)
}

/// Values and the mask of those that are missing.
pub(super) fn masked_by(reader: Reader<'_>, data: NodeId, mask: NodeId) -> Result<Piece> {
    let data = Numbers::read(reader, data)?.single()?;
    let (mask, came) = Numbers::read(reader, mask)?.mask()?;
    if mask.len() != data.rows {
        return Err(Mismatch::because(format_args!("{} values with a mask of {}", data.rows, mask.len())));
    }
    let nulls = Nulls::looked_for(mask.iter().map(|&byte| byte != 0), 1)?;
    let mut piece = data.piece(0, None)?.with_nulls(nulls);
    if !matches!(came, Mask::Unknown) {
        piece.part.get_or_insert_default().mask = came;
    }
    // Int64, UInt8, Float32
    let name = match piece.dtype.as_str() {
        "bool" => "boolean".to_owned(),
        name => match name.strip_prefix("uint") {
            Some(bits) => format!("UInt{bits}"),
            None => format!("{}{}", name[..1].to_uppercase(), &name[1..]),
        },
    };
    Ok(piece.with_dtype(name))
}

/// The state `{"_pa_array": chunked array or array, "_dtype": dtype}`.
fn arrow_backed<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<std::result::Result<Piece, String>> {
    reader.tree.spend(super::objects::PIECE)?;
    let entries = attributes(reader, call)?;
    let array = match entry(reader, entries, "_pa_array")? {
        Some(array) => array,
        // before pandas 2.1
        None => needed(reader, call, entries, "_data")?,
    };
    let dtype = needed(reader, call, entries, "_dtype")?;
    let mut piece = arrow::values(reader, array)?;
    piece.dtype = match called(reader, dtype)?.listed {
        Listed::Pandas(Pandas::StringDtype) => {
            piece.is_in_arrow = true;
            string_name(reader, dtype)?.to_owned()
        }
        Listed::Pandas(Pandas::ArrowDtype) => return Ok(Ok(by_type(piece))),
        _ => return Err(call.odd()),
    };
    Ok(Ok(piece))
}

/// A piece that pandas has by Arrow's type.
pub(super) fn by_type(mut piece: Piece) -> Piece {
    piece.dtype = format!("{}[pyarrow]", arrow::name(&piece.data_type));
    if arrow::is_text(&piece.data_type) {
        piece.part.get_or_insert_default().is_by_type = true;
    }
    piece
}

/// A `StringDtype` by a name that makes it again: `str`, `string[python]`, `string[pyarrow]`.
///
/// pandas 2 writes it with the state `{"storage": storage}`, pandas 3 as `StringDtype(storage, missing value)`.
fn string_name(reader: Reader<'_>, dtype: NodeId) -> Result<&'static str> {
    let call = called(reader, dtype)?;
    if call.listed != Listed::Pandas(Pandas::StringDtype) {
        return Err(call.odd());
    }
    let (storage, missing) = match call.arguments.len() {
        0 => (needed(reader, call, attributes(reader, call)?, "storage")?, None),
        _ => {
            let [storage, missing] = call.exactly()?;
            (storage, Some(missing))
        }
    };
    let is_nan = matches!(missing.map(|id| reader.tree.node(id)), Some(Node::Float(_)));
    match (text(reader, call, storage)?, is_nan) {
        ("python" | "pyarrow", true) => Ok("str"),
        ("python", false) => Ok("string[python]"),
        ("pyarrow", false) => Ok("string[pyarrow]"),
        ("pyarrow_numpy", false) => Ok("string[pyarrow_numpy]"),
        _ => Err(call.odd()),
    }
}
