//! Profiles: what a kind of vehicle may drive, and how fast. All numbers and lists are data, in `data/profiles/*.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Cost,
    tags::{self, Oneway, directed, values},
};
use crate::{
    error::{Code, Error, Result},
    osm::{Tags, tag},
};

/// A tag's values, each with a number.
type Table = BTreeMap<String, f64>;

/// A kind of vehicle. What the parts mean is said where they are first given, in `data/profiles/car.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The file's name.
    pub name: String,
    pub mode: Mode,
    /// Whether closures that let emergency vehicles in let it pass.
    #[serde(default)]
    pub emergency: bool,
    pub access: Access,
    pub oneway: OnewayRule,
    pub speed: Speed,
    #[serde(default)]
    pub maxspeed: Option<Maxspeed>,
    pub turn: Turn,
    pub restrictions: Restrictions,
    pub node: Node,
    #[serde(default)]
    pub size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Driving,
    Walking,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Driving => "driving",
            Mode::Walking => "walking",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Tags that say who may pass, the most specific first.
    keys: Vec<String>,
    /// Values that open even what is open to few.
    allow: BTreeSet<String>,
    deny: BTreeSet<String>,
    /// Values for those who begin or end there.
    destination: BTreeSet<String>,
    /// What keeps others from driving through there where there is another way: they count so much longer, minutes.
    through_minutes: u8,
    /// Tag to values that allow as well.
    #[serde(default)]
    also: BTreeMap<String, BTreeSet<String>>,
    /// Whether the edge of an area is a way.
    #[serde(default)]
    areas: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnewayRule {
    /// Otherwise only `oneway:<key>` with a key of [`Access`] holds.
    obey: bool,
    /// The share of the speed that is driven against a one-way; 0 is never.
    #[serde(default)]
    against: f64,
    /// Values of `highway` where nobody drives against a one-way.
    #[serde(default)]
    never_against: BTreeSet<String>,
}

/// Speeds, km/h.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    highway: Table,
    #[serde(default)]
    if_allowed: Table,
    #[serde(default)]
    route: Table,
    #[serde(default)]
    man_made: Table,
    /// Tag to value to the most that can be driven.
    #[serde(default)]
    at_most: BTreeMap<String, Table>,
    /// Kind of service road to the share of the speed that remains.
    #[serde(default)]
    service: Table,
    /// The most that is driven anywhere.
    #[serde(default)]
    top: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maxspeed {
    factor: f64,
    keys: Vec<String>,
    zones: Table,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The most that an angle costs, seconds.
    #[serde(default)]
    penalty: f64,
    #[serde(default = "one")]
    bias: f64,
    /// What turning round takes on top, seconds.
    u_turn: f64,
    pub u_turns: UTurns,
}

fn one() -> f64 {
    1.0
}

/// Where one may turn round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UTurns {
    /// Where there is no other way on.
    DeadEnds,
    /// At every junction.
    Everywhere,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restrictions {
    /// Otherwise only `restriction:<key>` holds.
    pub obey: bool,
    /// Whom restrictions and their exceptions name.
    pub keys: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    #[serde(default)]
    delay: BTreeMap<String, Table>,
    #[serde(default)]
    pass: Table,
}

/// Metres and tonnes; what isn't given isn't limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    height: Option<f64>,
    width: Option<f64>,
    length: Option<f64>,
    weight: Option<f64>,
    axle_load: Option<f64>,
    /// Carries dangerous goods.
    #[serde(default)]
    hazmat: bool,
}

/// What a profile may do on a way; forward, then backward.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Passage {
    /// 0 where it may not drive.
    pub kmh: [f64; 2],
    /// Only for those who begin or end there.
    pub destination: [bool; 2],
    /// What the whole way takes, as a ferry's crossing.
    pub seconds: Option<f64>,
}

impl Passage {
    pub fn drivable(&self) -> bool {
        self.kmh.iter().any(|kmh| *kmh > 0.0)
    }
}

/// What a profile meets at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hindrance {
    pub blocked: bool,
    /// Milliseconds for those who come along their way's direction, and against it.
    pub delay_ms: [u32; 2],
}

/// Who may pass, by the tags of a way or a barrier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judgement {
    Denied,
    Destination,
    /// No tag says anything.
    Silent,
    /// Some value that is no refusal.
    Open,
    Allowed {
        /// By a tag of this kind of vehicle, not by `access`.
        own: bool,
    },
}

/// The built-in profiles.
const BUILT_IN: [(&str, &str); 4] = [
    ("car", include_str!("../../data/profiles/car.toml")),
    ("truck", include_str!("../../data/profiles/truck.toml")),
    ("emergency", include_str!("../../data/profiles/emergency.toml")),
    ("foot", include_str!("../../data/profiles/foot.toml")),
];

/// Tags of ways that are looked at whatever the profile says.
pub const WAY_KEYS: [&str; 28] = [
    "highway",
    "route",
    "man_made",
    "area",
    "impassable",
    "status",
    "construction",
    "proposed",
    "oneway",
    "junction",
    "service",
    "duration",
    "narrow",
    "hazmat",
    "name",
    "ref",
    "destination",
    "destination:forward",
    "destination:backward",
    "destination:ref",
    "destination:ref:forward",
    "destination:ref:backward",
    "bridge",
    "tunnel",
    "ford",
    "toll",
    "driving_side",
    "barrier",
];

/// A limit of size: the tags that say it, of which the first given decides, and how they are read.
type Limit = (&'static [&'static str], fn(&str) -> Option<f64>);
const HEIGHT: Limit = (&["maxheight:physical", "maxheight"], tags::metres);
const WIDTH: Limit = (&["maxwidth:physical", "maxwidth", "width", "est_width"], tags::metres);
const LENGTH: Limit = (&["maxlength"], tags::metres);
const WEIGHT: Limit = (&["maxweight", "maxweightrating", "maxgcweight"], tags::tonnes);
const AXLE_LOAD: Limit = (&["maxaxleload"], tags::tonnes);

/// Nobody drives faster than this, km/h, whatever a file says.
const SPEED_MAX: f64 = 300.0;
/// No delay is longer than this, seconds.
const DELAY_MAX: f64 = 86_400.0;

impl Profile {
    /// The profiles that come with the program: car, truck, emergency, foot.
    ///
    /// # Errors
    /// As [`Profile::parse`].
    pub fn built_in() -> Result<Vec<Profile>> {
        Profile::parse(&BUILT_IN.map(|(name, text)| (name.to_owned(), text.to_owned())))
    }

    /// Reads profiles from `(name, text)`. One with a `base` has what that one has, but for what it says itself.
    ///
    /// # Errors
    /// [`Code::InvalidDefinition`] with file, key and remedy.
    pub fn parse(files: &[(String, String)]) -> Result<Vec<Profile>> {
        let tables = files
            .iter()
            .map(|(name, text)| text.parse().map(|table: toml::Table| (name.as_str(), table)).map_err(|error| wrong(name, "", error)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        files.iter().map(|(name, _)| Profile::resolve(name, &tables)).collect()
    }

    fn resolve(name: &str, tables: &BTreeMap<&str, toml::Table>) -> Result<Profile> {
        let mut table = tables.get(name).cloned().unwrap_or_default();
        if let Some(base) = table.remove("base") {
            let root = base.as_str().and_then(|base| tables.get(base)).filter(|root| !root.contains_key("base"));
            let mut whole = root.cloned().ok_or_else(|| wrong(name, "base", format!("{base}: a profile without a base of its own")))?;
            overlay(&mut whole, table);
            table = whole;
        }
        table.insert("name".into(), name.into());
        let profile: Profile = table.try_into().map_err(|error| wrong(name, "", error))?;
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<()> {
        let speed = &self.speed;
        let speeds = [&speed.highway, &speed.if_allowed, &speed.route, &speed.man_made].into_iter().chain(speed.at_most.values());
        let zones = self.maxspeed.iter().flat_map(|maxspeed| &maxspeed.zones);
        let shares = speed.service.iter();
        let delays = self.node.delay.values().flatten().chain(&self.node.pass);
        let all = |key: &'static str| move |(value, number): (&String, &f64)| (format!("{key}.{value}"), *number);
        let numbers = (speeds.flatten().map(all("speed")).chain(zones.map(all("maxspeed.zones"))).map(|(key, n)| (key, n, SPEED_MAX)))
            .chain(delays.map(all("node")).map(|(key, n)| (key, n, DELAY_MAX)))
            .chain(shares.map(all("speed.service")).map(|(key, n)| (key, n, 2.0)))
            .chain([
                ("speed.top".into(), speed.top.unwrap_or(0.0), SPEED_MAX),
                ("maxspeed.factor".into(), self.maxspeed.as_ref().map_or(0.0, |maxspeed| maxspeed.factor), 2.0),
                ("oneway.against".into(), self.oneway.against, 1.0),
                ("access.through_minutes".into(), self.access.through_minutes.into(), f64::from(Cost::SURCHARGE_MAX)),
                ("turn.penalty".into(), self.turn.penalty, DELAY_MAX),
                ("turn.u_turn".into(), self.turn.u_turn, DELAY_MAX),
            ]);
        for (key, number, most) in numbers {
            if !(0.0..=most).contains(&number) {
                return Err(wrong(&self.name, &key, format!("{number}: 0 to {most}")));
            }
        }
        if !(0.1..=10.0).contains(&self.turn.bias) {
            return Err(wrong(&self.name, "turn.bias", format!("{}: 0.1 to 10", self.turn.bias)));
        }
        Ok(())
    }

    /// The tags of ways that matter to it, beside [`WAY_KEYS`].
    pub fn way_keys(&self) -> impl Iterator<Item = String> + '_ {
        let limits = [HEIGHT, WIDTH, LENGTH, WEIGHT, AXLE_LOAD].into_iter().flat_map(|(keys, _)| keys).map(|key| key.to_string());
        let maxspeed = self.maxspeed.iter().flat_map(|maxspeed| &maxspeed.keys).cloned();
        let both = self.access.keys.iter().cloned().chain(maxspeed).chain(limits);
        let both = both.flat_map(|key| [format!("{key}:forward"), format!("{key}:backward"), key]);
        both.chain(self.access.keys.iter().map(|key| format!("oneway:{key}")))
            .chain(self.access.also.keys().cloned())
            .chain(self.speed.at_most.keys().cloned())
    }

    /// The tags of nodes that matter to it.
    pub fn node_keys(&self) -> impl Iterator<Item = String> + '_ {
        let kinds = self.node.pass.keys().filter_map(|kind| kind.split_once(':')).map(|(barrier, _)| barrier.to_owned());
        let limits = [HEIGHT, WIDTH, WEIGHT].into_iter().flat_map(|(keys, _)| keys).map(|key| key.to_string());
        let directions = ["barrier", "direction", "traffic_signals:direction"].map(str::to_owned);
        (self.access.keys.iter().cloned()).chain(self.node.delay.keys().cloned()).chain(kinds).chain(limits).chain(directions)
    }

    fn judge(&self, tags: &Tags, backward: bool) -> Judgement {
        let access = &self.access;
        let Some((key, value)) = access.keys.iter().find_map(|key| directed(tags, key, backward).map(|value| (key, value))) else {
            let also = |(key, values): (&String, &BTreeSet<String>)| tag(tags, key).is_some_and(|value| values.contains(value));
            return if access.also.iter().any(also) { Judgement::Allowed { own: true } } else { Judgement::Silent };
        };
        let one = |value: &str| match value {
            _ if access.allow.contains(value) => Judgement::Allowed { own: key != "access" },
            _ if access.destination.contains(value) => Judgement::Destination,
            _ if access.deny.contains(value) => Judgement::Denied,
            _ => Judgement::Open,
        };
        // Of several values the most generous: `agricultural;destination`.
        values(value).map(one).max().unwrap_or(Judgement::Silent)
    }

    /// Whether it is too large for what the tags allow.
    fn too_large(&self, tags: &Tags, backward: bool) -> bool {
        let size = &self.size;
        let narrow = tag(tags, "narrow") == Some("yes") && size.width.is_some_and(|width| width > 2.2);
        let limits =
            [(HEIGHT, size.height), (WIDTH, size.width), (LENGTH, size.length), (WEIGHT, size.weight), (AXLE_LOAD, size.axle_load)];
        let beyond = |((keys, read), own): (Limit, Option<f64>)| {
            let given = || keys.iter().find_map(|key| directed(tags, key, backward)).and_then(read);
            own.is_some_and(|own| given().is_some_and(|most| most < own))
        };
        narrow || limits.into_iter().any(beyond) || size.hazmat && tag(tags, "hazmat") == Some("no")
    }

    /// What it may do on a way.
    pub fn way(&self, tags: &Tags) -> Passage {
        let no = Passage::default();
        let is = |key: &str, value: &str| tag(tags, key) == Some(value);
        let built = |value: &str| matches!(value, "no" | "widening" | "minor");
        if is("area", "yes") && !self.access.areas
            || is("impassable", "yes")
            || is("status", "impassable")
            || tag(tags, "proposed").is_some_and(|value| value != "no")
            || tag(tags, "construction").is_some_and(|value| !built(value))
        {
            return no;
        }
        let oneway = match Oneway::own(tags, &self.access.keys) {
            _ if self.oneway.obey => Oneway::of(tags, &self.access.keys),
            own => own.unwrap_or(Oneway::No),
        };
        let of = |table: &Table, key: &str| tag(tags, key).and_then(|value| table.get(value)).copied();
        let route = of(&self.speed.route, "route");
        let class = route.or_else(|| of(&self.speed.highway, "highway")).or_else(|| of(&self.speed.man_made, "man_made"));
        let opened = of(&self.speed.if_allowed, "highway");
        if class.or(opened).is_none() {
            return no;
        }
        let path = matches!(tag(tags, "highway"), Some("footway" | "path" | "cycleway" | "bridleway" | "pedestrian"));
        let most = self.speed.at_most.iter().filter_map(|(key, table)| of(table, key)).min_by(f64::total_cmp);
        let service = of(&self.speed.service, "service").unwrap_or(1.0);
        let mut passage = Passage { seconds: route.and_then(|_| tags::duration(tag(tags, "duration")?)), ..no };
        for (i, backward) in [(0, false), (1, true)] {
            let judgement = self.judge(tags, backward);
            let class = match judgement {
                Judgement::Denied => continue,
                Judgement::Allowed { own } if own || !path => class.or(opened),
                _ => class,
            };
            let Some(class) = class else { continue };
            if self.too_large(tags, backward) {
                continue;
            }
            let limit = self.maxspeed.as_ref().filter(|_| route.is_none()).and_then(|maxspeed| {
                let limit = maxspeed.keys.iter().find_map(|key| tags::maxspeed(directed(tags, key, backward)?, &maxspeed.zones))?;
                Some(limit * maxspeed.factor)
            });
            let against = match (oneway, backward) {
                (Oneway::No, _) | (Oneway::Forward, false) | (Oneway::Backward, true) => 1.0,
                _ if tag(tags, "highway").is_some_and(|class| self.oneway.never_against.contains(class)) => 0.0,
                _ if matches!(tag(tags, "junction"), Some("roundabout" | "circular")) => 0.0,
                _ => self.oneway.against,
            };
            let bound = [most, self.speed.top].into_iter().flatten().fold(SPEED_MAX, f64::min);
            passage.kmh[i] = limit.unwrap_or(class).min(bound) * service * against;
            passage.destination[i] = judgement == Judgement::Destination;
        }
        passage
    }

    /// What it meets at a node.
    pub fn node(&self, tags: &Tags) -> Hindrance {
        if tags.is_empty() {
            return Hindrance::default();
        }
        let barrier = tag(tags, "barrier");
        // `bollard:rising`, else `bollard`.
        let pass = barrier.map(|barrier| {
            let kind = tag(tags, barrier).and_then(|kind| self.node.pass.get(&format!("{barrier}:{kind}")));
            kind.or_else(|| self.node.pass.get(barrier)).copied()
        });
        let blocked = match self.judge(tags, false) {
            Judgement::Denied => true,
            Judgement::Silent => pass == Some(None),
            _ => false,
        };
        let direction = tag(tags, "traffic_signals:direction").or_else(|| tag(tags, "direction"));
        let delays = self.node.delay.iter().filter_map(|(key, table)| table.get(tag(tags, key)?));
        let delay = delays.sum::<f64>();
        let pass = pass.flatten().unwrap_or(0.0);
        let ms = |other: &str| ((pass + if direction == Some(other) { 0.0 } else { delay }) * 1e3) as u32;
        Hindrance { blocked: blocked || barrier.is_some() && self.too_large(tags, false), delay_ms: [ms("backward"), ms("forward")] }
    }

    /// What a turn by an angle takes, milliseconds: -180 to 180 degrees, positive to the right. A logistic curve, flat for
    /// slight bends and for sharp turns.
    pub fn turn_ms(&self, degrees: f64, left_hand: bool, u_turn: bool) -> u32 {
        let bias = if left_hand { 1.0 / self.turn.bias } else { self.turn.bias };
        // For the side that crosses oncoming traffic the curve begins earlier.
        let bias = if degrees < 0.0 { 1.0 / bias } else { bias };
        let angle = self.turn.penalty / (1.0 + (6.5 * bias - 13.0 / bias * degrees.abs() / 180.0).exp());
        ((angle + if u_turn { self.turn.u_turn } else { 0.0 }) * 1e3).round() as u32
    }

    /// The surcharge for driving through roads for those who begin or end there, minutes.
    pub fn surcharge(&self) -> u8 {
        self.access.through_minutes
    }
}

/// What `over` says replaces or joins what is there, table by table.
fn overlay(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(over)) => overlay(below, over),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn wrong(name: &str, key: &str, what: impl ToString) -> Error {
    let what = what.to_string();
    let error = Error::new(Code::InvalidDefinition, key, what.trim(), "See data/profiles/car.toml / 参照 data/profiles/car.toml");
    error.within(&format!("profiles/{name}.toml"))
}
