//! `outband`: the command line.

#[path = "../../complaints.rs"]
mod complaints;
mod echo;
mod endpoint;
mod stop;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Objects over ZeroMQ: one metadata frame, one zero-copy frame per buffer.
#[derive(Parser)]
#[command(name = "outband", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Echo(echo::Arguments),
}

/// What a command fails with: printed, and exit code 1.
type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let ran = match Arguments::parse().command {
        Command::Echo(arguments) => echo::run(&arguments),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outband: {error}");
            ExitCode::FAILURE
        }
    }
}
