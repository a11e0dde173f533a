//! Maps that get room for all of their entries at once: what is set aside for them, on the word of honest peers and of others.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use indexmap::IndexMap;
use outband::{Decode, Encode, Json, MsgPack, Multipart, Pickle, serde_map};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::counting::measure;

/// An entry of 64 bytes.
type Wide = [u64; 7];

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(transparent)]
struct Roomy(#[serde(with = "outband::serde_map")] HashMap<u32, Wide>);

/// What decoding allocates once it has all that it keeps for itself.
fn allocated<T: DeserializeOwned>(codec: &impl Decode<T>, message: &Multipart) -> (T, usize) {
    codec.decode(message.clone()).unwrap();
    let (value, usage) = measure(|| codec.decode(message.clone()).unwrap());
    (value, usage.allocated)
}

#[test]
fn a_map_is_allocated_once() {
    fn check<C>(codec: &C, table: usize)
    where
        C: Encode<HashMap<u32, Wide>> + Decode<HashMap<u32, Wide>> + Decode<Roomy>,
    {
        let map: HashMap<u32, Wide> = (0..60_000).map(|key| (key, [u64::from(key); 7])).collect();
        let message = codec.encode(&map).unwrap();
        let (plain, grown) = allocated::<HashMap<u32, Wide>>(codec, &message);
        let (roomy, at_once) = allocated::<Roomy>(codec, &message);
        assert!(plain == map && roomy.0 == map);
        assert!(grown > table + table / 2, "{grown} bytes as serde fills a map of {table}");
        assert!(at_once < table + (64 << 10), "{at_once} bytes for a map of {table}");
    }
    let (_map, usage) = measure(|| HashMap::<u32, Wide>::with_capacity(60_000));
    check(&MsgPack::new(), usage.allocated);
    check(&Pickle::new(), usage.allocated);
}

#[test]
fn every_map_is_filled_as_serde_fills_it() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Maps<T: Map> {
        #[serde(deserialize_with = "serde_map::deserialize", bound = "")]
        map: T,
    }
    trait Map: Default + Extend<(String, i64)> + IntoIterator<Item = (String, i64)> {}
    impl<T: Default + Extend<(String, i64)> + IntoIterator<Item = (String, i64)>> Map for T {}

    type Sent<'a> = HashMap<&'a str, IndexMap<String, i64>>;
    fn filled<'a, T, C>(codec: &C, sent: &Sent<'a>)
    where
        T: Map + DeserializeOwned + PartialEq + Debug,
        C: Encode<Sent<'a>> + Decode<HashMap<String, T>> + Decode<Maps<T>>,
    {
        let message = codec.encode(sent).unwrap();
        let as_serde: HashMap<String, T> = codec.decode(message.clone()).unwrap();
        let filled: Maps<T> = codec.decode(message).unwrap();
        assert_eq!(Some(&filled.map), as_serde.get("map"));
    }
    fn check<T: Map + DeserializeOwned + PartialEq + Debug>() {
        for len in [0, 1, 3, 1000, 20_000] {
            let sent = HashMap::from([("map", (0..len).rev().map(|id| (format!("key {id}"), id)).collect())]);
            filled::<T, _>(&MsgPack::new(), &sent);
            filled::<T, _>(&Pickle::new(), &sent);
            // which announces nothing
            filled::<T, _>(&Json::new(), &sent);
        }
    }
    check::<HashMap<String, i64>>();
    check::<HashMap<String, i64, ahash::RandomState>>();
    check::<IndexMap<String, i64>>();
    check::<BTreeMap<String, i64>>();
}

#[test]
fn entries_come_in_their_order_and_of_two_keys_the_last_is_kept() {
    #[derive(Deserialize)]
    struct Pairs(#[serde(deserialize_with = "serde_map::deserialize")] Vec<(String, u8)>);
    #[derive(Deserialize)]
    struct Map(#[serde(deserialize_with = "serde_map::deserialize")] HashMap<String, u8>);
    let message = Multipart::new(&b"\x83\xa1b\x01\xa1a\x02\xa1b\x03"[..], vec![]);
    let Pairs(pairs) = MsgPack::new().decode(message.clone()).unwrap();
    assert_eq!(pairs, [("b".to_owned(), 1), ("a".to_owned(), 2), ("b".to_owned(), 3)]);
    let Map(map) = MsgPack::new().decode(message).unwrap();
    assert_eq!(map, HashMap::from([("a".to_owned(), 2), ("b".to_owned(), 3)]));
}

#[test]
fn what_does_not_fit_is_named() {
    #[derive(Deserialize, Debug)]
    struct Shop {
        #[serde(rename = "prices", with = "outband::serde_map")]
        _prices: HashMap<String, f64>,
    }
    let sent = BTreeMap::from([("prices", BTreeMap::from([("nut", Some(0.5)), ("tin", None)]))]);
    let error = Decode::<Shop>::decode(&Pickle::new(), Pickle::new().encode(&sent).unwrap()).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("prices.tin"), "{error}");
    let error = Decode::<Shop>::decode(&MsgPack::new(), MsgPack::new().encode(&sent).unwrap()).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("prices.tin"), "{error}");
    let list = Pickle::new().encode(&BTreeMap::from([("prices", [1, 2])])).unwrap();
    let error = Decode::<Shop>::decode(&Pickle::new(), list).unwrap_err();
    assert!(error.to_string().contains("expected a map"), "{error}");
}

#[test]
fn no_room_is_made_for_entries_that_are_not_there() {
    let codec = MsgPack::new();
    let refused = |data: Vec<u8>| {
        let message = Multipart::new(data, vec![]);
        let (result, usage) = measure(|| Decode::<Roomy>::decode(&codec, message.clone()));
        assert!(result.unwrap_err().is_peer());
        assert!(usage.peak < 64 << 10, "{usage:?}");
    };
    let most = b"\xdf\xff\xff\xff\xff";
    refused(most.to_vec());
    refused([&most[..], &[0; 8000]].concat());
    refused([&most[..], &[0; 1 << 20]].concat());
    // as many as there are bytes, none of them with its value
    refused([&b"\xde\x0f\xa0"[..], &[0; 4000]].concat());
    refused([&b"\xdf\x00\x08\x00\x00"[..], &[0; 1 << 19]].concat());
    // one in the other
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only decoded")]
    struct Nested(#[serde(with = "outband::serde_map")] HashMap<u8, Nested>);
    let nested = Multipart::new(
        [&b"\xde\x0f\x00\x00"[..]; 60].concat().into_iter().chain([0; 8000 - 240]).collect::<Vec<_>>(),
        vec![],
    );
    let (result, usage) = measure(|| Decode::<Nested>::decode(&codec, nested.clone()));
    assert!(result.unwrap_err().is_peer());
    assert!(usage.peak < 1 << 20, "{usage:?}");
}

/// A dict of one key, which is fetched and set again so often.
fn one_key(count: usize) -> Multipart {
    let data = [&b"\x80\x04}(\x8c\x01a\x94K\x07"[..], &b"h\x00K\x07".repeat(count - 1), b"u."].concat();
    Multipart::new(data, vec![])
}

#[test]
fn equal_keys_make_no_more_room_than_as_many_others() {
    #[derive(Deserialize, Debug)]
    struct Map(#[serde(with = "outband::serde_map")] HashMap<String, u64>);
    let message = one_key(300_000);
    let (_map, honest) = measure(|| HashMap::<String, u64>::with_capacity(300_000));
    let (Map(map), usage) = measure(|| Pickle::new().decode(message.clone()).unwrap());
    assert_eq!(map, HashMap::from([("a".to_owned(), 7)]));
    assert!(usage.peak < honest.peak + (64 << 10), "{usage:?}, {honest:?}");
}

#[test]
fn no_more_room_is_made_than_the_most() {
    /// What takes a kibibyte here and two bytes there.
    #[derive(Deserialize)]
    #[serde(from = "u8")]
    struct Large([u64; 128]);
    impl From<u8> for Large {
        fn from(value: u8) -> Self {
            Self([value.into(); 128])
        }
    }
    #[derive(Deserialize)]
    struct Map(#[serde(deserialize_with = "serde_map::deserialize")] HashMap<String, Large>);
    let message = one_key(300_000);
    let (Map(map), usage) = measure(|| Pickle::new().decode(message.clone()).unwrap());
    assert_eq!(map["a"].0[127], 7);
    // a hash table has room for an eighth more, and a power of two
    assert!(usage.peak > serde_map::MOST && usage.peak < serde_map::MOST * 5 / 2, "{usage:?}");
}
