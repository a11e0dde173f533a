//! What does not fit is refused by kind, and named by path where serde lets it be known.

use std::collections::BTreeMap;
use std::fmt::Debug;

use outband::{
    Array, Buffer, Decode, Encode, ErrorKind, HeadedArray, Json, Limits, MsgPack, Multipart, Pickle, from_multipart,
    from_multipart_ref, to_multipart,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTupleVariant};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Image {
    width: u32,
    pixels: Buffer,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Album {
    images: Vec<BTreeMap<String, Image>>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    image: Image,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Internal {
    Image { width: u32, pixels: Buffer },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind", content = "data")]
enum Adjacent {
    Image(Image),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Image { width: u32, pixels: Buffer },
    Number(u64),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum External {
    Image(Image),
    Nothing,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Holder<T> {
    inner: Vec<T>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Field {
    #[serde(with = "outband::serde_buffer")]
    volts: Vec<f64>,
}

fn refusal<T: DeserializeOwned + Debug>(value: &impl Serialize) -> String {
    let error = from_multipart::<T>(to_multipart(value).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
    assert!(error.is_peer() && !error.is_limit() && !error.is_timeout() && error.message().is_none());
    error.to_string()
}

fn holds<T: DeserializeOwned + Debug>(value: Value, parts: &[&str]) {
    let text = refusal::<T>(&value);
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn a_nested_field_that_does_not_fit_is_named_by_its_path() {
    holds::<Album>(
        json!({"images": [{}, {"a": {"width": "wide", "pixels": [1]}}]}),
        &["the metadata does not fit at images[1].a.width: invalid type: string \"wide\", expected u32"],
    );
    holds::<Album>(json!({"images": [{"a": {"width": 1, "pixels": 5}}]}), &["at images[0].a.pixels: ", "a buffer"]);
    holds::<Album>(
        json!({"images": [{"a": {"width": 1, "pixels": [1, 256]}}]}),
        &["at images[0].a.pixels[1]: ", "256"],
    );
    holds::<Album>(json!({"images": [{"a": {"width": 1}}]}), &["at images[0].a", "missing field `pixels`"]);
    holds::<Album>(json!({"images": 1}), &["at images: ", "a sequence"]);
    holds::<Album>(json!(1), &["the metadata does not fit: ", "struct Album"]);
    holds::<External>(json!({"Image": {"width": -1, "pixels": [1]}}), &["at Image.width: ", "`-1`", "u32"]);
    holds::<External>(json!("Something"), &["unknown variant `Something`", "`Image`"]);
    holds::<Holder<External>>(json!({"inner": ["Nothing", {"Image": {}}]}), &["at inner[1].Image", "missing field"]);
}

#[test]
fn a_field_that_serde_keeps_aside_is_named_as_far_as_serde_knows() {
    let wrong = json!({"width": "wide", "pixels": [1]});
    let with = |name: &str, value: Value| {
        let mut object = wrong.clone();
        object[name] = value;
        json!({"inner": [object]})
    };
    // serde keeps these values aside and forgets where they stood: the element is named, and the reason
    holds::<Holder<Flat>>(with("id", json!(1)), &["at inner[0]", "string \"wide\", expected u32"]);
    holds::<Holder<Internal>>(with("kind", json!("Image")), &["at inner[0]", "string \"wide\", expected u32"]);
    holds::<Holder<Untagged>>(json!({"inner": [wrong.clone()]}), &["at inner[0]: ", "did not match any variant"]);
    holds::<Holder<Adjacent>>(
        json!({"inner": [{"kind": "Image", "data": wrong.clone()}]}),
        &["at inner[0]", "string \"wide\", expected u32"],
    );
    holds::<Holder<Flat>>(json!({"inner": [{"id": 1, "width": 1}]}), &["at inner[0]", "missing field `pixels`"]);
    holds::<Holder<Internal>>(json!({"inner": [{"kind": "Movie"}]}), &["at inner[0]", "unknown variant `Movie`"]);
}

#[test]
fn a_buffer_where_something_else_is_wanted_is_named() {
    let big = || Buffer::from_vec(vec![0xff_u8; 20_000]);
    for (text, parts) in [
        (refusal::<Holder<u32>>(&Holder { inner: vec![big()] }), ["at inner[0]: ", "u32"]),
        (refusal::<Holder<String>>(&Holder { inner: vec![big()] }), ["at inner[0]: ", "string"]),
        (refusal::<Holder<Image>>(&Holder { inner: vec![big()] }), ["at inner[0]: ", "struct Image"]),
        (refusal::<Holder<External>>(&Holder { inner: vec![big()] }), ["at inner[0]", "unknown variant"]),
        (refusal::<Holder<(u8, u8)>>(&Holder { inner: vec![big()] }), ["at inner[0]: ", "expected 2 elements"]),
        (refusal::<Value>(&big()), ["the metadata does not fit: ", "byte array"]),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)), "{text:?} does not say {parts:?}");
        assert!(text.len() < 400, "{text}");
    }
    let text = refusal::<Field>(&BTreeMap::from([("volts", Buffer::from(vec![1; 20_001]))]));
    assert_eq!(text, "the metadata does not fit at volts: 20001 bytes are not a whole number of elements of 8 bytes");
    let text = refusal::<Field>(&json!({"volts": null}));
    assert_eq!(text, "the metadata does not fit at volts: a buffer is missing");
}

#[test]
fn a_borrow_of_what_cannot_be_borrowed_is_an_error() {
    let message = to_multipart(&vec![1_u8, 2, 3]).unwrap();
    let error = from_multipart_ref::<&[u8]>(&message).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("a borrowed byte array"), "{error}");
}

#[test]
fn a_value_that_no_receiver_accepts_is_refused_at_the_sender() {
    let limits = outband::Limits::new().frames(1).metadata_bytes(100).total_bytes(30_000);
    let codec = MsgPack::new().limits(limits);
    let big = || Buffer::from_vec(vec![1_u8; 20_000]);
    for (error, text) in [
        (
            codec.encode(&[big(), Buffer::from_vec(vec![2_u8; 9_000])]).unwrap_err(),
            "more buffer frames than the limit of 1 (frames)",
        ),
        (
            codec.encode(&"x".repeat(200)).unwrap_err(),
            "the metadata of 202 bytes is longer than the limit of 100 (metadata_bytes)",
        ),
        (codec.encode(&Buffer::from_vec(vec![1_u8; 40_000])).unwrap_err(), "the limit is 30000 (total_bytes)"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Limits);
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(codec.encode(&[big()]).unwrap().buffers().len(), 1);
}

/// Announces a number of elements, entries or fields and has another one.
#[derive(Clone, Copy)]
enum Miscounted {
    Sequence(Option<usize>, usize),
    Map(Option<usize>, usize),
    Struct(usize),
    Variant(usize),
    /// A key, and no value.
    Keys(Option<usize>),
}

impl Serialize for Miscounted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Sequence(announced, elements) => {
                let mut sequence = serializer.serialize_seq(announced)?;
                (0..elements).try_for_each(|element| sequence.serialize_element(&element))?;
                sequence.end()
            }
            Self::Map(announced, entries) => {
                let mut map = serializer.serialize_map(announced)?;
                (0..entries).try_for_each(|entry| map.serialize_entry(&entry, &[entry]))?;
                map.end()
            }
            Self::Struct(announced) => {
                let mut fields = serializer.serialize_struct("Miscounted", announced)?;
                fields.serialize_field("a", &1)?;
                fields.skip_field("b")?;
                fields.serialize_field("c", &2)?;
                fields.end()
            }
            Self::Variant(announced) => {
                let mut fields = serializer.serialize_tuple_variant("Miscounted", 0, "variant", announced)?;
                fields.serialize_field(&1)?;
                fields.end()
            }
            Self::Keys(announced) => {
                let mut map = serializer.serialize_map(announced)?;
                map.serialize_key("lonely")?;
                map.end()
            }
        }
    }
}

#[test]
fn a_length_that_is_not_what_comes_is_refused_at_the_sender() {
    use Miscounted::{Keys, Map, Sequence, Struct, Variant};
    let refused = [
        (Sequence(Some(3), 2), "a sequence that announced 3 elements and has 2"),
        (Sequence(Some(0), 1), "a sequence that announced 0 elements and has 1"),
        (Sequence(Some(usize::MAX >> 40), 20), "announced 16777215 elements and has 20"),
        (Map(Some(3), 2), "a map that announced 3 entries and has 2"),
        (Map(Some(1), 2), "a map that announced 1 entries and has 2"),
        (Struct(3), "a map that announced 3 entries and has 2"),
        (Variant(2), "a sequence that announced 2 elements and has 1"),
        (Keys(Some(1)), "a map whose last key has no value"),
        (Keys(None), "a map whose last key has no value"),
    ];
    for (value, why) in refused {
        for error in
            [to_multipart(&value).unwrap_err(), to_multipart(&(Buffer::from(vec![0; 9000]), [value], 1)).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Caller);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    for sound in [Sequence(Some(2), 2), Sequence(None, 20), Map(Some(20), 20), Map(None, 3), Struct(2), Variant(1)] {
        from_multipart::<IgnoredAny>(to_multipart(&sound).unwrap()).unwrap();
    }
}

#[test]
fn every_limit_that_is_met_is_named_with_its_value() {
    let limits = Limits::new().frames(2).metadata_bytes(1000).total_bytes(30_000).depth(3);
    let strict = MsgPack::new().limits(limits);
    let json = Json::new().limits(limits);
    let buffer = |len| Buffer::from_vec(vec![1_u8; len]);
    let nested = [[[[1]]]];
    let sent = |value: &dyn Fn() -> Multipart| Decode::<IgnoredAny>::decode(&strict, value()).unwrap_err();
    // one frame, four times
    let copied = to_multipart(&vec![buffer(9000); 4]).unwrap();
    let met = [
        (sent(&|| to_multipart(&[buffer(9000), buffer(9001), buffer(9002)]).unwrap()), "limit of 2 (frames)"),
        (sent(&|| to_multipart(&"x".repeat(1000)).unwrap()), "limit of 1000 (metadata_bytes)"),
        (sent(&|| to_multipart(&buffer(30_000)).unwrap()), "the limit is 30000 (total_bytes)"),
        (sent(&|| to_multipart(&nested).unwrap()), "limit of 3 (depth)"),
        (strict.encode(&nested).unwrap_err(), "limit of 3 (depth)"),
        (json.encode(&nested).unwrap_err(), "limit of 3 (depth)"),
        (Decode::<Value>::decode(&json, Json::new().encode(&nested).unwrap()).unwrap_err(), "limit of 3 (depth)"),
        (json.encode(&"x".repeat(1000)).unwrap_err(), "limit of 1000 (metadata_bytes)"),
        (Decode::<Vec<Vec<u8>>>::decode(&strict, copied).unwrap_err(), "limit of 30000 bytes (total_bytes"),
        (Pickle::new().limits(limits).encode(&nested).unwrap_err(), "limit of 3 (depth)"),
        (Pickle::new().limits(limits).encode(&[buffer(9000), buffer(9001), buffer(9002)]).unwrap_err(), "2 (frames)"),
    ];
    for (error, text) in met {
        assert!(error.is_limit(), "{error:?}");
        assert!(error.to_string().contains(text), "{error} has no {text}");
    }
}

#[test]
fn a_message_in_another_format_is_told_by_its_looks() {
    let array = Array::from_vec(vec![0.5_f32; 10_000]);
    let pickle = Pickle::new().encode(&array).unwrap();
    let message = to_multipart(&BTreeMap::from([("depth", &array)])).unwrap();
    let json = Json::new().encode(&json!({"camera": 3})).unwrap();
    let header = HeadedArray::new().encode(&array).unwrap();
    let topic = {
        let (metadata, mut buffers) = message.clone().into_parts();
        buffers.insert(0, metadata.into());
        Multipart::new("radar.north", buffers)
    };
    let zipped = Multipart::new(&b"\x78\x9c\x03\x00\x00\x00\x00\x01"[..], vec![]);

    let refusals = |message: &Multipart| {
        let refused = from_multipart::<Value>(message.clone()).unwrap_err();
        let not_json = Decode::<Value>::decode(&Json::new(), message.clone()).err();
        let no_pickle = Decode::<Value>::decode(&Pickle::new(), message.clone()).err();
        [Some(refused), not_json, no_pickle].map(|error| error.map(|error| (error.kind(), error.to_string())))
    };
    for (message, hint) in [
        (&pickle, "; it begins as a pickle does, which recv_with(&Pickle::new()) reads"),
        (&json, "; it looks like JSON, which recv_json reads"),
        (&header, "; it looks like the header of an array, which recv_array reads"),
        (&topic, "; it is text, as a topic is, which recv_topic_obj takes off"),
    ] {
        let [refused, not_json, no_pickle] = refusals(message);
        let (kind, text) = refused.unwrap();
        assert!(kind == ErrorKind::Peer && text.contains("follow the metadata") && text.ends_with(hint), "{text}");
        for (kind, text) in not_json.into_iter().chain(no_pickle) {
            // what is of its own format does not fit, and is not guessed at
            assert!(kind == ErrorKind::Peer && (text.ends_with(hint) || text.contains("does not fit")), "{text}");
        }
    }
    let [_, not_json, no_pickle] = refusals(&message);
    for (_, text) in [not_json, no_pickle].into_iter().flatten() {
        assert!(text.ends_with("; it begins as MessagePack does, which recv_obj reads"), "{text}");
    }
    let [refused, ..] = refusals(&zipped);
    assert!(refused.unwrap().1.contains("zlib data"));

    // bytes that look like nothing, and a value that something follows
    for bytes in [&b"\xc0\xc0"[..], b"\x01\x02", b"\x91\x01\x02"] {
        let error = from_multipart::<Value>(Multipart::new(bytes, vec![])).unwrap_err().to_string();
        assert!(!error.contains(';'), "{error}");
    }
}
