//! Makes the fictional county 云溪县 (Yunxi): `cargo run --example demo-county` rewrites `data/demo/`.
//!
//! Nothing in it exists: no place, person or telephone number. Its totals are those of published work plans of county bureaus,
//! so that answers can be checked against known figures. Same program, same bytes.

use std::{f64::consts::TAU, fmt::Write, fs, path::Path};

mod registers;
mod roads;

pub type P = (f64, f64);

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }
    fn near(&mut self, at: P, spread: f64) -> P {
        let (r, a) = (spread * self.unit().sqrt(), TAU * self.unit());
        (at.0 + r * a.cos() * 1.13, at.1 + r * a.sin())
    }
    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const CENTER: P = (113.95, 28.62);
pub const TOWNS: [(&str, P); 8] = [
    ("云溪镇", (113.95, 28.62)),
    ("石桥镇", (113.83, 28.70)),
    ("枫林镇", (114.07, 28.73)),
    ("白沙镇", (113.80, 28.55)),
    ("长岭乡", (114.12, 28.60)),
    ("柳塘镇", (113.90, 28.48)),
    ("青峰乡", (114.05, 28.49)),
    ("大源乡", (113.94, 28.77)),
];
const VILLAGES: [&str; 40] = [
    "城东", "城西", "溪口", "南门", "新塘", "石桥", "上坪", "竹山", "茶亭", "龙潭", "枫林", "红岩", "水竹", "塔下", "金鸡", "白沙", "河洲",
    "渡头", "杨柳", "沙湾", "长岭", "松源", "黄泥", "岭背", "双坑", "柳塘", "荷花", "西岸", "油坊", "大屋", "青峰", "半山", "云台", "石门",
    "茅坪", "大源", "源头", "桃坪", "木桥", "高田",
];
const SURNAMES: [&str; 16] = ["陈", "李", "王", "张", "刘", "杨", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何"];
const GIVEN: [&str; 16] =
    ["建国", "秀英", "志强", "丽华", "海涛", "春梅", "文斌", "晓燕", "国平", "玉兰", "立新", "桂香", "永康", "雪琴", "卫东", "小红"];

/// A collection being written.
struct Layer {
    name: &'static str,
    features: Vec<String>,
    /// Its points with their names.
    sites: Vec<(P, String)>,
}

/// A property's JSON.
fn s(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

impl Layer {
    fn new(name: &'static str) -> Layer {
        Layer { name, features: vec![], sites: vec![] }
    }
    fn add(&mut self, geometry: String, code: String, name: &str, area: &str, properties: &[(&str, String)]) {
        let mut out = format!(
            "{{\"type\":\"Feature\",\"geometry\":{geometry},\"properties\":{{\"code\":{},\"name\":{},\"area_code\":{},\"source\":\"demo\"",
            s(&code),
            s(name),
            s(area)
        );
        for (key, value) in properties {
            let _ = write!(out, ",\"{key}\":{value}");
        }
        self.features.push(out + "}}");
    }
    fn point(&mut self, at: P, code: String, name: &str, area: &str, properties: &[(&str, String)]) {
        self.add(point(at), code, name, area, properties);
        self.sites.push((at, name.to_owned()));
    }
    fn text(&self) -> String {
        format!("{{\"type\":\"FeatureCollection\",\"fictional\":true,\"features\":[\n{}\n]}}\n", self.features.join(",\n"))
    }
}

fn xy(p: P) -> String {
    format!("[{:.5},{:.5}]", p.0, p.1)
}

fn point(p: P) -> String {
    format!("{{\"type\":\"Point\",\"coordinates\":{}}}", xy(p))
}

fn ring(points: &[P]) -> String {
    let mut all: Vec<String> = points.iter().map(|p| xy(*p)).collect();
    all.push(all[0].clone());
    format!("{{\"type\":\"Polygon\",\"coordinates\":[[{}]]}}", all.join(","))
}

fn line(points: &[P]) -> String {
    format!("{{\"type\":\"LineString\",\"coordinates\":[{}]}}", points.iter().map(|p| xy(*p)).collect::<Vec<_>>().join(","))
}

/// The part of a convex polygon that is nearer to `own` than to each of `others`.
fn cell(mut polygon: Vec<P>, own: P, others: &[P]) -> Vec<P> {
    for other in others.iter().filter(|other| **other != own) {
        let (middle, normal) = (((own.0 + other.0) / 2.0, (own.1 + other.1) / 2.0), (other.0 - own.0, other.1 - own.1));
        let side = |p: P| (p.0 - middle.0) * normal.0 + (p.1 - middle.1) * normal.1;
        let mut next = vec![];
        for i in 0..polygon.len() {
            let (a, b) = (polygon[i], polygon[(i + 1) % polygon.len()]);
            if side(a) <= 0.0 {
                next.push(a);
            }
            if (side(a) <= 0.0) != (side(b) <= 0.0) {
                let t = side(a) / (side(a) - side(b));
                next.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
            }
        }
        polygon = next;
    }
    polygon
}

/// The river as a line through the county, and its reaches by towns.
fn river() -> Vec<P> {
    (0..=48)
        .map(|i| i as f64 / 48.0)
        .map(|t| (113.72 + 0.47 * t, 28.56 + 0.11 * t + 0.035 * (t * 9.0).sin() + 0.012 * (t * 23.0).sin()))
        .collect()
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo");
    for (name, text) in files() {
        fs::write(folder.join(name), text).expect("data/demo can be written");
    }
}

/// All files of the county: their names and what is in them.
pub fn files() -> Vec<(String, String)> {
    let mut random = Random(20_241_124);
    let person = |random: &mut Random| format!("{}{}", random.pick(&SURNAMES), random.pick(&GIVEN));
    // 000 begins no telephone number in China.
    let phone = |random: &mut Random| s(&format!("000{:08}", random.below(100_000_000)));
    let area = |town: usize, village: usize| format!("990000{:03}{:03}", town, village);

    // The county: a convex outline, so that its parts are too.
    let county: Vec<P> = (0..28).map(|i| TAU * i as f64 / 28.0).map(|a| (CENTER.0 + 0.26 * a.cos(), CENTER.1 + 0.205 * a.sin())).collect();
    let town_at: Vec<P> = TOWNS.iter().map(|town| town.1).collect();

    let (mut grid, mut population, mut teams, mut contacts) =
        (Layer::new("grid"), Layer::new("population"), Layer::new("response_team"), Layer::new("contact"));
    grid.add(
        ring(&county),
        "YX".into(),
        "云溪县(虚构)",
        "990000000000",
        &[("level", "1".into()), ("accountable", s("陈建国")), ("phone", phone(&mut random)), ("has_plan", "true".into())],
    );
    let mut villages: Vec<(P, String, String)> = vec![];
    let mut village_cells = vec![];
    for (t, (town, at)) in TOWNS.iter().enumerate() {
        let town_cell = cell(county.clone(), *at, &town_at);
        let who = person(&mut random);
        grid.add(
            ring(&town_cell),
            format!("YX-{:02}", t + 1),
            town,
            &area(t + 1, 0),
            &[("level", "2".into()), ("accountable", s(&who)), ("phone", phone(&mut random)), ("has_plan", "true".into())],
        );
        contacts.point(
            *at,
            format!("YX-CT-T{}", t + 1),
            &who,
            &area(t + 1, 0),
            &[
                ("duty", s("leader")),
                ("organisation", s(&format!("{town}人民政府"))),
                ("phone", phone(&mut random)),
                ("channel", s("phone")),
            ],
        );
        // Five villages a town: one at its seat, four along the valleys round it.
        let turn = random.between(0.0, TAU);
        let sites: Vec<P> = (0..5)
            .map(|i| match i {
                0 => *at,
                _ => {
                    let a = turn + TAU * (i - 1) as f64 / 4.0;
                    let r = random.between(0.022, 0.036);
                    (at.0 + r * 1.13 * a.cos(), at.1 + r * a.sin())
                }
            })
            .collect();
        for (v, site) in sites.iter().enumerate() {
            let name = format!("{}村", VILLAGES[t * 5 + v]);
            let (code, area) = (format!("YX-{:02}-{:02}", t + 1, v + 1), area(t + 1, 200 + v));
            let own = cell(town_cell.clone(), *site, &sites);
            let who = person(&mut random);
            grid.add(
                ring(&own),
                code.clone(),
                &name,
                &area,
                &[("level", "3".into()), ("accountable", s(&who)), ("phone", phone(&mut random)), ("has_plan", "true".into())],
            );
            contacts.point(
                *site,
                format!("YX-CT-{code}"),
                &who,
                &area,
                &[
                    ("duty", s("village_head")),
                    ("organisation", s(&format!("{name}村委会"))),
                    ("phone", phone(&mut random)),
                    ("channel", s(if v == 4 { "satellite" } else { "phone" })),
                ],
            );
            villages.push((*site, name, area));
            village_cells.push(own);
        }
    }
    // People: hamlets round each village, thick in the county seat.
    for (n, (at, name, area)) in villages.iter().enumerate() {
        let seat = n < 5;
        let hamlets = if seat { 14 } else { 6 };
        for h in 0..hamlets {
            let place = random.near(*at, if seat { 0.018 } else { 0.012 });
            let people = if seat { 1_800 + random.below(1_400) } else { 300 + random.below(900) };
            let night = (people as f64 * random.between(0.8, 1.25)) as usize;
            population.point(
                place,
                format!("YX-POP-{:03}", population.features.len() + 1),
                &format!("{name}{}组", h + 1),
                area,
                &[
                    ("people", people.to_string()),
                    ("people_night", night.to_string()),
                    ("elderly", (people / 6).to_string()),
                    ("children", (people / 7).to_string()),
                ],
            );
        }
    }
    // 41 teams and 1,600 people: 40 of 38 in the villages, one of 80 in the seat.
    let skills =
        ["[\"flood\",\"evacuation\"]", "[\"rescue\"]", "[\"fire\",\"evacuation\"]", "[\"flood\",\"engineering\"]", "[\"medical\"]"];
    for (n, (at, name, area)) in villages.iter().enumerate() {
        let state = if n % 13 == 7 {
            "off_duty"
        } else if n % 17 == 5 {
            "on_scene"
        } else {
            "free"
        };
        let place = random.near(*at, 0.002);
        teams.point(
            place,
            format!("YX-TM-{:02}", n + 1),
            &format!("{name}应急分队"),
            area,
            &[
                ("kind", s("village")),
                ("state", s(state)),
                ("headcount", "38".into()),
                ("skills", skills[n % 5].into()),
                ("leader", s(&person(&mut random))),
                ("phone", phone(&mut random)),
            ],
        );
    }
    teams.point(
        (113.957, 28.627),
        "YX-TM-41".into(),
        "云溪镇综合应急救援队",
        &area(1, 0),
        &[
            ("kind", s("town")),
            ("state", s("free")),
            ("headcount", "80".into()),
            ("skills", "[\"rescue\",\"fire\",\"confined\",\"chemical\"]".into()),
            ("equipment", s("抢险车 3 辆、正压式空气呼吸器 20 套、四合一气体检测仪 6 台")),
            ("leader", s("周卫东")),
            ("phone", phone(&mut random)),
        ],
    );

    // Four shelters, one of class II.
    let mut shelters = Layer::new("shelter");
    for (i, (name, at, class, capacity, occupied, area_m2, state, unsafe_for)) in [
        ("云溪县第一中学避难场所", (113.9452, 28.6291), "II", 6_000, 1_240, 18_000, "open", "[]"),
        ("人民广场避难场所", (113.9561, 28.6188), "III", 2_500, 0, 5_200, "open", "[\"flood\",\"typhoon\"]"),
        ("石桥中心小学避难场所", (113.8324, 28.7031), "III", 1_200, 1_200, 2_600, "open", "[]"),
        ("柳塘镇文化站避难场所", (113.9018, 28.4826), "III", 600, 0, 1_300, "closed", "[\"earthquake\"]"),
    ]
    .into_iter()
    .enumerate()
    {
        shelters.point(
            at,
            format!("YX-SH-{:02}", i + 1),
            name,
            &area(1, 0),
            &[
                ("state", s(state)),
                ("capacity", capacity.to_string()),
                ("occupied", occupied.to_string()),
                ("area_m2", area_m2.to_string()),
                ("class_2008", s(class)),
                ("indoor", (i > 1).to_string()),
                ("unsafe_for", unsafe_for.into()),
                ("entrances", (2 + i % 3).to_string()),
                ("manager", s(&person(&mut random))),
                ("phone", phone(&mut random)),
            ],
        );
    }

    // Five depots, and the published stock list spread over them. 方 is m³.
    let mut depots = Layer::new("supply_depot");
    let sites = [
        ("县级应急物资储备库", (113.9380, 28.6135), "county"),
        ("石桥镇储备点", (113.8360, 28.6985), "town"),
        ("白沙镇防汛仓库", (113.8050, 28.5530), "town"),
        ("青峰乡储备点", (114.0480, 28.4930), "town"),
        ("枫林镇储备点", (114.0720, 28.7280), "town"),
    ];
    for (i, (name, at, level)) in sites.iter().enumerate() {
        depots.point(
            *at,
            format!("YX-DP-{:02}", i + 1),
            name,
            &area(1, 0),
            &[("state", s("open")), ("level", s(level)), ("custodian", s(&person(&mut random))), ("phone", phone(&mut random))],
        );
    }
    let mut stock = String::from("储备库编码,物资编码,物资名称,计量单位,批号,有效期,数量\n");
    let items: [(&str, &str, &str, [u32; 5], &str); 11] = [
        ("3010101", "编织袋", "条", [9_000, 3_000, 5_000, 1_000, 2_000], ""),
        ("3010201", "水泥", "t", [120, 20, 40, 10, 10], ""),
        ("3010301", "砂石", "m³", [500, 150, 300, 50, 100], ""),
        ("3010302", "石块", "m³", [600, 200, 500, 100, 100], ""),
        ("3010401", "木材", "m³", [6, 1, 2, 0, 1], ""),
        ("3010501", "铁丝及钢管", "kg", [900, 200, 400, 100, 200], ""),
        ("3010601", "土工布", "m²", [2_000, 500, 1_200, 200, 300], "2029-12-31"),
        ("2020101", "30 kW 发电机", "台", [1, 0, 0, 0, 0], ""),
        ("2030101", "应急灯", "盏", [18, 5, 8, 3, 4], "2028-06-30"),
        ("2040101", "卡车", "辆", [10, 2, 4, 1, 1], ""),
        ("2050101", "救生衣", "件", [16, 4, 14, 2, 4], "2030-12-31"),
    ];
    for (code, name, unit, shares, expiry) in items {
        for (i, quantity) in shares.iter().enumerate().filter(|(_, quantity)| **quantity > 0) {
            let _ = writeln!(stock, "YX-DP-{:02},{code},{name},{unit},2024,{expiry},{quantity}", i + 1);
        }
    }

    // 2,295 confined spaces by sector, as one work plan has them.
    let mut confined = Layer::new("confined_space");
    for (sector, zh, count) in [
        ("municipal", "市政", 1_185),
        ("industry", "工贸", 424),
        ("environment", "环保", 278),
        ("livestock", "畜禽", 156),
        ("other", "其他", 76),
        ("power", "电力", 69),
        ("construction", "建筑", 60),
        ("chemical", "危化", 47),
    ] {
        for n in 1..=count {
            // Manholes lie in the seat; the rest with the villages.
            let (at, _, area) = &villages[if sector == "municipal" && n % 3 > 0 { random.below(5) } else { random.below(40) }];
            let place = random.near(*at, 0.012);
            let kind = match sector {
                "municipal" => "污水井",
                "environment" => "污水处理池",
                "livestock" => "沼气池",
                "power" => "电缆井",
                _ => "储罐",
            };
            confined.point(
                place,
                format!("YX-CS-{}-{n:04}", sector[..2].to_uppercase()),
                &format!("{zh}{kind} {n}"),
                area,
                &[
                    ("sector", s(sector)),
                    ("gas_hazard", s(if sector == "power" { "缺氧" } else { "硫化氢" })),
                    ("permit", "true".into()),
                    ("rescue_kit", (n % 3 == 0).to_string()),
                ],
            );
        }
    }

    let mut hazards = Layer::new("hazard_source");
    for (i, (name, at, kind, substance, q, threshold, grade, state)) in [
        ("云溪县自来水厂加氯间", (113.921, 28.601), "chlorine", "氯", 6.0, 5.0, "4", "normal"),
        ("白沙化工有限公司", (113.788, 28.541), "chemical", "苯", 320.0, 50.0, "2", "normal"),
        ("枫林液化气储配站", (114.083, 28.741), "gas", "液化石油气", 180.0, 50.0, "3", "normal"),
        ("长岭烟花爆竹仓库", (114.141, 28.611), "fireworks", "烟火药", 38.0, 10.0, "3", "no_signal"),
        ("柳塘冷链物流园", (113.912, 28.474), "ammonia", "氨", 14.0, 10.0, "4", "alarm"),
        ("石桥加油站", (113.841, 28.709), "fuel", "汽油", 60.0, 200.0, "none", "normal"),
        ("城东加油站", (113.972, 28.623), "fuel", "汽油", 90.0, 200.0, "none", "normal"),
        ("城西加油站", (113.929, 28.620), "fuel", "汽油", 75.0, 200.0, "none", "normal"),
        ("青峰矿业尾矿库", (114.075, 28.470), "mine", "尾砂", 0.0, 0.0, "none", "normal"),
        ("云溪天然气门站", (113.941, 28.640), "gas", "天然气", 22.0, 50.0, "none", "normal"),
        ("大源竹制品厂", (113.947, 28.779), "industrial", "胶黏剂", 2.0, 10.0, "none", "stopped"),
        ("枫林食品冷库", (114.061, 28.722), "ammonia", "氨", 11.5, 10.0, "4", "normal"),
    ]
    .into_iter()
    .enumerate()
    {
        hazards.point(
            at,
            format!("YX-HS-{:02}", i + 1),
            name,
            "990000000000",
            &[
                ("kind", s(kind)),
                ("substance", s(substance)),
                ("quantity_t", format!("{q}")),
                ("threshold_t", format!("{threshold}")),
                ("grade", s(grade)),
                ("state", s(state)),
                ("last_seen", s("2026-05-12T06:20:00Z")),
                ("responsible", s(&person(&mut random))),
                ("phone", phone(&mut random)),
            ],
        );
    }

    let mut facilities = Layer::new("facility");
    let mut facility = |random: &mut Random, at: P, name: String, kind: &str, people: usize, more: (&str, String)| {
        let n = facilities.features.len() + 1;
        facilities.point(
            at,
            format!("YX-FC-{n:03}"),
            &name,
            "990000000000",
            &[("kind", s(kind)), ("people", people.to_string()), (more.0, more.1), ("contact", s(&person(random)))],
        );
    };
    facility(&mut random, (113.949, 28.615), "云溪县人民医院".into(), "hospital", 900, ("beds", "620".into()));
    facility(&mut random, (113.962, 28.631), "云溪县中医院".into(), "hospital", 420, ("beds", "260".into()));
    facility(&mut random, (113.934, 28.622), "云溪县消防救援大队".into(), "fire_station", 48, ("address", s("城西村")));
    facility(&mut random, (113.951, 28.622), "云溪县人民政府".into(), "government", 300, ("address", s("城东村")));
    for (t, (town, at)) in TOWNS.iter().enumerate() {
        let place = random.near(*at, 0.006);
        facility(&mut random, place, format!("{town}卫生院"), "clinic", 40, ("beds", (30 + 5 * t).to_string()));
        let place = random.near(*at, 0.006);
        facility(&mut random, place, format!("{town}敬老院"), "nursing_home", 60, ("beds", "80".into()));
        let place = random.near(*at, 0.005);
        facility(&mut random, place, format!("{town}派出所"), "police", 15, ("address", s(town)));
    }
    // 45 school buildings were inspected.
    for n in 0..45 {
        let (at, name, _) = &villages[if n < 40 { n } else { n - 40 }];
        let place = random.near(*at, 0.006);
        let school = if n < 40 {
            format!("{}小学", name.trim_end_matches('村'))
        } else {
            format!("云溪县第{}中学", ["一", "二", "三", "四", "五"][n - 40])
        };
        facility(&mut random, place, school, "school", if n < 40 { 120 + 17 * n } else { 1_500 }, ("address", s(name)));
    }

    let mut weather = Layer::new("weather_observation");
    for (n, (town, at)) in TOWNS.iter().enumerate() {
        let wind = 190.0 + random.between(-25.0, 25.0);
        weather.point(
            random.near(*at, 0.01),
            format!("YX-WX-{:02}", n + 1),
            &format!("{town}气象站"),
            &area(n + 1, 0),
            &[
                ("wind_direction", format!("{wind:.0}")),
                ("wind_speed", format!("{:.1}", random.between(2.0, 6.0))),
                ("temperature", format!("{:.1}", random.between(18.0, 22.0))),
                ("rain_1h", format!("{:.1}", random.between(8.0, 31.0))),
                ("observed_at", s("2026-05-12T06:00:00Z")),
            ],
        );
    }

    // A flood along the middle reach, and a leak that is over.
    let river = river();
    let (mut areas, mut incidents) = (Layer::new("hazard_area"), Layer::new("incident"));
    let reach: Vec<P> = river[8..20].to_vec();
    let mut bank: Vec<P> = reach.iter().map(|p| (p.0, p.1 - 0.006)).collect();
    bank.extend(reach.iter().rev().map(|p| (p.0, p.1 + 0.006)));
    areas.add(
        ring(&bank),
        "YX-HA-01".into(),
        "云溪河中段淹没区",
        "990000000000",
        &[("kind", s("flood")), ("state", s("active")), ("valid_from", s("2026-05-12T04:00:00Z")), ("reason", s("石桥水文站超警戒 0.8 m"))],
    );
    let leak: Vec<P> =
        (0..16).map(|i| TAU * f64::from(i) / 16.0).map(|a| (113.912 + 0.006 * 1.13 * a.cos(), 28.474 + 0.006 * a.sin())).collect();
    areas.add(
        ring(&leak),
        "YX-HA-02".into(),
        "柳塘冷链警戒区",
        "990000000000",
        &[
            ("kind", s("hazmat")),
            ("state", s("lifted")),
            ("valid_from", s("2026-05-10T01:00:00Z")),
            ("valid_to", s("2026-05-10T09:00:00Z")),
        ],
    );
    incidents.point(
        reach[6],
        "YX-IN-01".into(),
        "云溪河洪水",
        "990000000000",
        &[
            ("kind", s("flood")),
            ("grade", s("3")),
            ("state", s("responding")),
            ("occurred_at", s("2026-05-12T03:40:00Z")),
            ("missing", "0".into()),
            ("description", s("河洲村、渡头村低洼处进水,正在转移群众")),
            ("commander", s("周卫东")),
        ],
    );
    incidents.point(
        (113.912, 28.474),
        "YX-IN-02".into(),
        "柳塘冷链物流园氨泄漏",
        "990000000000",
        &[
            ("kind", s("hazmat")),
            ("grade", s("4")),
            ("state", s("controlled")),
            ("occurred_at", s("2026-05-10T00:50:00Z")),
            ("injured", "2".into()),
            ("commander", s("胡国平")),
        ],
    );

    // The ground: for the background of the map, no register.
    let mut terrain = Layer::new("terrain");
    let mut ground = |geometry: String, class: &str, name: &str| {
        terrain.features.push(format!(
            "{{\"type\":\"Feature\",\"geometry\":{geometry},\"properties\":{{\"class\":{},\"name\":{}}}}}",
            s(class),
            s(name)
        ));
    };
    ground(ring(&county), "boundary", "云溪县(虚构)");
    let mut rivers = vec![("云溪河", river.clone())];
    for (name, from, to) in [
        ("石桥溪", (113.83, 28.72), river[14]),
        ("大源溪", (113.945, 28.79), river[24]),
        ("青峰溪", (114.06, 28.46), river[36]),
        ("柳塘溪", (113.89, 28.46), river[20]),
    ] {
        let bend = |t: f64| {
            (
                from.0 + (to.0 - from.0) * t + 0.008 * (t * 11.0).sin() * (1.0 - t) * t * 4.0,
                from.1 + (to.1 - from.1) * t + 0.004 * (t * 17.0).sin() * (1.0 - t),
            )
        };
        rivers.push((name, (0..=16).map(|i| bend(f64::from(i) / 16.0)).collect()));
    }
    for (name, course) in &rivers {
        ground(line(course), "river", name);
    }
    let lake: Vec<P> = (0..24)
        .map(|i| TAU * f64::from(i) / 24.0)
        .map(|a| (113.905 + (0.013 + 0.003 * (3.0 * a).sin()) * a.cos(), 28.735 + (0.008 + 0.002 * (2.0 * a).cos()) * a.sin()))
        .collect();
    ground(ring(&lake), "lake", "大源水库");
    for (town, at) in &TOWNS {
        ground(point(*at), "place", town);
    }

    // The roads: to the villages first, then to each hamlet and whatever else may be gone to.
    let mut roads = roads::Roads::new(roads::Ground { rivers: &rivers, lake: &lake }, Random(20_260_512));
    roads.plan(&TOWNS);
    let paved = || vec![("surface", s("concrete"))];
    for (at, name, _) in &villages {
        roads.lead_to(*at, 30.0, &format!("{name}公路"), "unclassified", paved());
    }
    for (n, (at, name, _)) in villages.iter().enumerate().skip(5) {
        let (next, other, _) = &villages[if n % 5 == 4 { n - 3 } else { n + 1 }];
        if n % 5 > 0 && n % 3 > 0 {
            let stem = |name: &str| name.trim_end_matches('村').to_owned();
            roads.link(*at, *next, &format!("{}{}公路", stem(name), stem(other)), &format!("Y{n:03}"));
        }
    }
    for (at, name) in &population.sites {
        roads.lead_to(*at, 110.0, &format!("{name}路"), "unclassified", paved());
    }
    for (layer, beyond) in [
        (&shelters, 90.0),
        (&depots, 90.0),
        (&teams, 150.0),
        (&facilities, 150.0),
        (&hazards, 150.0),
        (&weather, 150.0),
        (&confined, 800.0),
    ] {
        for (at, _) in &layer.sites {
            roads.lead_to(*at, beyond, "", "service", paved());
        }
    }
    for (n, (at, _)) in population.sites.iter().enumerate().skip(70) {
        roads.wild(*at, n);
    }

    let layers = [
        &grid,
        &population,
        &teams,
        &contacts,
        &shelters,
        &depots,
        &confined,
        &hazards,
        &facilities,
        &weather,
        &areas,
        &incidents,
        &terrain,
    ];
    let mut files: Vec<(String, String)> = layers.iter().map(|layer| (format!("{}.geojson", layer.name), layer.text())).collect();
    files.push(("road.geojson".into(), roads.finish()));
    files.push(("stock.csv".into(), stock));
    files.extend(registers::files(&mut Random(20_250_901), &villages, person));
    files
}
