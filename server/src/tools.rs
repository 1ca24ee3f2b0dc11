//! What the subcommands beside the roles do.

use std::{io::Write, path::Path};

use anyhow::{Context as _, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use notifier::line::{LineClient, LineConfig, LineError};
use rand::TryRng;
use schemas::{
    ids::{OfficialId, VenueId},
    registry::Registry,
    service::{Change, Service},
    time::EventTime,
};
use storage::{
    Log, Store,
    embedded::system_clock,
    follow::Follower,
    rows::{
        TypedStore,
        access::{Role, TokenRow},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{backends, config::Config, keys};

fn now() -> EventTime {
    system_clock()()
}

/// Makes a token for the officials' API; the only time that it is shown.
pub async fn create_token<S: Store>(
    store: &S,
    holder: OfficialId,
    role: Role,
) -> anyhow::Result<String> {
    let mut secret = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut secret).context("the machine gives no random bytes")?;
    let token = format!("anshin_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let token_hash = console::auth::token_hash(&token);
    store.put(&[TokenRow { token_hash, holder, role, created_at: now() }]).await?;
    Ok(token)
}

/// Imports a list of places; prints `venue_id,place_code,check_in_text`, or, where nothing is to be
/// done yet, what would be.
pub async fn import_venues(
    config: &Config,
    file: &Path,
    dry_run: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    let rows = match venues::list::parse(&bytes) {
        Ok(rows) => rows,
        Err(problems) => {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            bail!("{}: nothing was imported\n{}", file.display(), all.join("\n"));
        }
    };
    let places = keys::read_places(&config.keys.places_file)?;
    let backends = backends::open_or_reach(config).await?;
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(backends.log.clone(), &stop);
    if dry_run {
        let plan = venues::import::plan(&rows, &registry, now()).await;
        stop.cancel();
        drop(registry);
        backends.close().await;
        let plan = plan?;
        writeln!(
            out,
            "{} rows: {} facilities and {} venues are new, {} venues are there already; nothing was imported",
            rows.len(),
            plan.new_facilities,
            plan.new_venues,
            rows.len() - plan.new_venues
        )?;
        return Ok(());
    }
    let imported = venues::import::import(&rows, &registry, &places, now()).await;
    stop.cancel();
    drop(registry);
    backends.close().await;
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["venue_id", "place_code", "check_in_text"])?;
    for place in imported? {
        csv.write_record([&place.venue.to_string(), &place.place_code, &place.check_in_text])?;
    }
    csv.flush()?;
    Ok(())
}

/// Re-issues the code of a venue; prints the new one.
pub async fn reissue(
    config: &Config,
    venue: VenueId,
    old_ends: EventTime,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let places = keys::read_places(&config.keys.places_file)?;
    let backends = backends::open_or_reach(config).await?;
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(backends.log.clone(), &stop);
    let issue = venues::changes::reissue_any(venue, old_ends, &registry, now()).await;
    stop.cancel();
    drop(registry);
    backends.close().await;
    writeln!(out, "{}", places.code(venue, issue?))?;
    Ok(())
}

/// Sets the state of the service; prints what was set.
pub async fn set_service(
    config: &Config,
    wanted: venues::service::Wanted,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let backends = backends::open_or_reach(config).await?;
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(backends.log.clone(), &stop);
    let set = venues::service::set(wanted, &registry, now()).await;
    stop.cancel();
    drop(registry);
    backends.close().await;
    writeln!(out, "{}", told(&set?))?;
    Ok(())
}

/// Prints the state of the service: now, and every change that events may still meet.
pub async fn show_service<L: Log>(log: &L, out: &mut impl Write) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(log.clone(), &stop);
    registry.caught_up().await?;
    let service: Service = registry.read(|registry| registry.service().clone());
    stop.cancel();
    writeln!(out, "{}", service.state_at(now()))?;
    for change in service.changes() {
        writeln!(out, "{}", told(change))?;
    }
    Ok(())
}

fn told(change: &Change) -> String {
    let reason = change.reason.as_deref().unwrap_or("-");
    let (from, set_at) = (change.from.to_rfc3339_jst(), change.set_at.to_rfc3339_jst());
    format!("{}\tfrom {from}\tset {set_at}\t{reason}", change.state)
}

/// Lists what was rejected; never its content.
pub async fn list_rejected<L: Log>(log: &L, out: &mut impl Write) -> anyhow::Result<()> {
    let listed = processor::rejected::list(log).await?;
    for rejected in &listed {
        let at = rejected.at.map_or("-".to_owned(), EventTime::to_rfc3339_jst);
        let cause = rejected.cause.map_or("unreadable", |cause| cause.name());
        writeln!(out, "{}\t{at}\t{cause}\t{}", rejected.offset.0, rejected.source)?;
    }
    writeln!(out, "{} rejected", listed.len())?;
    Ok(())
}

/// Puts what was rejected back on its way.
pub async fn replay_rejected<L: Log>(
    config: &Config,
    log: &L,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let ring = keys::read_ring(&config.keys.file)?;
    let places = keys::read_places(&config.keys.places_file)?;
    let wrote = ingest::wrote::WroteMemory::new(1);
    let context = ingest::Context {
        keys: &ring,
        places: &places,
        wrote: &wrote,
        // The processor judges once more.
        service: &Service::default(),
        now: now(),
        retention_days: config.retention.days,
    };
    let replayed = processor::rejected::replay(log, |sealed| {
        let outcome = ingest::record::replay(sealed, &context).ok()?;
        (!outcome.is_rejection()).then_some(outcome.appends)
    })
    .await?;
    writeln!(out, "{} replayed, {} still rejected", replayed.replayed, replayed.still_rejected)?;
    Ok(())
}

/// Asks a process whether it is ready.
pub async fn healthcheck(config: &Config) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = config.admin.listen;
    let asked = tokio::time::timeout(std::time::Duration::from_secs(3), async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request =
            format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    });
    let answer = asked.await.context("no answer within 3 s")?;
    let answer = answer.with_context(|| format!("nothing answers at {address}"))?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    bail!("{}", answer.split("\r\n\r\n").nth(1).unwrap_or("not ready").trim())
}

/// Looks at everything about LINE that a program can see; says what only a person can.
pub async fn check_line(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    config.check_line()?;
    let line = LineClient::new(&LineConfig {
        api_url: config.line.api_url.clone(),
        channel_id: config.line.channel_id.clone(),
        channel_secrets: config.channel_secrets().map_err(anyhow::Error::msg)?,
    })?;
    let mut failed = 0;
    let mut tell = |well: Result<String, String>| -> std::io::Result<()> {
        match well {
            Ok(what) => writeln!(out, "ok      {what}"),
            Err(what) => {
                failed += 1;
                writeln!(out, "FAILED  {what}")
            }
        }
    };
    match line.bot_info().await {
        Ok(bot) => {
            tell(Ok(format!("token; the account is {} ({})", bot.display_name, bot.basic_id)))?;
            let wanted = config.line.bot_user_id.expose();
            tell(if wanted.is_empty() {
                Ok("line.bot_user_id is not set: webhooks of any destination are taken".to_owned())
            } else if *wanted == bot.user_id {
                Ok("line.bot_user_id is this account's".to_owned())
            } else {
                Err("line.bot_user_id is not this account's: every webhook would be refused"
                    .to_owned())
            })?;
        }
        Err(error) => tell(Err(format!("token: {error}")))?,
    }
    tell(match line.webhook_endpoint().await {
        Ok(endpoint) if endpoint.active => Ok(format!("webhooks go to {}", endpoint.endpoint)),
        Ok(endpoint) if endpoint.endpoint.is_empty() => {
            Err("no webhook address is set: enter it in LINE's console".to_owned())
        }
        Ok(endpoint) => Err(format!("webhooks to {} are switched off", endpoint.endpoint)),
        Err(error) => Err(format!("webhook endpoint: {error}")),
    })?;
    tell(match line.quota().await {
        Ok(quota) => match quota.remaining() {
            Some(left) => Ok(format!(
                "quota: {left} of {} messages left this month",
                quota.limit.unwrap_or(0)
            )),
            None => Ok("quota: unlimited".to_owned()),
        },
        Err(error) => Err(format!("quota: {error}")),
    })?;
    tell(match line.followers(None).await {
        Ok(page) => Ok(format!("friends are listed ({} on the first page)", page.users.len())),
        Err(LineError::Status(403)) => Ok(
            "friends are not listed: the account is not verified; friends from before stay unknown"
                .to_owned(),
        ),
        Err(error) => Err(format!("friends: {error}")),
    })?;
    writeln!(out, "{ONLY_A_PERSON}")?;
    if failed > 0 { bail!("{failed} of the checks failed") } else { Ok(()) }
}

const ONLY_A_PERSON: &str = "
Only a person can see, in LINE Developers Console and LINE Official Account Manager:
  [ ] Messaging API > Webhook settings: \"Use webhook\" is on
  [ ] Messaging API > Webhook settings: \"Webhook redelivery\" is on (it is off at first)
  [ ] Messaging API > Webhook settings: \"Error statistics aggregation\" is on
  [ ] Response settings: automatic responses are off, or do not answer check-ins
  [ ] the account is verified (otherwise friends from before can't be listed)
  [ ] the plan allows as many additional messages a month as the largest job needs
  [ ] LINE Login or LIFF channels, if any, belong to the same provider";
