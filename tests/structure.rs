//! The shape of the code, held: dependencies point one way, and siblings don't import each other.

use std::{collections::BTreeMap, fs, path::Path};

/// What each part of `src/` may use.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("error", &[][..]),
        ("model", &["error"]),
        ("store", &["error", "model"]),
        ("world", &["error", "model"]),
        ("exchange", &["error", "model", "osm"]),
        ("osm", &["error"]),
        ("roads", &["error", "model", "osm"]),
        ("config", &["error", "model"]),
        ("live", &["error", "model", "store", "world", "roads"]),
        ("app", &["error", "model", "osm", "store", "world", "roads", "exchange", "live", "config"]),
        ("http", &["error", "model", "world", "roads", "exchange", "live", "app"]),
    ])
}

fn rust_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    rust_files(&src, &mut files);
    assert!(files.len() > 20);
    let allowed = allowed();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let part = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if matches!(part, "main" | "lib") {
            continue;
        }
        let may = allowed.get(part).unwrap_or_else(|| panic!("{part} is a new part: say what it may use"));
        let text = fs::read_to_string(&file).unwrap();
        // `use crate::{a, b::c}` over several lines, and `crate::a` in place.
        let flat: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
        for rest in flat.split("crate::").skip(1) {
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => {
                    let (mut depth, mut start, mut names) = (0, 0, vec![]);
                    for (i, c) in list.char_indices() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => {
                                names.push(&list[start..i]);
                                break;
                            }
                            '}' => depth -= 1,
                            ',' if depth == 0 => {
                                names.push(&list[start..i]);
                                start = i + 1;
                            }
                            _ => {}
                        }
                    }
                    names
                }
                None => vec![rest],
            };
            for name in names {
                let name = name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(name.is_empty() || name == part || may.contains(&name), "{}: {part} uses {name}", relative.display());
            }
        }
    }
}
