//! Numbers as Python writes them.
//!
//! Python's `repr` of a float (<https://docs.python.org/3/library/stdtypes.html#float>): the fewest digits that read back
//! as the same number, with an exponent from 1e16 on and below 1e-4, of two digits at least, and else with a point.

use std::fmt::Arguments;
use std::io::Write as _;

/// Appends a number with the digits that tell it from all others of 64 bits.
pub(super) fn write_f64(out: &mut Vec<u8>, value: f64) {
    if write_special(out, value) {
        return;
    }
    // `{:e}` has the shortest digits that read back the same
    let shortest = Scientific::new(format_args!("{value:e}"));
    if may_tie(value) && shortest.digits() >= TIED_DIGITS {
        // of two texts that are equally near Python takes the one that ends even, as formatting to a length does; beside
        // a power of two the nearest of that length may be a neighbour's
        let even = Scientific::new(format_args!("{value:.*e}", shortest.digits() - 1));
        if even.as_str().parse() == Ok(value) {
            return even.write(out);
        }
    }
    shortest.write(out);
}

/// The fewest digits that two texts have which are equally near the number, like `635323702522137.2` and `.3` for what is
/// exactly `.25`. With less digits there is just one in a float's reach.
const TIED_DIGITS: usize = 15;

/// Whether two texts of 17 digits or less may be equally near: only where the number has 18 digits at most, so not many
/// binary places, each of which is a decimal one.
fn may_tie(value: f64) -> bool {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
    let places = 52 - exponent - bits.trailing_zeros().min(52) as i32;
    places <= 26
}

/// Appends a number with the digits that tell it from all others of 32 bits, which are fewer: 0.1 is `0.1`.
pub(super) fn write_f32(out: &mut Vec<u8>, value: f32) {
    if !write_special(out, value.into()) {
        Scientific::new(format_args!("{value:e}")).write(out);
    }
}

/// What has no digits.
fn write_special(out: &mut Vec<u8>, value: f64) -> bool {
    let word: &[u8] = match value {
        _ if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ => return false,
    };
    out.extend_from_slice(word);
    true
}

/// A number as `-d.ddde-x`.
struct Scientific {
    text: [u8; LONGEST],
    len: usize,
}

/// The longest: a sign, 17 digits, a point, and an exponent of three digits and its sign.
const LONGEST: usize = 32;

impl Scientific {
    fn new(number: Arguments<'_>) -> Self {
        let mut text = [0; LONGEST];
        let mut room = &mut text[..];
        room.write_fmt(number).expect("invariant: a float has at most 17 digits");
        let len = LONGEST - room.len();
        Self { text, len }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).expect("invariant: a number is ASCII")
    }

    fn digits(&self) -> usize {
        self.as_str().bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count()
    }

    /// Appends it in Python's form.
    fn write(&self, out: &mut Vec<u8>) {
        let (digits, exponent) = self.as_str().split_once('e').expect("invariant: an exponent was asked for");
        let exponent: i32 = exponent.parse().expect("invariant: the exponent is a number");
        let (sign, digits) = match digits.as_bytes() {
            [b'-', digits @ ..] => (&b"-"[..], digits),
            digits => (&b""[..], digits),
        };
        // one digit, a point, the others
        let (first, rest) = (&digits[..1], digits.get(2..).unwrap_or_default());
        out.extend_from_slice(sign);
        match exponent {
            -4..=-1 => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + (-1 - exponent) as usize, b'0');
                out.extend_from_slice(first);
                out.extend_from_slice(rest);
            }
            0..=15 => {
                let exponent = exponent as usize;
                let (whole, part) = rest.split_at(exponent.min(rest.len()));
                out.extend_from_slice(first);
                out.extend_from_slice(whole);
                out.resize(out.len() + exponent - whole.len(), b'0');
                out.push(b'.');
                out.extend_from_slice(if part.is_empty() { b"0" } else { part });
            }
            _ => {
                out.extend_from_slice(first);
                if !rest.is_empty() {
                    out.push(b'.');
                    out.extend_from_slice(rest);
                }
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(out, "e{sign}{:02}", exponent.unsigned_abs()).expect("invariant: memory takes every write");
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "the digits say which way a tie goes")]
mod tests {
    use super::{write_f32, write_f64};

    fn f64_text(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    #[allow(clippy::excessive_precision, reason = "exactly between two shorter texts")]
    fn floats_are_written_as_python_writes_them() {
        let expected = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (100.0, "100.0"),
            (1e15, "1000000000000000.0"),
            (9007199254740993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (123.456, "123.456"),
            // exactly between two texts of the same length
            (635323702522137.25, "635323702522137.2"),
            (635323702522137.75, "635323702522137.8"),
            (9007199254740996.0, "9007199254740996.0"),
            (1.152921504606847744e18, "1.1529215046068477e+18"),
            (25597405353.4453125, "25597405353.445312"),
            (1.00000762939453125, "1.0000076293945312"),
            (0.50000762939453125, "0.5000076293945312"),
            (9.5367431640625e22, "9.5367431640625e+22"),
        ];
        for (value, text) in expected {
            assert_eq!(f64_text(value), text);
        }
    }

    #[test]
    fn a_short_float_has_no_more_digits_than_it_needs() {
        for (value, text) in
            [(0.1_f32, "0.1"), (16777216.0, "16777216.0"), (f32::MAX, "3.4028235e+38"), (f32::NAN, "NaN")]
        {
            let mut out = Vec::new();
            write_f32(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
