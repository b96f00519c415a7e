//! Spreadsheets in and out, on both real stores: ledgers as offices keep them, workbooks of other programs, bad files.

use rust_xlsxwriter::{Format, Workbook, Worksheet};
use serde_json::{Value as Json, json};

use crate::support::stores::{Server, both, serve};

async fn import(server: &Server, layer: &str, book: Vec<u8>, options: &str) -> (u16, Json) {
    server.send("POST", &format!("/import?layer={layer}&format=xlsx{options}"), &[], book).await
}

/// A title over all columns, a header of two rows with merged cells, one firm's name merged over its two rows, a date as a date, a number
/// as a telephone, totals and a signature below; and a sheet of notes before it.
fn ledger() -> Vec<u8> {
    let (mut book, plain) = (Workbook::new(), Format::new());
    book.add_worksheet().set_name("说明").unwrap().write(0, 0, "本台账由各乡镇填报").unwrap();
    let sheet: &mut Worksheet = book.add_worksheet().set_name("应急队伍").unwrap();
    sheet.merge_range(0, 0, 0, 8, "云溪县应急队伍台账(2026 年)", &plain).unwrap();
    let upper = ["序号", "队伍名称", "类型", "人数(人)", "负责人", "联系电话"];
    for (column, text) in (0..).zip(upper) {
        sheet.merge_range(2, column, 3, column, text, &plain).unwrap();
    }
    sheet.merge_range(2, 6, 2, 7, "驻地坐标", &plain).unwrap();
    sheet.write(3, 6, "经度").unwrap();
    sheet.write(3, 7, "纬度").unwrap();
    sheet.write(2, 8, "编\n码").unwrap();
    let rows = [("溪口村应急分队", 38.0, 113.95), ("南门村应急分队", 42.0, 113.96)];
    for (n, (name, people, lon)) in (4..).zip(rows) {
        sheet.write(n, 0, n - 3).unwrap();
        sheet.write(n, 1, name).unwrap();
        sheet.write(n, 3, people).unwrap();
        sheet.write(n, 4, "陈建国").unwrap();
        sheet.write(n, 5, 13_900_000_001.0_f64).unwrap();
        sheet.write(n, 6, lon).unwrap();
        sheet.write(n, 7, 28.62).unwrap();
        sheet.write(n, 8, format!("L{n}")).unwrap();
    }
    sheet.merge_range(4, 2, 5, 2, "村级", &plain).unwrap();
    sheet.write(6, 0, "合 计").unwrap();
    sheet.write(6, 3, 80.0).unwrap();
    sheet.write(7, 0, "填表人：王秀英").unwrap();
    book.save_to_buffer().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_merged_headers_totals_and_signatures_is_read() {
    for place in both().await {
        let server = serve(&place, false).await;
        let (status, report) = import(&server, "response_team", ledger(), "&dry_run=true").await;
        let said = &report["layers"]["response_team"];
        assert_eq!((status, &said["counts"]["create"], &said["counts"]["refuse"]), (200, &json!(2), &json!(0)), "{report}");
        assert!(said["warnings"].to_string().contains("7, 8"), "the totals and the signature are told of: {said}");
        assert_eq!(server.app.live.world().seq, 0, "a dry run writes nothing");
        let (_, report) = import(&server, "response_team", ledger(), "").await;
        assert_eq!(report["committed"], true, "{report}");
        let (_, teams) = server.get("/collections/response_team/items?sortby=code").await;
        let properties = |n: usize| teams["features"][n]["properties"].clone();
        assert_eq!((properties(0)["name"].clone(), properties(0)["headcount"].clone()), (json!("溪口村应急分队"), json!(38)));
        assert_eq!((properties(1)["kind"].clone(), properties(1)["phone"].clone()), (json!("village"), json!("13900000001")));
        assert_eq!(teams["features"][1]["geometry"]["coordinates"], json!([113.96, 28.62]));
        let (_, again) = import(&server, "response_team", ledger(), "").await;
        assert_eq!(again["layers"]["response_team"]["counts"]["unchanged"], 2, "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_unchanged_and_other_programs_read_it() {
    for place in both().await {
        let server = serve(&place, true).await;
        let folder = tempfile::tempdir().unwrap();
        // Points, areas, dates, references by id, lists, texts that look like formulas.
        let odd = json!({ "type": "Feature", "geometry": null, "properties": { "name": "=1+1", "campaign": "-x", "found_on": "2026-02-28", "state": "registered" } });
        assert_eq!(server.send("POST", "/collections/hidden_danger/items", &[], odd.to_string()).await.0, 201);
        for layer in ["hidden_danger", "shelter", "hazard_area", "plan", "grid"] {
            let count = server.get(&format!("/collections/{layer}/items?limit=1")).await.1["numberMatched"].clone();
            let answer = server.client.get(format!("{}/export/{layer}.xlsx", server.url)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{layer}");
            let book = answer.bytes().await.unwrap().to_vec();
            let file = folder.path().join(format!("{layer}.xlsx"));
            std::fs::write(&file, &book).unwrap();
            let seen =
                std::process::Command::new("ogrinfo").args(["-ro", "-al", "-so"]).arg(&file).output().expect("ogrinfo: run make setup");
            let text = String::from_utf8_lossy(&seen.stdout);
            // Where all columns are texts GDAL counts the header too.
            let counts = [0, 1].map(|more| format!("Feature Count: {}\n", count.as_u64().unwrap() + more));
            assert!(counts.iter().any(|count| text.contains(count)), "{layer}: {text}");
            let (_, report) = import(&server, layer, book, "").await;
            assert_eq!(report["layers"][layer]["counts"]["unchanged"], count, "{layer}: {report}");
        }
        // A workbook that GDAL wrote.
        let (lines, written) = (folder.path().join("in.geojson"), folder.path().join("gdal.xlsx"));
        let hydrant = |n: usize| {
            json!({ "type": "Feature", "geometry": null,
            "properties": { "编码": format!("G{n}"), "名称": format!("{n} 号栓"), "水压": 0.3, "状态": "完好", "经度": 113.9, "纬度": 28.6 } })
        };
        let collection = json!({ "type": "FeatureCollection", "features": (0..3).map(hydrant).collect::<Vec<_>>() });
        std::fs::write(&lines, collection.to_string()).unwrap();
        let made = std::process::Command::new("ogr2ogr").args(["-f", "XLSX"]).arg(&written).arg(&lines).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (_, report) = import(&server, "hydrant", std::fs::read(&written).unwrap(), "").await;
        assert_eq!(report["layers"]["hydrant"]["counts"]["create"], 3, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_workbook_is_refused_and_changes_nothing() {
    let [place, _] = both().await;
    let server = serve(&place, false).await;
    let good = ledger();
    let mut nothing = Workbook::new();
    nothing.add_worksheet();
    let mut headless = Workbook::new();
    headless.add_worksheet().write(0, 0, "天气不错").unwrap();
    let broken = [
        good[..good.len() / 2].to_vec(),
        b"PK\x03\x04".to_vec(),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
        vec![],
        b"a,b\n1,2".to_vec(),
    ];
    let books = broken.into_iter().chain([nothing.save_to_buffer().unwrap(), headless.save_to_buffer().unwrap()]);
    for (n, book) in books.enumerate() {
        let (status, answer) = import(&server, "response_team", book, "").await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_file")), "{n}: {answer}");
        assert!(!answer["remedy"].as_str().unwrap_or_default().is_empty(), "{n}: {answer}");
    }
    // 2 GB of zeros in a few kilobytes.
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    bomb.start_file("xl/0.xml", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut bomb, &vec![0; 64 << 20]).unwrap();
    let one = bomb.finish().unwrap().into_inner();
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for n in 0..32 {
        let mut part = zip::ZipArchive::new(std::io::Cursor::new(&one)).unwrap();
        bomb.raw_copy_file_rename(part.by_index_raw(0).unwrap(), format!("xl/{n}.xml")).unwrap();
    }
    let (status, answer) = import(&server, "response_team", bomb.finish().unwrap().into_inner(), "").await;
    assert_eq!((status, &answer["code"]), (413, &json!("too_large")), "{answer}");
    // Random damage: an error or rows, never a fault.
    let mut random = crate::support::Random::seeded("a_bad_workbook_is_refused_and_changes_nothing");
    for _ in 0..if crate::support::soak() { 2_000 } else { 60 } {
        let mut book = good.clone();
        for _ in 0..1 + random.below(20) {
            let at = random.below(book.len());
            book[at] = random.below(256) as u8;
        }
        let (status, answer) = import(&server, "response_team", book, "&dry_run=true").await;
        assert!(status < 500, "{answer}");
    }
    assert_eq!(server.app.live.world().seq, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_numbers_are_read_as_they_are_said() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let rows = "编码,队伍名称,人数,类型\nA,甲,0.5万人,村级\nB,乙,\"1,200\",村级\nC,丙,2万条,村级\nD,丁,3万,村级\nE,戊,1亿千米,村级\n";
    let (_, report) = server.send("POST", "/import?layer=response_team&format=csv&partial=true", &[], rows).await;
    let refused: Vec<&Json> =
        report["layers"]["response_team"]["rows"].as_array().unwrap().iter().filter(|row| row["action"] == "refuse").collect();
    let codes: Vec<_> = refused.iter().map(|row| (row["place"].as_str().unwrap(), row["error"]["code"].as_str().unwrap())).collect();
    assert_eq!(codes, [("row 4", "wrong_unit"), ("row 6", "wrong_unit")], "{report}");
    let (_, teams) = server.get("/collections/response_team/items?sortby=code").await;
    let people: Vec<_> = teams["features"].as_array().unwrap().iter().map(|team| team["properties"]["headcount"].clone()).collect();
    assert_eq!(people, [json!(5_000), json!(1_200), json!(30_000)]);
}
