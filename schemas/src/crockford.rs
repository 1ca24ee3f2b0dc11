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
    let byte = match byte.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        b'U' => b'V',
        other => other,
    };
    ALPHABET.iter().position(|letter| *letter == byte).and_then(|at| u8::try_from(at).ok())
}
