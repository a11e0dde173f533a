//! `ndarray` arrays and views to and from `Array`: the same elements, and copied only where it is said.

#![cfg(feature = "ndarray")]

use ndarray::{ArcArray, Array as Owned, ArrayD, ArrayView, Axis, Dimension, Ix0, IxDyn, ShapeBuilder, Slice, arr0, s};
use outband::{Array, Buffer, DType, Decode, Order, Pickle, from_multipart, memory, to_multipart};
use serde::Deserialize;

use crate::pickles;
use crate::random::Random;

/// What `run` returns, and how many bytes it copied.
fn counted<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = memory::copied_bytes();
    let result = run();
    (result, (memory::copied_bytes() - before) as usize)
}

/// An array of this shape that counts up, after random steps of slicing, turning and reversing.
fn random_array(random: &mut Random) -> ArrayD<f64> {
    let shape: Vec<usize> = (0..random.below(5)).map(|_| random.below(6)).collect();
    let len = shape.iter().product::<usize>();
    let mut array = Owned::from_shape_vec(IxDyn(&shape), (0..len).map(|at| at as f64).collect()).unwrap();
    for _ in 0..random.below(4) {
        let Some(axis) = (0..array.ndim()).nth(random.below(4)) else { continue };
        match random.below(4) {
            0 => array.swap_axes(axis, 0),
            1 => array.invert_axis(Axis(axis)),
            2 => array.slice_axis_inplace(Axis(axis), Slice::new(0, None, 2)),
            _ => {
                let from = random.below(array.shape()[axis] + 1) as isize;
                array.slice_axis_inplace(Axis(axis), Slice::new(from, None, 1));
            }
        }
    }
    array
}

#[test]
fn every_way_in_holds_the_same_elements() {
    let mut random = Random::seeded(5);
    for _ in 0..2000 {
        let array = random_array(&mut random);
        let shared: ArcArray<f64, IxDyn> = array.to_shared();
        let ways = [
            Array::copy_from_view(array.view()),
            Array::from(shared),
            Array::from(array.clone()),
            Array::from(array.clone().into_shared()),
        ];
        for way in ways {
            assert_eq!(way.dtype(), &DType::F64);
            assert!(!way.is_broadcast(), "{way}");
            assert_eq!(way.view::<f64>().unwrap(), array);
            assert_eq!(way.to_ndarray::<f64>().unwrap(), array);
            let back: Array = from_multipart(to_multipart(&way).unwrap()).unwrap();
            assert_eq!(back.view_or_copy::<f64>().unwrap(), array);
        }
    }
}

#[test]
fn contiguous_memory_moves_in_and_is_viewed_in_place() {
    let plain = Owned::from_shape_fn((20, 30), |(row, column)| (row * 30 + column) as f32);
    let start = plain.as_ptr();
    let (array, copied) = counted(|| Array::from(plain.clone().reversed_axes().reversed_axes()));
    assert_eq!((array.order(), copied), (Order::C, 0));

    let fortran = plain.clone().reversed_axes();
    let address = fortran.as_ptr();
    let (array, copied) = counted(|| Array::from(fortran));
    assert_eq!((array.order(), array.shape(), copied), (Order::F, &[30, 20][..], 0));
    assert_eq!(array.data().as_ptr(), address.cast());
    assert_eq!(array.view::<f32>().unwrap().as_ptr(), address);

    // a part of a larger allocation
    let part = plain.clone().slice_move(s![5..7, ..]);
    let address = part.as_ptr();
    let (array, copied) = counted(|| Array::from(part));
    assert_eq!((array.data().as_ptr(), array.data().len(), copied), (address.cast(), 2 * 30 * 4, 0));

    // shared memory: the array stays usable
    let shared = plain.into_shared();
    let (array, copied) = counted(|| Array::from(shared.clone()));
    assert_eq!((array.data().as_ptr(), copied), (start.cast(), 0));
    let rows = shared.clone().slice_move(s![3.., ..]);
    let (tail, copied) = counted(|| Array::from(rows));
    assert_eq!((tail.data().as_ptr(), copied), (start.wrapping_add(90).cast(), 0));
    drop(shared);
    assert_eq!(array.as_slice::<f32>().unwrap()[599], 599.0);

    // a single number
    let (array, copied) = counted(|| Array::from(arr0(7_u16)));
    assert_eq!((array.ndim(), array.len(), copied), (0, 1, 0));
    assert_eq!(array.view::<u16>().unwrap().into_dimensionality::<Ix0>().unwrap().into_scalar(), &7);
}

/// All orders of so many axes.
fn orders(axes: usize) -> Vec<Vec<usize>> {
    let Some(last) = axes.checked_sub(1) else { return vec![vec![]] };
    let shorter = orders(last);
    (0..axes).flat_map(|at| shorter.iter().map(move |order| [&order[..at], &[last], &order[at..]].concat())).collect()
}

/// How something becomes an array.
type Way = Box<dyn FnOnce() -> Array>;

/// In, through a message, and seen again: the memory is the same, in whatever order the axes lie.
#[test]
fn any_order_of_axes_goes_in_through_a_message_and_out_without_copying() {
    let shape = [7, 5, 3, 17];
    let elements: &'static [f64] = Vec::leak((0..7 * 5 * 3 * 17).map(f64::from).collect());
    for order in orders(4) {
        let owned = Owned::from_shape_vec(shape, elements.to_vec()).unwrap();
        let turned = owned.permuted_axes([order[0], order[1], order[2], order[3]]);
        let fixed = ArrayView::from_shape(shape, elements).unwrap();
        let fixed = fixed.permuted_axes([order[0], order[1], order[2], order[3]]);
        let (expected, address) = (turned.clone().into_dyn(), turned.as_ptr());
        let shared = turned.clone().into_shared();
        let shared_address = shared.as_ptr();
        let ways: [(&str, *const f64, Way); 3] = [
            ("Array", address, Box::new(|| Array::from(turned))),
            ("ArcArray", shared_address, Box::new(|| Array::from(shared))),
            ("ArrayView<'static>", fixed.as_ptr(), Box::new(move || Array::from(fixed))),
        ];
        for (name, address, way) in ways {
            let (array, copied) = counted(way);
            assert_eq!((array.data().as_ptr(), copied), (address.cast(), 0), "{name} {order:?}");
            assert_eq!(array.shape(), expected.shape(), "{name} {order:?}");
            let (message, copied) = counted(|| to_multipart(&("name", &array)).unwrap());
            assert_eq!((message.buffers()[0].as_ptr(), copied), (address.cast(), 0), "{name} {order:?}");
            let ((_, back), copied) = counted(|| from_multipart::<(String, Array)>(message).unwrap());
            assert_eq!((back.data().as_ptr(), copied), (address.cast(), 0), "{name} {order:?}");
            assert_eq!((back.axes(), back.strides()), (array.axes(), array.strides()), "{name} {order:?}");
            let (view, copied) = counted(|| back.view::<f64>().unwrap());
            assert_eq!((view.as_ptr(), copied), (address, 0), "{name} {order:?}");
            assert_eq!(view, expected, "{name} {order:?}");
        }
    }
}

#[test]
fn what_has_gaps_is_copied_once_and_never_again() {
    let image = Buffer::from_vec((0..64 * 640).collect::<Vec<u16>>());
    let (crop, copied) = counted(|| Array::from_strided(DType::U16, [64, 600], &[1280, 2], 20, &image).unwrap());
    assert_eq!(copied, 64 * 600 * 2);
    let ((back, view), copied) = counted(|| {
        let back: Array = from_multipart(to_multipart(&crop).unwrap()).unwrap();
        let view = back.view::<u16>().unwrap().to_owned();
        (back, view)
    });
    assert_eq!((copied, back.data().as_ptr()), (0, crop.data().as_ptr()));
    assert_eq!(view[[1, 0]], 640 + 10);
}

#[cfg(feature = "half")]
#[test]
fn halves_are_viewed_in_place() {
    use half::{bf16, f16};

    fn in_place<T: outband::Scalar + PartialEq + std::fmt::Debug>(numbers: [f32; 6], of: fn(f32) -> T, dtype: &str) {
        let matrix = Owned::from_shape_vec((2, 3), numbers.map(of).to_vec()).unwrap().reversed_axes();
        let (expected, address) = (matrix.clone().into_dyn(), matrix.as_ptr());
        let (array, copied) = counted(|| Array::from(matrix));
        assert_eq!((array.dtype().to_string().as_str(), array.order(), copied), (dtype, Order::F, 0));
        let (view, copied) = counted(|| array.view::<T>().unwrap());
        assert_eq!((view.as_ptr(), copied), (address, 0));
        assert_eq!(view, expected);
        let back: Array = from_multipart(to_multipart(&array).unwrap()).unwrap();
        assert_eq!(back.view::<T>().unwrap(), expected);
        assert!(back.view::<u16>().unwrap_err().to_string().contains(dtype), "the numbers are no integers");
    }
    in_place([0.5, -0.0, 65504.0, f32::INFINITY, 6e-8, -1.0], f16::from_f32, "<f2");
    in_place([0.5, -0.0, 3e38, f32::INFINITY, 1e-40, -1.0], bf16::from_f32, "bfloat16");
    // from the other byte order, in one copy
    let big = Array::new(">f2".parse().unwrap(), [2], Order::C, Buffer::from(vec![0x3c, 0, 0xc0, 0])).unwrap();
    let (one_and_minus_two, copied) = counted(|| big.view_or_copy::<f16>().unwrap().into_owned());
    assert_eq!((one_and_minus_two, copied), (ndarray::array![f16::ONE, f16::from_f32(-2.0)].into_dyn(), 4));
}

#[test]
fn static_views_are_sent_where_they_lie() {
    static TABLE: [u16; 6] = [1, 2, 3, 4, 5, 6];
    let view = ArrayView::from_shape((2, 3), &TABLE).unwrap();
    let (array, copied) = counted(|| Array::from(view));
    assert_eq!((array.data().as_ptr(), copied), (TABLE.as_ptr().cast(), 0));
    let (array, copied) = counted(|| Array::from(view.reversed_axes()));
    assert_eq!((array.data().as_ptr(), array.order(), copied), (TABLE.as_ptr().cast(), Order::F, 0));
    // every row of a million is the same one
    let repeated = ArrayView::from_shape((1_000_000, 3).strides((0, 1)), &TABLE[3..]).unwrap();
    let (array, copied) = counted(|| Array::from(repeated));
    assert_eq!((array.data().as_ptr(), array.data().len(), copied), (TABLE[3..].as_ptr().cast(), 6, 0));
    assert_eq!((array.shape(), array.base_shape()), (&[1_000_000, 3][..], &[1, 3][..]));
    assert_eq!(array.view::<u16>().unwrap(), repeated.into_dyn());
    let (array, copied) = counted(|| Array::from(view.slice_move(s![.., ..;-1])));
    assert_eq!((array.to_vec::<u16>().unwrap(), copied), (vec![3, 2, 1, 6, 5, 4], 12));
}

#[test]
fn other_strides_are_copied_once() {
    let image = Owned::from_shape_fn((8, 8), |(row, column)| (row * 8 + column) as u8);
    let crop = image.clone().slice_move(s![2..6, 1..5]);
    let expected = crop.clone();
    let ways: [fn(Owned<u8, ndarray::Ix2>) -> Array; 3] =
        [|crop| Array::from(crop), |crop| Array::from(crop.into_shared()), |crop| Array::copy_from_view(crop.view())];
    for way in ways {
        let (array, copied) = counted(|| way(crop.clone()));
        assert_eq!(copied, 16);
        assert_eq!(array.view::<u8>().unwrap(), expected.view().into_dyn());
    }
    let (array, copied) = counted(|| Array::copy_from_view(image.broadcast((1000, 8, 8)).unwrap()));
    assert_eq!((copied, array.base_shape()), (64, &[1, 8, 8][..]));
}

#[test]
fn a_view_that_cannot_be_is_an_error_that_says_what_helps() {
    let bytes = Buffer::from_vec(vec![0_u64; 4]);
    let odd = Array::new(DType::U64, [3], Order::C, bytes.slice(4..28)).unwrap();
    let error = odd.view::<u64>().unwrap_err();
    assert!(error.to_string().contains("to_aligned"), "{error}");
    let (view, copied) = counted(|| odd.view_or_copy::<u64>().unwrap().iter().copied().collect::<Vec<_>>());
    assert_eq!((view, copied), (vec![0; 3], 24));
    assert!(odd.to_aligned(8).view::<u64>().is_ok());

    let big = Array::new(">u2".parse().unwrap(), [2, 1], Order::C, Buffer::from(vec![0, 1, 0, 2])).unwrap();
    let error = big.view::<u16>().unwrap_err();
    assert!(error.to_string().contains("to_native"), "{error}");
    let (view, copied) = counted(|| big.view_or_copy::<u16>().unwrap().into_owned());
    assert_eq!((view.into_raw_vec_and_offset().0, copied), (vec![1, 2], 4));
    assert!(big.view_or_copy::<i16>().is_err());
    let (_, copied) = counted(|| big.to_native().unwrap().view_or_copy::<u16>().unwrap().len());
    assert_eq!(copied, 4, "to_native copies, the view does not");
    assert_eq!(IxDyn(&[2, 1]).size(), big.len());
}

#[test]
fn arrays_of_numpy_that_came_out_of_band_are_viewed_where_they_are() {
    #[derive(Deserialize)]
    struct Holder {
        value: Array,
    }
    let golden = pickles::of_golden("types-numpy-1.bin").into_iter().chain(pickles::of_golden("types-1-3.bin"));
    let mut viewed = 0;
    for golden in golden {
        let frames: Vec<_> = golden.message.buffers().iter().map(|frame| frame.as_ptr()).collect();
        let check = |array: &Array, expected: &[usize]| {
            let view = array.view::<f32>().unwrap();
            assert_eq!((view.shape(), view.as_ptr().cast()), (expected, frames[0]), "{}", golden.name);
            assert!(view.iter().zip(0_u8..).all(|(&value, at)| value == f32::from(at)), "{}: {view}", golden.name);
        };
        let decode = || counted(|| Decode::<Holder>::decode(&Pickle::new(), golden.message.clone()).unwrap().value);
        match &*golden.name {
            "array float32, out of band" => check(&decode().0, &[2, 3]),
            // on the axes that it has, which lie the other way around
            "array fortran, out of band" => {
                let (array, copied) = decode();
                check(&array, &[2, 3, 4]);
                assert!(!array.view::<f32>().unwrap().is_standard_layout());
                assert_eq!(copied, 0);
            }
            _ => continue,
        }
        viewed += 1;
    }
    assert_eq!(viewed, 4);
}
