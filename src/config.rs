//! Settings and definitions: where they come from, read once and checked.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rust_embed::Embed;

use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Geometry},
};

/// Definitions, rules and the demo county as they were when the program was built.
#[derive(Embed)]
#[folder = "data"]
#[include = "*.toml"]
#[include = "demo/*.geojson"]
#[include = "demo/*.csv"]
pub struct Data;

/// Where the data are, for every command.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// postgres://… for PostGIS, or the path of a GeoPackage file, made if absent / 数据库地址或 GeoPackage 文件
    #[arg(long, env = "DATABASE_URL", default_value = "biaotu.gpkg", global = true)]
    pub database: String,
    /// A folder of layer definitions, instead of the built-in ones / 图层定义目录
    #[arg(long, env = "BIAOTU_LAYERS", global = true)]
    pub layers: Option<PathBuf>,
    /// A GeoJSON file with the district's area: imports warn of what lies outside it / 辖区范围 GeoJSON 文件
    #[arg(long, env = "BIAOTU_DISTRICT", global = true)]
    pub district: Option<PathBuf>,
}

impl Place {
    /// Reads and checks all layer definitions.
    ///
    /// # Errors
    /// [`Code::InvalidDefinition`] with file, key and remedy.
    pub fn catalog(&self) -> Result<Arc<Catalog>> {
        let files = match &self.layers {
            Some(folder) => read_folder(folder)?,
            None => built_in(),
        };
        Catalog::parse(&files).map(Arc::new)
    }

    /// Reads the district's area, if one is set.
    ///
    /// # Errors
    /// [`Code::InvalidConfig`] for a file that can't be read or holds no area.
    pub fn district(&self) -> Result<Option<Geometry>> {
        let Some(path) = &self.district else { return Ok(None) };
        let unusable = |what: &dyn std::fmt::Display| {
            let expected = "a GeoJSON file with one Polygon or MultiPolygon / 含一个面的 GeoJSON 文件";
            Error::new(Code::InvalidConfig, "district", format!("{}: {what}", path.display()), expected)
        };
        let text = std::fs::read(path).map_err(|error| unusable(&error))?;
        let json = serde_json::from_slice(&text).map_err(|error| unusable(&error))?;
        Geometry::area_from_geojson(&json).map(Some).map_err(|error| unusable(&error.titles()[0]))
    }
}

/// The built-in definitions as `(name, text)`; shared value lists under `enums/`.
pub fn built_in() -> Vec<(String, String)> {
    let mut files: Vec<_> = Data::iter()
        .filter_map(|path| {
            let name = path.strip_prefix("layers/").map(str::to_owned).or_else(|| path.starts_with("enums/").then(|| path.to_string()))?;
            Some((name, String::from_utf8_lossy(&Data::get(&path)?.data).into_owned()))
        })
        .collect();
    files.sort();
    files
}

/// Definitions of a folder: `*.toml` are layers, `enums/*.toml` beside or inside it are shared value lists.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let siblings = folder.parent().map(|parent| parent.join("enums"));
    for (prefix, at) in [("", Some(folder.to_path_buf())), ("enums/", Some(folder.join("enums"))), ("enums/", siblings)] {
        let Some(at) = at.filter(|at| prefix.is_empty() || at.is_dir()) else { continue };
        let unreadable = |error: std::io::Error| {
            Error::new(Code::InvalidConfig, "layers", format!("{}: {error}", at.display()), "a folder of *.toml files / 含 *.toml 的目录")
        };
        for entry in std::fs::read_dir(&at).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
                if !files.iter().any(|(known, _)| *known == name) {
                    files.push((name, std::fs::read_to_string(&path).map_err(unreadable)?));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Refuses to listen beyond loopback: there are no accounts yet, so anybody there would be the admin.
pub fn check_listen(listen: SocketAddr) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    let remedy =
        "an address of this machine only, as 127.0.0.1:8080; reach it from elsewhere by an SSH tunnel / 仅本机地址,远程请用 SSH 隧道";
    Err(Error::new(Code::InvalidConfig, "listen", listen, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_definitions_are_sound() {
        let catalog = Catalog::parse(&built_in()).unwrap_or_else(|error| panic!("{error}"));
        assert!(catalog.layers.len() >= 14);
        assert!(catalog.hazard_bit("flood").is_some());
    }

    #[test]
    fn a_district_is_an_area_or_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = |text: &str| {
            let path = folder.path().join("district.geojson");
            std::fs::write(&path, text).unwrap();
            Place { database: String::new(), layers: None, district: Some(path) }
        };
        let square = r#"{"type":"Polygon","coordinates":[[[113,28],[114,28],[114,29],[113,29],[113,28]]]}"#;
        assert!(place(square).district().unwrap().is_some());
        let collection =
            format!(r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{}},"geometry":{square}}}]}}"#);
        assert!(place(&collection).district().unwrap().is_some());
        for bad in ["", "[]", r#"{"type":"Point","coordinates":[113,28]}"#, r#"{"type":"FeatureCollection","features":[]}"#] {
            let error = place(bad).district().unwrap_err();
            assert_eq!((error.code, error.field.as_str()), (Code::InvalidConfig, "district"), "{bad}");
        }
    }
}
