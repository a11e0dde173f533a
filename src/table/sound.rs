//! Columns that were validated: one that stands in a table under several names is validated once.

use std::collections::HashMap;

use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::column::Column;

/// Columns that were validated, with how many bytes their buffers have, by what they say and where their buffers lie. So all columns
/// that are asked for are there before the first one is, and nothing comes to lie where something lay.
#[derive(Default)]
pub(super) struct Sound {
    columns: HashMap<Key, (ArrayData, usize)>,
    /// Numbers for short buffers, by where they lie: any number of columns may name one.
    places: HashMap<(usize, usize), usize>,
    /// The same by what they hold: in the metadata each lies anew.
    contents: foldhash::HashMap<Box<[u8]>, usize>,
    /// Whether null rows of one of them were beyond what they name, and are something else now.
    pub(super) is_masked: bool,
}

/// What tells a column from every other one.
pub(super) type Key = (DataType, Vec<usize>);

/// From how many bytes on a column is remembered, and a buffer told by its place: below that looking through it takes no longer.
const REMEMBERED_FROM: usize = (8 << 10) + 1;

impl Sound {
    /// What tells this column from others; `None` where it is too short to be remembered.
    pub(super) fn key(&mut self, column: &Column, data_type: &DataType) -> Option<Key> {
        if bytes(column) < REMEMBERED_FROM {
            return None;
        }
        let mut outline = Vec::new();
        self.outline(column, &mut outline);
        Some((data_type.clone(), outline))
    }

    pub(super) fn get(&self, key: &Key) -> Option<(ArrayData, usize)> {
        self.columns.get(key).cloned()
    }

    pub(super) fn insert(&mut self, key: Key, found: (ArrayData, usize)) {
        self.columns.insert(key, found);
    }

    /// All that a column says, with a word for each buffer.
    fn outline(&mut self, column: &Column, outline: &mut Vec<usize>) {
        let Column { len, nulls, buffers, children, dictionary } = column;
        outline.extend([*len as usize, *nulls as usize, buffers.len(), children.len(), dictionary.is_some().into()]);
        for slot in buffers {
            match slot.buffer.as_deref() {
                Some(buffer) if buffer.len() < REMEMBERED_FROM => outline.extend([buffer.len(), self.number(buffer)]),
                Some(buffer) => outline.extend([buffer.len(), buffer.as_ptr().addr()]),
                None => outline.push(usize::MAX),
            }
        }
        for column in children.iter().chain(dictionary.as_deref()) {
            self.outline(column, outline);
        }
    }

    /// The number of a short buffer, which is that of every buffer of the same bytes.
    fn number(&mut self, buffer: &[u8]) -> usize {
        let place = (buffer.as_ptr().addr(), buffer.len());
        if let Some(&number) = self.places.get(&place) {
            return number;
        }
        let next = self.contents.len();
        let number = match self.contents.get(buffer) {
            Some(&number) => number,
            None => *self.contents.entry(buffer.into()).or_insert(next),
        };
        self.places.insert(place, number);
        number
    }
}

/// How many bytes the buffers of a column have.
pub(super) fn bytes(column: &Column) -> usize {
    let own = column
        .buffers
        .iter()
        .filter_map(|slot| slot.buffer.as_ref())
        .fold(0_usize, |all, buffer| all.saturating_add(buffer.len()));
    let below = column.children.iter().chain(column.dictionary.as_deref()).map(bytes);
    below.fold(own, usize::saturating_add)
}
