//! Records as NumPy describes them: `dtype.descr`, a list of `(name, dtype)` or `(name, dtype, shape)`, and the dictionary
//! that NumPy prints where there are gaps.

use super::dtype::{DType, Kind, misfit};
use super::literal::Literal;
use super::record::Field;
use super::text::{self, Dialect};
use crate::error::{Error, Result, excerpt};

/// The dtype that a literal describes.
pub(super) fn read(literal: &Literal, dialect: Dialect) -> Result<DType> {
    match literal {
        Literal::Text(text) => text::parse(text, dialect),
        Literal::List(entries) => {
            let fields = entries.iter().map(|entry| field(entry, dialect)).collect::<Result<Vec<_>>>()?;
            DType::record(fields)
        }
        Literal::Dictionary(items) if dialect == Dialect::NumPy => dictionary(items),
        _ => Err(misfit("a dtype is neither a text nor a list of fields".to_owned())),
    }
}

fn field(entry: &Literal, dialect: Dialect) -> Result<Field> {
    let Literal::List(parts) = entry else {
        return Err(misfit("a field is not a list of name and dtype".to_owned()));
    };
    let (name, dtype, shape) = match &parts[..] {
        [name, dtype] => (name, dtype, None),
        [name, dtype, shape] => (name, dtype, Some(shape)),
        _ => return Err(misfit(format!("a field has {} parts, not 2 or 3", parts.len()))),
    };
    let (title, name) = match name {
        Literal::Text(name) => (None, name),
        Literal::List(both) => match &both[..] {
            [Literal::Text(title), Literal::Text(name)] => (Some(title), name),
            _ => return Err(misfit("a field's name is not a title and a name".to_owned())),
        },
        _ => return Err(misfit("a field's name is not a text".to_owned())),
    };
    let outer = shape.map_or(Ok(Vec::new()), axes)?;
    let (dtype, inner) = subarray(dtype)?;
    let dtype = read(dtype, dialect)?;
    if name.is_empty() && !matches!(dtype.kind(), Kind::Opaque(_)) {
        return Err(misfit(format!("a field of dtype {} has no name", excerpt(&dtype))));
    }
    let mut field = Field::new(name, dtype).with_shape([outer, inner].concat());
    if let Some(title) = title {
        field = field.with_title(title);
    }
    if field.is_padding() { Ok(Field::padding(field.len()?)) } else { Ok(field) }
}

/// What the elements of a field are, and the shape that stands with them: `('<f8', (2, 3))`, NumPy's subarray. Those of subarrays are
/// again elements, whose shape comes behind.
fn subarray(mut dtype: &Literal) -> Result<(&Literal, Vec<usize>)> {
    let is_number = |axis: &Literal| matches!(axis, Literal::Number(_));
    let mut shape = Vec::new();
    while let Literal::List(parts) = dtype
        && let [inner, around] = &parts[..]
    {
        // the second of two fields has a name
        let is_shape = match around {
            Literal::List(axes) => !axes.is_empty() && axes.iter().all(is_number),
            axis => is_number(axis),
        };
        if !is_shape {
            break;
        }
        shape.extend(axes(around)?);
        dtype = inner;
    }
    Ok((dtype, shape))
}

fn axes(shape: &Literal) -> Result<Vec<usize>> {
    let axis = |literal: &Literal| match literal {
        Literal::Number(axis) => Ok(*axis),
        _ => Err(misfit("the shape of a field holds something other than unsigned numbers".to_owned())),
    };
    match shape {
        Literal::List(axes) => axes.iter().map(axis).collect(),
        only => Ok(vec![axis(only)?]),
    }
}

/// `{'names': [...], 'formats': [...], 'offsets': [...], 'titles': [...], 'itemsize': n}`.
fn dictionary(items: &[(String, Literal)]) -> Result<DType> {
    let missing = |what: &str| -> Error { misfit(format!("the description of a record has no {what}")) };
    let value = |key: &str| items.iter().find(|(name, _)| name == key).map(|(_, value)| value);
    let list = |key: &'static str| match value(key) {
        Some(Literal::List(list)) => Ok(&list[..]),
        _ => Err(missing(key)),
    };
    let (names, formats, offsets) = (list("names")?, list("formats")?, list("offsets")?);
    let titles = list("titles").unwrap_or_default();
    if names.len() != formats.len() || names.len() != offsets.len() {
        let (names, formats, offsets) = (names.len(), formats.len(), offsets.len());
        return Err(misfit(format!("a record has {names} names, {formats} formats and {offsets} offsets")));
    }
    let mut entries = Vec::with_capacity(names.len());
    for (index, ((name, format), offset)) in names.iter().zip(formats).zip(offsets).enumerate() {
        let (Literal::Text(name), Literal::Number(offset)) = (name, offset) else {
            return Err(missing("texts as names and numbers as offsets"));
        };
        entries.push((*offset, index, name, format));
    }
    // a choice of fields, `a[["z", "x"]]`, has them in the order in which they were asked for
    entries.sort_by_key(|&(offset, ..)| offset);
    let mut fields = Vec::with_capacity(2 * names.len() + 1);
    let mut at = 0_usize;
    for (offset, index, name, format) in entries {
        if name.is_empty() {
            return Err(misfit(format!("field {index} has no name")));
        }
        let (dtype, shape) = subarray(format)?;
        let mut field = Field::new(name, read(dtype, Dialect::NumPy)?).with_shape(shape);
        if let Some(Literal::Text(title)) = titles.get(index) {
            field = field.with_title(title);
        }
        let gap = offset.checked_sub(at);
        let gap = gap.ok_or_else(|| misfit(format!("field {index} at byte {offset} overlaps another one")))?;
        fields.push(Field::padding(gap));
        at = offset.checked_add(field.len()?).ok_or_else(|| missing("offsets within memory"))?;
        fields.push(field);
    }
    let Some(Literal::Number(item)) = value("itemsize") else { return Err(missing("itemsize")) };
    let tail = item.checked_sub(at).ok_or_else(|| misfit(format!("fields of {at} bytes are in {item}")))?;
    fields.push(Field::padding(tail));
    DType::record(fields)
}
