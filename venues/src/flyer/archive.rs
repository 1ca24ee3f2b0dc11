//! Several files in one: a ZIP archive, stored as they are (PDF and PNG are compressed already).

/// A file of an archive.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Year, month, day.
    pub(super) made_on: (u16, u8, u8),
}

/// Names are UTF-8 (general purpose bit 11).
const UTF8: u16 = 1 << 11;
/// Version 2.0 of the format.
const VERSION: u16 = 20;

/// PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. Nothing if it had more than 65,535
/// files or 4 GiB.
pub(super) fn archive(entries: &[Entry]) -> Option<Vec<u8>> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = u32::try_from(archive.len()).ok()?;
        let size = u32::try_from(entry.bytes.len()).ok()?;
        let name = entry.name.as_bytes();
        let (year, month, day) = entry.made_on;
        let date = year.saturating_sub(1980).min(127) << 9 | u16::from(month) << 5 | u16::from(day);
        let mut about = Vec::new();
        put(&mut about, &[VERSION, UTF8, 0, 0, date]);
        about.extend(crc32fast::hash(&entry.bytes).to_le_bytes());
        about.extend(size.to_le_bytes());
        about.extend(size.to_le_bytes());
        put(&mut about, &[u16::try_from(name.len()).ok()?, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&about);
        archive.extend(name);
        archive.extend(&entry.bytes);
        directory.extend(b"PK\x01\x02");
        put(&mut directory, &[VERSION]);
        directory.extend(&about);
        // No comment, first disk, no attributes.
        put(&mut directory, &[0, 0, 0, 0, 0]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name);
    }
    let count = u16::try_from(entries.len()).ok()?;
    let offset = u32::try_from(archive.len()).ok()?;
    let size = u32::try_from(directory.len()).ok()?;
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    put(&mut archive, &[0, 0, count, count]);
    archive.extend(size.to_le_bytes());
    archive.extend(offset.to_le_bytes());
    put(&mut archive, &[0]);
    Some(archive)
}

fn put(to: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| to.extend(number.to_le_bytes()));
}
