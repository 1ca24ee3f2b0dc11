//! Frames of a segment: length, checksum, time, the records of one request.
//!
//! A frame that ends behind the end of its file was never acknowledged: the process ended while it
//! was written. A frame that is whole and does not match its checksum is damage.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use schemas::time::EventTime;
use sha2::{Digest, Sha256};
use storage::Append;

/// Length (4 bytes, big-endian, of what follows the header), then the checksum.
const HEADER: usize = 4 + 8;
/// The longest frame: a request's body has at most some tens of MiB.
const MAX_FRAME: usize = 256 << 20;

/// The records of one request.
#[derive(Debug)]
pub(super) struct Frame {
    /// When they were taken in.
    pub(super) at: EventTime,
    /// For the log.
    pub(super) records: Vec<Append>,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// In the order of writing.
    pub(super) frames: Vec<Frame>,
    /// Whole frames that can't be read, and where they begin.
    pub(super) damaged: Vec<(usize, Vec<u8>)>,
    /// Bytes of a frame that was never finished.
    pub(super) torn: usize,
}

fn checksum(length: [u8; 4], body: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(length).chain_update(body).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

/// A frame as it is written.
pub(super) fn encode(records: &[Append], at: EventTime) -> Vec<u8> {
    let body = postcard::to_stdvec(&(at.0, records)).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[..], &checksum(length, &body), &body].concat()
}

/// Reads what a segment holds.
pub(super) fn read(path: &Path) -> io::Result<Contents> {
    Ok(parse(&fs::read(path)?))
}

fn parse(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let Some((header, after)) = rest.split_at_checked(HEADER) else {
            contents.torn = rest.len();
            break;
        };
        let mut length = [0; 4];
        length.copy_from_slice(&header[..4]);
        let size = u32::from_be_bytes(length) as usize;
        // A file that was made longer and not yet filled reads as zeros.
        if size == 0 && rest.iter().all(|byte| *byte == 0) {
            contents.torn = rest.len();
            break;
        }
        if size == 0 || size > MAX_FRAME {
            // Where the next frame begins can't be known: all of the rest is kept aside.
            contents.damaged.push((at, rest.to_vec()));
            break;
        }
        let Some((body, next)) = after.split_at_checked(size) else {
            contents.torn = rest.len();
            break;
        };
        let good = header[4..] == checksum(length, body);
        match postcard::from_bytes::<(i64, Vec<Append>)>(body) {
            Ok((at, records)) if good => {
                contents.frames.push(Frame { at: EventTime(at), records });
            }
            _ => contents.damaged.push((at, rest[..HEADER + size].to_vec())),
        }
        rest = next;
    }
    contents
}

/// The segments of a directory, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".spool")?.parse::<u64>().ok());
        segments.extend(number.map(|number| (number, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Where a segment lies.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.spool"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schemas::topic::Topic;

    use super::*;

    fn records(n: u8) -> Vec<Append> {
        let key = Bytes::from(vec![n; 8]);
        vec![Append { topic: Topic::Scans, key, value: Bytes::from(vec![n; 100]) }]
    }

    fn file() -> (Vec<u8>, usize) {
        let frames: Vec<Vec<u8>> =
            (1..=3).map(|n| encode(&records(n), EventTime(i64::from(n)))).collect();
        (frames.concat(), frames[0].len())
    }

    #[test]
    fn whatever_was_finished_is_read_back_and_a_torn_tail_is_not() {
        let (bytes, frame) = file();
        for length in 0..=bytes.len() {
            let contents = parse(&bytes[..length]);
            assert_eq!(contents.frames.len(), length / frame, "{length}");
            assert_eq!(contents.torn, length % frame);
            assert!(contents.damaged.is_empty());
            for (n, frame) in (1..).zip(&contents.frames) {
                assert_eq!(
                    (frame.at, &frame.records),
                    (EventTime(i64::from(n)), &records(n as u8))
                );
            }
        }
        let zeros = [bytes, vec![0; 50]].concat();
        assert_eq!((parse(&zeros).frames.len(), parse(&zeros).torn), (3, 50));
    }

    #[test]
    fn a_flipped_byte_takes_one_frame_and_is_kept_aside() {
        let (bytes, frame) = file();
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x40;
            let contents = parse(&bytes);
            let in_length = place % frame < 4;
            if !in_length {
                assert_eq!((contents.frames.len(), contents.damaged.len()), (2, 1), "{place}");
            }
            // Nothing is read as what it is not, whatever was hit.
            let known = |frame: &Frame| (1..=3).any(|n| frame.records == records(n));
            assert!(contents.frames.iter().all(known), "{place}");
            let kept: usize = contents.damaged.iter().map(|(_, bytes)| bytes.len()).sum();
            assert!(contents.frames.len() * frame + kept + contents.torn == bytes.len());
        }
    }
}
