//! Files in: extracts of OpenStreetMap, population grids, units, codes that were deleted.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::support::stores::{Server, both, serve};

/// Things of an extract, to be written in either coding.
struct Extract {
    nodes: Vec<(i64, f64, f64, Tags)>,
    ways: Vec<(i64, Vec<i64>, Tags)>,
    /// Members are (way, role).
    relations: Vec<(i64, Members, Tags)>,
}
type Members = Vec<(i64, &'static str)>;
type Tags = Vec<(&'static str, &'static str)>;

/// A hospital of split ways with a hole, one cut off at the edge, a school as a closed way, a hydrant, and what no rule wants.
fn extract() -> Extract {
    let at = |id: i64| (id, 113.9 + (id % 10) as f64 * 0.001, 28.6 + (id / 10) as f64 * 0.001, vec![]);
    let mut nodes: Vec<_> = [0, 4, 44, 40, 11, 12, 22, 21, 50, 52, 72, 70].into_iter().map(at).collect();
    nodes.push((90, 113.95, 28.65, vec![("emergency", "fire_hydrant"), ("name", "A & \"B\" <栓>")]));
    let area = |tags: Tags| [vec![("type", "multipolygon")], tags].concat();
    Extract {
        nodes,
        ways: vec![
            (1, vec![0, 4], vec![]),
            (2, vec![40, 44, 4], vec![]),
            (3, vec![40, 0], vec![]),
            (4, vec![11, 12, 22], vec![]),
            (5, vec![11, 21, 22], vec![]),
            (6, vec![50, 52, 72, 70, 50], vec![("amenity", "school"), ("name", "学校")]),
        ],
        relations: vec![
            (7, vec![(4, "inner"), (2, "outer"), (1, "outer"), (5, "inner"), (3, "outer")], area(vec![("amenity", "hospital")])),
            (8, vec![(1, "outer"), (99, "outer")], area(vec![("amenity", "clinic")])),
            (9, vec![(98, "outer")], area(vec![("amenity", "police")])),
            (10, vec![(1, "")], vec![("type", "site"), ("amenity", "hospital")]),
        ],
    }
}

impl Extract {
    fn xml(&self) -> String {
        let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        let tags = |tags: &Tags| tags.iter().map(|(k, v)| format!("<tag k=\"{k}\" v=\"{}\"/>", escape(v))).collect::<String>();
        let mut text = String::from("<?xml version='1.0' encoding='UTF-8'?>\n<osm version=\"0.6\">");
        for (id, lon, lat, own) in &self.nodes {
            text += &format!("<node id=\"{id}\" lon=\"{lon:.7}\" lat=\"{lat:.7}\">{}</node>\n", tags(own));
        }
        for (id, nodes, own) in &self.ways {
            let nodes: String = nodes.iter().map(|node| format!("<nd ref=\"{node}\"/>")).collect();
            text += &format!("<way id=\"{id}\">{nodes}{}</way>\n", tags(own));
        }
        for (id, members, own) in &self.relations {
            let members: String =
                members.iter().map(|(way, role)| format!("<member type=\"way\" ref=\"{way}\" role=\"{role}\"/>")).collect();
            text += &format!("<relation id=\"{id}\">{members}{}</relation>\n", tags(own));
        }
        text + "</osm>\n"
    }

    /// Uncompressed PBF: an OSMHeader and one OSMData blob.
    fn pbf(&self) -> Vec<u8> {
        let mut strings: Vec<String> = vec![String::new()];
        let mut string = |text: &str| {
            strings.iter().position(|known| known == text).unwrap_or_else(|| {
                strings.push(text.to_owned());
                strings.len() - 1
            }) as u64
        };
        let mut tags = |own: &Tags| {
            let keys: Vec<u64> = own.iter().map(|(k, _)| string(k)).collect();
            let values: Vec<u64> = own.iter().map(|(_, v)| string(v)).collect();
            [bytes(2, &packed(keys)), bytes(3, &packed(values))].concat()
        };
        let mut group = vec![];
        for (id, lon, lat, own) in &self.nodes {
            let nano = |degrees: f64| zigzag((degrees * 1e7).round() as i64);
            let node = [int(1, zigzag(*id)), tags(own), int(8, nano(*lat)), int(9, nano(*lon))].concat();
            group.extend(bytes(1, &node));
        }
        for (id, nodes, own) in &self.ways {
            group.extend(bytes(3, &[int(1, *id as u64), tags(own), bytes(8, &packed(deltas(nodes.iter().copied())))].concat()));
        }
        let mut relations = vec![];
        for (id, members, own) in &self.relations {
            relations.push((id, tags(own), members));
        }
        for (id, own, members) in relations {
            let roles = members.iter().map(|(_, role)| string(role)).collect();
            let ids = deltas(members.iter().map(|(way, _)| *way));
            let parts = [bytes(8, &packed(roles)), bytes(9, &packed(ids)), bytes(10, &packed(members.iter().map(|_| 1).collect()))];
            group.extend(bytes(4, &[int(1, *id as u64), own, parts.concat()].concat()));
        }
        let table: Vec<u8> = strings.iter().flat_map(|text| bytes(1, text.as_bytes())).collect();
        let data = [bytes(1, &table), bytes(2, &group)].concat();
        [blob("OSMHeader", &bytes(1, &bytes(4, b"OsmSchema-V0.6"))), blob("OSMData", &bytes(1, &data))].concat()
    }
}

fn blob(kind: &str, blob: &[u8]) -> Vec<u8> {
    let header = [bytes(1, kind.as_bytes()), int(3, blob.len() as u64)].concat();
    [(header.len() as u32).to_be_bytes().to_vec(), header, blob.to_vec()].concat()
}

/// A block, compressed as extracts have them.
fn zlib(block: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, block).unwrap();
    [int(2, block.len() as u64), bytes(3, &packed.finish().unwrap())].concat()
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = vec![];
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}
fn int(field: u64, n: u64) -> Vec<u8> {
    [varint(field << 3), varint(n)].concat()
}
fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}
fn packed(numbers: Vec<u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(varint).collect()
}
fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}
fn deltas(numbers: impl Iterator<Item = i64>) -> Vec<u64> {
    let mut last = 0;
    numbers.map(|n| zigzag(n.wrapping_sub(std::mem::replace(&mut last, n)))).collect()
}

async fn import(server: &Server, query: &str, body: impl Into<reqwest::Body>) -> Json {
    let (status, answer) = server.send("POST", &format!("/import?{query}"), &[], body).await;
    assert_eq!(status, 200, "{query}: {answer}");
    answer
}

/// The features of a layer by code.
async fn by_code(server: &Server, layer: &str) -> BTreeMap<String, Json> {
    let (_, page) = server.get(&format!("/collections/{layer}/items?limit=1000")).await;
    let features = page["features"].as_array().unwrap().iter();
    features.map(|feature| (feature["properties"]["code"].as_str().unwrap().to_owned(), feature.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extract_is_the_same_in_both_codings_and_areas_are_put_together() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let done = import(&server, "format=osm", extract().xml()).await;
    assert_eq!((&done["committed"], &done["layers"]["facility"]["counts"]["create"]), (&json!(true), &json!(5)), "{done}");
    let again = import(&server, "format=pbf", extract().pbf()).await;
    assert_eq!(again["layers"]["facility"]["counts"]["unchanged"], 5, "{again}");
    assert_eq!(again["layers"]["shelter"]["counts"]["unchanged"], 1, "{again}");
    let facilities = by_code(&server, "facility").await;
    assert_eq!(facilities.keys().collect::<Vec<_>>(), ["osm-n90", "osm-r7", "osm-r8", "osm-r9", "osm-w6"]);
    let hospital = &facilities["osm-r7"]["geometry"];
    let rings: Vec<usize> = hospital["coordinates"].as_array().unwrap().iter().map(|ring| ring.as_array().unwrap().len()).collect();
    assert_eq!((hospital["type"].as_str(), rings), (Some("Polygon"), vec![5, 5]), "{hospital}");
    assert_eq!(facilities["osm-n90"]["properties"]["name"], "A & \"B\" <栓>");
    assert_eq!(facilities["osm-w6"]["geometry"]["type"], "Polygon");
    // What is cut off stands at the middle of what is there, and says so; with nothing there, it is to be placed.
    assert_eq!(facilities["osm-r8"]["geometry"], json!({ "type": "Point", "coordinates": [113.902, 28.6] }));
    assert_eq!(facilities["osm-r9"]["geometry"], Json::Null);
    let warned: Vec<&str> = again["layers"]["facility"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "cut_off"))
        .map(|row| row["place"].as_str().unwrap())
        .collect();
    assert_eq!(warned, ["r8", "r9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_layers_are_one_transaction() {
    for place in both().await {
        let server = serve(&place, false).await;
        let refuse = if place.kind == "postgis" {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON shelter FOR EACH ROW EXECUTE FUNCTION refuse()"
        } else {
            "CREATE TRIGGER refuse BEFORE INSERT ON shelter BEGIN SELECT RAISE(ABORT, 'refused'); END"
        };
        place.externally(refuse).await.unwrap();
        let (status, answer) = server.send("POST", "/import?format=osm", &[], extract().xml()).await;
        assert!(status >= 400, "{answer}");
        assert_eq!(server.get("/collections/facility/items").await.1["numberMatched"], 0, "nothing of it on {}", place.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_extract_is_refused_by_name_and_changes_nothing() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let (xml, pbf) = (extract().xml(), extract().pbf());
    let mut overflow = extract();
    overflow.ways[5].1 = vec![i64::MAX, 1, i64::MAX, i64::MIN];
    overflow.nodes[0].1 = 1e12;
    for (format, body) in [
        ("osm", xml.as_bytes()[..xml.len() - 8].to_vec()),
        ("osm", xml.replace("<nd ref=\"11\"", "<nd ref=\"eleven\"").into_bytes()),
        ("osm", xml.replace("<osm ", "<gpx ").replace("</osm>", "</gpx>").into_bytes()),
        ("osm", xml.replace("A &amp;", "A &bomb;").into_bytes()),
        ("osm", b"<osm/>".to_vec()),
        ("osm", "<osm>".repeat(100_000).into_bytes()),
        ("osm", vec![0xff, 0xfe, 0, 0]),
        ("pbf", pbf[..pbf.len() - 8].to_vec()),
        ("pbf", overflow.pbf()),
        ("pbf", vec![0xff; 64]),
    ] {
        let (status, answer) = server.send("POST", &format!("/import?format={format}"), &[], body).await;
        let refused = answer["code"] == "invalid_file" || answer["committed"] == false;
        assert!((status == 400 || status == 422 || status == 200) && refused, "{format}: {status} {answer}");
    }
    // Cut anywhere, it is an error or a smaller extract, never a panic.
    for cut in (0..pbf.len()).step_by(7) {
        let (status, answer) = server.send("POST", "/import?format=pbf&dry_run=true", &[], pbf[..cut].to_vec()).await;
        assert!(status < 500, "{cut}: {answer}");
    }
    assert_eq!(server.app.live.world().seq, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_reported_and_comes_back_only_when_asked() {
    for place in both().await {
        let server = serve(&place, false).await;
        let csv = |more: &str| format!("code,name,people,lon,lat\nA,甲,1,113.9,28.6\nB,乙,2,113.95,28.65\n{more}");
        let query = "layer=population&format=csv";
        let first = import(&server, query, csv("")).await;
        let counts = &first["layers"]["population"]["counts"];
        assert_eq!((&counts["create"], &counts["deleted"]), (&json!(2), &json!(0)), "{first}");
        let id = by_code(&server, "population").await["A"]["id"].as_str().unwrap().to_owned();
        let (status, _) = server.send("DELETE", &format!("/collections/population/items/{id}"), &[], "").await;
        assert_eq!(status, 204);
        let again = import(&server, query, csv("C,丙,3,113.99,28.69\n")).await;
        let plan = &again["layers"]["population"];
        let counts = ["create", "unchanged", "deleted", "refuse"].map(|action| plan["counts"][action].as_u64().unwrap());
        assert_eq!((&again["committed"], counts), (&json!(true), [1, 1, 1, 0]), "{again}");
        let row = &plan["rows"][0];
        assert_eq!((&row["action"], &row["code"], &row["warnings"][0]["code"]), (&json!("deleted"), &json!("A"), &json!("deleted")));
        let (title, zh) = (row["warnings"][0]["title"].as_str().unwrap(), row["warnings"][0]["title_zh"].as_str().unwrap());
        let log = server.app.store.changes(0, 100).await.unwrap();
        let actor = &log.iter().find(|change| change.new.is_none()).unwrap().actor;
        assert!(title.contains(actor.as_str()) && title.contains("T") && title.contains("revive") && zh.contains("删除"), "{title} {zh}");
        assert_eq!(by_code(&server, "population").await.keys().collect::<Vec<_>>(), ["B", "C"], "{}", place.kind);
        let revived = import(&server, &format!("{query}&revive=true"), csv("")).await;
        assert_eq!(revived["layers"]["population"]["counts"]["create"], 1, "{revived}");
        // What is back isn't reported again.
        let last = import(&server, query, csv("")).await;
        assert_eq!(last["layers"]["population"]["counts"]["unchanged"], 2, "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_would_fill_the_memory_is_refused_before_it_is_unpacked() {
    let [_, place] = both().await;
    let server = serve(&place, false).await;
    let strings = bytes(1, &bytes(1, b""));
    // A node, a text or a group takes two bytes, and many more in memory.
    let nodes = bytes(2, &bytes(1, b"").repeat(1 << 20));
    for block in [[strings, nodes].concat(), bytes(1, &bytes(1, b"").repeat(1 << 21)), bytes(2, b"").repeat(1 << 21), vec![0x12; 40 << 20]]
    {
        for blob in [blob("OSMData", &bytes(1, &block)), blob("OSMData", &zlib(&block))] {
            let (status, answer) = server.send("POST", "/import?format=pbf", &[], blob).await;
            assert!(matches!(answer["code"].as_str(), Some("too_large" | "invalid_file")) && status < 500, "{status} {answer}");
        }
    }
    // An honest one is read from either.
    let group = bytes(
        2,
        &bytes(
            1,
            &[
                int(1, zigzag(1)),
                bytes(2, &packed(vec![1])),
                bytes(3, &packed(vec![2])),
                int(8, zigzag(286_000_000)),
                int(9, zigzag(1_139_000_000)),
            ]
            .concat(),
        ),
    );
    let table = bytes(1, &[bytes(1, b""), bytes(1, b"amenity"), bytes(1, b"hospital")].concat());
    let done = import(&server, "format=pbf", blob("OSMData", &zlib(&[table, group].concat()))).await;
    assert_eq!(done["layers"]["facility"]["counts"]["create"], 1, "{done}");
}
