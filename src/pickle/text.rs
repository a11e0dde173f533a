//! The text in the opcodes of protocol 0, and the bytes of long integers.

use std::borrow::Cow;

/// The digits of an integer in decimal, with its sign; `None` where it is none.
pub(super) fn decimal(line: &[u8]) -> Option<&str> {
    let digits = line.strip_prefix(b"-").or_else(|| line.strip_prefix(b"+")).unwrap_or(line);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(line).ok() } else { None }
}

/// The digits of a `LONG`, which Python 2 wrote with an `L` behind them.
pub(super) fn without_l(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"L").unwrap_or(line)
}

/// An integer of up to eight bytes in two's complement, little-endian; `None` for a longer one.
pub(crate) fn long(bytes: &[u8]) -> Option<i64> {
    let sign = bytes.last().map_or(0, |&last| if last & 0x80 == 0 { 0 } else { 0xff });
    let mut value = [sign; 8];
    value.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(value))
}

/// The digits of an integer as Python writes one: no plus, no zeros before it, which CPython's two readers take for octal,
/// for decimal or for an error.
pub(super) fn integer(line: &[u8]) -> Option<&str> {
    match line.strip_prefix(b"-").unwrap_or(line) {
        [b'1'..=b'9', ..] => decimal(line),
        _ if line == b"0" => decimal(line),
        _ => None,
    }
}

/// A float in decimal; `None` where it is none, and where only infinity is near to its digits, as in Python.
pub(super) fn float(line: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(line).ok()?.parse().ok()?;
    let has_digits = line.iter().any(u8::is_ascii_digit);
    (value.is_finite() || !has_digits).then_some(value)
}

/// What a `STRING` stands for: bytes in quotes, with the escapes of a bytes literal in Python.
pub(super) fn quoted(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inside = match line {
        [b'\'', inside @ .., b'\''] | [b'"', inside @ .., b'"'] => inside,
        _ => return None,
    };
    let Some(first) = inside.iter().position(|&byte| byte == b'\\') else { return Some(Cow::Borrowed(inside)) };
    let mut bytes = Vec::with_capacity(inside.len());
    bytes.extend_from_slice(&inside[..first]);
    let mut rest = &inside[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        let byte = match escaped {
            b'\\' | b'\'' | b'"' => escaped,
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                number(digits, 16)? as u8
            }
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let value = rest[..more]
                    .iter()
                    .fold(u32::from(escaped - b'0'), |value, digit| value * 8 + u32::from(digit - b'0'));
                rest = &rest[more..];
                value as u8
            }
            // any other is left as it is, as Python does
            _ => {
                bytes.push(b'\\');
                escaped
            }
        };
        bytes.push(byte);
    }
    Some(Cow::Owned(bytes))
}

/// What a `UNICODE` stands for: Latin-1, with `\uXXXX` and `\UXXXXXXXX` (Python's raw-unicode-escape).
pub(super) fn raw_unicode(line: &[u8]) -> Option<Cow<'_, str>> {
    if line.is_ascii() && !line.contains(&b'\\') {
        return std::str::from_utf8(line).ok().map(Cow::Borrowed);
    }
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        text.push(char::from(byte));
        if byte != b'\\' {
            continue;
        }
        let Some((&kind, after)) = rest.split_first() else { break };
        rest = after;
        let digits = match kind {
            b'u' => 4,
            b'U' => 8,
            _ => {
                text.push(char::from(kind));
                continue;
            }
        };
        let (digits, after) = rest.split_at_checked(digits)?;
        rest = after;
        text.pop();
        text.push(char::from_u32(number(digits, 16)?)?);
    }
    Some(Cow::Owned(text))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits
        .iter()
        .try_fold(0_u32, |value, &digit| value.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::{decimal, float, integer, quoted, raw_unicode};

    #[test]
    fn strings_are_unescaped_as_in_a_bytes_literal() {
        for (line, expected) in [
            (&b"'abc'"[..], Some(&b"abc"[..])),
            (b"\"a'b\"", Some(b"a'b")),
            (b"''", Some(b"")),
            (br"'\\\'\x41\n\101\0\18\q'", Some(b"\\'A\nA\x00\x018\\q")),
            (br"'\a\b\t\v\f\r'", Some(b"\x07\x08\t\x0b\x0c\r")),
            (b"'abc", None),
            (b"'abc\"", None),
            (b"'", None),
            (b"", None),
            (br"'\x4'", None),
            (br"'\xzz'", None),
            (br"'\'", None),
        ] {
            assert_eq!(quoted(line).as_deref(), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn unicode_is_latin_1_with_escapes() {
        for (line, expected) in [
            (&b"abc"[..], Some("abc")),
            (b"\xe9\xff", Some("éÿ")),
            (br"\u20ac\U0001f600\\u0041\n", Some(r"€😀\\u0041\n")),
            (br"\u005c", Some("\\")),
            (br"a\", Some("a\\")),
            (br"\ud83d\ude00", None),
            (br"\u12", None),
            (br"\u12g4", None),
            (br"\U00110000", None),
            (br"\Uffffffff", None),
        ] {
            assert_eq!(raw_unicode(line).as_deref(), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_decimal_is_digits_and_a_sign() {
        for (line, expected) in [
            (&b"0"[..], Some("0")),
            (b"-12", Some("-12")),
            (b"+3", Some("+3")),
            (b"", None),
            (b"-", None),
            (b"1_0", None),
            (b"0x1", None),
            (b" 1", None),
            (b"\xff", None),
        ] {
            assert_eq!(decimal(line), expected);
        }
    }

    #[test]
    fn an_integer_is_as_python_writes_it() {
        for line in ["0", "7", "-7", "10", "18446744073709551616"] {
            assert_eq!(integer(line.as_bytes()), Some(line));
        }
        for line in ["", "-", "00", "01", "-0", "-01", "+1", "017", "0x1", "1_0", " 1", "1 ", "1\0", "\u{661}"] {
            assert_eq!(integer(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn a_float_is_infinite_only_where_it_says_so() {
        for (line, expected) in
            [("1.5", 1.5), ("-1e-3", -0.001), ("inf", f64::INFINITY), ("5e-324", 5e-324), (".5", 0.5)]
        {
            assert_eq!(float(line.as_bytes()), Some(expected));
        }
        assert!(float(b"nan").is_some_and(f64::is_nan));
        for line in ["1e999", "-1e999", "", "1.5\0", " 1", "1_0.0", "0x1p3", "."] {
            assert_eq!(float(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(float(&[b'9'; 400]), None);
    }
}
