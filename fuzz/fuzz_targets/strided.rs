//! Views with strides of any kind: refused, or the elements that the strides say.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::{Array, Buffer, DType, Order};
use outband_fuzz::check::comes_back;

#[derive(Arbitrary, Debug)]
struct Strided {
    dtype: u8,
    axes: Vec<(u8, i8)>,
    far: Option<(usize, isize)>,
    offset: u8,
    len: u16,
}

fuzz_target!(|strided: Strided| {
    let Strided { dtype, axes, far, offset, len } = strided;
    let dtypes = [DType::U8, DType::U16, DType::U32, DType::F64];
    let dtype = dtypes[usize::from(dtype) % dtypes.len()].clone();
    let item = dtype.item_len();
    let mut shape: Vec<usize> = axes.iter().map(|&(axis, _)| axis.into()).collect();
    let mut strides: Vec<isize> = axes.iter().map(|&(_, step)| step.into()).collect();
    if let Some((axis, step)) = far {
        shape.push(axis);
        strides.push(step);
    }
    let offset = usize::from(offset);
    let buffer = Buffer::from((0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let Ok(array) = Array::from_strided(dtype, shape.clone(), &strides, offset, &buffer) else { return };
    assert_eq!(array.shape(), shape);
    if array.byte_len() > 1 << 16 || array.len() > 1 << 14 {
        return;
    }
    let mut expected = Vec::with_capacity(array.byte_len());
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..array.len() {
        let steps: isize = index.iter().zip(&strides).map(|(&at, &step)| at as isize * step).sum();
        let at = (offset as isize + steps) as usize;
        expected.extend_from_slice(&buffer[at..at + item]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    let ordered = array.to_order(Order::C).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ordered.data()[..], expected[..], "{array:?}");
    let turned = array.to_order(Order::F).and_then(|turned| turned.to_order(Order::C));
    assert_eq!(turned.ok().as_ref(), Some(&ordered), "{array:?}");
    assert_eq!(comes_back(&outband::MsgPack::new(), &array), array);
    let pickled = comes_back(&outband::Pickle::new(), &array);
    assert_eq!(pickled.to_order(Order::C).map(Array::into_data).ok().as_deref(), Some(&expected[..]));
});
