//! The Python package in `python/`: installs with pip, passes its own tests and its type checker.

use std::path::Path;
use std::process::Command;

use crate::python;
use crate::python::Packages;

#[test]
fn the_python_package_installs_and_passes_its_tests() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let folder = tempfile::tempdir().unwrap();
    let python = |arguments: &[&str]| {
        let mut command = Command::new(python::python());
        // pip builds in the source folder, so that is a copy
        python::run(command.arg("-B").args(arguments).current_dir(folder.path()).env("PYTHONPATH", "installed"));
    };
    copy(&package, &folder.path().join("source"));
    python(&["-m", "pip", "install", "--quiet", "--no-deps", "--target", "installed", "./source"]);
    assert!(folder.path().join("installed/outband/py.typed").exists());
    let tests = package.join("tests");
    python(&["-m", "pytest", "--quiet", "-p", "no:cacheprovider", tests.to_str().unwrap()]);
    let settings = package.join("pyproject.toml");
    python(&["-m", "mypy", "--config-file", settings.to_str().unwrap(), "-p", "outband"]);
}

#[test]
fn the_python_package_runs_with_nothing_but_the_oldest_pyzmq_and_msgpack_that_it_promises() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let least = std::fs::read_to_string(root.join("tests/python/requirements-least.txt")).unwrap();
    let promised = std::fs::read_to_string(root.join("python/pyproject.toml")).unwrap();
    for version in least.lines() {
        let (name, version) = version.split_once("==").unwrap();
        let version = version.trim_end_matches(".0");
        assert!(promised.contains(&format!("\"{name}>={version}\"")), "{name} is not promised from {version} on");
    }
    let mut command = Command::new(python::python_with(Packages::Least));
    command.arg("-B").arg(root.join("tests/python/least.py")).env("PYTHONPATH", root.join("python"));
    python::run(&mut command);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        // what a pip that built here left behind, which may be older than the package
        if name == "build" || name.ends_with(".egg-info") {
            continue;
        }
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}
