//! `anshin venues flyers`: files to print, for every venue that the registry knows.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use schemas::{
    language::Language,
    registry::{Facility, Registry},
};
use storage::{embedded::system_clock, follow::Follower};
use tokio_util::sync::CancellationToken;
use venues::flyer::{self, Account, Design, Format, Icon, Poster};

use crate::{backends, config::Config, keys};

/// What to make.
pub struct Wanted {
    /// The directory for the files; it is made if it isn't there.
    pub out: PathBuf,
    /// Ids or names of facilities; all of them if empty.
    pub facilities: Vec<String>,
    /// Formats.
    pub formats: Vec<Format>,
    /// Whom to ask about a flyer; the authority of the configuration if absent.
    pub contact: Option<String>,
}

/// Makes one file for each facility and format, with all its venues whose codes count; prints their
/// names, the characters that could not be printed, and the facilities that have no such code.
pub async fn make(config: &Config, wanted: &Wanted, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(mut design) = design(config)? else {
        bail!("line.account_id and line.account_name must be set: flyers show both");
    };
    if wanted.contact.is_some() {
        design.contact.clone_from(&wanted.contact);
    }
    let places = keys::read_places(&config.keys.places_file)?;
    let facilities = facilities(config, &wanted.facilities).await?;
    std::fs::create_dir_all(&wanted.out)
        .with_context(|| format!("{} can't be made", wanted.out.display()))?;
    let now = system_clock()();
    for facility in &facilities {
        if facility.venues.is_empty() {
            writeln!(out, "{}\tno flyer: none of its codes counts now", facility.id)?;
        }
        let posters = Poster::of(facility, &facility.venues, &places, now);
        for (part, posters) in posters.chunks(flyer::MAX_POSTERS).enumerate() {
            for format in &wanted.formats {
                let file = write(&wanted.out, (facility, part), (posters, *format), &design)?;
                writeln!(out, "{file}")?;
            }
        }
    }
    Ok(())
}

/// The account as visitors see it, and whom they ask; nothing where the account isn't configured.
pub fn design(config: &Config) -> anyhow::Result<Option<Design>> {
    let line = &config.line;
    if line.account_id.is_empty() || line.account_name.is_empty() {
        return Ok(None);
    }
    let authority = &config.authority;
    let contact = [&authority.name, &authority.division, &authority.phone];
    let contact: Vec<&str> =
        contact.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let contact = (!contact.is_empty()).then(|| contact.join(" "));
    let icon = match line.account_icon_file.as_os_str().is_empty() {
        true => None,
        false => {
            let path = &line.account_icon_file;
            let file = std::fs::read(path).with_context(|| {
                format!("line.account_icon_file: {} can't be read", path.display())
            })?;
            Some(Icon::from_png(&file).context("line.account_icon_file")?)
        }
    };
    let account = Account { id: line.account_id.clone(), name: line.account_name.clone(), icon };
    Ok(Some(Design { account, languages: Language::ALL[1..].to_vec(), contact }))
}

/// The facilities that are wanted; each must be there.
async fn facilities(config: &Config, wanted: &[String]) -> anyhow::Result<Vec<Facility>> {
    let backends = backends::open_or_reach(config).await?;
    let stop = CancellationToken::new();
    let registry: Follower<_, Registry> = Follower::start(backends.log.clone(), &stop);
    let caught_up = registry.caught_up().await;
    let now = system_clock()();
    let all: Vec<Facility> = registry.read(|registry| {
        let counting = |facility: &Facility| Facility {
            venues: registry.counting_venues(facility, now),
            ..facility.clone()
        };
        let all = registry.facilities().filter(|facility| facility.removed.is_none());
        all.map(counting).collect()
    });
    stop.cancel();
    drop(registry);
    backends.close().await;
    caught_up?;
    let is =
        |facility: &Facility, name: &str| facility.name == name || facility.id.to_string() == name;
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|one| is(one, name))) {
        bail!("no facility has the id or the name {unknown}");
    }
    let asked = |one: &Facility| wanted.is_empty() || wanted.iter().any(|name| is(one, name));
    Ok(all.into_iter().filter(asked).collect())
}

/// Writes a file; its name begins with the facility's id, so that no two are the same.
fn write(
    dir: &Path,
    (facility, part): (&Facility, usize),
    (posters, format): (&[Poster], Format),
    design: &Design,
) -> anyhow::Result<String> {
    let made = flyer::together(posters, design, format)
        .with_context(|| format!("flyers of the facility {}", facility.id))?;
    let part = if part == 0 { String::new() } else { format!("_{}", part + 1) };
    let name = format!("{}_{format}{part}.{}", facility.id, made.media.extension());
    let path = dir.join(&name);
    std::fs::write(&path, made.bytes)
        .with_context(|| format!("{} can't be written", path.display()))?;
    Ok(match made.missing.is_empty() {
        true => name,
        false => {
            let missing: Vec<String> =
                made.missing.iter().map(|c| format!("U+{:04X}", *c as u32)).collect();
            format!("{name}\tprinted as 〓: {}", missing.join(" "))
        }
    })
}
