//! Texts of peers, in errors, logs and on terminals.

use std::fmt::{self, Write};

/// Passes on what is written, with an escape in the place of each character that does something else than to be seen: ends a line, moves
/// the cursor, turns the text around, or hides.
pub(crate) struct Escaped<W>(pub(crate) W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if is_plain(text) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some((at, char)) = rest.char_indices().find(|&(_, char)| is_acting(char)) {
            write!(self.0, "{}{}", &rest[..at], char.escape_default())?;
            rest = &rest[at + char.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Whether it is of printable ASCII alone, as nearly every text is.
pub(crate) fn is_plain(text: &str) -> bool {
    for byte in text.as_bytes() {
        let (b' '..=b'~') = byte else { return false };
    }
    true
}

/// Controls, marks and overrides of direction, separators of lines, what has no width, and the tags that spell a second text.
pub(crate) fn is_acting(char: char) -> bool {
    match char {
        ' '..='~' => false,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        char => char.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::Escaped;

    #[test]
    fn what_acts_is_escaped_and_what_is_seen_is_not() {
        let mut text = String::new();
        write!(Escaped(&mut text), "søt €\n\x1b[2J\u{202e}\u{2066}\u{2028}\u{85}\u{e0041}日本").unwrap();
        assert_eq!(text, r"søt €\n\u{1b}[2J\u{202e}\u{2066}\u{2028}\u{85}\u{e0041}日本");
    }
}
