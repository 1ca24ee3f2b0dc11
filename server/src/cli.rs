//! The command line: what it says, and what the process exits with.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use schemas::{
    ids::{OfficialId, VenueId},
    service::ServiceState,
    time::EventTime,
};
use server::{Config, Role, backends, copy, flyers, keys, migrate, start, tools};
use storage::{any::LogPlace, embedded::system_clock, rows::access};
use venues::{flyer::Format, service::ServiceError};

/// 安心みえるLINE: place-based check-in and exposure alerts on LINE.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// A configuration file (TOML). Environment variables ANSHIN__SECTION__KEY override it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Takes webhooks.
    Ingest,
    /// Turns records into rows.
    Processor,
    /// Sends alerts, answers visitors.
    Notifier,
    /// Serves the officials' API.
    Console,
    /// Every role in one process, on this machine's disk.
    All,
    /// Makes topics and tables, and checks those that are there. Doing it again changes nothing.
    Migrate {
        /// Says what it would do, and does nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Copies a data directory that no process uses to a log and a store, and compares the counts.
    /// Doing it again goes on where it was cut off.
    Copy {
        /// The directory: embedded:///dir.
        #[arg(long)]
        from: String,
        /// Where to: kafka://… and cql://…, one --to for each; the configured ones if absent.
        #[arg(long)]
        to: Vec<String>,
    },
    /// Checks the configuration; prints the defaults with --defaults.
    CheckConfig {
        /// Prints the defaults, which are also the documentation.
        #[arg(long)]
        defaults: bool,
    },
    /// Asks the process at admin.listen whether it is ready.
    Healthcheck,
    /// Key files.
    #[command(subcommand)]
    Keys(Keys),
    /// Tokens of the officials' API.
    #[command(subcommand)]
    Tokens(Tokens),
    /// Serves the operators' pages. With a subcommand: a tool for facilities and venues.
    Venues {
        #[command(subcommand)]
        tool: Option<Venues>,
    },
    /// The state of the service: preparing, running, suspended, ended.
    #[command(subcommand)]
    Service(Service),
    /// What could not be used.
    #[command(subcommand)]
    Rejected(Rejected),
    /// LINE.
    #[command(subcommand)]
    Line(Line),
    /// Prints the OpenAPI document of the officials' API.
    Openapi,
}

#[derive(Subcommand)]
enum Keys {
    /// Makes both key files. Never overwrites one.
    Init,
    /// Makes keys for the coming weeks. Doing it again changes nothing.
    Rotate,
    /// Destroys the keys of weeks past retention: what they sealed is unreadable from then on.
    Destroy,
}

#[derive(Subcommand)]
enum Tokens {
    /// Makes a token and prints it, once.
    Create {
        /// The official it belongs to.
        #[arg(long, required_unless_present = "service", conflicts_with = "service")]
        official: Option<OfficialId>,
        /// drafter or approver.
        #[arg(long, requires = "official")]
        role: Option<access::Role>,
        /// Another system it belongs to: may draft, never approve.
        #[arg(long)]
        service: Option<OfficialId>,
    },
}

#[derive(Subcommand)]
enum Venues {
    /// Imports a CSV file (facility,kind,venue and for events first_day,last_day); prints venue_id,place_code,check_in_text.
    Import {
        /// The file.
        file: PathBuf,
        /// Says what it would do, and does nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Makes flyers to print, one file for each facility and format; prints their names.
    Flyers {
        /// The directory for the files.
        #[arg(long)]
        out: PathBuf,
        /// The id or the name of a facility; all if absent. Can be repeated.
        #[arg(long)]
        facility: Vec<String>,
        /// a4, a5, b2, tent, stickers, staff-card, png, photo-2l or photo-l. Can be repeated.
        #[arg(long, default_value = "a4")]
        format: Vec<Format>,
        /// Whom to ask about a flyer: printed at its foot. `[authority]` if absent.
        #[arg(long)]
        contact: Option<String>,
    },
    /// Re-issues the code of a venue; prints the new one.
    Reissue {
        /// The venue.
        venue: VenueId,
        /// When the old code ends (RFC 3339); now if absent.
        #[arg(long)]
        old_ends: Option<String>,
    },
}

#[derive(Subcommand)]
enum Service {
    /// Sets it. Outside `running`, no place is registered and no visit is recorded, and everybody
    /// is told so. A visit is judged by when it was sent.
    Set {
        /// preparing, running, suspended or ended.
        state: ServiceState,
        /// What the public pages say about it.
        #[arg(long)]
        reason: Option<String>,
        /// From when on (RFC 3339); 30 s from now if absent, and no sooner.
        #[arg(long)]
        from: Option<String>,
    },
    /// Prints the state, and since when.
    Show,
}

#[derive(Subcommand)]
enum Rejected {
    /// Lists what was rejected, and why.
    List,
    /// Puts it back on its way. Doing it again is harmless.
    Replay,
}

#[derive(Subcommand)]
enum Line {
    /// Checks token, bot id, webhook endpoint, quota and friends.
    Check,
}

/// A failure and what the process exits with.
struct Failure(u8, String);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let code = if error.is::<server::ConfigError>() || error.is::<keys::KeyError>() {
            64
        } else if let Some(error) = error.downcast_ref::<backends::BackendError>() {
            error.exit_code()
        } else if let Some(ServiceError::TooSoon(_) | ServiceError::Reason) = error.downcast_ref() {
            64
        } else {
            1
        };
        Failure(code, format!("{error:#}"))
    }
}

/// When all is done, members still say goodbye to their groups, and a Kafka that is away still owes
/// answers to questions that nobody asks any more: no end waits longer for them.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A failing terminal can't be told about its failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Failure(69, format!("the runtime can't start: {error}"))),
    };
    let ran = runtime.block_on(run(cli));
    runtime.shutdown_timeout(LAST_WORDS);
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(failure),
    }
}

#[allow(clippy::print_stderr)]
fn fail(Failure(code, why): Failure) -> ExitCode {
    eprintln!("anshin: {why}");
    ExitCode::from(code)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    if let Command::CheckConfig { defaults: true } = cli.command {
        std::io::Write::write_all(&mut out, server::config::DEFAULTS.as_bytes())?;
        return Ok(());
    }
    if let Command::Openapi = cli.command {
        let document = serde_json::to_string_pretty(&console::openapi())?;
        std::io::Write::write_all(&mut out, document.as_bytes())?;
        return Ok(());
    }
    let config = Config::load(cli.config.as_deref(), std::env::vars())?;
    let now = system_clock()();
    let days = config.retention.days;
    match cli.command {
        Command::Ingest => serve(config, &[Role::Ingest]).await,
        Command::Processor => serve(config, &[Role::Processor]).await,
        Command::Notifier => serve(config, &[Role::Notifier]).await,
        Command::Console => serve(config, &[Role::Console]).await,
        Command::Venues { tool: None } => serve(config, &[Role::Venues]).await,
        Command::All => serve(config, &Role::ALL).await,
        Command::CheckConfig { .. } => {
            config.check_line()?;
            say("the configuration can be used")
        }
        Command::Openapi => Ok(()),
        Command::Migrate { dry_run } => Ok(migrate::migrate(&config, dry_run, &mut out).await?),
        Command::Copy { from, to } => {
            let mut config = config;
            for url in to {
                match url.starts_with("cql://") {
                    true => config.store.url = url,
                    false => config.log.url = url,
                }
            }
            let from = match LogPlace::parse(&from) {
                Ok(LogPlace::Embedded(dir)) => dir,
                _ => return Err(Failure(64, "--from must be embedded:///dir".to_owned())),
            };
            let source = copy::open(&config, &from).await?;
            let to = backends::open(&config, system_clock()).await?;
            let copied = copy::copy(source, &to, &mut out).await;
            to.close().await;
            Ok(copied?)
        }
        Command::Healthcheck => Ok(tools::healthcheck(&config).await?),
        Command::Keys(Keys::Init) => {
            keys::init(&config.keys.file, &config.keys.places_file, now, days)?;
            say(&format!(
                "made {} and {}",
                config.keys.file.display(),
                config.keys.places_file.display()
            ))
        }
        Command::Keys(Keys::Rotate) => {
            let added = keys::rotate(&config.keys.file, now, days)?;
            say(&format!("keys were made for {added} weeks"))
        }
        Command::Keys(Keys::Destroy) => {
            let destroyed = keys::destroy(&config.keys.file, now, days)?;
            say(&format!("keys of {} weeks were destroyed", destroyed.len()))
        }
        Command::Tokens(Tokens::Create { official, role, service }) => {
            let (holder, role) = match (official, role, service) {
                (_, _, Some(service)) => (service, access::Role::Service),
                (Some(_), Some(access::Role::Service) | None, _) | (None, _, None) => {
                    return Err(Failure(64, "--role must be drafter or approver".to_owned()));
                }
                (Some(official), Some(role), None) => (official, role),
            };
            let backends = backends::open_or_reach(&config).await?;
            let token = tools::create_token(&backends.store, holder, role).await;
            backends.close().await;
            say(&token?)
        }
        Command::Venues { tool: Some(Venues::Import { file, dry_run }) } => {
            Ok(tools::import_venues(&config, &file, dry_run, &mut out).await?)
        }
        Command::Venues { tool: Some(Venues::Flyers { out: dir, facility, format, contact }) } => {
            let wanted =
                flyers::Wanted { out: dir, facilities: facility, formats: format, contact };
            Ok(flyers::make(&config, &wanted, &mut out).await?)
        }
        Command::Venues { tool: Some(Venues::Reissue { venue, old_ends }) } => {
            let old_ends = match old_ends {
                Some(text) => EventTime::parse_rfc3339(&text)
                    .map_err(|error| Failure(64, format!("--old-ends: {error}")))?,
                None => now,
            };
            Ok(tools::reissue(&config, venue, old_ends, &mut out).await?)
        }
        Command::Service(Service::Set { state, reason, from }) => {
            let from = from.as_deref().map(EventTime::parse_rfc3339).transpose();
            let from = from.map_err(|error| Failure(64, format!("--from: {error}")))?;
            let wanted = venues::service::Wanted { state, from, reason };
            Ok(tools::set_service(&config, wanted, &mut out).await?)
        }
        Command::Service(Service::Show) => {
            let backends = backends::open_or_reach(&config).await?;
            let shown = tools::show_service(&backends.log, &mut out).await;
            backends.close().await;
            Ok(shown?)
        }
        Command::Rejected(rejected) => {
            let backends = backends::open_or_reach(&config).await?;
            let done = match rejected {
                Rejected::List => tools::list_rejected(&backends.log, &mut out).await,
                Rejected::Replay => tools::replay_rejected(&config, &backends.log, &mut out).await,
            };
            backends.close().await;
            Ok(done?)
        }
        Command::Line(Line::Check) => Ok(tools::check_line(&config, &mut out).await?),
    }
}

#[allow(clippy::print_stdout)]
fn say(text: &str) -> Result<(), Failure> {
    println!("{text}");
    Ok(())
}

/// Open files beside connections: the data directory's, the spool's, those to other servers.
const OTHER_FILES: u64 = 1_024;

/// Raises the limit of open files, often 1,024 where nobody has set it, to what is allowed: whoever
/// opens more connections would keep the data directory from opening its files, and that ends it.
fn open_as_many_files_as_allowed(connections: u64) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = connections + OTHER_FILES;
    if allowed < needed {
        tracing::warn!(
            allowed,
            needed,
            "open files may run out: raise the limit (ulimit -Hn, LimitNOFILE=), or lower listener.max_connections"
        );
    }
}

/// Runs roles until a signal or a failure.
async fn serve(config: Config, roles: &[Role]) -> Result<(), Failure> {
    log_to_stderr();
    tracing::info!(?config, "starting");
    open_as_many_files_as_allowed(config.listener.max_connections as u64);
    let running = start(config, roles).await.map_err(|e| Failure(e.exit_code(), e.to_string()))?;
    tracing::info!(
        ingest = running.ingest.map(tracing::field::display),
        console = running.console.map(tracing::field::display),
        venues = running.venues.map(tracing::field::display),
        admin = %running.admin,
        "started"
    );
    let stop = running.readiness.clone();
    let ended = {
        let mut ended = std::pin::pin!(async {
            signal().await;
            stop.drain();
        });
        tokio::select! {
            () = &mut ended => {
                tracing::info!("stopping");
                running.stop();
                tokio::select! {
                    ended = running.ended() => ended,
                    () = signal() => return Err(Failure(1, "a second signal: ended at once".to_owned())),
                }
            }
            () = running.failed() => running.ended().await,
        }
    };
    ended.map_err(|error| Failure(1, error.to_string()))
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// JSON lines for machines, plain lines on a terminal. `RUST_LOG` chooses what.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().init();
    }
}
