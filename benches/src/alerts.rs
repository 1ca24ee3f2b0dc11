//! A job for 300,000 people: its plan in a small table and in a large one, and how fast LINE
//! accepts everybody.

use std::{sync::Arc, time::Duration};

use clap::Args;
use load_tests::platform::{Channel, Platform};

use crate::{
    crowd::Crowd,
    plan::{Plans, Turn},
    sample::median,
    send::{All, Sent},
    setting::Setting,
    window::Filled,
};

/// How it is measured.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct Alerts {
    /// Friends of the account, who get the message by multicast.
    #[arg(long, default_value_t = Self::default().people)]
    people: u64,
    /// People of whom nothing is known, who get it by push.
    #[arg(long, default_value_t = Self::default().strangers)]
    strangers: u64,
    /// Other people's rows in the small table.
    #[arg(long, default_value_t = Self::default().small)]
    small: u64,
    /// The same in the large one.
    #[arg(long, default_value_t = Self::default().large)]
    large: u64,
    /// Turns of each.
    #[arg(long, default_value_t = Self::default().rounds)]
    rounds: usize,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { people: 300_000, strangers: 10_000, small: 1_000_000, large: 10_000_000, rounds: 7 }
    }
}

/// Places of the job.
const VENUES: u64 = 50;
/// Starts of the process in each table: memory of one start says little.
const STARTS: usize = 5;
/// How long LINE takes for a request, where it does not answer at once.
const LATENCY: Duration = Duration::from_millis(50);

/// What came of one table.
struct Table {
    rows: u64,
    turns: [Vec<Turn>; 2],
    /// What each process held when it was ready, in bytes, and its first job.
    starts: Vec<(u64, Sent)>,
    late: Sent,
    push: Sent,
}

/// Measures in data directories, and prints; the printed sections.
pub async fn run(alerts: &Alerts) -> anyhow::Result<String> {
    let platform = Platform::new(Channel::default(), 1);
    let serving = platform.serve(([127, 0, 0, 1], 0).into()).await?;
    let friends = Crowd::friends(alerts.people, VENUES);
    let strangers = Crowd::strangers(alerts.strangers);
    friends.join(&platform);
    strangers.join(&platform);
    let mut tables = Vec::new();
    for rows in [alerts.small, alerts.large] {
        let Filled { setting, backends, .. } = Filled::make(Setting::embedded()?, rows).await?;
        let keys = Arc::new(server::keys::read_ring(&setting.config.keys.file)?);
        friends.fill(&backends, &keys).await?;
        strangers.fill(&backends, &keys).await?;
        let plans = Plans::new(&friends, &backends, keys, &serving.url())?;
        let turns = plans.turns(alerts.rounds).await?;
        drop(plans);
        backends.close().await;

        let mut starts = Vec::new();
        let all = loop {
            let all = All::start(&setting, &platform, &serving.url()).await?;
            // What its start took, mostly the directory's journal, would hide what a plan takes.
            all.peak_anew()?;
            starts.push((all.peak()?, all.send(&friends).await?));
            if starts.len() == STARTS {
                break all;
            }
            all.end().await?;
        };
        platform.faults.lock().latency(LATENCY);
        let late = all.send(&friends).await?;
        platform.faults.lock().clear();
        let push = all.send(&strangers).await?;
        all.end().await?;
        tables.push(Table { rows, turns, starts, late, push });
    }
    let calls = &Setting::embedded()?.config.sending;
    let text = format!(
        "{}\n{}",
        plans(alerts, &tables),
        sent(&tables, (calls.calls_per_second, calls.pushes_per_second))
    );
    print!("{text}");
    Ok(text)
}

fn plans(alerts: &Alerts, tables: &[Table]) -> String {
    let mut text = format!(
        "## A plan of {} people over {VENUES} venues\n\nThe planner, from the approved job to the sealed plan; beside it a bare scan of the same rows and as many bare reads of people's rows, 64 under way too. {} turns of each on one store, medians.\n\n\
         | other people's rows | | s | CPU, s | ratio of time (bar 1.5) | of CPU |\n|---|---|---|---|---|---|\n",
        alerts.people, alerts.rounds,
    );
    for Table { rows, turns: [ours, bare], .. } in tables {
        let ratio = |what: fn(&Turn) -> Duration| {
            let ratio = |(ours, bare)| what(ours).as_secs_f64() / what(bare).as_secs_f64();
            median(ours.iter().zip(bare).map(ratio))
        };
        let line = |name: &str, turns: &[Turn]| {
            let of =
                |what: fn(&Turn) -> Duration| median(turns.iter().map(|t| what(t).as_secs_f64()));
            format!("{name} | {:.2} | {:.2} |", of(|turn| turn.took), of(|turn| turn.cpu))
        };
        let (time, cpu) = (ratio(|turn| turn.took), ratio(|turn| turn.cpu));
        text += &format!("| {rows} | {} {time:.2} | {cpu:.2} |\n", line("planner", ours));
        text += &format!("| | {} | |\n", line("bare scan and reads", bare));
    }
    text += &format!(
        "\nMemory of `anshin all`, in which the same plan is made once and sent: what it held when it was ready, and the most since then. {STARTS} starts, medians.\n\n\
         | other people's rows | started, MB | the plan added, MB | least, most | sent, MB | planned in, s |\n|---|---|---|---|---|---|\n",
    );
    let added = |table: &Table| {
        let added = |(ready, sent): &(u64, Sent)| (sent.peak_planned - ready) as f64 / 1e6;
        let mut added: Vec<f64> = table.starts.iter().map(added).collect();
        added.sort_by(f64::total_cmp);
        added
    };
    for table in tables {
        let of = |what: fn(&(u64, Sent)) -> f64| median(table.starts.iter().map(what));
        let added = added(table);
        text += &format!(
            "| {} | {:.0} | {:.0} | {:.0}, {:.0} | {:.0} | {:.2} |\n",
            table.rows,
            of(|(ready, _)| *ready as f64 / 1e6),
            median(added.iter().copied()),
            added[0],
            added[added.len() - 1],
            of(|(_, sent)| sent.peak_completed as f64 / 1e6),
            of(|(_, sent)| sent.planned_in.as_secs_f64()),
        );
    }
    if let [small, large] = tables {
        let ratio = median(added(large)) / median(added(small));
        text += &format!("\nRatio of what the plan added: {ratio:.2} (bar: it does not grow)\n");
    }
    text
}

fn sent(tables: &[Table], (calls, pushes): (u32, u32)) -> String {
    let mut text = format!(
        "## A job until LINE has accepted everybody\n\n`anshin all` and the stand-in for LINE, from the sealed plan on; {calls} multicasts or {pushes} pushes a second are configured. Multicasts: the first job of {STARTS} starts, medians.\n\n\
         | other people's rows | | calls | calls ÷ configured, s | first accepted after, s | all after, s | ratio (bar 1.05) | answers 429 | CPU of a person, µs |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for table in tables {
        let first: Vec<&Sent> = table.starts.iter().map(|(_, sent)| sent).collect();
        for (name, sent, rate) in [
            ("multicast", &first[..], calls),
            ("multicast, LINE takes 50 ms", &[&table.late], calls),
            ("push", &[&table.push], pushes),
        ] {
            let of = |what: fn(&Sent) -> f64| median(sent.iter().map(|sent| what(sent)));
            let least = of(|sent| sent.calls as f64) / f64::from(rate);
            let took = of(|sent| sent.accepted_in.as_secs_f64());
            let too_fast: u64 = sent.iter().map(|sent| sent.too_fast).sum();
            text += &format!(
                "| {} | {name} | {} | {least:.2} | {:.2} | {took:.2} | {:.2} | {too_fast} | {:.1} |\n",
                table.rows,
                of(|sent| sent.calls as f64),
                of(|sent| sent.first_in.as_secs_f64()),
                took / least,
                of(|sent| sent.cpu.as_secs_f64() * 1e6 / sent.people as f64),
            );
        }
    }
    text
}
