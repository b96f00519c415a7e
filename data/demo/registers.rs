//! The registers of the county's daily work, as spreadsheets: firms, hidden dangers, visits, plans, drills and the like.
//!
//! Figures that come from different plans have different sources and campaigns, as they are never added up.

use std::fmt::Write;

use super::{P, Random};

/// Sectors with their numbers of firms, 189 in all, and what is found wrong there.
const SECTORS: [(&str, usize, [&str; 3]); 8] = [
    ("危险化学品", 12, ["可燃气体探测器过期未检定", "储罐区防火堤破损", "装卸区静电接地失效"]),
    ("矿山", 9, ["边坡裂缝未监测", "排水沟淤塞", "安全出口指示缺失"]),
    ("烟花爆竹", 6, ["仓库超量储存", "防雷设施未检测", "作业区通道堵塞"]),
    ("工贸", 84, ["配电箱无防护门", "除尘系统未清灰", "叉车无检验合格证"]),
    ("建筑施工", 31, ["临边防护缺失", "脚手架连墙件不足", "塔吊限位失灵"]),
    ("交通运输", 18, ["客车灭火器过期", "驾驶员疲劳监测离线", "停车场消防通道占用"]),
    ("城镇燃气", 11, ["调压箱泄漏报警失效", "软管老化", "瓶库通风不足"]),
    ("教育", 18, ["宿舍疏散门上锁", "食堂燃气无切断阀", "外墙饰面脱落"]),
];
const COMMITTEES: [&str; 12] = ["危化", "矿山", "烟花", "工贸", "建设", "道路交通", "消防", "燃气", "教育", "农业", "文旅", "特种设备"];
const TRADES: [&str; 8] = ["化工", "矿业", "花炮", "制造", "建设", "运输", "燃气", "学校"];
const CALLED: [&str; 12] = ["恒泰", "顺达", "金源", "宏远", "永兴", "华盛", "新城", "明德", "东和", "瑞丰", "安康", "广利"];

/// Sources of figures: the plans of different bureaus.
const PLANS: [&str; 3] = ["演示:甲县方案", "演示:乙县方案", "演示:丙镇方案"];

struct Firm {
    code: String,
    sector: usize,
    at: P,
}

fn day(random: &mut Random, year: u16, months: std::ops::Range<usize>) -> String {
    format!("{year}-{:02}-{:02}", months.start + random.below(months.len()), 1 + random.below(28))
}

/// A row; no cell has a comma or a quote.
fn row(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "{}", cells.join(","));
}

/// The files, given the county's villages: place, name, area code.
pub fn files(random: &mut Random, villages: &[(P, String, String)], person: impl Fn(&mut Random) -> String) -> Vec<(String, String)> {
    let place = |at: P| (format!("{:.5}", at.0), format!("{:.5}", at.1));
    let mut enterprises =
        "编码,企业名称,行业,安全负责人,从业人数,专委会,标准化状态,标准化等级,预案备案,物资备案,数据来源,经度,纬度\n".to_owned();
    let mut firms: Vec<Firm> = vec![];
    for (sector, (name, count, _)) in SECTORS.iter().enumerate() {
        for _ in 0..*count {
            let (village, _, _) = &villages[random.below(villages.len())];
            let at = random.near(*village, 0.012);
            let n = firms.len();
            let code = format!("YX-QY-{:03}", n + 1);
            let called = format!(
                "云溪{}{}{}",
                CALLED[n % 12],
                TRADES[sector],
                if sector == 7 { format!("第{}", n + 1) } else { format!("{}厂", n + 1) }
            );
            // 8 certified and 43 on the way; of 149 firms that must have a plan 136 have filed it, of all 189 that must have supplies 157.
            let (state, level) = match n * 37 % 189 {
                0..8 => ("已达标", ["二级", "三级"][n % 2]),
                8..51 => ("创建中", ""),
                _ => ("未开展", ""),
            };
            let plan = match n * 50 % 189 {
                0..136 => "是",
                136..149 => "否",
                _ => "",
            };
            let supplies = if n * 61 % 189 < 157 { "是" } else { "否" };
            let (lon, lat) = place(at);
            let employees = (8 + random.below(240)).to_string();
            row(
                &mut enterprises,
                &[
                    &code,
                    &called,
                    name,
                    &person(random),
                    &employees,
                    COMMITTEES[n % 12],
                    state,
                    level,
                    plan,
                    supplies,
                    PLANS[1],
                    &lon,
                    &lat,
                ],
            );
            firms.push(Firm { code, sector, at });
        }
    }

    let mut dangers = "编码,隐患内容,专项行动,企业,行业,隐患级别,发现日期,排查人,状态,整改责任人,整改期限,整改完成人,整改完成日期,整改后照片,复查人,销号日期,数据来源,经度,纬度\n".to_owned();
    // 3,714 of which 3,441 are closed; and, of another plan, 1,500.
    for (campaign, source, count, closed) in [("大排查大整治", PLANS[0], 3_714, 3_441), ("百日攻坚", PLANS[1], 1_500, 1_386)] {
        for n in 0..count {
            let firm = &firms[random.below(firms.len())];
            let (sector, _, wrong) = &SECTORS[firm.sector];
            let (lon, lat) = place(random.near(firm.at, 0.0004));
            let code = format!("YX-YH-{}{n:04}", if campaign == "百日攻坚" { "B" } else { "A" });
            let state = match n {
                n if n < closed => "已销号",
                n => ["登记", "已交办", "已交办", "整改中", "整改中", "整改中", "待复查"][n % 7],
            };
            let (found, due) = (day(random, 2025, 1..7), if n >= closed && n % 4 == 0 { "2026-03-31" } else { "2030-06-30" });
            let is = |states: &[&str]| states.contains(&state);
            let given = !is(&["登记"]);
            let mended = is(&["待复查", "已销号"]);
            let (assignee, mender) = (person(random), person(random));
            let reviewer = loop {
                let who = person(random);
                if who != mender {
                    break who;
                }
            };
            let (mended_on, closed_on) = (day(random, 2025, 7..10), day(random, 2025, 10..13));
            let photo = format!("{code}-后.jpg");
            let one = |yes: bool, text: &'_ str| if yes { text.to_owned() } else { String::new() };
            let grade = if n % 97 == 0 { "重大隐患" } else { "一般隐患" };
            let closed = is(&["已销号"]);
            row(
                &mut dangers,
                &[
                    &code,
                    wrong[n % 3],
                    campaign,
                    &firm.code,
                    sector,
                    grade,
                    &found,
                    &person(random),
                    state,
                    &one(given, &assignee),
                    &one(given, due),
                    &one(mended, &mender),
                    &one(mended, &mended_on),
                    &one(mended, &photo),
                    &one(closed, &reviewer),
                    &one(closed, &closed_on),
                    source,
                    &lon,
                    &lat,
                ],
            );
        }
    }

    let mut visits =
        "编码,检查事项,专项行动,检查方式,检查组,检查人员,检查日期,检查次数,发现问题数,执法文书数,立案数,检查结果,状态,数据来源,企业\n"
            .to_owned();
    // 355 groups, 2,680 visits, 1,164 problems: a row for each group.
    for n in 0..355 {
        let (group, visits_of, problems) =
            ((n + 1).to_string(), (7 + usize::from(n < 195)).to_string(), (3 + usize::from(n < 99)).to_string());
        let who = format!("{} {}", person(random), person(random));
        row(
            &mut visits,
            &[
                &format!("YX-DC-{:03}", n + 1),
                "安全生产督查",
                "大排查大整治",
                "督查",
                &group,
                &who,
                &day(random, 2025, 1..10),
                &visits_of,
                &problems,
                "0",
                "0",
                "已反馈",
                "已检查",
                PLANS[0],
                "",
            ],
        );
    }
    for n in 0..31 {
        let who = format!("{} {}", person(random), person(random));
        let firm = &firms[random.below(firms.len())].code;
        row(
            &mut visits,
            &[
                &format!("YX-SJ-{:03}", n + 1),
                "双随机抽查",
                "双随机一公开",
                "双随机",
                "",
                &who,
                &day(random, 2025, 3..12),
                "1",
                "0",
                "0",
                "0",
                "结果已公示",
                "公示",
                PLANS[0],
                firm,
            ],
        );
    }
    // Another plan's: 300 visits, 60 orders, 12 cases; what they found is in the register of hidden dangers.
    for n in 0..12 {
        let who = format!("{} {}", person(random), person(random));
        row(
            &mut visits,
            &[
                &format!("YX-GJ-{:03}", n + 1),
                "攻坚检查",
                "百日攻坚",
                "专项检查",
                &(n + 1).to_string(),
                &who,
                &day(random, 2025, 9..12),
                "25",
                "0",
                "5",
                "1",
                "已处理",
                "已检查",
                PLANS[1],
                "",
            ],
        );
    }

    let mut plans =
        "编码,预案名称,层级,类别,适用灾种,评审日期,备案日期,备案编号,有效期至,附风险评估,附资源调查,状态,数据来源,经度,纬度\n".to_owned();
    for (n, (at, name, _)) in villages.iter().enumerate() {
        let (lon, lat) = place(*at);
        let filed = day(random, 2024, 3..6);
        row(
            &mut plans,
            &[
                &format!("YX-YA-C{:02}", n + 1),
                &format!("{name}防汛避险应急预案"),
                "村级",
                "现场处置",
                "洪水",
                "2024-02-20",
                &filed,
                &format!("云应备〔2024〕{}号", n + 1),
                "2027-12-31",
                "是",
                "是",
                "已备案",
                PLANS[2],
                &lon,
                &lat,
            ],
        );
    }
    for (n, (name, hazard)) in
        [("突发事件总体应急预案", ""), ("防汛抗旱应急预案", "洪水"), ("地震应急预案", "地震"), ("森林火灾应急预案", "森林火灾")]
            .iter()
            .enumerate()
    {
        let category = if n == 0 { "总体" } else { "专项" };
        row(
            &mut plans,
            &[
                &format!("YX-YA-X{:02}", n + 1),
                &format!("云溪县{name}"),
                "县级",
                category,
                hazard,
                "2024-01-15",
                "2024-02-01",
                &format!("云政发〔2024〕{}号", n + 1),
                "2027-12-31",
                "是",
                "是",
                "已备案",
                PLANS[0],
                "",
                "",
            ],
        );
    }

    let mut drills = "编码,演练名称,类型,演练日期,参演人数,评估,状态,数据来源,经度,纬度\n".to_owned();
    for (n, kind) in ["综合", "综合", "综合", "防洪", "防震", "学校", "学校", "学校"].iter().enumerate() {
        let (at, name, _) = &villages[n * 5];
        let (lon, lat) = place(*at);
        row(
            &mut drills,
            &[
                &format!("YX-YL-{:02}", n + 1),
                &format!("{name}{kind}演练"),
                kind,
                &day(random, 2025, 4..12),
                &(60 + n * 15).to_string(),
                "达到预期",
                "已评估",
                PLANS[2],
                &lon,
                &lat,
            ],
        );
    }

    let mut schools = "编码,校舍名称,层数,建成年份,学生人数,排查日期,安全状况,数据来源,经度,纬度\n".to_owned();
    for n in 0..45 {
        let (at, name, _) = &villages[n % villages.len()];
        let (lon, lat) = place(random.near(*at, 0.003));
        let state = if n % 15 == 7 { "需加固" } else { "安全" };
        let (storeys, built, pupils) =
            ((1 + random.below(5)).to_string(), (1985 + random.below(38)).to_string(), (40 + random.below(900)).to_string());
        row(
            &mut schools,
            &[
                &format!("YX-XS-{:02}", n + 1),
                &format!("{name}小学{}号楼", 1 + n / villages.len()),
                &storeys,
                &built,
                &pupils,
                &day(random, 2025, 2..6),
                state,
                PLANS[0],
                &lon,
                &lat,
            ],
        );
    }

    let mut experts = "编码,姓名,职称,单位,专长,证书有效期至,电话,数据来源\n".to_owned();
    for (n, skill) in ["危险化学品", "地质灾害", "防汛", "消防", "矿山", "建筑结构", "特种设备", "医疗救援"].iter().enumerate()
    {
        let phone = format!("000{:08}", random.below(100_000_000));
        row(
            &mut experts,
            &[&format!("YX-ZJ-{:02}", n + 1), &person(random), "高级工程师", "云溪县专家库", skill, "2028-12-31", &phone, "demo"],
        );
    }
    let mut shifts = "编码,班次,开始,结束,带班领导,值班人员,电话,数据来源\n".to_owned();
    for n in 1..=28 {
        let phone = format!("000{:08}", random.below(100_000_000));
        let (begins, ends) = (
            format!("2026-02-{n:02}T08:00:00+08:00"),
            if n < 28 { format!("2026-02-{:02}T08:00:00+08:00", n + 1) } else { "2026-03-01T08:00:00+08:00".into() },
        );
        row(
            &mut shifts,
            &[&format!("YX-ZB-0226{n:02}"), &format!("2月{n}日"), &begins, &ends, &person(random), &person(random), &phone, "demo"],
        );
    }

    [
        ("enterprise", enterprises),
        ("hidden_danger", dangers),
        ("inspection", visits),
        ("plan", plans),
        ("drill", drills),
        ("school_building", schools),
        ("expert", experts),
        ("duty_shift", shifts),
    ]
    .map(|(layer, text)| (format!("{layer}.csv"), text))
    .into()
}
