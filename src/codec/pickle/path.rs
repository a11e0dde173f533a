//! Paths of `pathlib`, as it prints them.
//!
//! Up to Python 3.12 a path is written as its parts, from 3.13 on as the texts that it was made of. Both are joined and cleaned
//! as `PurePath` does it with `posixpath` and `ntpath`: `_parse_path` in CPython's `Lib/pathlib`, `join` and `splitroot` in
//! `Lib/ntpath.py`.

use super::form::Call;
use super::mismatch::Result;
use super::read::Reader;
use crate::pickle::Node;

/// The parts of a path on POSIX, joined.
pub(super) fn posix<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<String> {
    let mut path = String::new();
    for part in texts(reader, call) {
        let part = part?;
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(part);
    }
    let root = match path.bytes().take_while(|&byte| byte == b'/').count() {
        0 => "",
        // which POSIX leaves to the system
        2 => "//",
        _ => "/",
    };
    Ok(printed(root, &path, '/'))
}

/// The parts of a path on Windows, joined.
pub(super) fn windows<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<String> {
    let (mut drive, mut root, mut path) = (String::new(), "", String::new());
    for (at, part) in texts(reader, call).enumerate() {
        let part = part?.replace('/', "\\");
        let (own_drive, own_root, own_path) = split(&part);
        let is_other = !own_drive.is_empty() && !own_drive.eq_ignore_ascii_case(&drive);
        if at == 0 || is_other || !own_root.is_empty() {
            if at == 0 || !own_drive.is_empty() || drive.is_empty() {
                drive = own_drive.to_owned();
            }
            root = if own_root.is_empty() { "" } else { "\\" };
            path = own_path.to_owned();
            continue;
        }
        if !own_drive.is_empty() {
            drive = own_drive.to_owned();
        }
        if !path.is_empty() && !path.ends_with('\\') {
            path.push('\\');
        }
        path.push_str(own_path);
    }
    // a share is a root by itself
    let is_share = drive.starts_with('\\') && !drive.ends_with('\\');
    let names = drive.split('\\').nth(2).is_some_and(|server| !matches!(server, "" | "?" | "." | "?."));
    let root = match drive.split('\\').count() {
        4 if is_share && names => "\\",
        6 if is_share => "\\",
        _ => root,
    };
    let text = printed("", &path, '\\');
    match (drive.is_empty() && root.is_empty(), &*text) {
        (true, text) if split(text).0.is_empty() => Ok(text.to_owned()),
        // what would be taken for a drive
        (true, text) => Ok(format!(".\\{text}")),
        (false, ".") => Ok(drive + root),
        (false, text) => Ok(drive + root + text),
    }
}

fn texts<'g>(reader: Reader<'g>, call: Call<'g>) -> impl Iterator<Item = Result<&'g str>> {
    call.arguments.map(move |part| match reader.tree.shown(part) {
        Node::Str(part) => {
            // more than its length, where it has a drive or a root of its own
            reader.tree.spend(2 + part.len())?;
            Ok(part)
        }
        _ => Err(call.odd()),
    })
}

/// A root and what names something after it; a point where there is neither.
fn printed(root: &str, path: &str, separator: char) -> String {
    let mut text = root.to_owned();
    for part in path.split(separator).filter(|part| !matches!(*part, "" | ".")) {
        if text.len() > root.len() {
            text.push(separator);
        }
        text.push_str(part);
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// Drive, root and the rest of a path on Windows.
fn split(path: &str) -> (&str, &str, &str) {
    if let Some(share) = path.strip_prefix("\\\\") {
        let start = match path.get(..8) {
            Some(start) if start.eq_ignore_ascii_case("\\\\?\\UNC\\") => 8,
            _ => path.len() - share.len(),
        };
        let next = |from: usize| path[from..].find('\\').map(|at| from + at);
        return match next(start).and_then(|server| next(server + 1)) {
            Some(end) => (&path[..end], &path[end..end + 1], &path[end + 1..]),
            None => (path, "", ""),
        };
    }
    if let Some(rest) = path.strip_prefix('\\') {
        return ("", &path[..1], rest);
    }
    let drive = path.char_indices().nth(1).filter(|&(_, second)| second == ':').map_or(0, |(at, _)| at + 1);
    let root = usize::from(drive > 0 && path[drive..].starts_with('\\'));
    (&path[..drive], &path[drive..drive + root], &path[drive + root..])
}
