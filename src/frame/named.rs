//! The errors of libzmq's calls: what a number means, and what a signal interrupted.

/// The error of this number; for one that `zmq` has no name for, where its own `from_raw` panics, [`UNNAMED`].
#[cold]
pub(super) fn error_of(errno: i32) -> zmq::Error {
    NAMED.into_iter().find(|error| error.to_raw() == errno).unwrap_or_else(|| {
        tracing::error!(target: "outband", errno, "libzmq failed with an error that has no name here");
        UNNAMED
    })
}

/// Of the errors that libzmq's calls for sending and receiving may fail with, the one that says nothing of peers and connections.
const UNNAMED: zmq::Error = zmq::Error::EFAULT;

/// Makes a call that does not wait, again where a signal interrupts it.
///
/// In a forked child some libzmqs say of every call on an inherited socket that it was interrupted (`signaler_t::wait` with `HAVE_FORK`),
/// and nothing else tells. No signal interrupts so many calls in a row: none of them waits.
#[inline]
pub(crate) fn uninterrupted<R>(mut call: impl FnMut() -> Result<R, zmq::Error>) -> Result<R, zmq::Error> {
    for _ in 0..INTERRUPTIONS {
        match call() {
            Err(zmq::Error::EINTR) => {}
            done => return done,
        }
    }
    call()
}

/// After so many interruptions in a row a call has failed.
const INTERRUPTIONS: u32 = 100;

const NAMED: [zmq::Error; 28] = {
    use zmq::Error::{
        EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EBUSY, ECONNREFUSED, EFAULT, EFSM, EHOSTUNREACH, EINPROGRESS, EINTR,
        EINVAL, EMFILE, EMSGSIZE, EMTHREAD, ENAMETOOLONG, ENETDOWN, ENOBUFS, ENOCOMPATPROTO, ENODEV, ENOENT, ENOMEM,
        ENOTCONN, ENOTSOCK, ENOTSUP, EPROTO, EPROTONOSUPPORT, ETERM,
    };
    [
        // the usual ones first
        EAGAIN,
        EINTR,
        EFSM,
        ETERM,
        EHOSTUNREACH,
        ENOTSUP,
        ENOTSOCK,
        EFAULT,
        EINVAL,
        EACCES,
        EADDRINUSE,
        EADDRNOTAVAIL,
        EBUSY,
        ECONNREFUSED,
        EINPROGRESS,
        EMFILE,
        EMSGSIZE,
        EMTHREAD,
        ENAMETOOLONG,
        ENETDOWN,
        ENOBUFS,
        ENOCOMPATPROTO,
        ENODEV,
        ENOENT,
        ENOMEM,
        ENOTCONN,
        EPROTO,
        EPROTONOSUPPORT,
    ]
};

#[cfg(all(test, not(miri)))] // libzmq's own texts of errors
mod tests {
    use super::{UNNAMED, error_of};
    use std::panic::catch_unwind;

    #[test]
    fn every_number_is_an_error() {
        // of the system, and of libzmq's own
        let mut unnamed = 0;
        for errno in (-1..200).chain(156_384_712 + 40..156_384_712 + 60) {
            let known = catch_unwind(|| zmq::Error::from_raw(errno)).ok();
            assert_eq!(error_of(errno), known.unwrap_or(UNNAMED), "{errno}");
            unnamed += usize::from(known.is_none());
        }
        assert_eq!(unnamed, 201 + 20 - 28);
    }
}
