//! Population grids, as other programs write them.

use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

use biaotu::model::Geometry;
use serde_json::{Value as Json, json};

use crate::support::{
    Random,
    stores::{Server, both, serve, serve_in},
};

const NONE: f64 = -99_999.0;

/// An ESRI ASCII grid of people by column and row, with the lower left corner and the size of its cells.
fn asc((columns, rows): (u32, u32), (x, y, cell): (f64, f64, f64), people: impl Fn(u32, u32) -> f64) -> String {
    let mut text = format!("ncols {columns}\nnrows {rows}\nxllcorner {x}\nyllcorner {y}\ncellsize {cell}\nNODATA_value {NONE}\n");
    for row in 0..rows {
        let line: Vec<String> = (0..columns).map(|column| people(column, row).to_string()).collect();
        writeln!(text, "{}", line.join(" ")).unwrap();
    }
    text
}

/// 3″ cells, as world-wide grids have them.
const SECONDS: (f64, f64, f64) = (113.9, 28.6, 1.0 / 1200.0);

/// A twelfth without data, some empty, others with eighths of people, so that all codings say exactly the same.
fn mixed(column: u32, row: u32) -> f64 {
    match (column * 7 + row * 5) % 12 {
        0 => NONE,
        1 | 2 => 0.0,
        n => f64::from(n * n) / 8.0,
    }
}

/// The sum of a grid's people.
fn sum((columns, rows): (u32, u32), people: impl Fn(u32, u32) -> f64) -> f64 {
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    cells.map(|(column, row)| people(column, row)).filter(|people| *people > 0.0).sum()
}

fn gdal(program: &str, arguments: &[&str], from: &[u8], suffix: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join(format!("in.{suffix}")), folder.path().join("out.tif"));
    std::fs::write(&input, from).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let done = Command::new(program).arg("-q").args(arguments).args([path(&input), path(&output)]).output().expect("GDAL: make setup");
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(&output).unwrap()
}

fn tif(text: &str, arguments: &[&str]) -> Vec<u8> {
    gdal("gdal_translate", arguments, text.as_bytes(), "asc")
}

async fn send(server: &Server, query: &str, body: impl Into<reqwest::Body>) -> (u16, Json) {
    server.send("POST", &format!("/import?layer=population&{query}"), &[], body).await
}

/// What was planned: create, update, unchanged, refuse.
async fn import(server: &Server, query: &str, body: impl Into<reqwest::Body>) -> ([u64; 4], Json) {
    let (status, answer) = send(server, query, body).await;
    assert_eq!((status, &answer["committed"]), (200, &json!(true)), "{query}: {answer}");
    let mut plan = answer["layers"]["population"].clone();
    let counts = ["create", "update", "unchanged", "refuse"].map(|action| plan["counts"][action].as_u64().unwrap());
    plan["rows"].take();
    (counts, plan)
}

/// Longitude, latitude and people by code.
async fn cells(server: &Server) -> BTreeMap<String, (f64, f64, i64)> {
    let (_, page) = server.get("/collections/population/items?limit=10000").await;
    let cell = |feature: &Json| {
        let (at, values) = (&feature["geometry"]["coordinates"], &feature["properties"]);
        let place = (at[0].as_f64().unwrap(), at[1].as_f64().unwrap(), values["people"].as_i64().unwrap());
        (values["code"].as_str().unwrap().to_owned(), place)
    };
    page["features"].as_array().unwrap().iter().map(cell).collect()
}

fn total(cells: &BTreeMap<String, (f64, f64, i64)>) -> i64 {
    cells.values().map(|cell| cell.2).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_codings_of_a_grid_say_the_same_and_keep_the_sum() {
    let size = (40, 30);
    let text = asc(size, SECONDS, mixed);
    let people = sum(size, mixed).round() as i64;
    let mut xyz = String::from("x,Y,Z\n");
    for row in 0..size.1 {
        for column in (0..size.0).filter(|column| mixed(*column, row) != NONE) {
            let (x, y) = (113.9 + (f64::from(column) + 0.5) / 1200.0, 28.6 + (f64::from(size.1 - row) - 0.5) / 1200.0);
            writeln!(xyz, "{x:.8},{y:.8},{}", mixed(column, row)).unwrap();
        }
    }
    for place in both().await {
        let server = serve(&place, false).await;
        let (counts, plan) = import(&server, "format=asc", text.clone()).await;
        let first = cells(&server).await;
        assert_eq!((counts[0] as usize, counts[3], total(&first)), (first.len(), 0, people), "{plan}");
        assert_eq!(plan["read"]["people"].as_i64(), Some(people), "{plan}");
        assert!(plan["read"]["cells"].as_u64() >= Some(counts[0]), "{plan}");
        let (lon, lat, _) = first["wgs84_0.000833333_136681_34349"];
        assert!((lon - (113.9 + 1.5 / 1200.0)).abs() < 1e-8 && (lat - (28.6 + 29.5 / 1200.0)).abs() < 1e-8, "{lon} {lat}");
        let float = ["-a_srs", "EPSG:4326", "-ot", "Float32"];
        let tiled = ["-co", "TILED=YES", "-co", "BLOCKXSIZE=16", "-co", "BLOCKYSIZE=32"];
        let translated: [&[&str]; 6] = [
            &float,
            &[&float[..], &["-co", "COMPRESS=LZW", "-co", "PREDICTOR=3"]].concat(),
            &[&float[..], &["-co", "COMPRESS=DEFLATE", "-co", "PREDICTOR=2"], &tiled].concat(),
            &["-a_srs", "EPSG:4326", "-ot", "Float64", "-co", "COMPRESS=PACKBITS", "-co", "ENDIANNESS=BIG"],
            &[&float[..], &["-mo", "AREA_OR_POINT=Point"]].concat(),
            &[&float[..], &["-co", "BIGTIFF=YES"]].concat(),
        ];
        for arguments in translated {
            let (counts, plan) = import(&server, "format=tif", tif(&text, arguments)).await;
            assert_eq!(counts, [0, 0, first.len() as u64, 0], "{arguments:?}: {plan}");
        }
        let (counts, plan) = import(&server, "format=csv", xyz.clone()).await;
        assert_eq!(counts, [0, 0, first.len() as u64, 0], "{plan}");
        assert_eq!(cells(&server).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_or_a_newer_file_changes_only_what_it_has() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let size = (20, 10);
    let whole = |column: u32, row: u32| f64::from((column + row) % 4);
    let whole16 = tif(&asc(size, SECONDS, whole), &["-a_srs", "EPSG:4326", "-ot", "Int16", "-co", "COMPRESS=LZW", "-co", "PREDICTOR=2"]);
    let (counts, plan) = import(&server, "format=tif", whole16).await;
    assert_eq!((counts, plan["read"].clone()), ([150, 0, 0, 0], json!({ "cells": 150, "people": 300 })));
    // The eastern half, cut out by another program, one cell of it without data, one emptied and one first peopled.
    let newer = |column: u32, row: u32| match (column, row) {
        (11, 0) => NONE,
        (12, 1) => 0.0,
        (12, 0) => 9.0,
        _ => whole(column, row),
    };
    let cut = ["-srcwin", "10", "0", "10", "10", "-a_srs", "EPSG:4326", "-ot", "Int32"];
    let (counts, plan) = import(&server, "format=tif", tif(&asc(size, SECONDS, newer), &cut)).await;
    assert_eq!(counts, [1, 1, 73, 0], "{plan}");
    let after = cells(&server).await;
    assert_eq!((after.len(), total(&after)), (151, 300 - 1 + 9));
    assert_eq!(after["wgs84_0.000833333_136692_34328"].2, 0);
    assert_eq!(after["wgs84_0.000833333_136691_34329"].2, 3, "no data says nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projected_grid_lies_where_gdal_puts_it() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let (size, metres) = ((12, 8), (412_300.0, 3_164_500.0, 100.0));
    let grid = tif(&asc(size, metres, mixed), &["-a_srs", "EPSG:32650", "-ot", "Float32"]);
    let (counts, _) = import(&server, "format=tif", grid.clone()).await;
    assert_eq!(import(&server, "format=tif", grid).await.0, [0, 0, counts[0], 0]);
    // The same without the system in the file, which is given instead.
    assert_eq!(import(&server, "format=asc&crs=EPSG:32650", asc(size, metres, mixed)).await.0, [0, 0, counts[0], 0]);
    let done = cells(&server).await;
    assert_eq!(total(&done), sum(size, mixed).round() as i64);
    let (lon, lat, _) = done["epsg32650_100_4124_31652"];
    let asked = "echo 412450 3165250 | gdaltransform -s_srs EPSG:32650 -t_srs EPSG:4326 -output_xy";
    let told = Command::new("sh").args(["-c", asked]).output().expect("GDAL: make setup");
    let told = String::from_utf8(told.stdout).unwrap();
    let told: Vec<f64> = told.split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert!((lon - told[0]).abs() < 1e-8 && (lat - told[1]).abs() < 1e-8, "{lon} {lat}: {told:?}");
    // Warped there from degrees: cells of no round size.
    let degrees = tif(&asc((40, 30), SECONDS, mixed), &["-a_srs", "EPSG:4326", "-ot", "Float32"]);
    let warped = gdal("gdalwarp", &["-t_srs", "EPSG:32650"], &degrees, "tif");
    let (counts, plan) = import(&server, "format=tif", warped.clone()).await;
    assert!(counts[0] > 500, "{plan}");
    assert_eq!(import(&server, "format=tif", warped).await.0, [0, 0, counts[0], 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_the_district_is_left_out_and_told_once() {
    let [_, place] = both().await;
    let half = json!({ "type": "Polygon", "coordinates": [[[113.9, 28.6], [113.9 + 10.0 / 1200.0, 28.6], [113.9 + 10.0 / 1200.0, 28.7], [113.9, 28.7], [113.9, 28.6]]] });
    let server = serve_in(&place, false, Some(Geometry::area_from_geojson(&half).unwrap())).await;
    let (counts, plan) = import(&server, "format=asc", asc((20, 10), SECONDS, |_, _| 2.0)).await;
    assert_eq!((counts, plan["counts"]["warnings"].as_u64()), ([100, 0, 0, 0], Some(0)), "{plan}");
    let warnings = plan["warnings"].as_array().unwrap();
    assert_eq!((warnings.len(), &warnings[0]["code"]), (1, &json!("outside_district")), "{plan}");
    assert!(warnings[0]["title"].as_str().unwrap().starts_with("100 cells") && warnings[0]["title_zh"].as_str().unwrap().contains("100"));
}

/// Sets the value of a tag of a small-endian TIFF, where it is written beside the tag.
fn tagged(mut file: Vec<u8>, tag: u16, value: u32) -> Vec<u8> {
    let at = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    let count = u16::from_le_bytes(file[at..at + 2].try_into().unwrap()) as usize;
    let entry = (0..count).map(|n| at + 2 + n * 12).find(|entry| file[*entry..*entry + 2] == tag.to_le_bytes()).unwrap();
    // Long, one.
    file[entry + 2..entry + 8].copy_from_slice(&[4, 0, 1, 0, 0, 0]);
    file[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_population_grid_is_refused_and_writes_nothing() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let size = (40, 30);
    let text = asc(size, SECONDS, mixed);
    let srs = ["-a_srs", "EPSG:4326", "-ot", "Float32"];
    let whole = tif(&text, &srs);
    let tiled =
        tif(&text, &[&srs[..], &["-co", "COMPRESS=DEFLATE", "-co", "TILED=YES", "-co", "BLOCKXSIZE=16", "-co", "BLOCKYSIZE=16"]].concat());
    let with = |people: f64| asc((3, 2), SECONDS, move |column, row| if (column, row) == (2, 1) { people } else { 1.0 });
    let turned = "<VRTDataset rasterXSize='2' rasterYSize='2'><GeoTransform>113,.1,.1,28,.1,-.1</GeoTransform><VRTRasterBand dataType='Float32' band='1'/></VRTDataset>";
    let wide = "<VRTDataset rasterXSize='20000' rasterYSize='6000'><GeoTransform>113,.001,0,28,0,-.001</GeoTransform><VRTRasterBand dataType='Byte' band='1'/></VRTDataset>";
    let points = ["-gcp", "0", "0", "113", "29", "-gcp", "40", "0", "114", "29", "-gcp", "0", "30", "113.1", "28", "-a_srs", "EPSG:4326"];
    let refused: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("asc", with(-1.0).into(), "invalid_file", "column 2, row 1"),
        ("asc", with(f64::NAN).into(), "invalid_file", "column 2, row 1"),
        ("asc", with(f64::INFINITY).into(), "invalid_file", "column 2, row 1"),
        ("tif", tif(&with(-7.5), &["-a_srs", "EPSG:4326"]), "invalid_file", "column 2, row 1"),
        ("asc", text[..text.len() - 9].into(), "invalid_file", "row 29"),
        ("asc", format!("{text} 1").into(), "invalid_file", "ncols × nrows"),
        ("asc", text.replace("ncols 40", "ncols 4e9").into(), "too_large", "columns × rows"),
        ("asc", text.replace("ncols 40", "ncols 0").into(), "invalid_file", "ncols"),
        ("asc", text.replace("cellsize 0", "cellsize -0").into(), "invalid_file", "cell size"),
        ("asc", text.replace("yllcorner 28.6", "yllcorner 1e300").into(), "invalid_file", "origin"),
        ("asc", text.replace("yllcorner 28.6", "yllcorner 100").into(), "invalid_geometry", "column"),
        ("asc", vec![], "invalid_file", "ncols"),
        ("csv", "X,Y,Z\n1,1,1\n".into(), "invalid_file", "X, Y"),
        ("csv", "X,Y,Z\n1,1,1\n2,1,1\n2.5,1,1\n3.7,1,1\n".into(), "invalid_file", "row"),
        ("csv", "X,Y,Z\n1,1,1\n2,1,1\n2,1,0\n".into(), "duplicate_key", "column 1, row 0"),
        ("csv", "X,Y,Z\n1,1,1\n2,x,1\n".into(), "invalid_value", "row 3: Y"),
        ("csv", "X,Y,Z\n1,1,1\n2,,1\n".into(), "required_missing", "row 3"),
        ("csv", "X,Y,Z\n1e300,1,1\n-1e300,1,1\n0.1,1,1\n".into(), "invalid_geometry", "column"),
        ("csv", "X,Y,Z\n0,1,1\n0.001,1,1\n1e6,1,1\n".into(), "too_large", "columns × rows"),
        ("tif", tif(&text, &["-b", "1", "-b", "1", "-a_srs", "EPSG:4326"]), "invalid_file", "band"),
        ("tif", tif(&text, &["-a_srs", "EPSG:27700"]), "unsupported_crs", "crs"),
        ("tif", gdal("gdal_translate", &["-a_srs", "EPSG:4326"], turned.as_bytes(), "vrt"), "invalid_file", "ModelTransformation"),
        ("tif", tif(&text, &points), "invalid_file", "georeference"),
        ("tif", tagged(whole.clone(), 256, 0x7fff_ffff), "too_large", "columns × rows"),
        (
            "tif",
            gdal("gdal_translate", &["-a_srs", "EPSG:4326", "-co", "TILED=YES", "-co", "SPARSE_OK=TRUE"], wide.as_bytes(), "vrt"),
            "too_large",
            "columns × rows",
        ),
        ("tif", tagged(tiled.clone(), 322, 0x7fff_fff0), "invalid_file", "file"),
        ("tif", tagged(tiled.clone(), 322, 0), "invalid_file", "file"),
        ("tif", tagged(whole.clone(), 278, 0), "invalid_file", "file"),
        ("tif", b"II*\0".to_vec(), "invalid_file", "file"),
        ("tif", vec![0xff; 64], "invalid_file", "file"),
        ("tif", vec![], "invalid_file", "file"),
    ];
    for (n, (format, body, code, field)) in refused.into_iter().enumerate() {
        let (status, answer) = send(&server, &format!("format={format}"), body).await;
        assert!((400..500).contains(&status) && answer["code"] == code, "{n}: {status} {answer}");
        assert!(answer["field"].as_str().is_some_and(|told| told.contains(field)), "{n}: {field} in {answer}");
    }
    let (status, answer) = server.send("POST", "/import?layer=shelter&format=tif", &[], whole.clone()).await;
    assert!(status == 400 && answer["hint"].as_str().unwrap().contains("population"), "{answer}");
    // Cut or changed anywhere, it is an error or another grid, never a panic or a long wait.
    for file in [&whole, &tiled] {
        for cut in (0..file.len()).step_by(97) {
            let (status, answer) = send(&server, "format=tif&dry_run=true", file[..cut].to_vec()).await;
            assert!((400..500).contains(&status), "{cut}: {answer}");
        }
    }
    let mut random = Random::seeded("hostile tiff");
    for _ in 0..if crate::support::soak() { 2_000 } else { 300 } {
        let mut body = if random.below(2) == 0 { whole.clone() } else { tiled.clone() };
        for _ in 0..1 + random.below(3) {
            let at = random.below(body.len().min(600));
            body[at] = random.below(256) as u8;
        }
        let (status, answer) = send(&server, "format=tif&dry_run=true", body).await;
        assert!(status < 500, "{answer}");
    }
    assert_eq!(server.app.live.world().seq, 0);
}
