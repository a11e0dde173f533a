//! Real Python processes, with the packages of `tests/python/requirements.txt` or of the older ones beside it.

#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Which packages a script finds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packages {
    /// Those of `tests/python/requirements.txt`.
    Current,
    /// Those of `tests/python/requirements-older.txt`: NumPy 1 and pandas 2.
    Older,
    /// Those of `tests/python/requirements-least.txt`: what the Python package needs, in the oldest versions that it promises.
    Least,
}

impl Packages {
    /// What their virtual environment is called, and the file that names them.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Current => ("python", "requirements.txt"),
            Self::Older => ("python-older", "requirements-older.txt"),
            Self::Least => ("python-least", "requirements-least.txt"),
        }
    }

    /// What most scripts import of them.
    fn modules(self) -> &'static str {
        match self {
            Self::Current => "blosc2, hypothesis, joblib, msgpack, numpy, pandas, pyarrow.compute, pytest, zmq.asyncio",
            Self::Older => "hypothesis, joblib, msgpack, numpy, pandas, pyarrow.compute, zmq",
            Self::Least => "msgpack, zmq",
        }
    }
}

/// Python with the packages of `tests/python/requirements.txt`, in a virtual environment that is made at first use.
pub(crate) fn python() -> PathBuf {
    python_with(Packages::Current)
}

/// Python with these packages, in a virtual environment of its own: of `python3`, or of the interpreter that `OUTBAND_TEST_PYTHON`
/// names.
pub(crate) fn python_with(packages: Packages) -> PathBuf {
    let (name, requirements) = packages.names();
    let requirements = scripts().join(requirements);
    let chosen = env::var("OUTBAND_TEST_PYTHON").ok();
    let name = chosen.iter().fold(name.to_owned(), |name, chosen| name + &chosen.replace('/', "-"));
    // the folder that cargo keeps for this package's integration tests, under target/
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (venv, wanted) = (folder.join(&name), fs::read_to_string(&requirements).unwrap());
    let (interpreter, installed) = (venv.join("bin/python"), venv.join("installed.txt"));
    // several test binaries may come here at once
    let lock = File::create(folder.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
        let _ = fs::remove_dir_all(&venv);
        let mut make = Command::new(chosen.as_deref().unwrap_or("python3"));
        make.args(["-m", "venv"]).arg(&venv);
        // one pip for all of them: to put another one there takes longer than to install some of these packages
        let pip = match packages {
            Packages::Current => interpreter.clone(),
            Packages::Older | Packages::Least => {
                make.arg("--without-pip");
                python()
            }
        };
        run(&mut make);
        let install =
            ["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:", "-r"];
        run(Command::new(pip).args(["-m", "pip", "--python"]).arg(&interpreter).args(install).arg(requirements));
        // compiles what is imported here, which is half of what pip would compile
        run(Command::new(&interpreter).args(["-c", &format!("import {}", packages.modules())]));
        fs::write(&installed, &wanted).unwrap();
    }
    interpreter
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("this test needs python3 with venv (apt-get install python3-venv): {command:?}: {error}")
    });
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?} failed:\n{}", printed.concat());
}

/// A Python process that ends with the test.
pub(crate) struct Script {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Script {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(Packages::Current, name, arguments)
    }

    pub(crate) fn start_with(packages: Packages, name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(python_with(packages));
        command.arg("-B").arg(scripts().join(name)).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) fn finish(mut self) {
        assert!(self.child.wait().unwrap().success(), "the script failed, see its output above");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
