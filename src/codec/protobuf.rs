//! `Protobuf`: any `prost::Message`.
