//! Numbers that Python writes as text.

use std::fmt::Write as _;

use super::form::Call;
use super::mismatch::{Mismatch, Result};
use super::number;
use super::read::Reader;
use crate::pickle::Node;

/// `Decimal("1.50")`.
pub(super) fn decimal<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<&'g str> {
    let [text] = call.exactly()?;
    match reader.tree.shown(text) {
        Node::Str(text) => Ok(text),
        _ => Err(call.odd()),
    }
}

/// `Fraction(1, 3)`, or `Fraction("1/3")` of Python before 3.12, as `1/3`; a whole number without the 1, as Python prints it.
pub(super) fn fraction<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<String> {
    let integer = |id| match reader.tree.shown(id) {
        Node::Int(value) => Ok(value.to_string()),
        Node::Big(bytes) => {
            reader.tree.spend(bytes.len().saturating_mul(8))?;
            number::digits(bytes)
        }
        Node::BigText(digits) => {
            reader.tree.spend(digits.len())?;
            number::plain(digits)
        }
        _ => Err(call.odd()),
    };
    if call.arguments.len() == 1 {
        let [text] = call.exactly()?;
        return match reader.tree.shown(text) {
            Node::Str(text) => {
                reader.tree.spend(text.len())?;
                Ok(text.to_owned())
            }
            _ => Err(call.odd()),
        };
    }
    let [numerator, denominator] = call.exactly()?;
    let (numerator, denominator) = (integer(numerator)?, integer(denominator)?);
    Ok(if denominator == "1" { numerator } else { format!("{numerator}/{denominator}") })
}

/// The 128 bits of a `UUID` in its usual form.
pub(super) fn uuid(node: Node<'_>) -> Result<String> {
    let number = match node {
        Node::Int(value) => u128::try_from(value).ok(),
        node => number::unsigned(node),
    };
    let number = number.ok_or_else(|| Mismatch::because("a UUID whose int is not one of 128 bits"))?;
    let digits = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (at, part) in [(0, 8), (8, 4), (12, 4), (16, 4), (20, 12)] {
        let dash = if at > 0 { "-" } else { "" };
        // writing to a text does not fail
        let _ = write!(text, "{dash}{}", &digits[at..at + part]);
    }
    Ok(text)
}
