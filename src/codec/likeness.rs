//! What a message looks like that a codec refused because it is in another format.

/// What the first frame of a message begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    MessagePack,
    Pickle,
    Json,
    /// The header of a [`HeadedArray`](super::HeadedArray).
    Header,
    Zlib,
    Text,
}

impl Likeness {
    /// Asked when a message was refused, and no more than a guess.
    #[cold]
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        Some(match frame {
            [0x80, 2..=5, .., b'.'] => Self::Pickle,
            [0x81..=0x9f | 0xdc..=0xdf, _, ..] => Self::MessagePack,
            [b'{', .., b'}'] if has(frame, "\"dtype\"") && has(frame, "\"shape\"") => Self::Header,
            [b'{', .., b'}'] | [b'[', .., b']'] | [b'"', .., b'"'] => Self::Json,
            _ if is_zlib(frame) => Self::Zlib,
            [_, _, ..] if is_text(frame) => Self::Text,
            _ => return None,
        })
    }

    /// What it is and what reads such, for the end of an error's text.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::MessagePack => "it begins as MessagePack does, which recv_obj reads",
            Self::Pickle => "it begins as a pickle does, which recv_with(&Pickle::new()) reads",
            Self::Json => "it looks like JSON, which recv_json reads",
            Self::Header => "it looks like the header of an array, which recv_array reads",
            Self::Zlib if cfg!(feature = "zlib") => {
                "it begins as zlib data does, which recv_zipped reads, or recv_with a codec that is Zipped"
            }
            Self::Zlib => {
                "it begins as zlib data does, which recv_zipped reads, or recv_with a codec that is Zipped (feature outband/zlib)"
            }
            Self::Text => "it is text, as a topic is, which recv_topic_obj takes off",
        }
    }
}

/// Whether it begins as a zlib stream does (RFC 1950, section 2.2): the method is 8, deflate, the window no larger than 32 KiB, the two
/// bytes of the header are a multiple of 31, and no dictionary is asked for. Text may begin so as well ("x^2", "8O"): where all of it is
/// text it is no zlib stream, whose bits and checksum are bytes of any kind.
pub(super) fn is_zlib(frame: &[u8]) -> bool {
    let [method, flags, ..] = *frame else { return false };
    let is_header = method & 0x0f == 8
        && method >> 4 <= 7
        && u16::from_be_bytes([method, flags]).is_multiple_of(31)
        && flags & 0x20 == 0;
    let is_plain = |letter: char| !letter.is_control() || letter.is_whitespace();
    is_header && !std::str::from_utf8(frame).is_ok_and(|text| text.chars().all(is_plain))
}

fn has(frame: &[u8], word: &str) -> bool {
    frame.len() <= LONGEST && frame.windows(word.len()).any(|window| window == word.as_bytes())
}

fn is_text(frame: &[u8]) -> bool {
    frame.len() <= LONGEST && std::str::from_utf8(frame).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// No topic or header that is looked for is longer.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zlib_is_known_by_its_header_and_by_not_being_text() {
        // what `zlib.compress(b"x", level, wbits)` of Python makes
        let streams: [&[u8]; 5] = [
            b"\x78\x01\x01\x01\x00\xfe\xff\x78\x00\x79\x00\x79",
            b"\x78\x5e\xab\x00\x00\x00\x79\x00\x79",
            b"\x78\x9c\xab\x00\x00\x00\x79\x00\x79",
            b"\x78\xda\xab\x00\x00\x00\x79\x00\x79",
            b"\x18\x95\xab\x00\x00\x00\x79\x00\x79",
        ];
        for stream in streams {
            assert_eq!(Likeness::of(stream), Some(Likeness::Zlib), "{stream:x?}");
        }
        let texts = ["x^2 + y^2", "x^", "8O", "x^\n2", "HMAC", "(S", "x ", "x?", "xylophone", "X\tY", "x"];
        for text in texts {
            assert_ne!(Likeness::of(text.as_bytes()), Some(Likeness::Zlib), "{text:?}");
        }
        assert_eq!(Likeness::of("x^2 at Tromsø".as_bytes()), Some(Likeness::Text));
        // another method, a larger window, a wrong check, a dictionary that nobody has
        for other in [&b"\x79\x9b\xff"[..], b"\x88\x1c\xff", b"\x78\x9d\xff", b"\x78\xbb\xff", b"\x78", b""] {
            assert_ne!(Likeness::of(other), Some(Likeness::Zlib), "{other:x?}");
        }
        for header in (0..=u16::MAX).map(u16::to_be_bytes) {
            let is_zlib = header[0] & 15 == 8 && header[0] < 0x80 && u16::from_be_bytes(header) % 31 == 0;
            let taken = Likeness::of(&[header[0], header[1], 0xff, 0xff]) == Some(Likeness::Zlib);
            assert_eq!(taken, is_zlib && header[1] & 0x20 == 0, "{header:x?}");
        }
    }
}
