//! What libzmq would bind and nobody means: a file in its way, another process's endpoint, a port that is none.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

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
        // `*` is a new path
        _ => match path_of(endpoint).filter(|path| *path != "*").map(|path| (path, fs::symlink_metadata(path))) {
            Some((_, Ok(found))) if !found.file_type().is_socket() => Err("there is a file with this path".into()),
            Some((path, Ok(_))) if UnixStream::connect(path).is_ok() => Err("another process listens there".into()),
            _ => Ok(()),
        },
    }
}

/// The path of an `ipc` endpoint; `@` begins a name that is none.
fn path_of(endpoint: &str) -> Option<&str> {
    endpoint.strip_prefix("ipc://").filter(|path| !path.starts_with('@'))
}

/// The file of an `ipc` endpoint that is bound, which libzmq leaves behind. It goes when this is dropped, unless another one has taken its
/// place: no other has its number as long as the socket is open.
pub(crate) struct Bound(Option<(PathBuf, (u64, u64))>);

impl Bound {
    /// What `asked` was bound as.
    pub(crate) fn at(asked: &str, endpoint: &str) -> Self {
        // in a folder of its own, which some builds of libzmq make for a `*`, it takes that away, too
        let is_taken_away = |path: &&str| asked == "ipc://*" && path.ends_with("/socket");
        let path = path_of(endpoint).filter(|path| !is_taken_away(path)).map(PathBuf::from);
        Self(path.and_then(|path| identity(&path).map(|number| (path, number))))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some((path, number)) = &self.0
            && identity(path) == Some(*number)
        {
            let _ = fs::remove_file(path);
        }
    }
}
