//! Random programs for the pickle machine: plausible ones, which keep to what is on the stack, and now and then not.

#![allow(dead_code, reason = "each test uses a part")]

use crate::globals::{LISTED, global, text};
use crate::random::Random;

/// What is on the stack, as far as an opcode minds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Scalar,
    Bytes,
    Tuple,
    List,
    Dict,
    Set,
    Global,
    Object,
}

/// What a program may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Globals {
    /// Nothing.
    None,
    /// What is listed and what is not.
    Any,
}

pub(crate) struct Program {
    pub(crate) data: Vec<u8>,
    /// All that it names, in order, also where the machine never gets there.
    pub(crate) named: Vec<(&'static str, &'static str)>,
}

struct Writer<'r> {
    random: &'r mut Random,
    globals: Globals,
    unlisted: &'r [(&'static str, &'static str)],
    data: Vec<u8>,
    named: Vec<(&'static str, &'static str)>,
    stack: Vec<Kind>,
    marks: Vec<usize>,
    memo: Vec<(u64, Kind)>,
}

/// A random program of some opcodes.
pub(crate) fn program(random: &mut Random, globals: Globals, unlisted: &[(&'static str, &'static str)]) -> Program {
    let (data, named) = (Vec::new(), Vec::new());
    let (stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new());
    let mut writer = Writer { random, globals, unlisted, data, named, stack, marks, memo };
    let steps = 1 + writer.random.below(30);
    (0..steps).for_each(|_| writer.step());
    writer.finish()
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8], kind: Kind) {
        self.data.extend(bytes);
        self.stack.push(kind);
    }

    /// How many values lie above the last mark.
    fn above(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self, kind: Kind) -> bool {
        self.above() > 0 && self.stack.last() == Some(&kind)
    }

    fn pop(&mut self, count: usize) {
        self.stack.truncate(self.stack.len() - count);
    }

    fn step(&mut self) {
        match self.random.below(34) {
            0..=6 => self.scalar(),
            7..=9 => {
                let (opcode, kind) =
                    [(b"]", Kind::List), (b"}", Kind::Dict), (b"\x8f", Kind::Set), (b")", Kind::Tuple)]
                        [self.random.below(4)];
                self.put(opcode, kind);
            }
            10 | 11 => {
                self.data.push(b'(');
                self.marks.push(self.stack.len());
            }
            12 if self.above() > 0 => {
                let most = self.above().min(3);
                let len = 1 + self.random.below(most);
                self.pop(len);
                self.put(&[0x84 + len as u8], Kind::Tuple);
            }
            13 | 14 if self.top(Kind::List) => {
                self.scalar();
                self.data.push(b'a');
                self.pop(1);
            }
            15 | 16 if self.top(Kind::Dict) => {
                let pairs = 1 + self.random.below(3);
                let many = self.random.below(2) == 0;
                self.data.extend(if many { &b"("[..] } else { b"" });
                for _ in 0..pairs {
                    self.key();
                    self.scalar();
                    self.data.extend(if many { &b""[..] } else { b"s" });
                }
                self.data.extend(if many { &b"u"[..] } else { b"" });
                self.pop(2 * pairs);
            }
            17 if self.top(Kind::Set) => {
                self.data.push(b'(');
                (0..2).for_each(|_| self.key());
                self.data.push(0x90);
                self.pop(2);
            }
            18..=21 => self.close(),
            22 | 23 if self.above() > 0 => self.memoize(),
            24..=26 if !self.memo.is_empty() => {
                let (number, kind) = self.memo[self.random.below(self.memo.len())];
                match (self.random.below(3), u8::try_from(number)) {
                    (0, Ok(number)) => self.data.extend([b'h', number]),
                    (1, _) => self.data.extend([&b"j"[..], &(number as u32).to_le_bytes()].concat()),
                    _ => self.data.extend(format!("g{number}\n").into_bytes()),
                }
                self.stack.push(kind);
            }
            27 if self.above() > 0 => {
                self.data.push(b'2');
                self.stack.extend(self.stack.last().copied());
            }
            28 if self.above() > 0 => {
                self.data.push(b'0');
                self.pop(1);
            }
            29 if self.top(Kind::Bytes) => self.data.push(0x98),
            30 if self.above() > 1 && self.stack[self.stack.len() - 2] == Kind::List => {
                self.data.push(b'a');
                self.pop(1);
            }
            31..=32 if self.globals == Globals::Any => self.call(),
            33 if self.random.below(8) == 0 => {
                // anything but a memo entry of a number for which CPython sets aside gigabytes
                let byte = self.random.below(256) as u8;
                self.data.push(if matches!(byte, b'r' | b'p') { b'q' } else { byte });
            }
            _ => self.scalar(),
        }
    }

    /// What a dict or a set takes in Python.
    fn key(&mut self) {
        let number = self.random.below(12) as u8;
        match self.random.below(3) {
            0 => self.put(&[b'K', number], Kind::Scalar),
            1 => self.put(&text(&format!("k{number}")), Kind::Scalar),
            _ => self.put(&[b'C', 1, number], Kind::Bytes),
        }
    }

    fn scalar(&mut self) {
        const TEXTS: [&str; 6] = ["", "a", "søt", "€", "😀", "a longer text"];
        let word = TEXTS[self.random.below(TEXTS.len())];
        let ascii = ["", "a", "'", "x y", "a longer text"][self.random.below(5)];
        let number = self.random.next() >> self.random.below(64);
        let signed = number as i64;
        let bytes = |opcode: &[u8], content: &str| [opcode, &[content.len() as u8], content.as_bytes()].concat();
        match self.random.below(25) {
            0 => self.put(b"N", Kind::Scalar),
            1 => self.put(b"\x88", Kind::Scalar),
            2 => self.put(b"\x89", Kind::Scalar),
            3 => self.put(&[b'K', number as u8], Kind::Scalar),
            4 => self.put(&[&b"M"[..], &(number as u16).to_le_bytes()].concat(), Kind::Scalar),
            5 => self.put(&[&b"J"[..], &(number as u32).to_le_bytes()].concat(), Kind::Scalar),
            6 => self.put(&[&b"G"[..], &number.to_be_bytes()].concat(), Kind::Scalar),
            7 => self.put(format!("I{signed}\n").as_bytes(), Kind::Scalar),
            8 => self.put(format!("L{signed}{number}L\n").as_bytes(), Kind::Scalar),
            9 => self.put(format!("F{:e}\n", f64::from_bits(number)).as_bytes(), Kind::Scalar),
            10 => {
                let line = [&b"I00\n"[..], b"I01\n", b"I017\n", b"I+1\n"][self.random.below(4)];
                self.put(line, Kind::Scalar);
            }
            11 | 12 => {
                let len = self.random.below(20);
                let digits: Vec<u8> = (0..len).map(|_| self.random.below(256) as u8).collect();
                self.put(&[&[0x8a, len as u8], &digits[..]].concat(), Kind::Scalar);
            }
            13 => self.put(&bytes(b"\x8c", word), Kind::Scalar),
            14 => self.put(
                &[&bytes(b"X", "")[..1], &(word.len() as u32).to_le_bytes(), word.as_bytes()].concat(),
                Kind::Scalar,
            ),
            15 => self.put(&[&b"\x8d"[..], &(word.len() as u64).to_le_bytes(), word.as_bytes()].concat(), Kind::Scalar),
            16 => self.put(format!("V{}\n", ascii.replace('x', "\\u20ac")).as_bytes(), Kind::Scalar),
            17 => self.put(&bytes(b"C", word), Kind::Bytes),
            18 => self.put(&[&b"B"[..], &(word.len() as u32).to_le_bytes(), word.as_bytes()].concat(), Kind::Bytes),
            19 => self.put(&[&b"\x8e"[..], &(word.len() as u64).to_le_bytes(), word.as_bytes()].concat(), Kind::Bytes),
            20 => self.put(&[&b"\x96"[..], &(word.len() as u64).to_le_bytes(), word.as_bytes()].concat(), Kind::Scalar),
            21 => self.put(&bytes(b"U", ascii), Kind::Scalar),
            22 => self.put(&[&b"T"[..], &(ascii.len() as u32).to_le_bytes(), ascii.as_bytes()].concat(), Kind::Scalar),
            23 => self.put(format!("S\"{}\"\n", ascii.replace(' ', "\\x20")).as_bytes(), Kind::Scalar),
            _ => {
                self.put(&[&[0x8b], &(4_u32).to_le_bytes()[..], &(number as u32).to_le_bytes()].concat(), Kind::Scalar)
            }
        }
    }

    /// Takes the last mark away, and what is above it.
    fn close(&mut self) {
        let Some(start) = self.marks.pop() else { return self.scalar() };
        let count = self.stack.len() - start;
        let below = start.checked_sub(1).filter(|&below| below >= self.marks.last().copied().unwrap_or(0));
        let target = below.map(|below| self.stack[below]);
        self.stack.truncate(start);
        match (self.random.below(6), target) {
            (0 | 1, Some(Kind::List)) => self.data.push(b'e'),
            (0 | 1, Some(Kind::Dict)) if count.is_multiple_of(2) => self.data.push(b'u'),
            (0 | 1, Some(Kind::Set)) => self.data.push(0x90),
            (2, _) => self.put(b"l", Kind::List),
            (3, _) if count.is_multiple_of(2) => self.put(b"d", Kind::Dict),
            (4, _) => self.put(b"\x91", Kind::Scalar),
            (5, _) => self.data.push(b'1'),
            _ => self.put(b"t", Kind::Tuple),
        }
    }

    fn memoize(&mut self) {
        let kind = *self.stack.last().unwrap();
        let next = self.memo.len() as u64;
        let number = match self.random.below(4) {
            0 => {
                self.data.push(0x94);
                next
            }
            1 => {
                let number = self.random.below(20) as u8;
                self.data.extend([b'q', number]);
                number.into()
            }
            2 => {
                let number = self.random.below(3000) as u32;
                self.data.extend([&b"r"[..], &number.to_le_bytes()].concat());
                number.into()
            }
            _ => {
                let number = self.random.below(500);
                self.data.extend(format!("p{number}\n").into_bytes());
                number as u64
            }
        };
        match self.memo.iter_mut().find(|(known, _)| *known == number) {
            Some(entry) => entry.1 = kind,
            None => self.memo.push((number, kind)),
        }
    }

    fn name(&mut self) {
        let (module, name) = match self.random.below(12) {
            0 => self.unlisted[self.random.below(self.unlisted.len())],
            _ => {
                let (module, names) = LISTED[self.random.below(LISTED.len())];
                (module, names[self.random.below(names.len())])
            }
        };
        self.named.push((module, name));
        let named = global(module, name, self.random);
        self.put(&named, Kind::Global);
    }

    fn arguments(&mut self) {
        match self.random.below(3) {
            0 => self.put(b")", Kind::Tuple),
            _ => {
                self.data.push(b'(');
                let count = self.random.below(4);
                (0..count).for_each(|_| self.scalar());
                self.pop(count);
                self.put(b"t", Kind::Tuple);
            }
        }
    }

    /// Names something, calls it, or gives a state to what was made.
    fn call(&mut self) {
        match self.random.below(7) {
            0 => self.name(),
            1 if self.top(Kind::Object) => {
                self.scalar();
                self.data.push([b'b', b'a'][self.random.below(2)]);
                self.pop(1);
            }
            2 if self.top(Kind::Object) => {
                self.data.extend(b"}X\x01\0\0\0aK\x01sb");
            }
            3 => {
                self.data.push(b'(');
                self.name();
                self.scalar();
                self.data.push(b'o');
                self.pop(2);
                self.stack.push(Kind::Object);
            }
            4 => {
                self.name();
                self.arguments();
                self.data.extend(b"}\x92");
                self.pop(2);
                self.stack.push(Kind::Object);
            }
            other => {
                self.name();
                self.arguments();
                self.data.push(if other == 5 { b'R' } else { 0x81 });
                self.pop(2);
                self.stack.push(Kind::Object);
            }
        }
    }

    fn finish(mut self) -> Program {
        while !self.marks.is_empty() {
            self.close();
        }
        if self.stack.is_empty() {
            self.scalar();
        }
        while self.stack.len() > 1 {
            let len = self.stack.len().min(3);
            self.pop(len);
            self.put(&[0x84 + len as u8], Kind::Tuple);
        }
        self.data.push(b'.');
        if self.random.below(2) == 0 {
            self.data.splice(0..0, [&b"\x80\x05\x95"[..], &(self.data.len() as u64).to_le_bytes()].concat());
        }
        Program { data: self.data, named: self.named }
    }
}
