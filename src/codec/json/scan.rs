//! One pass over a JSON text before serde sees it.
//!
//! Knows the grammar that Python's `json.loads` reads (RFC 8259, <https://www.rfc-editor.org/rfc/rfc8259>, with the words
//! `NaN`, `Infinity` and `-Infinity`) and nothing of values. It neither recurses nor allocates, so nesting is harmless here,
//! and after it every token is known to be well-formed.

use super::string::{BadEscape, escape};
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;

/// Checks that `bytes` are exactly one JSON value within `max_depth`, and returns them as text.
///
/// # Errors
///
/// Kind `Peer` with line, column and byte of what is not JSON; kind `Limits` for depth.
pub(super) fn scan(bytes: &[u8], max_depth: usize) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::new(Detail::NotJson { reason: format!("byte {at} is not UTF-8") })
    })?;
    let mut scanner = Scanner { bytes, at: 0, objects: 0, depth: 0, max_depth };
    match scanner.text() {
        Ok(()) => Ok(text),
        Err(Fault::TooDeep(at)) => Err(Detail::TooDeep { at, limit: max_depth }.into()),
        Err(Fault::Syntax(at, what)) => {
            // an escape or a word is ASCII, so `at` is where a character begins; this only has to hold for a text
            let before = text.get(..at).unwrap_or(text);
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
            let reason = format!("{what} at line {line} column {column} (byte {at})");
            Err(Detail::NotJson { reason }.into())
        }
    }
}

enum Fault {
    Syntax(usize, &'static str),
    TooDeep(usize),
}

struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
    /// One bit for each open array or object, the innermost one lowest; set for an object.
    objects: u128,
    depth: usize,
    max_depth: usize,
}

const _: () = assert!(Limits::MAX_DEPTH <= u128::BITS as usize);

impl Scanner<'_> {
    fn text(&mut self) -> Result<(), Fault> {
        if self.bytes.starts_with("\u{feff}".as_bytes()) {
            return Err(Fault::Syntax(0, "a byte order mark"));
        }
        loop {
            // a value begins here
            match self.peek() {
                Some(bracket @ (b'[' | b'{')) => {
                    if self.open(bracket)? {
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b'n') => self.word(b"null")?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'N') => self.word(b"NaN")?,
                Some(b'I') => self.word(b"Infinity")?,
                Some(_) => return Err(self.fault("expected a value")),
                None => return Err(self.fault("the text ends where a value is expected")),
            }
            // a value has ended: close what it was the last of
            loop {
                if self.depth == 0 {
                    return match self.peek() {
                        None => Ok(()),
                        Some(_) => Err(self.fault("more than one value")),
                    };
                }
                match (self.peek(), self.in_object()) {
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b','), true) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b']'), false) | (Some(b'}'), true) => self.close(),
                    (None, _) => return Err(self.fault("the text ends within an array or object")),
                    (Some(_), false) => return Err(self.fault("expected \",\" or \"]\"")),
                    (Some(_), true) => return Err(self.fault("expected \",\" or \"}\"")),
                }
            }
        }
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// Opens an array or object; `false` where it is closed again at once.
    fn open(&mut self, bracket: u8) -> Result<bool, Fault> {
        if self.depth >= self.max_depth {
            return Err(Fault::TooDeep(self.at));
        }
        let is_object = bracket == b'{';
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        self.at += 1;
        match (self.peek(), is_object) {
            (Some(b']'), false) | (Some(b'}'), true) => {
                self.close();
                Ok(false)
            }
            (_, false) => Ok(true),
            (_, true) => self.key().map(|()| true),
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.objects >>= 1;
    }

    /// The name of an entry and the colon after it.
    fn key(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string()?,
            _ => return Err(self.fault("expected a name in double quotes")),
        }
        match self.peek() {
            Some(b':') => self.at += 1,
            _ => return Err(self.fault("expected \":\"")),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match escape(&self.bytes[self.at..]) {
                    Ok((_, len)) => self.at += len,
                    Err(BadEscape::Unknown) => return Err(self.fault("an unknown escape")),
                    Err(BadEscape::Digits) => return Err(self.fault("an escape without its four digits")),
                    Err(BadEscape::LoneSurrogate) => {
                        return Err(self.fault("half of a surrogate pair, which is no character,"));
                    }
                },
                Some(0..=0x1f) => return Err(self.fault("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("the text ends within a string")),
            }
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.bytes[self.at] == b'-' {
            if self.bytes[self.at..].starts_with(b"-Infinity") {
                return self.word(b"-Infinity");
            }
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            // nothing may follow a leading zero: the caller finds it
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fault("expected a digit"));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.fault("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                byte => return byte.copied(),
            }
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax(self.at, what)
    }
}
