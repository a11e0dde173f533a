//! Time zones by name: those of `datetime`, `zoneinfo` and pytz.

use super::super::list::Listed;
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::super::time;
use crate::pickle::{Node, NodeId};

/// The longest name of a time zone.
const LONGEST: usize = 255;

/// The name of a zone, which each column in it has for itself: paid for, and of no more bytes than those of the tz database.
pub(super) fn bounded<'n>(reader: Reader<'_>, name: &'n str) -> Result<&'n str> {
    if name.len() > LONGEST {
        let len = name.len();
        return Err(Mismatch::because(format_args!("a time zone whose name has {len} bytes, more than {LONGEST}")));
    }
    reader.tree.spend(name.len())?;
    Ok(name)
}

/// The name of a time zone: `Europe/Oslo`, `UTC`, `+05:30`.
pub(super) fn name<'g>(reader: Reader<'g>, id: NodeId) -> Result<String> {
    let odd = || Mismatch::because("a time zone in a form that it is not written in");
    let Node::Object(object) = reader.tree.node(id) else { return Err(odd()) };
    let call = reader.call(object)?;
    let name = match (call.listed, call.name) {
        (Listed::TimeZone | Listed::ZoneInfo, _) => return time::text(reader, call),
        (Listed::Zone, "_UTC") if call.arguments.len() == 0 => return Ok("UTC".to_owned()),
        (Listed::Zone, "FixedOffset") => return fixed(reader, call.exactly::<1>()?[0]),
        // _p(zone), or with the offsets and the abbreviation of one of its periods
        (Listed::Zone, "_p") => call.argument(0).filter(|_| matches!(call.arguments.len(), 1 | 4)),
        _ => return Err(call.odd()),
    };
    match name.map(|id| reader.tree.node(id)) {
        Some(Node::Str(name)) if !name.is_empty() => {
            reader.tree.spend(name.len())?;
            Ok(name.to_owned())
        }
        _ => Err(odd()),
    }
}

/// `pytz.FixedOffset(minutes)`.
fn fixed(reader: Reader<'_>, minutes: NodeId) -> Result<String> {
    match reader.tree.node(minutes) {
        Node::Int(minutes) if minutes.unsigned_abs() < 24 * 60 => {
            let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
            Ok(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
        }
        _ => Err(Mismatch::because("a time zone that is more than a day from UTC")),
    }
}
