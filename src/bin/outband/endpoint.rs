//! What libzmq would bind and nobody means: a file in its way, another process's endpoint, a port that is none.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;

use crate::Fallible;

/// Refuses an endpoint that takes something from somebody, or is another one than it says.
///
/// libzmq deletes whatever file has the path of an `ipc` endpoint, and its socket from under a process that listens there. Of a
/// port it looks at the lower 16 bits.
pub(crate) fn check(endpoint: &str) -> Fallible<()> {
    match endpoint.split_once("://") {
        Some(("inproc", _)) => Err("inproc is within one process, and no other gets there".into()),
        Some(("tcp", address)) => match address.rsplit_once(':') {
            Some((_, port)) if port.parse::<u64>().is_ok_and(|port| port > u64::from(u16::MAX)) => {
                Err(format!("port {port} is above 65535").into())
            }
            _ => Ok(()),
        },
        // `*` is a new path, and `@` begins a name that is none
        Some(("ipc", path)) if path != "*" && !path.starts_with('@') => match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => Err("there is a file with this path".into()),
            Ok(_) if UnixStream::connect(path).is_ok() => Err("another process listens there".into()),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
