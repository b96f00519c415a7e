//! What OSM's tags say in numbers: speeds, measures, durations, directions.

use std::collections::BTreeMap;

use crate::osm::{Tags, tag};

/// The value of `key:forward` or `key:backward`, else of `key`.
pub fn directed<'t>(tags: &'t Tags, key: &str, backward: bool) -> Option<&'t str> {
    let suffix = if backward { ":backward" } else { ":forward" };
    let own = tags.iter().find(|(known, _)| known.strip_prefix(key) == Some(suffix));
    own.map(|(_, value)| value.as_str()).or_else(|| tag(tags, key))
}

/// The values of a list, as in `no;private`.
pub fn values(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|value| !value.is_empty())
}

/// A leading number, with a point or a comma, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value: f64 = digits.replace(',', ".").parse().ok()?;
    value.is_finite().then_some((value, rest.trim_start()))
}

const METRES: &[(&str, f64)] =
    &[("", 1.0), ("m", 1.0), ("cm", 0.01), ("'", 0.3048), ("ft", 0.3048), ("feet", 0.3048), ("\"", 0.0254), ("in", 0.0254), ("''", 0.0254)];
const TONNES: &[(&str, f64)] = &[
    ("", 1.0),
    ("t", 1.0),
    ("tonnes", 1.0),
    ("kg", 0.001),
    ("st", 0.907_184_74),
    ("lt", 1.016_046_908_8),
    ("lbs", 0.000_453_592_37),
    ("lb", 0.000_453_592_37),
];

/// A sum of numbers with units, as in `6'7"`. Of a list the least, since all of them hold somewhere.
fn measure(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let one = |mut rest: &str| {
        let (mut sum, mut last) = (None, 0.0);
        while let Some((value, after)) = number(rest) {
            let end = after.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            // A bare number behind feet is inches.
            let unit = if unit.is_empty() && last == 0.3048 { "in" } else { unit };
            last = units.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit))?.1;
            sum = Some(sum.unwrap_or(0.0) + value * last);
            rest = after.trim_start();
        }
        sum.filter(|_| rest.is_empty())
    };
    values(text).filter_map(one).min_by(f64::total_cmp)
}

/// A length in metres: `2.5`, `2,5 m`, `250 cm`, `8'2"`, `8 ft 2 in`.
pub fn metres(text: &str) -> Option<f64> {
    measure(text, METRES)
}

/// A weight in tonnes: `7.5`, `7.5 t`, `7500 kg`, `10 st`, `26000 lbs`.
pub fn tonnes(text: &str) -> Option<f64> {
    measure(text, TONNES)
}

/// A speed limit in km/h: `50`, `30 mph`, `10 knots`, or a word of the table, as `none` or `CN:urban`. `signals` is none.
pub fn maxspeed(text: &str, zones: &BTreeMap<String, f64>) -> Option<f64> {
    let text = values(text).next()?;
    let limit = match number(text) {
        Some((value, unit)) => match unit.to_ascii_lowercase().as_str() {
            "mph" | "mp/h" => value * 1.609_344,
            "knots" | "kn" => value * 1.852,
            _ => value,
        },
        None => {
            let word = text.to_ascii_lowercase();
            *zones.get(&word).or_else(|| zones.get(word.split_once(':')?.1))?
        }
    };
    (limit > 0.0).then_some(limit)
}

/// A duration in seconds: `mm`, `hh:mm`, `hh:mm:ss`, `PT1H30M`.
pub fn duration(text: &str) -> Option<f64> {
    let text = text.trim();
    let seconds = if let Some(mut rest) = text.strip_prefix("PT") {
        let mut sum = 0.0;
        while let Some((value, after)) = number(rest) {
            let mut after = after.chars();
            sum += value * [("H", 3600.0), ("M", 60.0), ("S", 1.0)].iter().find(|(unit, _)| after.as_str().starts_with(unit))?.1;
            after.next();
            rest = after.as_str();
        }
        sum
    } else {
        let parts: Vec<f64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        match parts[..] {
            [minutes] => minutes * 60.0,
            [hours, minutes] => hours * 3600.0 + minutes * 60.0,
            [hours, minutes, seconds] => hours * 3600.0 + minutes * 60.0 + seconds,
            _ => return None,
        }
    };
    (seconds > 0.0 && seconds < 1e6).then_some(seconds)
}

/// What a oneway tag says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oneway {
    No,
    Forward,
    Backward,
    /// Changes with the hour.
    Reversible,
}

impl Oneway {
    pub fn parse(text: &str) -> Option<Oneway> {
        match text.trim() {
            "yes" | "1" | "true" => Some(Oneway::Forward),
            "-1" | "reverse" => Some(Oneway::Backward),
            "reversible" | "alternating" => Some(Oneway::Reversible),
            "no" | "0" | "false" => Some(Oneway::No),
            _ => None,
        }
    }

    /// Of a way for the vehicles of `modes`: by `oneway:<mode>`, else by `oneway` and what the way is.
    pub fn of(tags: &Tags, modes: &[String]) -> Oneway {
        Oneway::own(tags, modes).or_else(|| tag(tags, "oneway").and_then(Oneway::parse)).unwrap_or_else(|| {
            let circle = matches!(tag(tags, "junction"), Some("roundabout" | "circular"));
            if circle || tag(tags, "highway") == Some("motorway") { Oneway::Forward } else { Oneway::No }
        })
    }

    /// By `oneway:<mode>` alone.
    pub fn own(tags: &Tags, modes: &[String]) -> Option<Oneway> {
        modes.iter().find_map(|mode| {
            let own = tags.iter().find(|(key, _)| key.strip_prefix("oneway:") == Some(mode))?;
            Oneway::parse(&own.1)
        })
    }
}
