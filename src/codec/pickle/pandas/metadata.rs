//! pandas' part of the metadata of a schema, as pyarrow writes it and `pyarrow.Table.to_pandas` reads it.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::labels::Level;

/// The key under which the metadata says what a table was in Python that was no data frame.
pub(in crate::codec::pickle) const ORIGIN: &str = "outband.from";

/// The key under which the metadata of a level says that it is the one level of a `MultiIndex`. To pyarrow its labels are texts that look
/// like tuples of one, and its rows those of another index.
pub(in crate::codec::pickle) const MULTI: &str = "multi";

/// The metadata of a frame: of its index, of the labels of its columns, and of the columns.
pub(super) fn of(
    index: Vec<Json>,
    levels: &[Level],
    columns: Vec<Json>,
    origin: Option<&str>,
) -> HashMap<String, String> {
    let mut described: Vec<_> = levels.iter().map(level).collect();
    if let ([level], [described]) = (levels, &mut described[..])
        && level.is_of_tuples
    {
        described["metadata"][MULTI] = true.into();
    }
    let pandas = json!({
        "index_columns": index,
        "column_indexes": described,
        "columns": columns,
        "attributes": {},
        "creator": {"library": "outband", "version": env!("CARGO_PKG_VERSION")},
    });
    let origin = origin.map(|origin| (ORIGIN.to_owned(), origin.to_owned()));
    [("pandas".to_owned(), pandas.to_string())].into_iter().chain(origin).collect()
}

/// Where it is no frame of pandas either.
pub(super) fn origin(origin: &str) -> HashMap<String, String> {
    HashMap::from([(ORIGIN.to_owned(), origin.to_owned())])
}

fn level(level: &Level) -> Json {
    let name = level.name.titled();
    let more = if level.kind == "unicode" { json!({"encoding": "UTF-8"}) } else { Json::Null };
    json!({
        "name": name, "field_name": name, "pandas_type": level.kind, "numpy_type": level.dtype, "metadata": more,
    })
}
