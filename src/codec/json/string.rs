//! Text in quotes, as Python writes it: ASCII only, everything else as `\uXXXX`.

use super::Text;

/// Appends a text in quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut left = special.chars();
        if let Some(character) = left.next() {
            write_escape(out, character);
        }
        rest = left.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Whether a byte stands for itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn write_escape(out: &mut Vec<u8>, character: char) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{c}' => b'f',
        '\u{8}' => b'b',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            for unit in character.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| DIGITS[usize::from(*unit >> shift & 0xf)];
                out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// What stands between two quotes, its escapes resolved; `None` where they are not well-formed.
pub(super) fn unescape(quoted: &str) -> Option<Text<'_>> {
    let Some(first) = quoted.find('\\') else { return Some(Text::Borrowed(quoted)) };
    let mut text = String::with_capacity(quoted.len());
    let (plain, mut rest) = quoted.split_at(first);
    text.push_str(plain);
    loop {
        // `rest` begins with a backslash
        let (character, len) = escape(rest.as_bytes()).ok()?;
        text.push(character);
        rest = rest.get(len..)?;
        let plain = rest.find('\\').unwrap_or(rest.len());
        text.push_str(rest.get(..plain)?);
        rest = rest.get(plain..)?;
        if rest.is_empty() {
            return Some(Text::Owned(text));
        }
    }
}

/// What is wrong with an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadEscape {
    Unknown,
    Digits,
    LoneSurrogate,
}

/// The character that the escape at the beginning of `bytes` stands for, and the escape's length in bytes.
pub(super) fn escape(bytes: &[u8]) -> Result<(char, usize), BadEscape> {
    let character = match bytes.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes),
        _ => return Err(BadEscape::Unknown),
    };
    Ok((character, 2))
}

/// `\uXXXX`, or two of them for one character.
fn unicode(bytes: &[u8]) -> Result<(char, usize), BadEscape> {
    let first = unit(bytes, 2).ok_or(BadEscape::Digits)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Ok((character, 6));
    }
    let second = match bytes.get(6..8) {
        Some(b"\\u") => unit(bytes, 8).ok_or(BadEscape::Digits)?,
        _ => return Err(BadEscape::LoneSurrogate),
    };
    match char::decode_utf16([first, second]).next() {
        Some(Ok(character)) => Ok((character, 12)),
        _ => Err(BadEscape::LoneSurrogate),
    }
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::{BadEscape, escape, unescape, write_text};

    #[test]
    fn text_is_written_as_python_writes_it_and_read_back() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}", r#""\n\r\t\b\f\u0000\u001f\u007f""#),
            ("é\u{2028}x", r#""\u00e9\u2028x""#),
            ("a😀b\u{10ffff}", r#""a\ud83d\ude00b\udbff\udfff""#),
        ] {
            let mut out = Vec::new();
            write_text(&mut out, text);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, expected);
            assert_eq!(unescape(&out[1..out.len() - 1]).as_deref(), Some(text));
        }
    }

    #[test]
    fn broken_escapes_are_told_apart() {
        for (bytes, expected) in [
            (r"\x", BadEscape::Unknown),
            (r"\", BadEscape::Unknown),
            (r"\u12g4", BadEscape::Digits),
            (r"\u+123", BadEscape::Digits),
            (r"\u12", BadEscape::Digits),
            (r"\ud800", BadEscape::LoneSurrogate),
            (r"\udc00\ud800", BadEscape::LoneSurrogate),
            (r"\ud800\ud800", BadEscape::LoneSurrogate),
            (r"\ud800\n", BadEscape::LoneSurrogate),
            (r"\ud800\u12", BadEscape::Digits),
        ] {
            assert_eq!(escape(bytes.as_bytes()), Err(expected), "{bytes}");
            assert_eq!(unescape(bytes), None);
        }
        assert_eq!(escape(br"\uD83D\uDE00"), Ok(('😀', 12)));
    }
}
