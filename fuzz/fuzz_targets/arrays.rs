//! Frames as arrays: shape, strides and elements fit each other, every way to look at them agrees, and all forms travel.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outband::{Array, Encode, Json, Limits, MsgPack, Multipart, Order, Pickle, Scalar};
use outband_fuzz::check::{comes_back, decoded};
use outband_fuzz::{input, value};

fuzz_target!(|data: &[u8]| {
    let (flags, message) = input::message(data);
    let codec = MsgPack::new().limits(limits());
    let Some(array) = decoded::<Array, _>(&codec, &message, most(&message)) else { return };
    fits(&array);
    let codecs = [MsgPack::new(), MsgPack::new().out_of_band_from(1)];
    for codec in codecs {
        assert_eq!(comes_back(&codec, &array), array);
    }
    let json = Json::new().buffers_in_band();
    assert_eq!(comes_back(&json, &array), array);
    if Pickle::new().limits(value::wide()).encode(&array).is_ok() {
        let back = comes_back(&Pickle::new().limits(value::wide()), &array);
        assert_eq!((back.shape(), back.byte_len()), (array.shape(), array.byte_len()));
    }
    if array.byte_len() > 1 << 16 || array.len() > 1 << 16 {
        return;
    }
    let orders = [Order::C, Order::F].map(|order| array.to_order(order).unwrap_or_else(|error| panic!("{error}")));
    for ordered in &orders {
        fits(ordered);
        assert_eq!(ordered.to_order(Order::C).ok().as_ref(), Some(&orders[0]));
    }
    let contiguous = array.to_contiguous().and_then(|array| array.to_order(Order::C));
    assert_eq!(contiguous.ok().as_ref(), Some(&orders[0]));
    let native = array.to_native().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(native.to_native().ok(), Some(native.clone()));
    let typed = [elements::<u8>, elements::<u16>, elements::<f32>, elements::<f64>, elements::<i64>];
    typed[usize::from(flags >> 1) % typed.len()](&native);
});

fn fits(array: &Array) {
    let count: usize = array.shape().iter().product();
    assert_eq!(array.len(), count);
    assert_eq!(array.byte_len(), count * array.dtype().item_len());
    let base: usize = array.base_shape().iter().product();
    assert_eq!(array.data().len(), base * array.dtype().item_len());
    let mut axes = array.axes();
    axes.sort_unstable();
    assert!(axes.into_iter().eq(0..array.ndim()));
    // the last byte of the last element is the last one of the data
    if count > 0 {
        let steps = array.strides();
        let last: isize = array.shape().iter().zip(&steps).map(|(&axis, &step)| (axis as isize - 1) * step).sum();
        assert_eq!(last as usize + array.dtype().item_len(), array.data().len());
    }
    let text = format!("{array}");
    assert!(text.len() <= 8000, "{} bytes of text", text.len());
    let _ = format!("{array:?}");
    let dtype = array.dtype();
    assert_eq!(dtype.to_string().parse().ok().as_ref(), Some(dtype));
    assert_eq!(dtype.to_native().to_native(), dtype.to_native());
}

/// As a vector and as views of this crate and of ndarray.
fn elements<T: Scalar + PartialEq>(array: &Array) {
    let Ok(elements) = array.to_vec::<T>() else { return };
    assert_eq!(elements.len(), array.len());
    let same = |a: &T, b: &T| a == b || a != a && b != b;
    let all_same = |other: &[T]| elements.len() == other.len() && elements.iter().zip(other).all(|(a, b)| same(a, b));
    let ordered = array.to_order(Order::C).unwrap_or_else(|error| panic!("{error}")).to_aligned(8);
    assert!(all_same(ordered.as_slice::<T>().unwrap_or_else(|error| panic!("{error}"))));
    let copy = array.to_ndarray::<T>().unwrap_or_else(|error| panic!("{error}"));
    assert!(copy.shape() == array.shape() && copy.iter().zip(&elements).all(|(a, b)| same(a, b)));
    if let Ok(view) = array.view::<T>() {
        assert!(view.shape() == array.shape() && view.iter().zip(&elements).all(|(a, b)| same(a, b)));
    }
}

fn limits() -> Limits {
    Limits::new().metadata_bytes(1 << 20).total_bytes(8 << 20).decompressed_bytes(1 << 20)
}

fn most(message: &Multipart) -> usize {
    (3 << 20) + 160 * message.metadata().len() + 2 * message.total_len()
}
