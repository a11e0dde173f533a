//! Tables: Arrow record batches whose buffers travel as frames.
//!
//! This room knows Arrow's layouts. It refuses to know codecs and sockets.
