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
            [0x78, low, ..] if u16::from_be_bytes([0x78, *low]).is_multiple_of(31) => Self::Zlib,
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
            Self::Zlib => "it begins as zlib data does, which recv_zipped reads, or recv_with a codec that is Zipped",
            Self::Text => "it is text, as a topic is, which recv_topic_obj takes off",
        }
    }
}

fn has(frame: &[u8], word: &str) -> bool {
    frame.len() <= LONGEST && frame.windows(word.len()).any(|window| window == word.as_bytes())
}

fn is_text(frame: &[u8]) -> bool {
    frame.len() <= LONGEST && std::str::from_utf8(frame).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// No topic or header that is looked for is longer.
const LONGEST: usize = 1024;
