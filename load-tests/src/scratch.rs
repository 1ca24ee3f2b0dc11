//! The directory that a harness works in: kept where somebody will want to look.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

/// Works in a directory that was asked for, or in a temporary one, which is kept where all is not
/// well. Whatever was started ends with the work, also where that is interrupted.
#[allow(clippy::print_stdout)]
pub async fn work_in(
    asked: Option<&Path>,
    work: impl AsyncFnOnce(&Path) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let temporary = tempfile::Builder::new().prefix("anshin-load-").tempdir()?;
    let dir = match asked {
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            std::path::absolute(dir)?
        }
        None => temporary.path().to_owned(),
    };
    let mut terminated = signal(SignalKind::terminate())?;
    let well = tokio::select! {
        well = work(&dir) => well,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted")
        }
        _ = terminated.recv() => anyhow::bail!("terminated"),
    };
    if !matches!(well, Ok(true)) {
        println!("what was started wrote into {}", dir.display());
        // Not a temporary one any more.
        let _ = temporary.keep();
    }
    well
}
