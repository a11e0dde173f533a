//! What a pickle says by a name: members of enums, zones of the tz database, dtypes; and the errors that say one.

use outband::python::Kind;
use outband::{Decode, Encode, Limits, Multipart, Pickle, Result, Value};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

fn read<T: DeserializeOwned>(codec: &Pickle, data: &[u8]) -> Result<T> {
    codec.decode(Multipart::new(data.to_vec(), vec![]))
}

fn refused(codec: &Pickle, data: &[u8], expected: &str) {
    for result in [read::<Value>(codec, data).map(drop), read::<Vec<u8>>(codec, data).map(drop)] {
        let error = result.expect_err(&data.escape_ascii().to_string());
        assert!(error.is_peer() && error.to_string().contains(expected), "{}: {error}", data.escape_ascii());
    }
}

/// A member as Python 3.11.2 writes it: its class, and `getattr` of that.
fn member(class: &str, name: &str) -> Vec<u8> {
    format!("c__builtin__\ngetattr\n(cshop\n{class}\nV{name}\ntR").into_bytes()
}

fn or(one: &[u8], other: &[u8]) -> Vec<u8> {
    [b"c_operator\nor_\n(", one, other, b"tR"].concat()
}

fn whole(part: &[u8]) -> Vec<u8> {
    [part, b"."].concat()
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "UPPERCASE")]
enum Color {
    Red,
}

#[test]
fn a_member_by_its_name_is_that_name() {
    let codec = Pickle::new().allow("shop.Color").allow("shop.Level");
    let red = whole(&member("Color", "RED"));
    assert_eq!(read::<Color>(&codec, &red).unwrap(), Color::Red);
    let value: Value = read(&codec, &red).unwrap();
    assert_eq!((value.as_str(), value.kind()), (Some("RED"), None));
    let [low, mid, high] = ["LOW", "MID", "HIGH"].map(|name| member("Level", name));
    for (data, expected) in
        [(low.clone(), "LOW"), (or(&high, &low), "LOW|HIGH"), (or(&or(&high, &mid), &low), "LOW|MID|HIGH")]
    {
        assert_eq!(read::<String>(&codec, &whole(&data)).unwrap(), expected);
    }
    let protocol_4 = b"\x80\x04\x8c\x08builtins\x94\x8c\x07getattr\x94\x93\x94\x8c\x04shop\x94\x8c\x05Color\x94\x93\x94\x8c\x03RED\x94\x86\x94R\x94.";
    assert_eq!(read::<String>(&codec, protocol_4).unwrap(), "RED");
}

#[test]
fn a_member_of_a_class_that_is_not_allowed_is_refused_by_the_name_of_the_class() {
    for codec in [Pickle::new(), Pickle::new().allow("shop"), Pickle::new().allow("shop.Color.RED")] {
        refused(
            &codec,
            &whole(&member("Color", "RED")),
            "asks for Color of shop, which is not read: Pickle::allow(\"shop.Color\")",
        );
    }
}

#[test]
fn nothing_else_is_asked_of_getattr_and_or() {
    let codec = Pickle::new().allow("shop.Color").allow("os.system").allow("builtins.Color");
    let red = member("Color", "RED");
    for name in ["__class__", "__init__", "", "a.b", "__globals__"] {
        refused(&codec, &whole(&member("Color", name)), "asks for getattr of __builtin__");
    }
    let getattr = "asks for getattr of builtins";
    for data in [
        // of what is on the list, of itself, of no class, of more or less
        &b"cbuiltins\ngetattr\n(cbuiltins\ndict\nVget\ntR."[..],
        b"cbuiltins\ngetattr\n(czoneinfo\nZoneInfo\nVfrom_file\ntR.",
        b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\nVRED\ntR.",
        b"cbuiltins\ngetattr\n(VColor\nVRED\ntR.",
        b"cbuiltins\ngetattr\n(cshop\nColor\nK\x01tR.",
        b"cbuiltins\ngetattr\n(cshop\nColor\ntR.",
        b"cbuiltins\ngetattr\n(cshop\nColor\nVRED\nNtR.",
        // as something that is not called, made as a class, or given a state
        b"cbuiltins\ngetattr\n.",
        b"cbuiltins\ngetattr\n(cshop\nColor\nVRED\nt\x81.",
        b"cbuiltins\ngetattr\n(cshop\nColor\nVRED\ntR}b.",
        b"cbuiltins\ngetattr\n(cshop\nColor\nVRED\ntR(K\x01e.",
        // one call that is fine beside one that is not
        b"cbuiltins\ngetattr\nq\x00(cshop\nColor\nVRED\ntRh\x00(cbuiltins\ndict\nVget\ntR\x86.",
    ] {
        refused(&codec, data, getattr);
    }
    let or_ = "asks for or_ of _operator";
    for data in [
        or(&red, b"K\x01"),
        or(b"K\x01", b"K\x02"),
        or(&red, b"cshop\nColor\n"),
        [b"c_operator\nor_\n(", &red[..], b"tR"].concat(),
        b"c_operator\nor_\n".to_vec(),
        // the lowest flag stands last, alone
        or(&red, &or(&red, &red)),
    ] {
        refused(&codec, &whole(&data), or_);
    }
    // what is made of a member is no member
    let called = "what getattr of __builtin__ returns is called";
    let old = [&b"("[..], &red, b"K\x01o."].concat();
    refused(&codec, &old, called);
    refused(&codec, &[&red[..], b"(K\x01tR."].concat(), called);
}

#[test]
fn long_chains_of_flags_end_in_a_text_or_at_the_limit() {
    let codec = Pickle::new().allow("shop.Level");
    let one = member("Level", "A");
    let chain = (0..5000).fold(one.clone(), |rest, _| or(&rest, &one));
    let text: String = read(&codec, &whole(&chain)).unwrap();
    assert_eq!(text.len(), 2 * 5001 - 1);
    read::<IgnoredAny>(&codec, &whole(&chain)).unwrap();
    // named so often that writing it out is too much
    let many = [&b"("[..], &chain, b"\x94", &b"h\0".repeat(20_000), b"t."].concat();
    let codec = codec.limits(Limits::new().metadata_bytes(1 << 20));
    let error = read::<Vec<String>>(&codec, &many).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

/// `datetime(2024, 6, 7, 1, 2, 3, tzinfo=ZoneInfo(...))`, with so many bytes of the date and the clock.
fn zoned(month: u8, key: &str, more: &str) -> Vec<u8> {
    let made = format!("cbuiltins\ngetattr\n(czoneinfo\nZoneInfo\nV_unpickle\ntR(V{key}\n{more}tR");
    [&b"cdatetime\ndatetime\n(C\x0a\x07\xe8"[..], &[month], b"\x07\x01\x02\x03\0\0\0", made.as_bytes(), b"tR."].concat()
}

#[test]
fn a_time_in_a_zone_by_name_is_text_with_that_name_and_comes_back() {
    let codec = Pickle::new();
    let value: Value = read(&codec, &zoned(6, "Europe/Oslo", "I01\n")).unwrap();
    assert_eq!((value.as_str(), value.kind()), (Some("2024-06-07T01:02:03[Europe/Oslo]"), Some(Kind::DateTime)));
    let again: Value = codec.decode(codec.encode(&value).unwrap()).unwrap();
    assert_eq!(again, value);
    let zone: Value = read(&codec, b"czoneinfo\nZoneInfo\n(VAsia/Kolkata\ntR.").unwrap();
    assert_eq!((zone.as_str(), zone.kind()), (Some("Asia/Kolkata"), Some(Kind::ZoneInfo)));
    assert_eq!(Decode::<Value>::decode(&codec, codec.encode(&zone).unwrap()).unwrap(), zone);
}

#[test]
fn what_a_text_cannot_say_of_a_time_in_a_zone_is_refused() {
    let codec = Pickle::new();
    refused(&codec, &zoned(0x80 | 6, "Europe/Oslo", "I01\n"), "fold=1 in a zone by name");
    for key in ["/etc/passwd", "../../etc/passwd", "Europe/Oslo]", "", "Europe/../Oslo"] {
        refused(&codec, &zoned(6, key, "I01\n"), "ZoneInfo of zoneinfo in a form that it is not written in");
    }
    refused(&codec, &zoned(6, "Europe/Oslo", ""), "ZoneInfo of zoneinfo in a form");
    refused(&codec, &zoned(6, "Europe/Oslo", "I01\nN"), "ZoneInfo of zoneinfo in a form");
    refused(&codec, b"czoneinfo\nZoneInfo\n(VEurope/Oslo\nI01\ntR.", "ZoneInfo of zoneinfo in a form");
    refused(&codec, b"czoneinfo\nZoneInfo\n.", "ZoneInfo of zoneinfo itself");
}

#[test]
fn points_and_spans_of_pandas_are_text_in_the_steps_that_they_have() {
    let codec = Pickle::new();
    let stamp = |count: i64, zone: &str, unit: u8| {
        let start = format!("cpandas._libs.tslibs.timestamps\n_unpickle_timestamp\n(I{count}\nN{zone}I{unit}\ntR.");
        read::<Value>(&codec, start.as_bytes())
    };
    let span = |count: i64, unit: u8| {
        let start = format!("cpandas._libs.tslibs.timedeltas\n_timedelta_unpickle\n(I{count}\nI{unit}\ntR.");
        read::<Value>(&codec, start.as_bytes())
    };
    let utc = "cdatetime\ntimezone\n(cdatetime\ntimedelta\n(I0\nI0\nI0\ntRtR";
    let east = "cdatetime\ntimezone\n(cdatetime\ntimedelta\n(I0\nI19800\nI0\ntRtR";
    let oslo = "cpytz\n_p\n(VEurope/Oslo\nI3600\nI0\nVCET\ntR";
    let (time, text) = (Some(Kind::DateTime), None);
    for (value, expected, kind) in [
        (stamp(1_704_070_923_004_005_006, "N", 10), "2024-01-01T01:02:03.004005006", text),
        (stamp(1_704_070_923_004_005_000, "N", 10), "2024-01-01T01:02:03.004005", time),
        (stamp(1_704_067_200, "N", 7), "2024-01-01T00:00:00", time),
        (stamp(-1, "N", 8), "1969-12-31T23:59:59.999000", time),
        (stamp(0, utc, 9), "1970-01-01T00:00:00+00:00", time),
        (stamp(0, east, 9), "1970-01-01T05:30:00+05:30", time),
        (stamp(0, oslo, 9), "1970-01-01T00:00:00+00:00", time),
        (span(86_400_500_000, 9), "PT86400.5S", Some(Kind::TimeDelta)),
        (span(-1, 10), "-PT0.000000001S", text),
    ] {
        let value = value.unwrap();
        assert_eq!((value.as_str(), value.kind()), (Some(expected), kind));
        assert_eq!(Decode::<Value>::decode(&codec, codec.encode(&value).unwrap()).unwrap(), value);
    }
    let delta = |days: i64, seconds: i64, micros: i64| {
        let data = format!("cdatetime\ntimedelta\n(I{days}\nI{seconds}\nI{micros}\ntR.");
        read::<Value>(&codec, data.as_bytes())
    };
    let (most, odd) = (999_999_999, "timedelta of datetime in a form that it is not written in");
    assert_eq!(delta(most, 86_399, 999_999).unwrap().as_str(), Some("PT86399999999999.999999S"));
    assert_eq!(delta(-most, 0, 0).unwrap().as_str(), Some("-PT86399999913600S"));
    assert_eq!(delta(0, 0, i64::MIN).unwrap().as_str(), Some("-PT9223372036854.775808S"));
    for (data, expected) in [
        (delta(i64::MIN, 0, 0), odd),
        (delta(0, i64::MIN, 0), odd),
        (delta(i64::MAX, 0, 0), odd),
        (delta(most, 86_400, 0), odd),
        (delta(-most, -1, 0), odd),
        (stamp(0, "N", 6), "_unpickle_timestamp of pandas._libs.tslibs.timestamps in a form"),
        (stamp(0, "N", 11), "in a form"),
        (stamp(0, "I1\n", 9), "in a form"),
        (stamp(i64::MAX, "N", 7), "outside of the years 1 to 9999"),
        (stamp(i64::MIN, "N", 9), "outside of the years 1 to 9999"),
        (span(0, 4), "_timedelta_unpickle of pandas._libs.tslibs.timedeltas in a form"),
    ] {
        let error = data.unwrap_err();
        assert!(error.is_peer() && error.to_string().contains(expected), "{error}");
    }
    for nothing in [
        &b"cpandas._libs.tslibs.nattype\n_nat_unpickle\n(NtR."[..],
        b"cpandas._libs.tslibs.nattype\n__nat_unpickle\n(NtR.",
        b"cpandas\nNA\n.",
        b"cpandas._libs.missing\nNA\n.",
    ] {
        assert_eq!(read::<Value>(&codec, nothing).unwrap(), Value::Nil);
        assert_eq!(read::<Option<f64>>(&codec, nothing).unwrap(), None);
    }
    assert_eq!(
        read::<f64>(&codec, b"cpandas._libs.tslibs.timedeltas\n_timedelta_unpickle\n(I1500\nI8\ntR.").unwrap(),
        1.5
    );
}

#[test]
fn dtypes_that_are_not_read_are_named_with_what_to_send_instead() {
    let codec = Pickle::new();
    for (code, advice) in [("f16", ".astype(\"f8\")"), ("f12", ".astype(\"f8\")"), ("c32", ".astype(\"c16\")")] {
        let dtype = format!("cnumpy\ndtype\n(V{code}\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb.");
        refused(&codec, dtype.as_bytes(), "longdouble has another form on another machine");
        refused(&codec, dtype.as_bytes(), advice);
    }
    for name in ["float8_e5m2", "int4"] {
        let dtype = format!("cnumpy\ndtype\n(cml_dtypes\n{name}\nI00\nI01\ntR(I3\nV<\nNNNI1\nI1\nI64\ntb.");
        refused(&codec, dtype.as_bytes(), &format!("asks for {name} of ml_dtypes, which is not read"));
        refused(&codec, dtype.as_bytes(), ".view(\"u1\")");
    }
    let brain = |order: &str, item: u8| {
        format!("cnumpy\ndtype\n(cml_dtypes\nbfloat16\nI00\nI01\ntR(I3\nV{order}\nNNNI{item}\nI2\nI64\ntb.")
    };
    assert_eq!(read::<String>(&codec, brain("<", 2).as_bytes()).unwrap(), "bfloat16");
    refused(&codec, brain(">", 2).as_bytes(), "bfloat16");
    refused(&codec, brain("<", 4).as_bytes(), "of 2 bytes that says it has 4");
}

#[test]
fn an_array_of_string_dtype_is_a_list_of_texts() {
    let array = |kwargs: &str, shape: &str, list: &str| {
        format!(
            "cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n{shape}\
             cnumpy._core._internal\n_convert_to_stringdtype_kwargs\n({kwargs}tRI00\n{list}tb."
        )
    };
    let codec = Pickle::new();
    let one = array("I1\nN", "(I2\nt", "(lVen\naNa");
    assert_eq!(read::<Vec<Option<String>>>(&codec, one.as_bytes()).unwrap(), [Some("en".to_owned()), None]);
    assert_eq!(read::<Value>(&codec, one.as_bytes()).unwrap(), Value::from(vec![Value::from("en"), Value::Nil]));
    refused(&codec, array("I1\n", "(I1\nI2\nt", "(lVen\naNa").as_bytes(), "StringDType of 2 axes");
    refused(&codec, array("I1\n", "(t", "(lVen\na").as_bytes(), "StringDType of 0 axes");
    for odd in [
        array("I1\n", "(I3\nt", "(lVen\naNa"),
        array("I1\n", "(I2\nt", "C\x02ab"),
        array("", "(I2\nt", "(lVen\naNa"),
        array("I1\nNN", "(I2\nt", "(lVen\naNa"),
    ] {
        refused(&codec, odd.as_bytes(), "in a form that it is not written in");
    }
    let alone = b"cnumpy._core._internal\n_convert_to_stringdtype_kwargs\n(I1\ntR.";
    refused(&codec, alone, "a StringDType by itself");
}

#[test]
fn a_dtype_by_itself_is_its_name() {
    let codec = Pickle::new();
    let dtype = b"cnumpy\ndtype\n(Vf4\nI00\nI01\ntR(I3\nV>\nNNNI-1\nI-1\nI0\ntb.";
    assert_eq!(read::<String>(&codec, dtype).unwrap(), ">f4");
    assert_eq!(read::<Value>(&codec, dtype).unwrap(), Value::from(">f4"));
    let record = b"cnumpy\ndtype\n(VV1\nI00\nI01\ntR(I3\nV|\nN(Va\nt}(Va\n(cnumpy\ndtype\n(Vu1\nI00\nI01\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntbI0\ntuI1\nI1\nI16\ntb.";
    refused(&codec, record, "a dtype of records by itself");
}

#[test]
fn the_hint_to_allow_is_given_for_what_may_be_a_class() {
    let codec = Pickle::new();
    for (data, is_class) in [
        (&b"cposix\nsystem\n(Vid\ntR."[..], false),
        (b"cshop\nOrder\n.", true),
        (b"cshop\nOuter.Inner\n(K\x01tR.", true),
        (b"cshop\norder\n)\x81.", true),
        (b"ccopyreg\n_reconstructor\n(cshop\norder\ncbuiltins\nobject\nNtR.", true),
        (b"cshop\nmake_order\n(K\x01tR.", false),
        (b"cshop\nmake_order\n.", false),
    ] {
        let error = read::<Value>(&codec, data).unwrap_err().to_string();
        let text = if is_class { "reads its instances as records" } else { "no function is called" };
        assert!(error.contains("the pickle asks for ") && error.contains(text), "{}: {error}", data.escape_ascii());
    }
}

/// Paths in both forms, parts and the texts they were made of, and what `str()` of them is in Python 3.13.
const PATHS: [(&str, &[&str], &str); 34] = [
    ("PurePosixPath", &[], "."),
    ("PurePosixPath", &[""], "."),
    ("PurePosixPath", &["/", "usr", "lib"], "/usr/lib"),
    ("PurePosixPath", &["/usr//lib/./x/"], "/usr/lib/x"),
    ("PurePosixPath", &["a", "/b"], "/b"),
    ("PurePosixPath", &["//x/y"], "//x/y"),
    ("PurePosixPath", &["//", "x", "y"], "//x/y"),
    ("PurePosixPath", &["///x"], "/x"),
    ("PurePosixPath", &["./a"], "a"),
    ("PurePosixPath", &["a", ".."], "a/.."),
    ("PurePosixPath", &["a/b", "c"], "a/b/c"),
    ("PurePosixPath", &["a", ""], "a"),
    ("PurePosixPath", &["C:\\a"], "C:\\a"),
    ("PureWindowsPath", &[], "."),
    ("PureWindowsPath", &["C:\\", "a", "b"], "C:\\a\\b"),
    ("PureWindowsPath", &["C:/a//b/"], "C:\\a\\b"),
    ("PureWindowsPath", &["//server/share/x"], "\\\\server\\share\\x"),
    ("PureWindowsPath", &["\\\\server\\share\\", "x"], "\\\\server\\share\\x"),
    ("PureWindowsPath", &["//server/share"], "\\\\server\\share\\"),
    ("PureWindowsPath", &["//server"], "\\\\server"),
    ("PureWindowsPath", &["//./device"], "\\\\.\\device"),
    ("PureWindowsPath", &["//?/UNC/server/share"], "\\\\?\\UNC\\server\\share\\"),
    ("PureWindowsPath", &["C:a"], "C:a"),
    ("PureWindowsPath", &["C:", "a"], "C:a"),
    ("PureWindowsPath", &["C:/a", "D:b"], "D:b"),
    ("PureWindowsPath", &["C:/a", "/b"], "C:\\b"),
    ("PureWindowsPath", &["C:/a", "c:b"], "c:\\a\\b"),
    ("PureWindowsPath", &["/a"], "\\a"),
    ("PureWindowsPath", &["\\", "a"], "\\a"),
    ("PureWindowsPath", &["a:b"], "a:b"),
    ("PureWindowsPath", &["./c:x"], ".\\c:x"),
    ("PureWindowsPath", &["C:/"], "C:\\"),
    ("PureWindowsPath", &["C:/a", ""], "C:\\a"),
    ("PureWindowsPath", &["é:/a", "..", "b"], "é:\\a\\..\\b"),
];

#[test]
fn paths_are_what_pathlib_prints() {
    for (class, parts, expected) in PATHS {
        let text = |part: &&str| [&b"X"[..], &(part.len() as u32).to_le_bytes(), part.as_bytes()].concat();
        let parts: Vec<u8> = parts.iter().flat_map(text).collect();
        let data = [format!("cpathlib\n{class}\n(").as_bytes(), &parts, b"tR."].concat();
        let value: Value = read(&Pickle::new(), &data).unwrap();
        assert_eq!(value.as_str(), Some(expected), "{}", data.escape_ascii());
    }
}
