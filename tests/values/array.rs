//! Arrays: what they hold, how they print, and that they survive every serializer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use outband::array::{ByteOrder, Field, Kind, TimeStep, TimeUnit};
use outband::{
    Array, Buffer, DType, Decode, Element, Encode, HeadedArray, Limits, MsgPack, Multipart, Order, Pickle, Placement,
    Scalar, SocketExt, Value, from_multipart, memory, to_multipart,
};
use serde::{Deserialize, Serialize};

use crate::random::Random;

fn dtype(text: &str) -> DType {
    text.parse().unwrap()
}

#[test]
fn type_strings_are_written_as_numpy_writes_them() {
    let texts = [
        ("|b1", "bool"),
        ("|i1", "int8"),
        ("<i2", "int16"),
        ("<i4", "int32"),
        ("<i8", "int64"),
        ("|u1", "uint8"),
        ("<u2", "uint16"),
        ("<u4", "uint32"),
        ("<u8", "uint64"),
        ("<f2", "float16"),
        ("<f4", "float32"),
        ("<f8", "float64"),
        ("<c8", "complex64"),
        ("<c16", "complex128"),
        ("bfloat16", "bfloat16"),
        ("<M8[ns]", "datetime64[ns]"),
        ("<m8[25us]", "timedelta64[25us]"),
        ("<M8", "datetime64"),
        ("|S5", "|S5"),
        ("<U7", "<U7"),
        ("|V8", "|V8"),
        (">f8", ">f8"),
        (">U3", ">U3"),
        (">M8[D]", ">M8[D]"),
        (">c16", ">c16"),
        ("|S0", "|S0"),
        ("<U0", "<U0"),
    ];
    for (text, name) in texts {
        let parsed = dtype(text);
        assert_eq!((parsed.to_string().as_str(), parsed.numpy_name().as_str()), (text, name));
        assert_eq!(dtype(name), parsed);
        let again: DType = from_multipart(to_multipart(&parsed).unwrap()).unwrap();
        assert_eq!(again, parsed);
        assert_eq!(serde_json::to_value(&parsed).unwrap(), serde_json::Value::from(text));
    }
    for (text, is) in [("=f8", "<f8"), ("i4", "<i4"), ("?", "|b1"), ("S3", "|S3"), ("<u1", "|u1"), (">i1", "|i1")] {
        assert_eq!(dtype(text).to_string(), is);
    }
    assert_eq!(dtype(">f8").byte_order(), Some(ByteOrder::Big));
    assert_eq!(dtype("|S9").byte_order(), None);
    assert_eq!(dtype("<U7").item_len(), 28);
    assert_eq!(dtype("<m8[25us]").kind(), &Kind::TimeDelta(TimeStep::new(25, TimeUnit::Microsecond).unwrap()));
}

#[test]
fn records_are_written_as_numpy_describes_them() {
    let inner = DType::record([("x", DType::F32), ("y", dtype(">f4"))]).unwrap();
    let outer = DType::record([
        Field::new("id", DType::U8).with_title("the id"),
        Field::padding(3),
        Field::new("at", inner).with_shape([2, 2]),
        Field::new("it's", dtype("<U2")),
        Field::padding(1),
    ])
    .unwrap();
    assert_eq!(outer.item_len(), 1 + 3 + 32 + 8 + 1);
    let offsets: Vec<_> = outer.fields().iter().map(|field| (field.name(), field.offset())).collect();
    assert_eq!(offsets, [("id", 0), ("at", 4), ("it's", 36)]);
    let text = r#"[(('the id', 'id'), '|u1'), ('', '|V3'), ('at', [('x', '<f4'), ('y', '>f4')], (2, 2)), ("it's", '<U2'), ('', '|V1')]"#;
    assert_eq!(outer.to_string(), text);
    assert_eq!(dtype(text), outer);
    let json = serde_json::json!([
        [["the id", "id"], "|u1"],
        ["", "|V3"],
        ["at", [["x", "<f4"], ["y", ">f4"]], [2, 2]],
        ["it's", "<U2"],
        ["", "|V1"]
    ]);
    assert_eq!(serde_json::to_value(&outer).unwrap(), json);
    assert_eq!(serde_json::from_value::<DType>(json).unwrap(), outer);
    let again: DType = from_multipart(to_multipart(&outer).unwrap()).unwrap();
    assert_eq!(again, outer);
    assert!(!outer.is_native());
    assert_eq!(outer.to_native().to_string(), text.replace('>', "<"));
    // what NumPy prints where fields are aligned
    let gaps = "{'names': ['a', 'b', 'c'], 'formats': ['u1', ('<f8', (3,)), [('x', '<i4'), ('y', '<i4')]], \
                'offsets': [0, 8, 32], 'itemsize': 48, 'aligned': True}";
    assert_eq!(
        dtype(gaps).to_string(),
        "[('a', '|u1'), ('', '|V7'), ('b', '<f8', (3,)), ('c', [('x', '<i4'), ('y', '<i4')]), ('', '|V8')]"
    );
}

#[test]
fn records_are_read_as_numpy_prints_them() {
    for (printed, read) in [
        // a choice of fields in another order, and with a gap behind them
        (
            "{'names': ['c', 'a'], 'formats': ['S3', '<i4'], 'offsets': [12, 0], 'titles': ['t', None], 'itemsize': 16}",
            "[('a', '<i4'), ('', '|V8'), (('t', 'c'), '|S3'), ('', '|V1')]",
        ),
        // a recarray, with gaps and without
        ("(numpy.record, [('a', '<f8')])", "[('a', '<f8')]"),
        (
            "(numpy.record, {'names': ['a', 'b'], 'formats': ['i1', '<f8'], 'offsets': [0, 8], 'itemsize': 16})",
            "[('a', '|i1'), ('', '|V7'), ('b', '<f8')]",
        ),
        // arrays of arrays, as they are and in a dictionary
        ("[('a', ('<f8', (2,)), (3,))]", "[('a', '<f8', (3, 2))]"),
        ("[('a', ('<f8', (2, 3))), ('b', ('|u1', 4))]", "[('a', '<f8', (2, 3)), ('b', '|u1', (4,))]"),
        ("[('a', (('<f8', (2,)), (4, 5)), (3,))]", "[('a', '<f8', (3, 4, 5, 2))]"),
        (
            "[('a', ({'names': ['x'], 'formats': ['u1'], 'offsets': [3], 'itemsize': 8}, (2,)), (3,)), ('b', 'u1')]",
            "[('a', [('', '|V3'), ('x', '|u1'), ('', '|V4')], (3, 2)), ('b', '|u1')]",
        ),
        ("[('a', ([('x', 'u1'), ('y', 'u1')], (2,)), (1,))]", "[('a', [('x', '|u1'), ('y', '|u1')], (1, 2))]"),
        (
            "{'names': ['a', 'b', 'c'], 'formats': [('<f8', (2,)), (('<f8', (2,)), (3,)), \
             ({'names': ['x'], 'formats': ['u1'], 'offsets': [1], 'itemsize': 2}, (2,))], \
             'offsets': [0, 32, 80], 'itemsize': 84}",
            "[('a', '<f8', (2,)), ('', '|V16'), ('b', '<f8', (3, 2)), ('c', [('', '|V1'), ('x', '|u1')], (2,))]",
        ),
        // text of no length
        (
            "[('a', [('b', '>f8'), ('c', 'S')], (2, 0)), ('d', 'U'), ('e', 'V')]",
            "[('a', [('b', '>f8'), ('c', '|S0')], (2, 0)), ('d', '<U0'), ('e', '|V0')]",
        ),
    ] {
        assert_eq!(dtype(printed).to_string(), read);
    }
    for (text, why) in [
        (
            "{'names': ['lo', 'all'], 'formats': ['u1', '<u4'], 'offsets': [0, 0], 'itemsize': 4}",
            "field 1 at byte 0 overlaps",
        ),
        (
            "{'names': ['a', 'b'], 'formats': ['<u4', '<u4'], 'offsets': [2, 0], 'itemsize': 8}",
            "field 0 at byte 2 overlaps",
        ),
        ("float128", "another form on another machine"),
        ("<f16", "another form on another machine"),
        ("complex256", "another form on another machine"),
    ] {
        let error = text.parse::<DType>().unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    // as lists, which `dtype.descr` is in MessagePack and in JSON
    let nested = serde_json::json!([["a", [["<f8", [2]], [4, 5]], [3]], ["b", ["|u1", 4]]]);
    let message = to_multipart(&nested).unwrap();
    assert_eq!(
        from_multipart::<DType>(message).unwrap().to_string(),
        "[('a', '<f8', (3, 4, 5, 2)), ('b', '|u1', (4,))]"
    );
    // the wire has one text for each
    assert!(from_multipart::<DType>(to_multipart("S").unwrap()).is_err());
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Named {
    name: String,
    array: Array,
    maybe: Option<Array>,
    many: Vec<Array>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    array: Array,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Array(Array),
    Other(Buffer),
}

#[test]
fn arrays_travel_in_everything_that_serde_knows() {
    let array = Array::from_shape_vec([30, 100], (0..3000).map(f64::from).collect()).unwrap();
    let row = Array::broadcast(DType::U8, [1, 3], [1000, 3], Order::C, Buffer::from_vec(vec![1_u8, 2, 3])).unwrap();
    let named = Named {
        name: "n".into(),
        array: array.clone(),
        maybe: Some(row.clone()),
        many: vec![row, array.clone(), Array::from_vec(Vec::<i8>::new())],
    };
    let message = to_multipart(&named).unwrap();
    assert_eq!(message.buffers(), [array.data().clone()]);
    assert_eq!(message.buffers()[0].as_ptr(), array.data().as_ptr());
    let back: Named = from_multipart(message).unwrap();
    assert_eq!(back, named);

    let flat = Flattened { id: 1, array: array.clone() };
    let message = to_multipart(&flat).unwrap();
    assert_eq!(message.buffers()[0].as_ptr(), array.data().as_ptr());
    let back: Flattened = from_multipart(message).unwrap();
    assert_eq!(back.array.data().as_ptr(), array.data().as_ptr());
    assert_eq!(back, flat);

    for value in [Untagged::Number(1.0), Untagged::Array(array.clone()), Untagged::Other(array.data().clone())] {
        let back: Untagged = from_multipart(to_multipart(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    let text = serde_json::to_string(&named).unwrap();
    assert_eq!(serde_json::from_str::<Named>(&text).unwrap(), named);
    let text = serde_json::to_string(&Array::from_vec(vec![1_u8, 2])).unwrap();
    assert_eq!(text, r#"{"$array":"|u1","shape":[2],"order":"C","data":[1,2]}"#);
}

/// The dtypes that random arrays have.
const DTYPES: [&str; 20] = [
    "|b1",
    "|i1",
    "<i2",
    ">i4",
    "<u8",
    "<f2",
    ">f4",
    "<f8",
    "bfloat16",
    ">c8",
    "<c16",
    "|S3",
    ">U5",
    "<M8[ns]",
    ">m8[7h]",
    "|V7",
    "[('id', '|u1'), ('', '|V3'), ('at', '<f4', (2,))]",
    "[('a', '>i2'), ('b', '>c16'), ('c', '>U2')]",
    "[('within', [('x', '>f8'), ('y', '<i4')], (2, 2)), ('flag', '|b1')]",
    "[('packed', '>u8'), (('a title', 'name'), '|S2')]",
];

/// An element in the byte order of this machine.
fn turned(dtype: &DType, element: &[u8]) -> Vec<u8> {
    let units = |len: usize| element.chunks(len).flat_map(|unit| unit.iter().rev()).copied().collect();
    match dtype.kind() {
        _ if dtype.is_native() => element.to_vec(),
        Kind::Complex64 | Kind::Text(_) => units(4),
        Kind::Complex128 => units(8),
        Kind::Record(_) => {
            let mut all = element.to_vec();
            for field in dtype.fields() {
                let item = field.dtype().item_len();
                let len = item * field.shape().iter().product::<usize>();
                let parts = element[field.offset()..][..len].chunks(item.max(1));
                let parts: Vec<u8> = parts.flat_map(|part| turned(field.dtype(), part)).collect();
                all[field.offset()..][..len].copy_from_slice(&parts);
            }
            all
        }
        _ => units(dtype.item_len()),
    }
}

/// A random layout in a random buffer.
struct Layout {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
    buffer: Buffer,
}

impl Layout {
    /// Axes laid out from the inside out in random order, some reversed, with gaps, repeated or of length 1 or 0.
    fn random(random: &mut Random) -> Self {
        let dtype = dtype(DTYPES[random.below(DTYPES.len())]);
        let ndim = random.below(6);
        let shape: Vec<usize> = (0..ndim).map(|_| [0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 1, 7][random.below(12)]).collect();
        let mut axes: Vec<usize> = (0..ndim).collect();
        match random.below(3) {
            0 => axes.reverse(),
            1 => (1..ndim).for_each(|at| axes.swap(at, random.below(at + 1))),
            _ => {}
        }
        let oddities = [0, 3, 1][random.below(3)];
        let (mut strides, mut offset, mut step) = (vec![0; ndim], random.below(5), dtype.item_len() as isize);
        for axis in axes {
            let odd = if oddities > 0 { random.below(4 * oddities) } else { 9 };
            let far = step * (shape[axis].max(1) as isize - 1);
            match odd {
                0 => {} // repeated
                1 => {
                    strides[axis] = -step;
                    offset += far as usize;
                    step += far;
                }
                2 => {
                    step += dtype.item_len() as isize;
                    strides[axis] = step;
                    step *= shape[axis].max(1) as isize;
                }
                _ => {
                    strides[axis] = if shape[axis] == 1 { 12_345 } else { step };
                    step += far;
                }
            }
        }
        let len = offset + step as usize + random.below(3);
        let buffer = Buffer::from_vec((0..len).map(|_| random.next() as u8).collect::<Vec<_>>());
        Self { dtype, shape, strides, offset, buffer }
    }

    /// Every index in C order.
    fn indexes(&self) -> Vec<Vec<usize>> {
        self.shape.iter().fold(vec![vec![]], |done, &axis| {
            done.iter().flat_map(|index| (0..axis).map(move |at| [&index[..], &[at]].concat())).collect()
        })
    }

    /// The oracle: one element at a time.
    fn element(&self, index: &[usize]) -> &[u8] {
        let steps = index.iter().zip(&self.strides).map(|(&at, stride)| at as isize * stride);
        let start = (self.offset as isize + steps.sum::<isize>()) as usize;
        &self.buffer[start..start + self.dtype.item_len()]
    }
}

/// The element of an array at an index, by the documented meaning of `data`, `base_shape` and `axes`.
fn element<'a>(array: &'a Array, index: &[usize]) -> &'a [u8] {
    let (base, axes) = (array.base_shape(), array.axes());
    match array.order() {
        Order::F => assert!(axes.iter().rev().copied().eq(0..base.len())),
        // or in neither order
        Order::C => assert!(axes.iter().copied().eq(0..base.len()) || axes.len() > 2),
    }
    let at = axes.iter().fold(0, |at, &axis| at * base[axis] + if base[axis] == 1 { 0 } else { index[axis] });
    let item = array.dtype().item_len();
    &array.data()[at * item..(at + 1) * item]
}

#[test]
fn arrays_at_any_strides_hold_what_a_naive_copy_holds() {
    let mut random = Random::seeded(3);
    let (mut shared, mut copied, mut permuted) = (0, 0, 0);
    for _ in 0..3000 {
        let layout = Layout::random(&mut random);
        let Layout { dtype, shape, strides, offset, buffer } = &layout;
        let before = memory::copied_bytes();
        let array = Array::from_strided(dtype.clone(), &shape[..], strides, *offset, buffer).unwrap();
        let counted = (memory::copied_bytes() - before) as usize;
        assert_eq!((array.dtype(), array.shape()), (dtype, &shape[..]));
        let is_part = buffer.as_ptr_range().contains(&array.data().as_ptr());
        assert_eq!(counted, if is_part || array.is_empty() { 0 } else { array.data().len() }, "{shape:?} {strides:?}");
        shared += usize::from(is_part);
        copied += usize::from(counted > 0);
        let is_turned = array.order() == Order::C && !array.axes().is_sorted();
        if is_turned {
            assert!(is_part && array.to_native().unwrap().as_slice::<u8>().is_err());
            permuted += 1;
        }
        for index in layout.indexes() {
            assert_eq!(element(&array, &index), layout.element(&index), "{shape:?} {strides:?} at {index:?}");
        }
        for (repeated, axis) in strides.iter().zip(shape).zip(array.base_shape()) {
            if !array.is_empty() && *repeated.0 == 0 && *repeated.1 > 1 {
                assert_eq!(*axis, 1, "a repeated axis is sent once");
            }
        }

        // the other conversions, against the elements that are now known to be right
        let all: Vec<u8> = layout.indexes().iter().flat_map(|index| element(&array, index)).copied().collect();
        for order in [Order::C, Order::F] {
            let ordered = array.to_order(order).unwrap();
            assert!(!ordered.is_broadcast());
            assert!(ordered.order() == order || ordered.ndim() < 2);
            assert!(ordered.order() == Order::F || ordered.axes().is_sorted());
            let again: Vec<u8> = layout.indexes().iter().flat_map(|index| element(&ordered, index)).copied().collect();
            assert_eq!(again, all);
        }
        assert_eq!(array.to_contiguous().unwrap().data().len(), array.byte_len());
        let native = array.to_native().unwrap();
        assert!(native.dtype().is_native());
        for index in layout.indexes() {
            assert_eq!(element(&native, &index), turned(dtype, element(&array, &index)));
        }
        let back: Array = from_multipart(to_multipart(&array).unwrap()).unwrap();
        assert_eq!(back, array);
    }
    assert!(shared > 500 && copied > 500 && permuted > 50, "{shared} shared, {copied} copied, {permuted} permuted");
}

#[test]
fn arrays_are_equal_where_their_axes_lie_alike_whatever_the_strides_of_axes_of_one() {
    let buffer = Buffer::from_vec((0..24_u8).collect::<Vec<_>>());
    let of = |shape: &[usize], strides: &[isize]| Array::from_strided(DType::U8, shape, strides, 0, &buffer).unwrap();
    let planes = of(&[4, 2, 3], &[1, 12, 4]);
    assert_eq!((planes.order(), planes.axes(), planes.strides()), (Order::C, vec![1, 2, 0], vec![1, 12, 4]));
    assert_eq!(planes.to_string(), "array(u1, (4, 2, 3), axes (1, 2, 0)) [0, 4, 8, ..., 15, 19, 23]");
    assert_eq!(planes.to_vec::<u8>().unwrap()[..4], [0, 4, 8, 12]);
    let [one, other] = [7, -3].map(|step| of(&[4, 1, 2, 3], &[1, step, 12, 4]));
    assert_eq!(one, other);
    assert_eq!((one.axes(), one.strides()), (vec![1, 2, 3, 0], vec![1, 24, 12, 4]));
    // those that lie in C or Fortran order for all that one can tell are in that order
    for (shape, strides, order) in [
        (&[4, 1, 6][..], &[6, 9, 1][..], Order::C),
        (&[1, 4, 6], &[1, 1, 4], Order::F),
        (&[2, 3, 4], &[1, 2, 6], Order::F),
        (&[3, 1, 1], &[1, 5, 9], Order::C),
    ] {
        let array = of(shape, strides);
        let expected: Vec<usize> = if order == Order::C { vec![0, 1, 2] } else { vec![2, 1, 0] };
        assert_eq!((array.order(), array.axes()), (order, expected), "{shape:?} {strides:?}");
    }
    // and one repeats its elements beside it
    let repeated = of(&[4, 5, 2, 3], &[1, 0, 12, 4]);
    assert_eq!((repeated.axes(), repeated.strides()), (vec![1, 2, 3, 0], vec![1, 0, 12, 4]));
    let message = to_multipart(&repeated).unwrap();
    assert_eq!(from_multipart::<Array>(message).unwrap(), repeated);
    assert_eq!(repeated.to_contiguous().unwrap().to_vec::<u8>().unwrap(), repeated.to_vec::<u8>().unwrap());

    let text = serde_json::to_string(&planes).unwrap();
    assert!(text.starts_with(r#"{"$array":"|u1","shape":[4,2,3],"order":[1,2,0],"data":[0,1,"#), "{text}");
    assert_eq!(serde_json::from_str::<Array>(&text).unwrap(), planes);
    let in_order = text.replace("[1,2,0]", "[0,1,2]");
    assert_eq!(serde_json::from_str::<Array>(&in_order).unwrap().axes(), [0, 1, 2]);
}

#[test]
fn strides_that_leave_the_buffer_are_refused() {
    let buffer = Buffer::from_vec(vec![0_u8; 100]);
    let cases: [(&[usize], &[isize], usize); 8] = [
        (&[101], &[1], 0),
        (&[100], &[1], 1),
        (&[2], &[100], 0),
        (&[2], &[-1], 0),
        (&[3, 3], &[40, 11], 0),
        (&[2, 2], &[isize::MAX, isize::MAX], 0),
        (&[2, 2], &[isize::MIN, isize::MIN], 50),
        (&[1], &[1], usize::MAX),
    ];
    for (shape, strides, offset) in cases {
        let error = Array::from_strided(DType::U8, shape, strides, offset, &buffer).unwrap_err();
        assert!(error.to_string().contains("of a buffer of 100 bytes"), "{error}");
    }
    let error = Array::from_strided(DType::U8, [2], &[1, 1], 0, &buffer).unwrap_err();
    assert!(error.to_string().contains("2 strides for 1 axes"), "{error}");
    let error = Array::from_strided(DType::U8, [usize::MAX, 2], &[0, 0], 0, &buffer).unwrap_err();
    assert!(error.to_string().contains("overflows"), "{error}");
    // no element, so none outside
    assert!(Array::from_strided(DType::F64, [0, 5], &[1 << 40, -7], 1 << 50, &buffer).unwrap().is_empty());
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Hit {
    energy: f64,
    channel: u32,
    at: [i16; 2],
}
// SAFETY: 8 + 4 + 4 bytes, aligned to 8: no padding, and every bit pattern is a value
#[allow(unsafe_code, reason = "what a user writes for a record")]
unsafe impl Element for Hit {}
impl Scalar for Hit {
    fn dtype() -> DType {
        DType::record([
            Field::new("energy", DType::F64),
            Field::new("channel", DType::U32),
            Field::new("at", DType::I16).with_shape([2]),
        ])
        .unwrap()
    }
}

#[test]
fn rust_types_come_back_as_they_went() {
    fn check<T: Scalar + PartialEq + std::fmt::Debug>(elements: [T; 2]) {
        let array = Array::from_shape_vec([2, 1, 1], elements.to_vec()).unwrap();
        let array: Array = from_multipart(to_multipart(&array).unwrap()).unwrap();
        // taken out of the metadata, it may lie anywhere
        assert_eq!(array.to_aligned(16).as_slice::<T>().unwrap(), elements);
        assert_eq!(array.to_vec::<T>().unwrap(), elements);
        assert_eq!(Array::from_vec(elements.to_vec()).ndim(), 1);
    }
    check([i8::MIN, 1]);
    check([i16::MIN, 1]);
    check([i32::MIN, 1]);
    check([i64::MIN, 1]);
    check([isize::MIN, 1]);
    check([u8::MAX, 1]);
    check([u16::MAX, 1]);
    check([u32::MAX, 1]);
    check([u64::MAX, 1]);
    check([usize::MAX, 1]);
    check([f32::MIN, 1.0]);
    check([f64::MIN, 1.0]);
    check([Hit { energy: 0.5, channel: 7, at: [-1, 2] }; 2]);
    #[cfg(feature = "half")]
    {
        check([half::f16::from_f32(0.5), half::f16::MIN]);
        check([half::bf16::from_f32(0.5), half::bf16::MIN]);
    }
    #[cfg(feature = "complex")]
    {
        check([num_complex::Complex::new(1.0_f32, -2.0); 2]);
        check([num_complex::Complex::new(1.0_f64, -2.0); 2]);
    }
}

/// What is in band lies wherever the names before it end.
#[test]
fn a_short_array_is_lent_as_a_slice_wherever_it_was_in_the_message() {
    fn comes_back<T: Scalar + Copy + PartialEq + std::fmt::Debug>(elements: &[T]) {
        for codec in codecs() {
            for name in 0..9 {
                let sent = ("n".repeat(name), Array::from_vec(elements.to_vec()));
                let (_, received): (String, Array) = codec.0(&sent);
                assert_eq!(received.as_slice::<T>().unwrap(), elements, "{} after {name} letters", codec.1);
                assert_eq!(received, sent.1);
            }
        }
    }
    type There = fn(&(String, Array)) -> (String, Array);
    fn codecs() -> [(There, &'static str); 3] {
        [
            (|sent| from_multipart(to_multipart(sent).unwrap()).unwrap(), "MessagePack"),
            (|sent| Pickle::new().decode(Pickle::new().in_band().encode(sent).unwrap()).unwrap(), "a pickle"),
            (
                |sent| {
                    let context = zmq::Context::new();
                    let (tx, rx) = (context.socket(zmq::PUSH).unwrap(), context.socket(zmq::PULL).unwrap());
                    rx.set_rcvtimeo(60_000).unwrap();
                    rx.bind("inproc://here").unwrap();
                    tx.connect("inproc://here").unwrap();
                    tx.send_obj(sent).unwrap();
                    rx.recv_obj().unwrap()
                },
                "a socket",
            ),
        ]
    }
    comes_back(&[0.5_f64; 1000]);
    comes_back(&[0.5_f32; 3]);
    comes_back(&[7_u16; 500]);
    comes_back(&[-1_i64]);

    // a longer one that was put in band stays where it is
    let long = Array::from_vec(vec![1_u8; 8193]);
    let message = MsgPack::new().placement(|_| Placement::InBand).encode(&long).unwrap();
    let frame = message.metadata().clone();
    let before = memory::copied_bytes();
    let received: Array = from_multipart(message).unwrap();
    assert_eq!(memory::copied_bytes(), before);
    assert!(frame.as_ptr_range().contains(&received.data().as_ptr()));
}

/// A short frame lies where it came from: in a file that was read, in a larger buffer, in libzmq's arena.
#[test]
fn a_short_array_is_lent_as_a_slice_wherever_its_frame_lies() {
    #[derive(Serialize, Deserialize)]
    struct Samples {
        volts: Array,
        counts: Array,
        times: Vec<Array>,
    }

    let volts = Array::from_shape_vec([10, 100], (0..1000).map(f64::from).collect()).unwrap();
    let counts = Array::from_vec(vec![7_u32; 25]);
    let times = Array::from_vec(vec![1_i64; 9]).with_dtype(dtype("<M8[ns]")).unwrap();
    let samples = Samples { volts, counts, times: vec![times.clone(), times] };
    let message = MsgPack::new().out_of_band_from(0).encode(&samples).unwrap();
    assert_eq!(message.buffers().len(), 3);

    let misplaced = |buffer: &Buffer, by: usize| {
        let room = Buffer::from_vec(vec![0_u64; buffer.len() / 8 + 2]);
        let at = [&room[..by], buffer, &room[..8]].concat();
        let at = Buffer::copy_from_slice(&at).to_aligned(8);
        at.slice(by..by + buffer.len())
    };
    for by in 0..9 {
        let frames: Vec<_> = message.buffers().iter().map(|buffer| misplaced(buffer, by)).collect();
        let moved = Multipart::new(message.metadata().clone(), frames.clone());
        let before = memory::copied_bytes();
        let back: Samples = from_multipart(moved.clone()).unwrap();
        // once each time that it is named
        let wrong = |align: usize, len: usize| if by % align == 0 { 0 } else { len };
        let expected = wrong(8, 8000) + wrong(4, 100) + 2 * wrong(8, 72);
        assert_eq!(memory::copied_bytes() - before, expected as u64, "{by}");
        assert_eq!(back.volts.as_slice::<f64>().unwrap()[999], 999.0, "{by}");
        assert_eq!(back.counts.as_slice::<u32>().unwrap(), [7; 25], "{by}");
        #[cfg(feature = "ndarray")]
        assert_eq!(back.volts.view::<f64>().unwrap()[[9, 99]], 999.0, "{by}");
        assert!(back.times.iter().all(|times| times.clone().with_dtype(DType::I64).unwrap().as_slice::<i64>().is_ok()));
        assert_eq!(back.volts.data().as_ptr() == frames[0].as_ptr(), by % 8 == 0, "{by}");
        // and without a schema
        let value: Value = from_multipart(moved).unwrap();
        let Some(Value::Array(volts)) = value.get("volts") else { panic!("{value}") };
        assert_eq!(volts.as_slice::<f64>().unwrap()[1], 1.0, "{by}");
    }

    // with a header before it, and in a pickle
    let array = Array::from_vec((0..1000).map(f64::from).collect::<Vec<_>>());
    let headed = HeadedArray::new().encode(&array).unwrap();
    let pickled = Pickle::new().encode(&array).unwrap();
    for by in 0..9 {
        let moved = |message: &Multipart| {
            Multipart::new(message.metadata().clone(), vec![misplaced(&message.buffers()[0], by)])
        };
        let (headed, pickled) = (moved(&headed), moved(&pickled));
        let before = memory::copied_bytes();
        let arrays = [HeadedArray::new().decode(headed).unwrap(), Pickle::new().decode(pickled).unwrap()];
        assert_eq!(memory::copied_bytes() - before, if by % 8 == 0 { 0 } else { 16_000 }, "{by}");
        assert!(arrays.iter().all(|array| array.as_slice::<f64>().unwrap()[999] == 999.0), "{by}");
    }
}

/// What is known of an array's buffer is not taken for that of another, which a callback serializes.
#[test]
fn a_callback_that_encodes_something_says_nothing_of_its_own_buffers_by_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let within = seen.clone();
    let codec = MsgPack::new().placement(move |info| {
        let inner = MsgPack::new().placement({
            let within = within.clone();
            move |info| {
                within.lock().unwrap().push((info.item_len(), info.default_placement()));
                info.default_placement()
            }
        });
        let message: Multipart = inner.encode(&Buffer::from(vec![1; 10])).unwrap();
        assert!(message.buffers().is_empty());
        info.default_placement()
    });
    let all_out = MsgPack::new().out_of_band_from(0);
    let message = all_out.encode(&(Array::from_vec(vec![0.5_f64; 3]), Buffer::from(vec![7; 9]))).unwrap();
    let value: Value = from_multipart(message.clone()).unwrap();
    assert_eq!(codec.encode(&value).unwrap(), message);
    assert_eq!(*seen.lock().unwrap(), [(1, Placement::InBand); 2]);
}

#[test]
fn a_foreign_record_is_turned_field_by_field() {
    let foreign = dtype("[('energy', '>f8'), ('channel', '<u4'), ('at', '>i2', (2,))]");
    let mut bytes = 0.5_f64.to_be_bytes().to_vec();
    bytes.extend(7_u32.to_le_bytes());
    bytes.extend([-1_i16, 2].iter().flat_map(|at| at.to_be_bytes()));
    let array = Array::new(foreign, [1], Order::C, Buffer::from(bytes)).unwrap();
    let expected = Hit { energy: 0.5, channel: 7, at: [-1, 2] };
    assert_eq!(array.to_native().unwrap().as_slice::<Hit>().unwrap(), [expected]);
    assert_eq!(array.to_vec::<Hit>().unwrap(), [expected]);
    let error = array.as_slice::<Hit>().unwrap_err();
    assert!(error.to_string().contains("to_native"), "{error}");
}

#[test]
fn what_lies_in_both_orders_is_not_copied_to_the_other() {
    for shape in [vec![1, 5], vec![5, 1], vec![1, 5, 1], vec![1, 1, 1], vec![0, 5], vec![5]] {
        let len = shape.iter().product();
        for (from, to) in [(Order::C, Order::F), (Order::F, Order::C)] {
            let array = Array::new(DType::U8, shape.clone(), from, vec![7; len].into()).unwrap();
            let before = memory::copied_bytes();
            let turned = array.to_order(to).unwrap();
            assert_eq!(memory::copied_bytes(), before, "{shape:?} {from} to {to}");
            assert_eq!(turned.data().as_ptr(), array.data().as_ptr());
            assert_eq!(turned.order(), if shape.len() < 2 { Order::C } else { to });
        }
    }
}

#[test]
fn a_record_that_no_receiver_takes_is_not_made() {
    let record = |fields: usize| DType::record((0..fields).map(|field| (field.to_string(), DType::U8)));
    let most = Array::new(record(21_845).unwrap(), [1], Order::C, vec![0; 21_845].into()).unwrap();
    assert_eq!(from_multipart::<Array>(to_multipart(&most).unwrap()).unwrap(), most);
    let error = record(21_846).unwrap_err();
    assert!(error.to_string().contains("more than 65536 parts"), "{error}");
    // those of records within count as well: two lists, two names, the dtype's list and its parts
    let nested = |fields| DType::record([("a", record(fields)?), ("b", record(10_000)?)]);
    let most = nested(11_843).unwrap();
    let array = Array::new(most.clone(), [1], Order::C, vec![0; most.item_len()].into()).unwrap();
    assert_eq!(from_multipart::<Array>(to_multipart(&array).unwrap()).unwrap(), array);
    assert!(nested(11_844).is_err());
}

#[test]
fn records_that_read_the_same_are_equal() {
    let inner = DType::record([("x", DType::U8)]).unwrap();
    let gaps =
        [Field::padding(0), Field::new("", inner), Field::padding(3), Field::new("a", DType::U8), Field::padding(0)];
    let record = DType::record(gaps).unwrap();
    assert_eq!(record.to_string(), "[('', '|V4'), ('a', '|u1')]");
    assert_eq!(record, dtype("[('', '|V4'), ('a', '|u1')]"));
    assert_eq!(record, DType::record([Field::padding(1), Field::padding(3), Field::new("a", DType::U8)]).unwrap());
    let error = "{'names': [''], 'formats': ['u1'], 'offsets': [0], 'itemsize': 1}".parse::<DType>().unwrap_err();
    assert!(error.to_string().contains("field 0 has no name"), "{error}");
}

#[test]
fn a_title_is_a_name_like_any_other() {
    for text in ["[(('a', 'b'), '<f4'), ('a', '<f4')]", "[(('a', 'b'), '<f4'), (('a', 'c'), '<f4')]"] {
        let error = text.parse::<DType>().unwrap_err();
        assert!(error.to_string().contains("two fields have the name \"a\""), "{error}");
    }
}

#[test]
fn compression_is_told_how_long_the_elements_are() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let codec = MsgPack::new().placement({
        let seen = seen.clone();
        move |buffer| {
            seen.lock().unwrap().push((buffer.len(), buffer.item_len()));
            buffer.default_placement()
        }
    });
    let hits = Array::from_vec(vec![Hit { energy: 0.5, channel: 7, at: [-1, 2] }; 2]);
    codec.encode(&(Array::from_vec(vec![0_u16; 5]), hits, Buffer::from(vec![1, 2, 3]))).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(10, 2), (32, 16), (3, 1)]);
}

#[test]
fn arrays_print_what_they_are_and_a_few_elements() {
    let show = |text: &str, shape: &[usize], bytes: Vec<u8>| {
        Array::new(dtype(text), shape, Order::C, Buffer::from(bytes)).unwrap().to_string()
    };
    assert_eq!(show("<f8", &[], 1.5_f64.to_le_bytes().into()), "array(f8, (), C) [1.5]");
    assert_eq!(
        show(">f4", &[2], [0.1_f32.to_be_bytes(), f32::NAN.to_be_bytes()].concat()),
        "array(>f4, (2,), C) [0.1, nan]"
    );
    assert_eq!(
        show("<f2", &[4], vec![0, 0x3c, 1, 0, 0, 0xfc, 0xff, 0x7b]),
        "array(f2, (4,), C) [1.0, 5.9604645e-8, -inf, 65504.0]"
    );
    // what is not a number has no sign
    let negative = [1.0, -f64::NAN, -0.0, f64::NEG_INFINITY].map(f64::to_le_bytes).concat();
    assert_eq!(show("<c16", &[2], negative), "array(c16, (2,), C) [1.0+nanj, -0.0-infj]");
    assert_eq!(
        show(">c8", &[1], [1_f32.to_be_bytes(), (-f32::NAN).to_be_bytes()].concat()),
        "array(>c8, (1,), C) [1.0+nanj]"
    );
    assert_eq!(show("bfloat16", &[1], vec![0x80, 0xbf]), "array(bfloat16, (1,), C) [-1.0]");
    assert_eq!(
        show("<c8", &[1], [1_f32.to_le_bytes(), (-2_f32).to_le_bytes()].concat()),
        "array(c8, (1,), C) [1.0-2.0j]"
    );
    assert_eq!(show("|b1", &[3], vec![0, 1, 2]), "array(b1, (3,), C) [False, True, True]");
    assert_eq!(show("|i1", &[1, 2], vec![0xff, 1]), "array(i1, (1, 2), C) [-1, 1]");
    assert_eq!(show(">u8", &[1], u64::MAX.to_be_bytes().into()), "array(>u8, (1,), C) [18446744073709551615]");
    assert_eq!(show("<M8[ms]", &[1], 1_i64.to_le_bytes().into()), "array(M8[ms], (1,), C) [1970-01-01T00:00:00.001]");
    assert_eq!(
        show(">m8[25us]", &[2], [3_i64.to_be_bytes(), i64::MIN.to_be_bytes()].concat()),
        "array(>m8[25us], (2,), C) [75 us, NaT]"
    );
    assert_eq!(show("|S5", &[2], b"ab\0c\0\xff\0\0\0\0".to_vec()), r"array(S5, (2,), C) [b'ab\x00c', b'\xff']");
    assert_eq!(
        show(
            "<U2",
            &[2],
            [[0x61, 0], [0x1f980, 0x110000]].concat().iter().flat_map(|code: &u32| code.to_le_bytes()).collect()
        ),
        "array(U2, (2,), C) ['a', '🦀\u{fffd}']"
    );
    assert_eq!(show("|V2", &[1], vec![1, 0]), r"array(V2, (1,), C) [b'\x01\x00']");
    assert_eq!(show("|S0", &[2], vec![]), "array(S0, (2,), C) [b'', b'']");
    assert_eq!(show("<i4", &[3, 0], vec![]), "array(i4, (3, 0), C) []");
    let columns = Array::new(DType::U8, [2, 5], Order::F, Buffer::from((0..10).collect::<Vec<u8>>())).unwrap();
    assert_eq!(format!("{columns:?}"), "array(u1, (2, 5), F) [0, 2, 4, ..., 5, 7, 9]");
    let row = Array::broadcast(DType::U8, [1, 2], [1 << 40, 2], Order::C, Buffer::from(vec![1, 2])).unwrap();
    assert_eq!(row.to_string(), "array(u1, (1099511627776, 2), C, broadcast from (1, 2)) [1, 2, 1, ..., 2, 1, 2]");

    // nothing in them speaks to a terminal or turns the line around
    let rude = "a\n\u{1b}[2J\u{9b}\u{202e}\u{2028}\u{2066}\u{200f}";
    let record = DType::record([(rude, DType::U8)]).unwrap();
    let shown = r"'a\n\x1b[2J\x9b\u202e\u2028\u2066\u200f'";
    assert_eq!(record.to_string(), format!("[({shown}, '|u1')]"));
    assert_eq!(dtype(&record.to_string()), record);
    let rows = Array::new(record, [1], Order::C, Buffer::from(vec![7])).unwrap();
    assert_eq!(rows.to_string(), format!("array([({shown}, '|u1')], (1,), C) [(7)]"));
    let text: Vec<u8> = rude.chars().flat_map(|char| u32::from(char).to_le_bytes()).collect();
    assert_eq!(show(&format!("<U{}", text.len() / 4), &[1], text), format!("array(U11, (1,), C) [{shown}]"));

    // deep records with many elements each, and long texts: still one short line
    let mut deep = DType::U8;
    for _ in 0..8 {
        deep = DType::record([Field::new("f", deep).with_shape([7])]).unwrap();
    }
    let huge = Array::new(deep.clone(), [1], Order::C, Buffer::from(vec![7; deep.item_len()])).unwrap();
    let long = show("|S100000", &[20], vec![b'x'; 2_000_000]);
    for text in [huge.to_string(), long] {
        assert!(text.len() < 700, "{text}");
    }
}

/// Arrays that lie where their elements cannot be borrowed are copied within the limit, and beyond it stay as they lie: no other part
/// of the message has to do without for it.
#[test]
fn a_short_array_that_is_named_very_often_costs_no_other_its_place() {
    let misaligned = Buffer::from_vec(vec![7_u8; 8009]).slice(1..8001);
    let misaligned = if misaligned.as_ptr().addr().is_multiple_of(8) { misaligned.slice(1..7993) } else { misaligned };
    let array = Array::new(DType::U64, [misaligned.len() / 8], Order::C, misaligned).unwrap();
    let codec = MsgPack::new().out_of_band_from(1000).limits(Limits::new().total_bytes(64 << 10));
    let raw = Buffer::from_vec(vec![3_u8; 9000]);
    let message = codec.encode(&(vec![&array; 20], raw.clone())).unwrap();
    assert_eq!(message.buffers().len(), 2);
    let value: Value = codec.decode(message).unwrap();
    let Value::List(parts) = value else { panic!("{value}") };
    let Value::List(arrays) = &parts[0] else { panic!("{parts:?}") };
    assert!(arrays.iter().all(|one| matches!(one, Value::Array(one) if **one == array)));
    assert!(matches!(&parts[1], Value::Buffer(buffer) if buffer.as_ptr() == raw.as_ptr()));
}

#[test]
fn no_alignment_takes_more_memory_than_a_huge_page() {
    let buffer = Buffer::from_vec(vec![7_u8; 100]).slice(1..);
    for align in [1, 16, 4096, 2 << 20] {
        let aligned = buffer.to_aligned(align);
        assert!(aligned.as_ptr().addr().is_multiple_of(align) && aligned == buffer);
    }
    let array = Array::new(DType::U8, [99], Order::C, buffer.clone()).unwrap();
    for align in [0, 3, 4 << 20, 1 << 62, 1 << 63, usize::MAX] {
        for run in [&(|| drop(buffer.to_aligned(align))) as &dyn Fn(), &|| drop(array.to_aligned(align))] {
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.starts_with("an alignment") && text.contains(&align.to_string()), "{text}");
        }
    }
}
