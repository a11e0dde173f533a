//! A table as it is in the metadata, to change what no builder of Arrow's lets one change.

#![allow(dead_code, reason = "each test uses a part")]

use outband::Buffer;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Wire {
    #[serde(rename = "$table")]
    pub(crate) schema: ByteBuf,
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Column>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(untagged)]
pub(crate) enum Column {
    Keyed(u64, u64, Vec<Option<Buffer>>, Vec<Column>, Box<Column>),
    Plain(u64, u64, Vec<Option<Buffer>>, Vec<Column>),
}

impl Column {
    pub(crate) fn buffers(&mut self) -> &mut Vec<Option<Buffer>> {
        match self {
            Self::Keyed(_, _, buffers, _, _) | Self::Plain(_, _, buffers, _) => buffers,
        }
    }

    pub(crate) fn len(&mut self) -> &mut u64 {
        match self {
            Self::Keyed(len, ..) | Self::Plain(len, ..) => len,
        }
    }

    pub(crate) fn nulls(&mut self) -> &mut u64 {
        match self {
            Self::Keyed(_, nulls, ..) | Self::Plain(_, nulls, ..) => nulls,
        }
    }

    pub(crate) fn children(&mut self) -> &mut Vec<Column> {
        match self {
            Self::Keyed(_, _, _, children, _) | Self::Plain(_, _, _, children) => children,
        }
    }

    /// The children, and the dictionary.
    pub(crate) fn below(&mut self) -> impl Iterator<Item = &mut Column> {
        let (children, dictionary) = match self {
            Self::Keyed(_, _, _, children, dictionary) => (children, Some(&mut **dictionary)),
            Self::Plain(_, _, _, children) => (children, None),
        };
        children.iter_mut().chain(dictionary)
    }
}
