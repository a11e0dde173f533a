//! `send_array` and `recv_array` of the pyzmq documentation: a JSON header, then the elements.
