//! The chapter on Python is run: each of its Python programs, word for word, against the Rust half beside it.

#[cfg(feature = "arrow")]
use std::collections::BTreeMap;
use std::path::Path;

use outband::{Array, Pickle, SocketExt};
#[cfg(feature = "arrow")]
use outband::{Buffer, Decode, Encode, Multipart, Value};
use serde::{Deserialize, Serialize};

use crate::python::Script;

const PAGE: &str = include_str!("../../docs/python.md");

type Done = Result<(), Box<dyn std::error::Error>>;

#[derive(Serialize, Deserialize)]
struct Frame {
    camera: u32,
    depth: Array,
}

/// The fenced blocks that begin with this word.
fn blocks(language: &str) -> Vec<&'static str> {
    let fences: Vec<_> = PAGE.split("```").collect();
    let inside = fences.into_iter().skip(1).step_by(2);
    inside.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The block that has this port in it.
fn block(language: &str, port: u16) -> &'static str {
    let found: Vec<_> = blocks(language).into_iter().filter(|block| block.contains(&format!(":{port}\""))).collect();
    assert_eq!(found.len(), 1, "blocks of {language:?} with port {port}");
    found[0]
}

/// Runs the Python block of a port, with a check after it, against a Rust half on a socket that is bound for it.
fn run(port: u16, kind: zmq::SocketType, check: &str, rust: impl FnOnce(&zmq::Socket) -> Done) {
    is_in_the_page(port);
    let socket = zmq::Context::new().socket(kind).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_linger(60_000).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let program = block("python", port).replace(&format!("tcp://127.0.0.1:{port}"), &endpoint);
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.py");
    let text = format!(
        "import faulthandler, sys\nfaulthandler.dump_traceback_later(300, exit=True)\nsys.path.insert(0, {package:?})\n{program}\n\
        {check}\nsocket.close()\nsocket.context.term()\nprint('done')\n"
    );
    std::fs::write(&path, text).unwrap();
    let mut script = Script::start(path.to_str().unwrap(), &[]);
    rust(&socket).unwrap_or_else(|error| panic!("the Rust half of port {port}: {error}"));
    assert_eq!(script.line(), "done", "the Python half of port {port}");
    script.finish();
}

/// What the Rust block of a port does is what this file does, line by line.
fn is_in_the_page(port: u16) {
    let plain = |line: &str| line.split("  //").next().unwrap().trim().trim_end_matches(" //").to_owned();
    let own: Vec<_> = include_str!("docs.rs").lines().map(plain).collect();
    let lines = block("rust,no_run", port).lines().skip_while(|line| !line.contains(".bind("));
    let mut compared = 0;
    for line in lines.skip(1).filter(|line| !line.starts_with("Ok::<") && !line.starts_with("println!")) {
        assert!(own.contains(&plain(line)), "the page has a line that is not tested: {line}");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn every_python_program_of_the_page_is_run() {
    let ports: Vec<_> = (5555..=5560).collect();
    assert_eq!(blocks("python").len(), ports.len());
    let source = include_str!("docs.rs");
    for port in ports {
        block("python", port);
        block("rust,no_run", port);
        assert!(source.contains(&format!("run({port}, ")), "{port}");
    }
}

#[test]
fn pickles_of_python_arrive_in_one_frame_and_in_several() {
    run(5555, zmq::PULL, "", |socket| {
        for _ in 0..2 {
            let frame: Frame = socket.recv_with(&Pickle::new())?;
            assert_eq!((frame.camera, frame.depth.shape()), (3, &[480, 640][..]));
            assert_eq!(frame.depth.as_slice::<f32>()?, vec![0.0; 480 * 640]);
        }
        Ok(())
    });
}

#[test]
fn pickles_of_rust_arrive_in_one_frame_and_in_several() {
    let check = "
assert len(buffers) == 1 and not frame['depth'].flags.owndata
for got in (frame, second):
    assert got.keys() == {'camera', 'depth'} and got['camera'] == 3
    assert got['depth'].shape == (480, 640) and got['depth'].dtype == 'f4' and not got['depth'].any()
";
    run(5556, zmq::PUSH, check, |socket| {
        let depth = Array::from_shape_vec([480, 640], vec![0_f32; 480 * 640])?;
        let frame = Frame { camera: 3, depth };
        socket.send_with(&Pickle::new(), &frame)?;
        socket.send_with(&Pickle::new().in_band(), &frame)?;
        Ok(())
    });
}

#[test]
fn messagepack_goes_both_ways() {
    let check = "
assert answer.keys() == {'camera', 'depth'} and answer['camera'] == 4
assert answer['depth'].shape == (480, 640) and not answer['depth'].flags.owndata and not answer['depth'].any()
";
    run(5557, zmq::REP, check, |socket| {
        let frame: Frame = socket.recv_obj()?;
        assert_eq!((frame.camera, frame.depth.shape()), (3, &[480, 640][..]));
        socket.send_obj(&Frame { camera: frame.camera + 1, ..frame })?;
        Ok(())
    });
}

#[derive(Serialize, Deserialize)]
struct Setting {
    camera: u32,
    exposure: f64,
}

#[test]
fn json_goes_both_ways() {
    run(5558, zmq::REP, "assert answer == {'camera': 3, 'exposure': 0.125}", |socket| {
        let setting: Setting = socket.recv_json()?;
        socket.send_json(&Setting { exposure: setting.exposure / 2.0, ..setting })?;
        Ok(())
    });
}

#[test]
fn arrays_alone_go_both_ways() {
    let check = "assert answer.shape == (480, 640) and answer.dtype == 'f4' and (answer == 0.5).all()";
    run(5559, zmq::REP, check, |socket| {
        let depth = socket.recv_array()?;
        assert_eq!(depth.as_slice::<f32>()?[0], 0.5);
        socket.send_array(&depth)?;
        Ok(())
    });
}

#[cfg(feature = "zlib")]
#[test]
fn zipped_pickles_go_both_ways() {
    use outband::Zipped;

    run(5560, zmq::REP, "assert answer == ['red', 'green', 'blue']", |socket| {
        let codec = Zipped::new(Pickle::new());
        let mut colours: Vec<String> = socket.recv_with(&codec)?;
        colours.push("blue".into());
        socket.send_with(&codec, &colours)?;
        Ok(())
    });
}

/// What a value is as JSON, with a word for what JSON has none for.
#[cfg(feature = "arrow")]
fn form(value: &Value) -> String {
    match value {
        Value::Array(_) => "array".to_owned(),
        Value::Table(_) => "table".to_owned(),
        Value::Bytes(_) | Value::Buffer(_) => "bytes".to_owned(),
        Value::Map(entries) if entries.iter().any(|(_, value)| matches!(value, Value::Array(_))) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{}:{}", form(key), form(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        value => serde_json::to_string(value).unwrap(),
    }
}

/// What a pickle decodes as, what other types make of it, and the value again, as a pickle.
#[cfg(feature = "arrow")]
fn read(message: Multipart) -> outband::Result<Multipart> {
    /// Without what it is in Python, which serde has no words for.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Plain {
        Value(Value),
    }
    fn into<T: serde::de::DeserializeOwned>(codec: &Pickle, message: &Multipart, show: fn(&T) -> String) -> String {
        codec.decode(message.clone()).map_or_else(|_| String::new(), |value| show(&value))
    }

    let codec = Pickle::new().allow("__main__.Allowed");
    let codec = if message.buffers().is_empty() { codec.in_band() } else { codec };
    let value: Value = codec.decode(message.clone())?;
    let Plain::Value(plain) = codec.decode(message.clone())?;
    let also = BTreeMap::from([
        ("i128", into::<i128>(&codec, &message, i128::to_string)),
        ("u128", into::<u128>(&codec, &message, u128::to_string)),
        ("f64", into::<f64>(&codec, &message, |float| format!("{float:?}"))),
        ("Buffer", into::<Buffer>(&codec, &message, |buffer| buffer.len().to_string())),
        ("three", into::<[Option<i64>; 3]>(&codec, &message, |three| serde_json::to_string(three).unwrap())),
    ]);
    codec.encode(&(form(&plain), also, value))
}

#[cfg(feature = "arrow")]
#[test]
fn every_row_of_what_is_read_is_read_so() {
    let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/python.md");
    let mut script = Script::start("read_rows.py", &[&endpoint, page.to_str().unwrap()]);
    loop {
        let (envelope, message) = socket.recv_message_via().unwrap();
        if message.metadata().is_empty() {
            break;
        }
        let answer =
            read(message).unwrap_or_else(|error| Multipart::new("!", vec![error.to_string().into_bytes().into()]));
        socket.send_message_via(&envelope, answer).unwrap();
    }
    let rows: usize = script.line().parse().unwrap();
    script.finish();
    assert!(rows >= 29, "{rows}");
}
