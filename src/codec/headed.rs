//! `send_array` and `recv_array` of the pyzmq documentation: a JSON header, then the elements.
//!
//! ```text
//!   frame 0    {"dtype": "float64", "shape": [480, 640]}
//!   frame 1    the elements in C order
//! ```
//!
//! See <https://pyzmq.readthedocs.io/en/latest/howto/serialization.html>, "Using your own serialization".

use serde::{Deserialize, Serialize};

use super::{Decode, Encode, Json};
use crate::array::{Array, DType, Order};
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result, excerpt};
use crate::limits::Limits;
use crate::multipart::Multipart;

/// The codec of `send_array` and `recv_array` in the pyzmq documentation: one [`Array`] as a JSON header and a frame of
/// elements, **without copying**.
///
/// The header is `{"dtype": ..., "shape": [...]}` with NumPy's `str(dtype)`, byte for byte what pyzmq's `send_json` makes of it; any JSON
/// with these two is read, with spaces or without. The elements are sent in C order: Fortran order and
/// repeated elements are copied to it first, and [counted](crate::memory::copied_bytes). For records the dtype is the text of a
/// Python list, which NumPy writes; its own `recv_array` does not read it back, and needs `ast.literal_eval` around it.
///
/// In objects of any other form, [`Array`] travels with the default codec and needs none of this.
///
/// # Examples
///
/// ```
/// use outband::{Array, Decode, Encode, HeadedArray};
///
/// let array = Array::from_shape_vec([2, 3], vec![0.5_f64; 6])?;
/// let message = HeadedArray::new().encode(&array)?;
/// assert_eq!(&message.metadata()[..], br#"{"dtype": "float64", "shape": [2, 3]}"#);
/// assert_eq!(message.buffers()[0].as_ptr(), array.data().as_ptr());
/// assert_eq!(HeadedArray::new().decode(message)?, array);
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadedArray {
    limits: Limits,
}

/// The longest header that is read: the names of some ten thousand fields, and far from harm.
const LONGEST_HEADER: usize = 1 << 20;

impl HeadedArray {
    /// The codec with the default limits.
    pub const fn new() -> Self {
        Self { limits: Limits::new() }
    }

    /// Sets what a message may cost. Encoding keeps to it as well.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// The header as it is sent.
#[derive(Serialize)]
struct Header<'a> {
    dtype: String,
    shape: &'a [usize],
}

/// The header as it arrives; what else is in it does not matter.
#[derive(Deserialize)]
struct Claim {
    dtype: String,
    shape: Vec<usize>,
}

impl Encode<Array> for HeadedArray {
    fn encode(&self, array: &Array) -> Result<Multipart> {
        let mut metadata = Vec::new();
        let buffers = self.encode_into(array, &mut metadata)?;
        Ok(Multipart::new(metadata, buffers))
    }

    fn encode_into(&self, array: &Array, metadata: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        // before elements are copied that a few bytes may stand for
        self.limits.check_total(array.byte_len() as u64)?;
        let ordered = array.to_order(Order::C)?;
        let start = metadata.len();
        let header = Header { dtype: array.dtype().numpy_name(), shape: array.shape() };
        Json::new().limits(self.limits).encode_into(&header, metadata)?;
        let header = metadata.len() - start;
        if header > LONGEST_HEADER {
            let reason = format!("the header has {header} bytes, and receivers read no more than {LONGEST_HEADER}");
            return Err(Detail::Unserializable { reason }.into());
        }
        let header = header as u64;
        self.limits.check_metadata(header)?;
        self.limits.check_total(header.saturating_add(ordered.data().len() as u64))?;
        Ok(vec![ordered.into_data()])
    }
}

impl Decode<Array> for HeadedArray {
    fn decode(&self, message: Multipart) -> Result<Array> {
        let (metadata, buffers) = message.into_parts();
        let frames = buffers.len();
        let data: [Buffer; 1] =
            buffers.try_into().map_err(|_| bad(format!("{frames} frames follow the header, and one has to")))?;
        if metadata.len() > LONGEST_HEADER {
            return Err(bad(format!("its header has {} bytes, the limit is {LONGEST_HEADER}", metadata.len())));
        }
        self.limits.check_metadata(metadata.len() as u64)?;
        self.limits.check_total((metadata.len() as u64).saturating_add(data[0].len() as u64))?;
        let Claim { dtype, shape } = serde_json::from_slice(&metadata).map_err(|error| bad(excerpt(error)))?;
        let dtype: DType = dtype.parse().map_err(|error| bad(excerpt(error)))?;
        let [data] = data;
        Array::new(dtype, shape, Order::C, data).map(Array::settled).map_err(|error| bad(excerpt(error)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

fn bad(reason: String) -> Error {
    Detail::BadArrayHeader { reason }.into()
}
