//! What the metadata of a table says of the data frame that it was; pyarrow's form, see `Table.schema.pandas_metadata`.
//!
//! Metadata that says something else than that is no error: the frame is then the one that the columns make.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use serde::ser::Error as _;
use serde_json::Value as Json;

use super::arrow::Storage;
use crate::codec::pickle::pandas::{Came, Label, MAX_LEVELS, MULTI, Part};
use crate::codec::unserializable::{Result, Unserializable};
use crate::error::excerpt;
use crate::table::Table;

/// One level of the labels.
pub(super) struct Level {
    pub(super) name: Json,
    pub(super) dtype: String,
}

/// The index of the rows.
pub(super) enum Index {
    Range {
        start: i64,
        stop: i64,
        step: i64,
        name: Json,
    },
    /// A column by number, and its name.
    Level(usize, Json),
    /// The same of a `MultiIndex`.
    Levels(Vec<(usize, Json)>),
}

/// The frame that a table was, or is by default.
pub(super) struct Described {
    /// What it was that was no frame.
    pub(super) origin: Option<String>,
    /// The columns that are no index, by number.
    pub(super) columns: Vec<usize>,
    /// The labels of these.
    pub(super) labels: Vec<Label>,
    /// Whether these are tuples, which may be of one part.
    pub(super) are_tuples: bool,
    pub(super) levels: Vec<Level>,
    pub(super) index: Index,
    dtypes: Vec<String>,
    storages: Vec<Storage>,
    came: Arc<Came>,
}

impl Described {
    pub(super) fn of(table: &Table) -> Result<Self> {
        let batch = table.batch();
        let schema = batch.schema_ref();
        check_distinct(schema)?;
        let metadata = schema.metadata();
        let pandas: Json = metadata.get("pandas").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let by_name: HashMap<&str, &Json> = list(&pandas["columns"])
            .filter_map(|column| Some((column["field_name"].as_str().or(column["name"].as_str())?, column)))
            .collect();
        let described = |at: usize| by_name.get(schema.field(at).name().as_str()).copied();
        let numbers = 0..schema.fields().len();
        let dtype = |at| described(at).and_then(|column| column["numpy_type"].as_str()).unwrap_or_default().to_owned();
        let origin = metadata.get("outband.from").cloned();
        let is_of_pyarrow = origin.as_ref().is_some_and(|origin| origin.starts_with("pyarrow."));
        let storage = |at: usize| {
            let is_said = described(at).is_some_and(|column| {
                column["metadata"]["storage"] == "pyarrow"
                    || column["numpy_type"].as_str().is_some_and(|dtype| dtype.ends_with("[pyarrow]"))
            });
            if is_said || is_of_pyarrow { Storage::Arrow } else { Storage::Python }
        };
        let index = index(batch, &pandas, &described);
        let is_index = |at: &usize| match &index {
            Index::Level(level, _) => level == at,
            Index::Levels(levels) => levels.iter().any(|(level, _)| level == at),
            Index::Range { .. } => false,
        };
        let columns: Vec<usize> = numbers.clone().filter(|at| !is_index(at)).collect();
        let mut levels: Vec<_> = list(&pandas["column_indexes"]).map(level).collect();
        let mut are_tuples = levels.len() > 1 || pandas["column_indexes"][0]["metadata"][MULTI] == true;
        let names = columns.iter().map(|&at| schema.field(at).name().as_str());
        let labels: Option<Vec<_>> = match levels.len() {
            0 => None,
            1 if !are_tuples => names.clone().map(|name| label(name, levels[0].1)).collect(),
            _ => names.clone().map(|name| tuple(name, &levels)).collect(),
        };
        let labels = labels.unwrap_or_else(|| {
            are_tuples = false;
            levels = vec![(Level { name: Json::Null, dtype: String::new() }, "")];
            names.map(|name| Label::Text(name.to_owned())).collect()
        });
        check_unequal(&labels)?;
        Ok(Self {
            origin,
            columns,
            labels,
            are_tuples,
            levels: levels.into_iter().map(|(level, _)| level).collect(),
            index,
            dtypes: numbers.clone().map(dtype).collect(),
            storages: numbers.map(storage).collect(),
            came: Came::from(table),
        })
    }

    /// The dtype of a column in NumPy's or pandas' words; empty where nobody said.
    pub(super) fn dtype(&self, at: usize) -> &str {
        &self.dtypes[at]
    }

    /// How the table came.
    pub(super) fn came(&self) -> &Came {
        &self.came
    }

    /// How a column came.
    pub(super) fn part(&self, at: usize) -> &Part {
        self.came.part(at)
    }

    /// What a column, or the text of its categories, was in.
    pub(super) fn storage(&self, at: usize) -> Storage {
        self.storages[at]
    }
}

/// Checks that no two columns have one name: pandas takes them in a dict, and the metadata speaks of them by name.
fn check_distinct(schema: &Schema) -> Result<()> {
    let mut names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Unserializable::custom(format_args!("a table with two columns {:?}", excerpt(pair[0])))),
        None => Ok(()),
    }
}

/// Checks that no two labels are equal in Python, where one would take the place of the other: `0.0` and `-0.0`.
fn check_unequal(labels: &[Label]) -> Result<()> {
    if labels.iter().all(|label| matches!(label, Label::Text(_))) {
        return Ok(());
    }
    let mut keys: Vec<_> = labels.iter().map(Label::key).collect();
    keys.sort();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Unserializable::custom(format_args!(
            "a table with two columns whose labels are equal in Python: {}",
            excerpt(&pair[0])
        ))),
        None => Ok(()),
    }
}

fn list(json: &Json) -> impl Iterator<Item = &Json> + Clone {
    json.as_array().into_iter().flatten()
}

fn index<'j>(batch: &RecordBatch, pandas: &'j Json, described: &impl Fn(usize) -> Option<&'j Json>) -> Index {
    let rows = batch.num_rows();
    let default = Index::Range { start: 0, stop: rows as i64, step: 1, name: Json::Null };
    let parts: Vec<_> = list(&pandas["index_columns"]).collect();
    if let [range] = parts[..]
        && range["kind"] == "range"
    {
        let bound = |name: &str| range[name].as_i64();
        let (Some(start), Some(stop), Some(step)) = (bound("start"), bound("stop"), bound("step")) else {
            return default;
        };
        let len = match step {
            0 => None,
            1.. => Some(if stop > start { stop.abs_diff(start).div_ceil(step.unsigned_abs()) } else { 0 }),
            _ => Some(if start > stop { start.abs_diff(stop).div_ceil(step.unsigned_abs()) } else { 0 }),
        };
        // of a table whose rows are others by now
        return match len == Some(rows as u64) {
            true => Index::Range { start, stop, step, name: range["name"].clone() },
            false => default,
        };
    }
    let level = |part: &&Json| {
        let at = batch.schema_ref().index_of(part.as_str()?).ok()?;
        Some((at, described(at).map_or(Json::Null, |column| column["name"].clone())))
    };
    if parts.is_empty() || parts.len() > MAX_LEVELS {
        return default;
    }
    let Some(levels) = parts.iter().map(level).collect::<Option<Vec<_>>>() else { return default };
    // each would be written whole
    let distinct: HashSet<_> = levels.iter().map(|(at, _)| at).collect();
    if distinct.len() != levels.len() {
        return default;
    }
    match &levels[..] {
        [(at, name)] if described(*at).is_none_or(|column| column["metadata"][MULTI] != true) => {
            Index::Level(*at, name.clone())
        }
        _ => Index::Levels(levels),
    }
}

/// A level of the labels, and what its labels are.
fn level(json: &Json) -> (Level, &str) {
    let dtype = json["numpy_type"].as_str().unwrap_or_default().to_owned();
    (Level { name: json["name"].clone(), dtype }, json["pandas_type"].as_str().unwrap_or_default())
}

/// A label of a level of this kind.
fn label(name: &str, kind: &str) -> Option<Label> {
    Some(match kind {
        "unicode" | "string" => Label::Text(name.to_owned()),
        "empty" if name == "None" => Label::None,
        "bool" => Label::Bool(name == "True"),
        "float16" | "float32" | "float64" => Label::Float(name.parse().ok()?),
        _ if kind.starts_with("int") || kind.starts_with("uint") => Label::Int(name.parse().ok()?),
        _ => return None,
    })
}

/// A label of several levels: a tuple of texts as Python prints it.
fn tuple(name: &str, levels: &[(Level, &str)]) -> Option<Label> {
    let mut rest = name.strip_prefix('(')?;
    let mut parts = Vec::new();
    for (at, (_, kind)) in levels.iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(", ")?;
        }
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut chars = rest[1..].char_indices();
        let mut text = String::new();
        loop {
            match chars.next()? {
                (end, char) if char == quote => {
                    rest = &rest[1 + end + 1..];
                    break;
                }
                (_, '\\') => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    code @ ('x' | 'u' | 'U') => {
                        let len = if code == 'x' {
                            2
                        } else if code == 'u' {
                            4
                        } else {
                            8
                        };
                        let digits: String = chars.by_ref().take(len).map(|(_, digit)| digit).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    char => char,
                }),
                (_, char) => text.push(char),
            }
        }
        parts.push(label(&text, kind)?);
    }
    matches!(rest, ")" | ",)").then_some(Label::Tuple(parts))
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::{Label, Level, tuple};

    #[test]
    fn tuples_are_read_as_python_prints_them() {
        let levels = |kinds: &'static [&'static str]| -> Vec<(Level, &'static str)> {
            kinds.iter().map(|&kind| (Level { name: Json::Null, dtype: String::new() }, kind)).collect()
        };
        let text = |text: &str| Label::Text(text.to_owned());
        let both = levels(&["unicode", "int64"]);
        assert_eq!(tuple("('a', '-1')", &both), Some(Label::Tuple(vec![text("a"), Label::Int(-1)])));
        let one = levels(&["unicode"]);
        for (printed, expected) in [
            (r#"('it\'s "it"',)"#, r#"it's "it""#),
            (r#"("it's",)"#, "it's"),
            (r"('\n\t\\\x07\u20ac€',)", "\n\t\\\x07€€"),
        ] {
            assert_eq!(tuple(printed, &one), Some(Label::Tuple(vec![text(expected)])), "{printed}");
        }
        for printed in ["", "(", "('a'", "('a', '1', '2')", "(a, 1)", "('a', 'b')", r"('\x1', '1')", "('a'; '1')"] {
            assert_eq!(tuple(printed, &both), None, "{printed}");
        }
    }
}
