//! A `Deserialize` that was written by hand, as the manual of serde shows it: its fields are known by their names as text, and as nothing else.

use std::collections::BTreeMap;
use std::fmt;

use outband::{Buffer, Decode, MsgPack, from_multipart, from_multipart_ref, to_multipart};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Span {
    secs: u64,
    samples: Buffer,
    within: Option<Box<Span>>,
}

enum Field {
    Secs,
    Samples,
    Within,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`secs`, `samples` or `within`")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
                match name {
                    "secs" => Ok(Field::Secs),
                    "samples" => Ok(Field::Samples),
                    "within" => Ok(Field::Within),
                    _ => Err(E::unknown_field(name, FIELDS)),
                }
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

const FIELDS: &[&str] = &["secs", "samples", "within"];

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Span, A::Error> {
                let mut span = Span { secs: 0, samples: Buffer::new(), within: None };
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Secs => span.secs = map.next_value()?,
                        Field::Samples => span.samples = map.next_value()?,
                        Field::Within => span.within = map.next_value()?,
                    }
                }
                Ok(span)
            }
        }
        deserializer.deserialize_struct("Span", FIELDS, Fields)
    }
}

fn span(len: usize, depth: u64) -> Span {
    (0..depth).fold(Span { secs: 7, samples: vec![7; len].into(), within: None }, |within, secs| Span {
        secs,
        samples: Buffer::from(vec![secs as u8; len]),
        within: Some(Box::new(within)),
    })
}

#[test]
fn fields_that_are_known_as_text_alone_are_found() {
    // short and long metadata, with and without frames, deeper than errors name a path
    for (len, depth) in [(10, 0), (10, 3), (20_000, 3), (8_000, 3), (10, 40), (20_000, 40)] {
        let span = span(len, depth);
        let message = to_multipart(&span).unwrap();
        assert_eq!(from_multipart::<Span>(message.clone()).unwrap(), span);
        assert_eq!(from_multipart_ref::<Span>(&message).unwrap(), span);
        assert_eq!(MsgPack::new().peek::<Span>(&message).unwrap(), span);
        let (metadata, buffers) = message.into_parts();
        if buffers.is_empty() {
            assert_eq!(Decode::<Span>::decode_frame(&MsgPack::new(), &metadata).unwrap(), span);
        }
        let back: Span = MsgPack::new().decode_parts(&metadata, buffers.clone()).unwrap();
        assert_eq!(back, span);
        if let [first, ..] = &buffers[..] {
            assert_eq!(back.samples.as_ptr(), first.as_ptr());
        }
    }
}

#[test]
fn what_does_not_fit_them_is_named() {
    let message = to_multipart(&BTreeMap::from([("secs", 1), ("minutes", 2)])).unwrap();
    let error = from_multipart::<Span>(message.clone()).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("unknown field `minutes`"), "{error}");
    from_multipart::<IgnoredAny>(message).unwrap();
}
