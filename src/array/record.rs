//! Records: elements with named fields, NumPy's structured dtypes.

use std::collections::HashSet;

use super::dtype::{DType, check_item, misfit};
use super::layout::{self, MAX_DIMS};
use crate::error::{Result, excerpt};

/// How deep records may nest.
pub(super) const MAX_DEPTH: usize = 32;
/// How many values the description of a record may have, as it stands on the wire: lists, names, dtypes, axes.
pub(super) const MAX_PARTS: usize = 1 << 16;

/// The fields of a record, and its length with the gaps between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The named ones, in order of their offsets.
    fields: Vec<Field>,
    item_len: usize,
    depth: usize,
    /// The values of its description, those of its fields' dtypes included.
    parts: usize,
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Empty for padding.
    name: String,
    title: Option<String>,
    dtype: DType,
    shape: Vec<usize>,
    offset: usize,
}

impl Record {
    /// Lays out fields one after the other.
    pub(super) fn new(fields: impl IntoIterator<Item = Field>) -> Result<Self> {
        let mut record = Self { fields: Vec::new(), item_len: 0, depth: 1, parts: 0 };
        let mut names = HashSet::new();
        let mut is_gap = false;
        for mut field in fields {
            let len = field.len()?;
            field.offset = record.item_len;
            record.item_len = check_item(record.item_len.checked_add(len))?;
            // neighbouring gaps are one, and one of no length is none
            let parts = if field.is_padding() && (is_gap || len == 0) { 0 } else { field.parts() };
            record.parts = record.parts.saturating_add(parts);
            if record.parts > MAX_PARTS {
                // no receiver would take it
                return Err(misfit(format!("the description of a record has more than {MAX_PARTS} parts")));
            }
            if field.is_padding() {
                is_gap |= len > 0;
                continue;
            }
            is_gap = false;
            record.depth = record.depth.max(1 + field.dtype.depth());
            if record.depth > MAX_DEPTH {
                return Err(misfit(format!("records nest deeper than the limit of {MAX_DEPTH}")));
            }
            // as in NumPy, where a field is found by its title as well
            for name in [Some(&field.name), field.title.as_ref()].into_iter().flatten() {
                if !names.insert(name.clone()) {
                    return Err(misfit(format!("two fields have the name {:?}", excerpt(name))));
                }
            }
            record.fields.push(field);
        }
        Ok(record)
    }

    /// The named fields, in order of their offsets.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The length of one record in bytes, gaps included.
    pub fn item_len(&self) -> usize {
        self.item_len
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The fields with a padding in every gap.
    pub(super) fn padded(&self) -> impl Iterator<Item = Field> {
        let mut at = 0;
        let mut fields = self.fields.iter();
        let mut next = fields.next();
        std::iter::from_fn(move || {
            let until = next.map_or(self.item_len, |field| field.offset);
            if until > at {
                let gap = Field::padding(until - at);
                at = until;
                return Some(gap);
            }
            let field = next?;
            next = fields.next();
            at += field.len().ok()?;
            Some(field.clone())
        })
    }

    pub(super) fn to_native(&self) -> Self {
        let native = |field: &Field| Field { dtype: field.dtype.to_native(), ..field.clone() };
        Self { fields: self.fields.iter().map(native).collect(), ..*self }
    }
}

impl Field {
    /// A field with a name; an empty one makes it padding.
    pub fn new(name: impl Into<String>, dtype: DType) -> Self {
        Self { name: name.into(), title: None, dtype, shape: Vec::new(), offset: 0 }
    }

    /// So many bytes that belong to no field.
    pub fn padding(len: usize) -> Self {
        // as an array of bytes, so that any length can be said; its length is checked with the record's
        Self { shape: vec![len], ..Self::new("", DType::U8) }
    }

    /// The same as an array of elements in each record.
    pub fn with_shape(mut self, shape: impl Into<Vec<usize>>) -> Self {
        self.shape = shape.into();
        self
    }

    /// The same with a title, NumPy's second name of a field.
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its second name, if it has one.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it, or each of its elements, is.
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Its shape in every record; `[]` for a single element.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Where it begins in the record, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether it is a gap between fields.
    pub(super) fn is_padding(&self) -> bool {
        self.name.is_empty()
    }

    /// How many values `[name, dtype]` or `[name, dtype, shape]` has.
    fn parts(&self) -> usize {
        if self.is_padding() {
            return 3;
        }
        let name = if self.title.is_some() { 3 } else { 1 };
        let shape = if self.shape.is_empty() { 0 } else { 1 + self.shape.len() };
        1 + name + self.dtype.parts() + shape
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> Result<usize> {
        if self.shape.len() > MAX_DIMS {
            return Err(misfit(format!("a field has {} axes, the limit is {MAX_DIMS}", self.shape.len())));
        }
        let count = layout::count(&self.shape);
        if self.dtype.item_len() == 0
            && let Some(count) = count.filter(|&count| count > layout::MOST_EMPTY)
        {
            return Err(misfit(format!(
                "a field has {count} elements without bytes, the limit is {}",
                layout::MOST_EMPTY
            )));
        }
        check_item(count.and_then(|count| count.checked_mul(self.dtype.item_len())))
    }
}

impl<N: Into<String>> From<(N, DType)> for Field {
    fn from((name, dtype): (N, DType)) -> Self {
        Self::new(name, dtype)
    }
}

impl<N: Into<String>, S: Into<Vec<usize>>> From<(N, DType, S)> for Field {
    fn from((name, dtype, shape): (N, DType, S)) -> Self {
        Self::new(name, dtype).with_shape(shape)
    }
}
