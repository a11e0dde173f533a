//! `Zipped`: a whole message compressed into one frame.
