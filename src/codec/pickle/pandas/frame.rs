//! Data frames: columns, their labels, and the index of the rows.

use std::collections::HashSet;

use arrow_schema::Schema;
use serde_json::Value as Json;

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::Result;
use super::super::read::Reader;
use super::block::{self, Found};
use super::came::Came;
use super::index::{self, Index};
use super::label::Label;
use super::labels::Labels;
use super::metadata::{self, MULTI};
use super::object::{attributes, called, elements, exactly, needed};
use super::piece::{Piece, named};
use super::shown::Shown;
use crate::buffer::Buffer;

/// A frame in parts.
pub(super) struct Frame {
    pub(super) columns: Vec<Piece>,
    /// `None` where there are no columns and never were any.
    pub(super) labels: Option<Labels>,
    pub(super) index: Index,
    /// What it was in Python where it was no frame.
    pub(super) origin: Option<&'static str>,
}

/// `DataFrame()` with the state `{"_mgr": BlockManager(blocks, [labels, index]), ...}`.
pub(super) fn read<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let manager = needed(reader, call, attributes(reader, call)?, "_mgr")?;
    let manager = called(reader, manager)?;
    if manager.listed != Listed::Pandas(Pandas::Blocks) {
        return Err(manager.odd());
    }
    let [blocks, axes] = manager.exactly()?;
    let [labels, index] = exactly(reader, manager, axes)?;
    let (found, passed) = block::columns(reader, elements(reader, manager, blocks)?)?;
    let labels = Labels::read(reader.at(labels), labels, found.len())?;
    let named = |(found, name): (Found, &String)| found.map_err(|why| named(name, why));
    let columns = found.into_iter().zip(&labels.names).map(named).collect::<Result<_>>()?;
    Frame { columns, labels: Some(labels), index: Index::read(reader, index)?, origin: None }.shown_with(reader, passed)
}

impl Frame {
    /// The table of this frame: its columns, then those of the index.
    pub(super) fn shown(self, reader: Reader<'_>) -> Result<Shown> {
        self.shown_with(reader, Vec::new())
    }

    /// The same, which came with these frames beside it.
    pub(super) fn shown_with(self, reader: Reader<'_>, passed: Vec<Buffer>) -> Result<Shown> {
        let Self { columns, labels, index, origin } = self;
        let rows = index.rows();
        let Labels { levels: label_levels, names, kept } = labels.unwrap_or_default();
        let (mut fields, mut described) = (Vec::new(), Vec::new());
        let mut parts: Vec<_> = columns.iter().map(|piece| piece.part.clone()).collect();
        for (piece, name) in columns.iter().zip(&names) {
            fields.push(piece.field(name));
            described.push(piece.described(name.as_str().into(), name.as_str().into()));
        }
        let mut columns: Vec<_> = columns.into_iter().map(|piece| piece.column).collect();
        let is_alone = matches!(&index, Index::Levels(levels, _) if levels.len() == 1);
        let (mut index, levels, kept_levels) = match index {
            Index::Range { name, start, stop, step } => {
                (vec![index::described(name.titled(), start, stop, step)], Vec::new(), Vec::new())
            }
            Index::Level(name, piece) => (Vec::new(), vec![(name, piece)], Vec::new()),
            Index::Levels(levels, kept) => (Vec::new(), levels, kept),
        };
        let mut number = 0;
        let mut taken: HashSet<String> = names.iter().filter(|_| !levels.is_empty()).cloned().collect();
        for (at, (name, piece)) in levels.into_iter().enumerate() {
            let own = Some(name.to_text()).filter(|text| name != Label::None && !taken.contains(text));
            let field = own.unwrap_or_else(|| {
                number = number.max(at);
                while taken.contains(&unnamed(number)) {
                    number += 1;
                }
                unnamed(number)
            });
            taken.insert(field.clone());
            fields.push(piece.field(&field));
            let mut level = piece.described(name.titled(), field.as_str().into());
            if is_alone {
                level["metadata"][MULTI] = true.into();
            }
            described.push(level);
            columns.push(piece.column);
            parts.push(piece.part);
            index.push(Json::from(field));
        }
        let metadata = metadata::of(index, &label_levels, described, origin);
        Shown::new(reader, &Schema::new(fields).with_metadata(metadata), rows, columns)
            .map(|it| it.that_came(Came { parts, labels: kept, levels: kept_levels, passed, ..Came::default() }))
    }
}

/// The name of a level without one.
fn unnamed(number: usize) -> String {
    format!("__index_level_{number}__")
}
