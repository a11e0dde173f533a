//! Values without a schema from a socket, most of them messages of one short frame, which is decoded where libzmq put it: encoded
//! again, each is the message that came.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use outband::{
    Array, Buffer, DType, Decode, Encode, Error, ErrorKind, Limits, MsgPack, Multipart, Order, Pickle, Placement,
    SocketExt, Value, from_multipart, to_multipart,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

use crate::common::{Place, TRANSPORTS};
use crate::random::Random;
#[cfg(feature = "arrow")]
use crate::{batches, forged};

/// Sends a message, and what its receiver makes of it without its type.
fn through(sockets: &(zmq::Socket, zmq::Socket), message: &Multipart) -> Value {
    sockets.0.send_message(message.clone()).unwrap();
    sockets.1.recv_obj().unwrap()
}

/// What an object may hold.
#[derive(Serialize, Clone)]
#[serde(untagged)]
enum Part {
    Plain(Value),
    Raw(Buffer),
    List(Vec<Part>),
    Map(BTreeMap<String, Part>),
    #[cfg(feature = "arrow")]
    Table(forged::Wire),
}

fn part(random: &mut Random, depth: usize) -> Part {
    let bytes = |random: &mut Random, most| vec![random.next() as u8; random.below(most)];
    let most = [40, 40, 40, 12_000][random.below(4)];
    match random.below(if depth == 0 { 9 } else { 12 }) {
        0 => Part::Plain(Value::Nil),
        1 => Part::Plain(Value::from((random.next() >> random.below(64)) as i64)),
        2 => Part::Plain(Value::F64(random.next() as f64 / 3.0)),
        3 => Part::Plain(Value::from("søppel ".repeat(random.below(8)))),
        4 => Part::Plain(Value::Bytes(bytes(random, most).into())),
        5 => Part::Plain(Value::Ext(7, bytes(random, 40).into())),
        6 => Part::Raw(bytes(random, most).into()),
        7 => Part::Plain(array(random, most).into()),
        8 => table(random),
        9 | 10 => Part::List((0..random.below(5)).map(|_| part(random, depth - 1)).collect()),
        _ => Part::Map((0..random.below(5)).map(|key| (format!("k{key}"), part(random, depth - 1))).collect()),
    }
}

fn array(random: &mut Random, most: usize) -> Array {
    let (dtype, item) = [(DType::U8, 1), (DType::U16, 2), (DType::F64, 8)][random.below(3)].clone();
    let (rows, columns) = (random.below(4), random.below(most / 16 + 1));
    let order = [Order::C, Order::F][random.below(2)];
    Array::new(dtype, [rows, columns], order, vec![random.next() as u8; rows * columns * item].into()).unwrap()
}

#[cfg(not(feature = "arrow"))]
fn table(random: &mut Random) -> Part {
    Part::Plain(array(random, 100).into())
}

/// A table as another library writes it: its buffers are longer, its schema is, and there are bitmaps where nothing is null.
#[cfg(feature = "arrow")]
fn table(random: &mut Random) -> Part {
    let types = batches::types();
    let types: Vec<_> = (0..random.below(3)).map(|_| types[random.below(types.len())].clone()).collect();
    let rows = [0, 1, 7, 7, 300][random.below(5)];
    let batch = batches::batch(random, &types, rows);
    let message = to_multipart(&outband::Table::from(batch)).unwrap();
    let mut table: forged::Wire = from_multipart(message).unwrap();
    if random.below(4) > 0 {
        let announced = table.schema.len() as u32;
        table.schema[4..8].copy_from_slice(&announced.to_le_bytes());
        table.schema.extend([0; 8]);
        table.columns.iter_mut().for_each(|column| lengthen(random, column));
    }
    Part::Table(table)
}

#[cfg(feature = "arrow")]
fn lengthen(random: &mut Random, column: &mut forged::Column) {
    for buffer in column.buffers().iter_mut().flatten() {
        let mut longer = buffer.to_vec();
        longer.resize(buffer.len().next_multiple_of([1, 8, 64][random.below(3)]), 0);
        *buffer = longer.into();
    }
    column.below().for_each(|column| lengthen(random, column));
}

fn placing(place: Placement) -> MsgPack {
    MsgPack::new().placement(move |_| place)
}

#[test]
fn a_random_value_from_a_socket_is_the_same_message_again() {
    let mut random = Random::seeded(0x5eed_0050);
    let codecs = [
        MsgPack::new(),
        MsgPack::new().out_of_band_from(1),
        MsgPack::new().out_of_band_from(500),
        // without a byte shuffle: how long the elements of its buffers are is what a `Table` says of them, and these tables are none
        #[cfg(feature = "zlib")]
        MsgPack::new().out_of_band_from(500).compression(outband::Compression::zlib()),
        placing(Placement::InBand),
        placing(Placement::OutOfBand),
    ];
    let (mut short, mut long, mut compressed) = (0, 0, 0);
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let sockets = place.connected(zmq::PAIR, zmq::PAIR);
        for round in 0..1000 {
            let codec = &codecs[round % codecs.len()];
            let message = codec.encode(&part(&mut random, 3)).unwrap();
            let value = through(&sockets, &message);
            let again = codec.encode(&value).unwrap();
            assert!(again == message, "{transport}, {round}, {codec:?}: {value}");
            if message.buffer_sizes().unwrap().iter().any(|sizes| sizes.encoding().is_some()) {
                // whoever sends it on need not compress
                assert!(to_multipart(&value).unwrap() == message, "{transport}, {round}: {value}");
                compressed += 1;
            }
            let is_lone = message.buffers().is_empty() && message.metadata().len() <= 8192;
            *if is_lone { &mut short } else { &mut long } += 1;
            if is_lone {
                // whatever the options of who sends it on
                assert!(to_multipart(&value).unwrap() == message, "{transport}, {round}, {codec:?}: {value}");
                let value: Value = codec.decode_frame(message.metadata()).unwrap();
                assert!(MsgPack::new().out_of_band_from(0).encode(&value).is_ok());
            }
        }
    }
    assert!(short > 1000 && long > 300, "{short} short ones, {long} long ones");
    assert!(compressed > 10 || !cfg!(feature = "zlib"), "{compressed} with compressed buffers");
}

#[test]
fn every_golden_message_from_a_socket_is_the_same_message_again() {
    let place = Place::new("ipc");
    let sockets = place.connected(zmq::PAIR, zmq::PAIR);
    let mut folders = vec![("tests/golden", 35)];
    if cfg!(feature = "arrow") {
        folders.push(("tests/golden/tables", 10));
    }
    for (folder, least) in folders {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut seen = 0;
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "outband")) {
            let message = Multipart::read_from(&mut File::open(&path).unwrap()).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if ["blosc2", "blosc2_python", "lz4", "zlib", "zstd"].contains(&name) && !OPENS_ALL {
                continue;
            }
            let value = through(&sockets, &message);
            assert!(to_multipart(&value).unwrap() == message, "{}: {value}", path.display());
            seen += 1;
        }
        assert!(seen >= least, "{seen} messages");
    }
}

/// Whether compressed buffers of all formats can be read.
const OPENS_ALL: bool = cfg!(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"));

/// An empty buffer that lies where no other does.
fn apart() -> Buffer {
    struct Spot(Box<u8>);
    impl AsRef<[u8]> for Spot {
        fn as_ref(&self) -> &[u8] {
            &std::slice::from_ref(&*self.0)[..0]
        }
    }
    Buffer::from_owner(Spot(Box::new(0)))
}

#[test]
fn frames_without_bytes_are_as_many_again_wherever_they_came_from() {
    let codec = placing(Placement::OutOfBand);
    let twice = apart();
    let array = || Array::new(DType::F64, [0], Order::C, apart()).unwrap();
    // in band, of such a length that the metadata of a mapped file ends where a frame without bytes would begin
    let bytes = |len| Value::Bytes(vec![7; len].into());
    let frames = || [twice.clone(), apart(), apart(), apart()];
    let object = |len| (&twice, array(), frames(), array(), bytes(len), bytes(0));
    let without: Multipart = codec.encode(&object(0)).unwrap();
    let missing = without.metadata().len().next_multiple_of(64) - without.metadata().len();
    let message: Multipart = codec.encode(&object(missing)).unwrap();
    assert_eq!((message.buffers().len(), message.metadata().len() % 64), (6, 0));
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let value = through(&place.connected(zmq::PAIR, zmq::PAIR), &message);
        assert!(to_multipart(&value).unwrap() == message, "{transport}: {value}");
    }
    let mut file = Vec::new();
    message.write_to(&mut file).unwrap();
    let read = Multipart::read_from(&mut &file[..]).unwrap();
    let mapped = Multipart::read_from_buffer(&mut Buffer::from(file), &Limits::default()).unwrap();
    for message in [read, mapped] {
        let value: Value = from_multipart(message.clone()).unwrap();
        assert!(to_multipart(&value).unwrap() == message, "{value}");
        let last = value.as_list().unwrap().last().unwrap().clone();
        assert!(matches!(last, Value::Bytes(_)), "{last}");
    }
}

/// Bytes of a field that hold a message of a codec's own, decoded without a type.
struct Inner<const PICKLE: bool>(Value);

impl<'de, const PICKLE: bool> Deserialize<'de> for Inner<PICKLE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        let decoded = match PICKLE {
            true => Pickle::new().decode_frame(&bytes),
            false => MsgPack::new().decode_frame(&bytes),
        };
        decoded.map(Self).map_err(D::Error::custom)
    }
}

/// The array before and behind a message that is decoded within the outer one is where it was in that.
#[test]
fn what_is_decoded_within_a_message_has_the_places_of_its_own() {
    let array = Array::from_vec(vec![7_u8; 20_000]);
    let pickle = Pickle::new().in_band().encode(&array).unwrap();
    let packed = placing(Placement::InBand).encode(&array).unwrap();
    for place in [Placement::InBand, Placement::OutOfBand] {
        let fields = (&array, ByteBuf::from(pickle.metadata().to_vec()), ByteBuf::from(packed.metadata().to_vec()));
        let message: Multipart = placing(place).encode(&(fields.0, &fields.1, &fields.2, &array)).unwrap();
        type Outer = (Value, Inner<true>, Inner<false>, Value);
        let (before, Inner(pickled), Inner(inner), behind): Outer = from_multipart(message.clone()).unwrap();
        assert_eq!(pickled.as_array(), Some(&array));
        // nothing of a pickle has a place, and so it goes where the codec says
        assert!(to_multipart(&pickled).unwrap() == to_multipart(&array).unwrap(), "{place:?}");
        assert!(to_multipart(&inner).unwrap() == packed, "{place:?}");
        let again = to_multipart(&(before, &fields.1, &fields.2, behind)).unwrap();
        assert!(again == message, "{place:?}");
    }
}

/// Text that is read as a number, which fails: nobody minds.
struct Failing;

impl<'de> Deserialize<'de> for Failing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        let decoded: Result<u8, Error> = Pickle::new().decode_frame(&bytes);
        decoded.err().map(|_| Self).ok_or_else(|| D::Error::custom("a number after all"))
    }
}

#[test]
fn what_fails_within_a_message_gives_back_nothing_that_the_message_was_lent() {
    let buffer = Buffer::from(vec![1; 1 << 20]);
    let text = ByteBuf::from(Pickle::new().encode("no number").unwrap().metadata().to_vec());
    let message = to_multipart(&vec![(&buffer, &text); 100]).unwrap();
    assert_eq!(message.buffers().len(), 1);
    let codec = MsgPack::new().limits(Limits::new().total_bytes(8 << 20));
    let shared: Vec<(Buffer, Failing)> = codec.decode(message.clone()).unwrap();
    assert_eq!(shared.len(), 100);
    let copied: Result<Vec<(ByteBuf, Failing)>, Error> = codec.decode(message);
    assert_eq!(copied.map(|copied| copied.len()).unwrap_err().kind(), ErrorKind::Limits);
}
