//! `Loss`: why a worker is given up.

/// Why a worker is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Loss {
    /// Its connection ended.
    Disconnected,
    /// It has not been heard of for too long.
    Silent,
    /// It could not be sent something.
    Unreachable,
    /// It does not read what it is sent.
    Deaf,
    /// It has begun a new session.
    Renewed,
    /// What it sent is none of the protocol.
    Unruly,
    /// It said goodbye.
    Left,
}

impl Loss {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Disconnected | Self::Unreachable => "its connection ended",
            Self::Silent => "it was silent for too long",
            Self::Deaf => "it did not read what it was sent",
            Self::Renewed => "it began anew",
            Self::Unruly => "it sent what is no message of the protocol",
            Self::Left => "it left",
        }
    }
}
