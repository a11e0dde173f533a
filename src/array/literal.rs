//! Python's literals, as far as NumPy describes dtypes in them: texts, numbers, lists, tuples and dictionaries.
//!
//! The grammar is Python's (<https://docs.python.org/3/reference/lexical_analysis.html#literals>). Nothing is evaluated.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::record::{MAX_DEPTH, MAX_PARTS};

/// How deep literals may nest: a list, a tuple and a shape for each level of records.
const DEEPEST: usize = 2 * MAX_DEPTH + 4;
/// How many values a literal may hold, so that a short text cannot take much memory: a description, and the list around it.
const MOST: usize = MAX_PARTS + 1;

const TOO_DEEP: &str = "it is nested too deep";
const TOO_MANY: &str = "it has more than 65536 parts";

/// One literal.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(usize),
    /// `True`, `False`, `None`: they matter nowhere.
    Word,
    /// A list or a tuple.
    List(Vec<Self>),
    Dictionary(Vec<(String, Self)>),
}

impl Literal {
    /// Reads a literal; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, left: MOST };
        let literal = parser.value(DEEPEST)?;
        match parser.peek() {
            None => Ok(literal),
            Some(_) => Err(format!("{} bytes follow its end", parser.rest.len())),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    /// How many more values there may be.
    left: usize,
}

impl Parser<'_> {
    /// The next character that is not a space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Goes past this character if it is the next one.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Literal, String> {
        self.left = self.left.checked_sub(1).ok_or(TOO_MANY)?;
        let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
        match self.peek().ok_or("it ends too early")? {
            '[' => self.list('[', ']', depth),
            '(' => self.list('(', ')', depth),
            '{' => self.dictionary(depth),
            '\'' | '"' => self.text().map(Literal::Text),
            '0'..='9' => self.number(),
            _ => {
                let word = ["True", "False", "None"].into_iter().find(|word| self.rest.starts_with(word));
                let word = word.ok_or_else(|| format!("{:?} begins no value", self.rest.chars().next()))?;
                self.rest = &self.rest[word.len()..];
                Ok(Literal::Word)
            }
        }
    }

    fn number(&mut self) -> Result<Literal, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map(Literal::Number).map_err(|_| format!("{digits} is too large"))
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Literal, String> {
        self.take(open);
        let mut items = Vec::new();
        let mut commas = 0;
        while !self.take(close) {
            if items.len() > commas {
                return Err(format!("a comma or {close:?} is missing"));
            }
            items.push(self.value(depth)?);
            commas += usize::from(self.take(','));
        }
        // (x) is x itself, (x,) is a tuple
        match (open, commas, items.pop()) {
            ('(', 0, Some(only)) => Ok(only),
            (_, _, last) => {
                items.extend(last);
                Ok(Literal::List(items))
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Literal, String> {
        self.take('{');
        let mut items = Vec::new();
        let mut commas = 0;
        while !self.take('}') {
            if items.len() > commas {
                return Err("a comma or '}' is missing".to_owned());
            }
            self.peek();
            let key = self.text()?;
            if !self.take(':') {
                return Err("a ':' is missing".to_owned());
            }
            items.push((key, self.value(depth)?));
            commas += usize::from(self.take(','));
        }
        Ok(Literal::Dictionary(items))
    }

    fn text(&mut self) -> Result<String, String> {
        const OPEN: &str = "a text does not end";
        let mut chars = self.rest.chars();
        let quote = chars.next().filter(|quote| matches!(quote, '\'' | '"')).ok_or("a text is missing")?;
        let mut text = String::new();
        loop {
            match chars.next().ok_or(OPEN)? {
                c if c == quote => break,
                '\\' => text.push(escaped(&mut chars)?),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

/// What follows a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let digits = match chars.next() {
        Some('n') => return Ok('\n'),
        Some('r') => return Ok('\r'),
        Some('t') => return Ok('\t'),
        Some(c @ ('\\' | '\'' | '"')) => return Ok(c),
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        other => return Err(format!("a backslash before {other:?} is not known")),
    };
    let mut code = 0;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or("an escape is not hexadecimal")?;
        code = code << 4 | digit;
    }
    char::from_u32(code).ok_or_else(|| format!("{code:#x} is no character"))
}

/// Reads the rest of a list that a deserializer has begun.
pub(super) fn from_seq<'de, A: SeqAccess<'de>>(sequence: A) -> Result<Literal, A::Error> {
    Seed { depth: DEEPEST, left: &mut { MAX_PARTS } }.visit_seq(sequence)
}

/// Reads one value with serde.
struct Seed<'l> {
    depth: usize,
    left: &'l mut usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Literal;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Literal, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Literal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a dtype: a text, an unsigned number or a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Literal, E> {
        Ok(Literal::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Literal, E> {
        usize::try_from(number).map(Literal::Number).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Literal, A::Error> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| A::Error::custom(TOO_DEEP))?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Seed { depth, left: &mut *self.left })? {
            items.push(item);
        }
        Ok(Literal::List(items))
    }
}
