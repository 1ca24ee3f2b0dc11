//! One input out of others: bits, bytes, pieces moved, pieces of other inputs, words.

use rand::{Rng, RngExt};

/// Longer ones are cut: they would only be slower.
const LONGEST: usize = 16 * 1024;

/// What readers take in a special way.
const WORDS: [&[u8]; 32] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"1.0",
    b"\\u0000",
    b"\\ud83e",
    b"\"type\":",
    b"\"events\":",
    b"\0",
    b"\xff",
    b"\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n",
    b"\t",
    b";",
    b"-",
    "　".as_bytes(),
    "１".as_bytes(),
    "Ａ".as_bytes(),
    "ﾊﾟ".as_bytes(),
];

/// Changes an input a few times.
pub fn mutate(input: &[u8], others: &[Vec<u8>], random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 << random.random_range(0..4) {
        change(&mut bytes, others, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut impl Rng) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(0..=32)).min(bytes.len());
    match random.random_range(0..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = random.random(),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => {
            let piece = bytes[at..end].to_vec();
            let to = random.random_range(0..=bytes.len());
            bytes.splice(to..to, piece);
        }
        5 | 6 => {
            let other = &others[random.random_range(0..others.len())];
            let from = random.random_range(0..=other.len());
            let to = (from + random.random_range(0..=128)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        7 => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        _ => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            bytes.splice(at..end, word.iter().copied());
        }
    }
}
