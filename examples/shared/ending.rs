//! How an example ends. Who reads what it prints may have read enough of it, as `head` does: that is no failure.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// Of an example, where anything may go wrong.
pub(crate) type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Success, also where nobody reads any further; what else went wrong is told.
pub(crate) fn of(done: Result<()>) -> ExitCode {
    match done {
        Err(error) if !is_broken_pipe(&*error) => {
            eprintln!("{}: {error}", env!("CARGO_CRATE_NAME"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn is_broken_pipe(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
