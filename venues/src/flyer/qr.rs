//! The QR code as squares.

use qrcode::{Color, EcLevel, QrCode};

use super::FlyerError;

/// White modules around the code on each side, which readers rely on (ISO/IEC 18004).
pub(super) const QUIET: usize = 4;

/// Dark modules, as runs along rows: no seams between neighbours, few shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    /// Modules on a side, with the quiet zone.
    pub(super) side: usize,
    /// Column, row, modules; counted with the quiet zone.
    pub(super) runs: Vec<(usize, usize, usize)>,
}

impl Matrix {
    /// The code of an address, with error correction level Q: a quarter may be dirty.
    pub(super) fn new(address: &str) -> Result<Self, FlyerError> {
        let code = QrCode::with_error_correction_level(address, EcLevel::Q)
            .map_err(|_| FlyerError::TextTooLong)?;
        let width = code.width();
        let mut runs = Vec::new();
        for (y, row) in code.to_colors().chunks(width).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run[0] == Color::Dark {
                    runs.push((x + QUIET, y + QUIET, run.len()));
                }
                x += run.len();
            }
        }
        Ok(Self { side: width + 2 * QUIET, runs })
    }
}
