//! `Json`: what pyzmq's `send_json` and `recv_json` speak.
