//! `Prepare`: what a program does with a socket of the pipeline before it is used.

use std::fmt;
use std::sync::Arc;

type Act = dyn Fn(&zmq::Socket) -> zmq::Result<()> + Send + Sync;

/// Called for each socket, with the options set that the pipeline needs.
#[derive(Clone)]
pub(super) struct Prepare(Arc<Act>);

impl Prepare {
    pub(super) fn with(prepare: impl Fn(&zmq::Socket) -> zmq::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(prepare))
    }

    pub(super) fn apply(prepare: Option<&Self>, socket: &zmq::Socket) -> zmq::Result<()> {
        prepare.map_or(Ok(()), |prepare| prepare.0(socket))
    }
}

impl fmt::Debug for Prepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepare")
    }
}
