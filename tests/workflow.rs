//! Workflows on both real stores: no path leads to an illegal state, whoever writes.

use std::collections::BTreeSet;

use biaotu::model::Workflow;
use serde_json::{Value as Json, json};

use crate::support::{
    self, Random,
    stores::{Server, both, built_in, serve},
};

fn body(properties: &Json) -> String {
    json!({ "type": "Feature", "properties": properties }).to_string()
}

/// Changes a feature; the status and what is said.
async fn patch(server: &Server, layer: &str, id: &str, properties: Json) -> (u16, Json) {
    server.send("PATCH", &format!("/collections/{layer}/items/{id}"), &[], body(&properties)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_danger_goes_its_way_and_no_other() {
    for place in both().await {
        let server = serve(&place, false).await;
        let new = json!({ "name": "配电箱无防护门", "campaign": "大整治", "found_on": "2026-03-02" });
        let mut closed = new.clone();
        closed["state"] = "closed".into();
        let (status, refused) = server.send("POST", "/collections/hidden_danger/items", &[], body(&closed)).await;
        assert_eq!((status, &refused["code"]), (422, &json!("required_missing")), "{refused}");
        let whole = json!({ "name": "配电箱无防护门", "campaign": "大整治", "found_on": "2026-03-02", "state": "rectifying", "assignee": "陈", "deadline": "2026-04-01" });
        let (status, refused) = server.send("POST", "/collections/hidden_danger/items", &[], body(&whole)).await;
        assert_eq!((status, &refused["code"]), (409, &json!("invalid_transition")), "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("registered"), "{refused}");
        let id = server.create("hidden_danger", Some((113.95, 28.62)), new).await;
        // What is given, the status and code, and what the refusal names.
        let steps = [
            (json!({ "state": "closed" }), 422, "required_missing", "assignee"),
            (json!({ "state": "assigned" }), 422, "required_missing", "assignee"),
            (json!({ "state": "assigned", "assignee": "陈志强", "deadline": "2026-04-01" }), 200, "", ""),
            (json!({ "state": "registered" }), 409, "invalid_transition", "rectifying"),
            (json!({ "deadline": null }), 422, "required_missing", "deadline"),
            (json!({ "state": null }), 422, "required_missing", "state"),
            (json!({ "state": "rectified", "rectifier": "王海涛", "rectified_on": "2026-03-20" }), 422, "required_missing", "after_photo"),
            (
                json!({ "state": "rectified", "rectifier": "王海涛", "rectified_on": "2026-02-20", "after_photo": "后.jpg" }),
                422,
                "rule_broken",
                "found",
            ),
            (json!({ "state": "rectified", "rectifier": "王海涛", "rectified_on": "2026-03-20", "after_photo": "后.jpg" }), 200, "", ""),
            (json!({ "state": "closed", "reviewer": "王海涛", "closed_on": "2026-03-25" }), 422, "rule_broken", "reviewer"),
            (json!({ "state": "rectifying" }), 200, "", ""),
            (json!({ "state": "rectified" }), 200, "", ""),
            (json!({ "state": "closed", "reviewer": "李秀英", "closed_on": "2026-03-25" }), 200, "", ""),
            (json!({ "reviewer": "王海涛" }), 422, "rule_broken", "reviewer"),
            (json!({ "state": "rectifying" }), 409, "invalid_transition", "nothing"),
        ];
        for (set, expected, code, named) in steps {
            let (status, answer) = patch(&server, "hidden_danger", &id, set.clone()).await;
            assert_eq!(status, expected, "{set}: {answer}");
            if expected != 200 {
                assert_eq!(answer["code"], code, "{set}: {answer}");
                assert!(answer.to_string().contains(named), "{set}: {answer}");
            }
        }
        let (_, stats) = server.get("/query/stats?layer=hidden_danger").await;
        assert_eq!(stats["groups"][0]["rate_percent"], 100.0, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_stays_as_it_was_sent() {
    for place in both().await {
        let server = serve(&place, false).await;
        let incident = server.create("incident", Some((113.95, 28.62)), json!({ "name": "火灾", "kind": "fire" })).await;
        let report = json!({ "name": "首报", "incident": incident, "addressee": "city", "author": "陈", "body": "3 人受伤", "due_at": "2020-01-01T08:00:00+08:00" });
        let id = server.create("incident_report", None, report).await;
        let (_, stats) = server.get("/query/stats?layer=incident_report").await;
        assert_eq!((&stats["overdue"], &stats["done"]), (&json!(1), &json!(0)), "not sent in time: {stats}");
        let (status, answer) = patch(&server, "incident_report", &id, json!({ "state": "signed", "signed_by": "陈" })).await;
        assert_eq!((status, &answer["code"]), (422, &json!("rule_broken")), "{answer}");
        for set in [
            json!({ "body": "4 人受伤" }),
            json!({ "state": "signed", "signed_by": "李" }),
            json!({ "state": "sent", "sent_at": "2026-01-01T08:00:00+08:00" }),
        ] {
            assert_eq!(patch(&server, "incident_report", &id, set.clone()).await.0, 200, "{set}");
        }
        let (status, answer) = patch(&server, "incident_report", &id, json!({ "body": "无人受伤" })).await;
        assert_eq!((status, &answer["code"]), (422, &json!("read_only")), "{answer}");
        let path = format!("/collections/incident_report/items/{id}");
        assert_eq!(server.send("DELETE", &path, &[], "").await.1["code"], "read_only");
        let (_, kept) = server.get(&path).await;
        assert_eq!((&kept["properties"]["body"], &kept["properties"]["state"]), (&json!("4 人受伤"), &json!("sent")));
        // A report's incident can't be taken away from under it.
        assert_eq!(server.send("DELETE", &format!("/collections/incident/items/{incident}"), &[], "").await.1["code"], "referenced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_a_step_at_once_one_does() {
    for place in both().await {
        let server = serve(&place, false).await;
        for round in 0..10 {
            let id = server.create("task", None, json!({ "name": format!("转移 {round}"), "assignee": "陈" })).await;
            let (accept, cancel) = (json!({ "state": "accepted" }), json!({ "state": "cancelled" }));
            let (one, other) = tokio::join!(patch(&server, "task", &id, accept), patch(&server, "task", &id, cancel));
            let (_, kept) = server.get(&format!("/collections/task/items/{id}")).await;
            // From accepted it may be cancelled; never the other way.
            match (one.0, other.0) {
                (200, 200) => assert_eq!(kept["properties"]["state"], "cancelled"),
                (200, 409 | 412) => assert_eq!(kept["properties"]["state"], "accepted"),
                (409 | 412, 200) => assert_eq!(kept["properties"]["state"], "cancelled"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_brings_rows_over_several_steps_and_never_back() {
    for place in both().await {
        let server = serve(&place, false).await;
        let head = "编码,隐患内容,专项行动,发现日期,状态,整改责任人,整改期限,整改完成人,整改完成日期,整改后照片,复查人,销号日期\n";
        let done = "周,2026-04-01,王,2026-03-20,后.jpg,李,2026-03-25";
        let import = async |rows: &str| {
            let (_, report) =
                server.send("POST", "/import?layer=hidden_danger&format=csv&partial=true", &[], format!("{head}{rows}")).await;
            report["layers"]["hidden_danger"].clone()
        };
        // Rows that have come all the way elsewhere, one that has only just begun, and one that lacks its photo.
        let lacking = done.replace("后.jpg", "");
        let first = import(&format!(
            "A1,甲,行动,2026-03-01,销号,{done}\nA2,乙,行动,2026-03-01,登记,,,,,,,\nA3,丙,行动,2026-03-01,销号,{lacking}\n"
        ))
        .await;
        assert_eq!((&first["counts"]["create"], &first["counts"]["refuse"]), (&json!(2), &json!(1)), "{first}");
        assert!(first.to_string().contains("after_photo"), "{first}");
        // A2 was closed meanwhile; A1 is said to be open again, where no step leads.
        let second = import(&format!("A2,乙,行动,2026-03-01,销号,{done}\nA1,甲,行动,2026-03-01,登记,{done}\n")).await;
        assert_eq!((&second["counts"]["update"], &second["counts"]["refuse"]), (&json!(1), &json!(1)), "{second}");
        assert!(second.to_string().contains("invalid_transition"), "{second}");
        let again = import(&format!("A1,甲,行动,2026-03-01,已销号,{done}\nA2,乙,行动,2026-03-01,已销号,{done}\n")).await;
        assert_eq!(again["counts"]["unchanged"], 2, "{again}");
    }
}

/// Random changes of random features of every register with a workflow: whatever is committed took a step that the definition
/// names, and has what its state requires.
#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_to_an_illegal_state() {
    let mut random = Random::seeded("no_path_leads_to_an_illegal_state");
    let catalog = built_in();
    for place in both().await {
        let server = serve(&place, false).await;
        let incident = server.create("incident", Some((113.95, 28.62)), json!({ "name": "火灾", "kind": "fire" })).await;
        for layer in catalog.layers.iter().filter(|layer| layer.workflow.is_some()) {
            let workflow: &Workflow = layer.workflow.as_ref().unwrap();
            let states: Vec<&str> = layer.fields[workflow.at()].kind.values().iter().map(|value| value.value.as_str()).collect();
            // Fields that states ask for or rules speak of, with two values each and none.
            let mut fields: BTreeSet<&str> = workflow.requires.values().flatten().map(String::as_str).collect();
            fields.extend(["author", "reviewer", "found_on"].into_iter().filter(|key| layer.field(key).is_some()));
            let fields: Vec<&str> = fields.into_iter().collect();
            let value = |key: &str, n: usize| -> Json {
                match layer.field(key).unwrap().1.kind.word() {
                    _ if n == 0 => Json::Null,
                    "date" => format!("2026-0{n}-01").into(),
                    "datetime" => format!("2026-0{n}-01T08:00:00+08:00").into(),
                    _ => ["甲", "乙"][n - 1].into(),
                }
            };
            let mut new = json!({ "name": "一" });
            for field in layer.fields.iter().filter(|field| field.required && field.key != "name") {
                new[&field.key] = match field.kind.word() {
                    "ref" => incident.clone().into(),
                    "enum" => field.kind.values()[0].value.as_str().into(),
                    "date" => "2026-01-01".into(),
                    _ => "甲".into(),
                };
            }
            let id = server.create(&layer.id, None, new).await;
            let path = format!("/collections/{}/items/{id}", layer.id);
            let mut before = server.get(&path).await.1["properties"].clone();
            let mut taken = 0;
            for _ in 0..if support::soak() { 2_000 } else { 200 } {
                let mut set = json!({});
                for _ in 0..1 + random.below(4) {
                    let key = fields.get(random.below(fields.len() + 1)).copied().unwrap_or(workflow.field.as_str());
                    // Any state, but mostly one that a step leads to.
                    let steps =
                        workflow.transitions.iter().filter(|step| step.from.iter().any(|state| before[&workflow.field] == state.as_str()));
                    let next: Vec<&str> = steps.map(|step| step.to.as_str()).collect();
                    let among = if next.is_empty() || random.below(3) == 0 { &states } else { &next };
                    set[key] = match key == workflow.field {
                        true => among[random.below(among.len())].into(),
                        false => value(key, random.below(9).div_ceil(4)),
                    };
                }
                let (status, answer) = patch(&server, &layer.id, &id, set.clone()).await;
                assert!([200, 409, 422].contains(&status), "{set}: {answer}");
                let after = server.get(&path).await.1["properties"].clone();
                if status != 200 {
                    assert_eq!(before, after, "refused, and changed: {set}");
                    continue;
                }
                let (from, to) = (before[&workflow.field].as_str().unwrap(), after[&workflow.field].as_str().unwrap());
                let named = workflow.transitions.iter().any(|step| step.from.iter().any(|state| *state == from) && step.to == to);
                assert!(from == to || named, "{}: {from} to {to}", layer.id);
                taken += usize::from(from != to);
                for key in workflow.requires.iter().filter(|(state, _)| *state == to).flat_map(|(_, keys)| keys) {
                    assert!(!after[key].is_null(), "{}: {to} without {key}", layer.id);
                }
                if let Some(frozen) = workflow.frozen.as_ref().filter(|frozen| frozen.states.iter().any(|state| *state == from)) {
                    assert!(frozen.fields.iter().all(|key| before[key] == after[key]), "{}: {set}", layer.id);
                }
                for [one, other] in [["reviewer", "rectifier"], ["signed_by", "author"]] {
                    let is_told = !after[one].is_null() && ["closed", "signed", "sent"].contains(&to);
                    assert!(!is_told || after[one] != after[other], "{}: {after}", layer.id);
                }
                before = after;
            }
            assert!(taken > 0, "{}: no step was ever taken", layer.id);
        }
    }
}
