//! A header and a frame as pyzmq's documentation has arrays, and dtypes as texts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outband::{Array, DType, HeadedArray, Limits};
use outband_fuzz::check::{comes_back, decoded};
use outband_fuzz::counting::measure;
use outband_fuzz::input;

fuzz_target!(|data: &[u8]| {
    let (flags, message) =
        input::message(&[&[data.first().copied().unwrap_or(0) & !input::MEND], data.get(1..).unwrap_or(&[])].concat());
    let codec = HeadedArray::new().limits(Limits::new().metadata_bytes(1 << 20).total_bytes(1 << 20));
    let most = (1 << 20) + 160 * message.metadata().len() + 2 * message.total_len();
    if let Some(array) = decoded::<Array, _>(&codec, &message, most) {
        assert_eq!(comes_back(&codec, &array), array);
    }
    let Ok(text) = std::str::from_utf8(message.metadata()) else { return };
    let (dtype, peak) = measure(|| text.parse::<DType>());
    assert!(peak <= most, "{peak} bytes");
    if let Ok(dtype) = dtype {
        assert_eq!(dtype.to_string().parse().ok().as_ref(), Some(&dtype), "{dtype}");
        assert_eq!(
            dtype.numpy_name().parse::<DType>().map(|other| other.item_len()).ok(),
            Some(dtype.item_len()),
            "{dtype}"
        );
        let _ = (flags, dtype.to_native(), format!("{dtype:?}"));
    }
});
