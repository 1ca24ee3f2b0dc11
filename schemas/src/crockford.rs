//! Crockford's base 32: digits and capital letters without I, L, O and U.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `N` characters for the lowest `5 × N` bits of `number`, most significant first.
pub(crate) fn encode<const N: usize>(mut number: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(number % 32) as usize];
        number /= 32;
    }
    text
}

/// The number behind exactly `N` characters, forgiving case and the letters people confuse;
/// `None` where a character stands for nothing.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<u128> {
    if text.len() != N {
        return None;
    }
    text.iter().try_fold(0, |number, byte| Some(number * 32 + u128::from(digit(*byte)?)))
}

/// What a character stands for. I and L are read as 1 and O as 0, as Crockford has it; U, which
/// is not in the alphabet, as the V it is mistaken for.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    VALUES[usize::from(byte)]
}

/// [`digit`] of every byte: looked up, not searched, with every check-in.
const VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut byte = 0;
    while byte < values.len() {
        let letter = match (byte as u8).to_ascii_uppercase() {
            b'I' | b'L' => b'1',
            b'O' => b'0',
            b'U' => b'V',
            other => other,
        };
        let mut at = 0;
        while at < ALPHABET.len() {
            if ALPHABET[at] == letter {
                values[byte] = Some(at as u8);
            }
            at += 1;
        }
        byte += 1;
    }
    values
};
