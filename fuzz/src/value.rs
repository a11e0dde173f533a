//! What holds of every `Value`.

use outband::{Encode, Json, Limits, MsgPack, Multipart, Pickle, Value, to_multipart};

use crate::check::comes_back;

/// No value of an input is near these when it is written.
pub fn wide() -> Limits {
    Limits::new().depth(Limits::MAX_DEPTH)
}

/// Prints short, and is the same value after every codec that writes it.
pub fn holds(value: &Value) {
    prints(value);
    let _ = in_message(value);
    in_json(value);
    in_pickle(value);
}

pub fn prints(value: &Value) {
    for text in [format!("{value}"), format!("{value:?}"), format!("{value:#}")] {
        assert!(text.len() <= 8000, "{} bytes of text", text.len());
    }
}

/// NaN is nobody's equal.
pub fn is_itself(value: &Value) -> bool {
    value == value
}

/// The message of the value, if it has one: the same for what it decodes to.
pub fn in_message(value: &Value) -> Option<Multipart> {
    let codec = MsgPack::new().limits(wide());
    let message = codec.encode(value).ok()?;
    comes_back(&codec, value);
    if let Ok(default) = to_multipart(value) {
        assert!(default == message);
    }
    Some(message)
}

fn in_json(value: &Value) {
    let codec = Json::new().limits(wide());
    if codec.encode(value).is_ok() {
        let again = comes_back(&codec, value);
        prints(&again);
    }
}

fn in_pickle(value: &Value) {
    for codec in [Pickle::new().limits(wide()), Pickle::new().limits(wide()).in_band()] {
        if codec.encode(value).is_ok() {
            let again = comes_back(&codec, value);
            prints(&again);
        }
    }
}
