//! Integers of any length: Python has no largest one.

use super::mismatch::{Mismatch, Result};
use crate::pickle::Node;

/// The most digits that are written out: CPython's own limit for the same reason, that it takes quadratic time.
const MAX_DIGITS: usize = 4300;

/// The most bytes that such an integer may have: 4300 digits are up to 14 285 bits, and one for the sign.
const MAX_BYTES: usize = 1786;

/// An integer of up to 127 bits and a sign.
pub(super) fn signed(node: Node<'_>) -> Option<i128> {
    match node {
        Node::Big(bytes) => from_bytes(bytes),
        Node::BigText(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// An integer of up to 128 bits without a sign.
pub(super) fn unsigned(node: Node<'_>) -> Option<u128> {
    match node {
        Node::Big([bytes @ .., 0]) if bytes.len() == 16 => Some(u128::from_le_bytes(bytes.try_into().ok()?)),
        Node::Big(bytes) => from_bytes(bytes)?.try_into().ok(),
        Node::BigText(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Little-endian, two's complement.
fn from_bytes(bytes: &[u8]) -> Option<i128> {
    let is_negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}

/// An integer, little-endian and two's complement, in decimal.
pub(super) fn digits(bytes: &[u8]) -> Result<String> {
    const GROUP: u64 = 1_000_000_000;
    if bytes.len() > MAX_BYTES {
        return Err(too_long(format_args!("an integer of {} bytes", bytes.len())));
    }
    let is_negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let fill = if is_negative { 0xff } else { 0 };
    let mut limbs: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut limb = [fill; 4];
            limb[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(limb)
        })
        .collect();
    if is_negative {
        let mut carry = true;
        for limb in &mut limbs {
            (*limb, carry) = (!*limb).overflowing_add(carry.into());
        }
    }
    let mut groups = Vec::new();
    while let Some(&last) = limbs.last() {
        if last == 0 {
            limbs.pop();
            continue;
        }
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / GROUP) as u32;
            rest = value % GROUP;
        }
        groups.push(rest);
    }
    let mut text = format!("{}{}", if is_negative { "-" } else { "" }, groups.pop().unwrap_or(0));
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    match text.len() - usize::from(is_negative) {
        ..=MAX_DIGITS => Ok(text),
        more => Err(too_long(format_args!("an integer of {more} digits"))),
    }
}

/// An integer in decimal, as bytes: little-endian, two's complement. `None` where it is none, or has more digits than are
/// written out.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    const GROUP: usize = 9;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !(1..=MAX_DIGITS).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (first, rest) = digits.split_at(digits.len() % GROUP);
    let mut limbs: Vec<u32> = Vec::new();
    for group in std::iter::once(first.as_bytes()).chain(rest.as_bytes().chunks(GROUP)) {
        let mut carry = group.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        for limb in &mut limbs {
            carry += u64::from(*limb) * 1_000_000_000;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    // with a byte for the sign
    let mut bytes: Vec<u8> = limbs.into_iter().flat_map(u32::to_le_bytes).chain([0]).collect();
    if is_negative {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(carry.into());
        }
    }
    Some(bytes)
}

/// An integer in decimal, without what Python would not print.
pub(super) fn plain(digits: &str) -> Result<String> {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.strip_prefix('+').unwrap_or(digits)),
    };
    let digits = digits.trim_start_matches('0');
    match digits.len() {
        0 => Ok("0".to_owned()),
        1..=MAX_DIGITS => Ok(format!("{sign}{digits}")),
        more => Err(too_long(format_args!("an integer of {more} digits"))),
    }
}

fn too_long(what: impl std::fmt::Display) -> Mismatch {
    Mismatch::because(format_args!("{what}, more than the {MAX_DIGITS} digits that are written out"))
}

/// The nearest float; an error where that is infinite, as it is in Python.
pub(super) fn float(digits: &str) -> Result<f64> {
    let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| Mismatch::because("an integer too large for a float"))
}

/// The nearest float to a `Decimal`.
pub(super) fn decimal(text: &str) -> Result<f64> {
    text.parse().map_err(|_| Mismatch::because("a Decimal that no float is near to"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{bytes, digits, float, from_bytes, plain, signed, unsigned};
    use crate::pickle::Node;

    #[test]
    fn integers_are_written_in_decimal() {
        for value in [0, 1, -1, 255, -256, 10_i128.pow(9), -(10_i128.pow(18)), i128::MAX, i128::MIN, 1 << 96] {
            let bytes = value.to_le_bytes();
            assert_eq!(digits(&bytes).unwrap(), value.to_string());
            assert_eq!(from_bytes(&bytes), Some(value));
        }
        let two_to_the_136 = [&[0; 17][..], &[1]].concat();
        assert_eq!(digits(&two_to_the_136).unwrap(), "87112285931760246646623899502532662132736");
        let minus = [&[0; 16][..], &[0xff]].concat(); // -2^128
        assert_eq!(digits(&minus).unwrap(), "-340282366920938463463374607431768211456");
        assert_eq!(digits(&[]).unwrap(), "0");
        assert_eq!(digits(&[0x7f; 1785]).unwrap().len(), 4299);
        assert!(digits(&[0x7f; 1786]).unwrap_err().to_string().contains("4301 digits"));
        assert!(digits(&[0; 1787]).unwrap_err().to_string().contains("1787 bytes"));
    }

    #[test]
    fn what_fits_128_bits_is_a_number() {
        let most = [&[0xff; 16][..], &[0]].concat();
        assert_eq!(unsigned(Node::Big(&most)), Some(u128::MAX));
        assert_eq!(signed(Node::Big(&most)), None);
        assert_eq!(unsigned(Node::Big(&[0xff; 16])), None);
        assert_eq!(signed(Node::Big(&[0xff; 16])), Some(-1));
        assert_eq!(signed(Node::BigText("-170141183460469231731687303715884105728")), Some(i128::MIN));
        assert_eq!(unsigned(Node::BigText("+340282366920938463463374607431768211455")), Some(u128::MAX));
        assert_eq!(signed(Node::None), None);
    }

    #[test]
    fn decimal_digits_become_the_bytes_that_they_came_from() {
        let long = [-1_i32, 1].map(|sign| format!("{}{}", if sign < 0 { "-" } else { "" }, "987654321".repeat(40)));
        let numbers =
            [i128::MIN, i128::MAX, 0, -1, 999_999_999, 1_000_000_000, -(1 << 64)].map(|value| value.to_string());
        for text in numbers.iter().chain(&long) {
            assert_eq!(&digits(&bytes(text).unwrap()).unwrap(), text);
        }
        assert_eq!(bytes("+007").unwrap()[..1], [7]);
        for most in ["9".repeat(4300), format!("-{}", "9".repeat(4300))] {
            // what comes after is the sign once more
            assert_eq!(digits(&bytes(&most).unwrap()[..1786]).unwrap(), most);
        }
        for text in ["", "-", "1.5", " 1", "1_0", "١", &"9".repeat(4301)] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_as_python_prints_them() {
        assert_eq!(plain("+0012").unwrap(), "12");
        assert_eq!(plain("-000").unwrap(), "0");
        assert_eq!(plain("-9").unwrap(), "-9");
        assert_eq!(plain(&"9".repeat(4300)).unwrap().len(), 4300);
        assert!(plain(&"9".repeat(4301)).is_err());
        assert_eq!(float("18446744073709551616").unwrap(), 18_446_744_073_709_551_616.0);
        assert!(float(&"9".repeat(400)).is_err());
    }
}
