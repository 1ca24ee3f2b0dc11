//! What criterion measured in `benches/webhook.rs`: medians, and what they are to the bare versions.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

/// Where the medians are.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
pub struct Micro {
    /// Where `cargo bench --package benches` wrote; beside the directory of this binary by default.
    #[arg(long, env = "CRITERION_HOME")]
    criterion: Option<PathBuf>,
}

/// The bodies, and whether their single steps are measured too.
const BODIES: [(&str, &str); 3] = [
    ("check-in", "one check-in"),
    ("three-events", "check-in, follow, unfollow"),
    ("28-events", "28 events, every kind"),
];
/// The steps from a parsed check-in to its record.
const STEPS: [&str; 3] = ["extract", "seal", "encode"];

/// What criterion writes about one of them.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    /// In ns.
    point_estimate: f64,
}

/// Reads what was measured, and prints; the printed section.
pub fn run(micro: &Micro) -> anyhow::Result<String> {
    let dir = match &micro.criterion {
        Some(dir) => dir.clone(),
        None => {
            let own = std::env::current_exe()?;
            let built = own.ancestors().nth(2).context("this binary lies in a directory")?;
            built.join("criterion")
        }
    };
    let of = |body: &str, step: &str| median(&dir, body, step);
    let mut text = String::from(
        "## A webhook in memory\n\nCriterion, one thread, µs, medians. Verify: HMAC, base64, comparison in constant time; beside HMAC alone. Parse: typed events, each alone; beside serde_json into structs at once. Together: signed bytes to records for the log; beside HMAC, serde_json, one JSON record a text.\n\n\
         | body | HMAC | verify | serde_json | parse | bare together | together | ratio |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (body, name) in BODIES {
        let (bare, together) = (of(body, "bare")?, of(body, "together")?);
        text += &format!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {bare:.2} | {together:.2} | {:.2} |\n",
            of(body, "hmac")?,
            of(body, "verify")?,
            of(body, "serde_json")?,
            of(body, "parse")?,
            together / bare,
        );
    }
    let steps = STEPS.iter().map(|step| Ok(format!("{step} {:.2}", of("check-in", step)?)));
    let steps: Vec<String> = steps.collect::<anyhow::Result<_>>()?;
    text += &format!(
        "\nOf the one check-in: {}. Extract: a place code found in the words and authenticated. Seal: pseudonym, sealed id, the message's and the person's keyed names.\n",
        steps.join(", ")
    );
    print!("{text}");
    Ok(text)
}

/// The median of one of them, in µs.
fn median(dir: &Path, body: &str, step: &str) -> anyhow::Result<f64> {
    let file = dir.join(body).join(step).join("new/estimates.json");
    let text = std::fs::read(&file).with_context(|| {
        format!("{} is not there: run `cargo bench --package benches` first", file.display())
    })?;
    let estimates: Estimates = serde_json::from_slice(&text)?;
    Ok(estimates.median.point_estimate / 1_000.0)
}
