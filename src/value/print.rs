//! How a value looks: enough to recognise it, never megabytes.

use std::fmt::{self, Display, Formatter, Write};

use super::Value;
use crate::python::Kind;
#[cfg(feature = "arrow")]
use crate::table::Table;

/// The most bytes that are printed in all, whatever the value.
const LONGEST: usize = 8000;
/// The most characters of a text, and bytes of a buffer, that are shown.
const TEXT: usize = 80;
const BYTES: usize = 8;
/// The most elements of one list or map that are shown, and of all together.
const ELEMENTS: usize = 32;
const ALL: usize = 400;
/// The deepest level that is shown.
const DEPTH: usize = 16;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pretty = f.alternate();
        let mut cut = Cut { f, left: LONGEST };
        Printer { f: &mut cut, pretty, left: ALL, depth: 0 }.value(self)
    }
}

/// As `Display`.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Passes on what is written until it gets long.
struct Cut<'a, 'f> {
    f: &'a mut Formatter<'f>,
    left: usize,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.left == 0 {
            return Ok(());
        }
        let shown = &part[..part.floor_char_boundary(self.left)];
        self.f.write_str(shown)?;
        self.left -= shown.len();
        if shown.len() < part.len() {
            self.left = 0;
            self.f.write_str("...")?;
        }
        Ok(())
    }
}

struct Printer<'a, 'c, 'f> {
    f: &'a mut Cut<'c, 'f>,
    pretty: bool,
    /// How many more elements are shown.
    left: usize,
    depth: usize,
}

impl Printer<'_, '_, '_> {
    fn value(&mut self, value: &Value) -> fmt::Result {
        match value {
            Value::Nil => self.f.write_str("nil"),
            Value::Bool(value) => write!(self.f, "{value}"),
            Value::Int(value) => write!(self.f, "{value}"),
            Value::UInt(value) => write!(self.f, "{value}"),
            Value::F32(value) => write!(self.f, "{value:?}"),
            Value::F64(value) => write!(self.f, "{value:?}"),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes("Bytes", bytes),
            Value::Buffer(buffer) => self.bytes("Buffer", buffer),
            Value::List(elements) => self.list(["[", "]"], elements),
            Value::Map(entries) => self.map(["{", "}"], entries),
            Value::Array(array) => write!(self.f, "{array}"),
            #[cfg(feature = "arrow")]
            Value::Table(table) => self.table(table),
            Value::Ext(kind, payload) => {
                write!(self.f, "Ext({kind}, ")?;
                self.bytes("Bytes", payload)?;
                self.f.write_char(')')
            }
            Value::Python(kind, value) => self.object(*kind, value),
            Value::Shared(value) => self.value(value),
        }
    }

    /// As Python shows it, but for what would be ambiguous there.
    fn object(&mut self, kind: Kind, value: &Value) -> fmt::Result {
        match (kind, value) {
            (Kind::Tuple, Value::List(elements)) if elements.len() == 1 => self.list(["(", ",)"], elements),
            (Kind::Tuple, Value::List(elements)) => self.list(["(", ")"], elements),
            (Kind::Set, Value::List(elements)) if !elements.is_empty() => self.list(["{", "}"], elements),
            (Kind::Complex | Kind::Range | Kind::Slice, Value::List(elements)) => {
                self.f.write_str(name(kind))?;
                self.list(["(", ")"], elements)
            }
            (Kind::ByteArray, Value::Bytes(bytes)) => self.bytes(name(kind), bytes),
            (Kind::Int | Kind::Ellipsis, Value::Text(text)) => self.bare(text),
            (Kind::Instance | Kind::Slots | Kind::Bare | Kind::Member, Value::Map(entries)) => match &entries[..] {
                [(_, Value::Text(class)), attributes @ ..] => {
                    self.bare(class)?;
                    self.map(["(", ")"], attributes)
                }
                entries => self.map(["{", "}"], entries),
            },
            (kind, value) => {
                write!(self.f, "{}(", name(kind))?;
                match value {
                    Value::Text(text) => self.bare(text)?,
                    Value::List(elements) if elements.is_empty() => {}
                    value => self.value(value)?,
                }
                self.f.write_char(')')
            }
        }
    }

    fn list(&mut self, brackets: [&str; 2], elements: &[Value]) -> fmt::Result {
        self.all(brackets, elements, Self::value)
    }

    fn map(&mut self, brackets: [&str; 2], entries: &[(Value, Value)]) -> fmt::Result {
        self.all(brackets, entries, |printer, (key, value)| {
            printer.value(key)?;
            printer.f.write_str(": ")?;
            printer.value(value)
        })
    }

    /// A text without quotes, where it has nothing in it that needs them.
    fn bare(&mut self, text: &str) -> fmt::Result {
        let is_bare = text.len() <= TEXT && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b')');
        if is_bare { self.f.write_str(text) } else { self.text(text) }
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        match text.char_indices().nth(TEXT) {
            None => write!(self.f, "{text:?}"),
            Some((end, _)) => write!(self.f, "{:?}... ({} bytes)", &text[..end], text.len()),
        }
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> fmt::Result {
        write!(self.f, "{name}({} bytes", bytes.len())?;
        for (index, byte) in bytes.iter().take(BYTES).enumerate() {
            write!(self.f, "{}{byte:02x}", if index == 0 { ": " } else { " " })?;
        }
        self.f.write_str(if bytes.len() > BYTES { " ...)" } else { ")" })
    }

    /// In one line where all is in one, else its first rows.
    #[cfg(feature = "arrow")]
    fn table(&mut self, table: &Table) -> fmt::Result {
        if !self.pretty {
            return write!(self.f, "{table:?}");
        }
        for (index, line) in table.to_string().lines().enumerate() {
            if index > 0 {
                self.line()?;
            }
            self.f.write_str(line)?;
        }
        Ok(())
    }

    fn all<T>(
        &mut self,
        [open, close]: [&str; 2],
        elements: &[T],
        print: impl Fn(&mut Self, &T) -> fmt::Result,
    ) -> fmt::Result {
        self.f.write_str(open)?;
        let shown = match self.depth {
            DEPTH.. => 0,
            _ => elements.len().min(ELEMENTS).min(self.left),
        };
        self.depth += 1;
        let mut printed = 0;
        for element in &elements[..shown] {
            // those before it may have used up what was left
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            self.separate(printed)?;
            print(self, element)?;
            printed += 1;
        }
        if printed < elements.len() {
            self.separate(printed)?;
            match printed {
                0 => write!(self.f, "... {} elements", elements.len())?,
                _ => write!(self.f, "... {} more", elements.len() - printed)?,
            }
        }
        self.depth -= 1;
        if self.pretty && !elements.is_empty() {
            self.line()?;
        }
        self.f.write_str(close)
    }

    fn separate(&mut self, printed: usize) -> fmt::Result {
        if printed > 0 {
            self.f.write_char(',')?;
        }
        match (self.pretty, printed) {
            (true, _) => self.line(),
            (false, 0) => Ok(()),
            (false, _) => self.f.write_char(' '),
        }
    }

    fn line(&mut self) -> fmt::Result {
        write!(self.f, "\n{:1$}", "", 2 * self.depth)
    }
}

/// What Python calls it.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tuple => "tuple",
        Kind::Set => "set",
        Kind::FrozenSet => "frozenset",
        Kind::Deque => "deque",
        Kind::OrderedDict => "OrderedDict",
        Kind::Counter => "Counter",
        Kind::ByteArray => "bytearray",
        Kind::Complex => "complex",
        Kind::Int => "int",
        Kind::Range => "range",
        Kind::Slice => "slice",
        Kind::Ellipsis => "Ellipsis",
        Kind::DateTime => "datetime",
        Kind::Date => "date",
        Kind::Time => "time",
        Kind::TimeDelta => "timedelta",
        Kind::TimeZone => "timezone",
        Kind::ZoneInfo => "ZoneInfo",
        Kind::Decimal => "Decimal",
        Kind::Fraction => "Fraction",
        Kind::Uuid => "UUID",
        Kind::PosixPath => "PurePosixPath",
        Kind::WindowsPath => "PureWindowsPath",
        Kind::Instance | Kind::Slots | Kind::Bare | Kind::Member => "object",
    }
}
