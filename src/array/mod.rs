//! Arrays: an element type, a shape, an order, and the buffer that holds the elements.
//!
//! This room knows NumPy's names for all of these. It refuses to know codecs and sockets.
