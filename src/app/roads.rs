//! Roads: from a file to what every server routes on.

use super::App;
use crate::{
    error::{Code, Error, Result},
    model::Viewer,
    osm::Coding,
    roads::{
        Line, Profile,
        build::{Report, from_lines, from_osm},
        region,
    },
};

/// A file that roads are read from.
pub enum Survey {
    Osm(Coding),
    /// GeoJSON lines with OSM's tags as properties, or `name`, `class`, `oneway` and `speed`.
    Lines,
}

impl Survey {
    /// By a file's name.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] for another kind of file.
    pub fn of(name: &str) -> Result<Survey> {
        match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "pbf" => Ok(Survey::Osm(Coding::Pbf)),
            "osm" => Ok(Survey::Osm(Coding::Xml)),
            "geojson" | "json" => Ok(Survey::Lines),
            _ => Err(Error::new(Code::InvalidFile, "file", name, ".osm.pbf, .osm, .geojson")),
        }
    }

    /// Builds the road network of a file: packed as stores keep it, and what was read. Takes seconds to minutes.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] with what is wrong.
    pub fn pack(self, bytes: Vec<u8>) -> Result<(Vec<u8>, Report)> {
        let profiles = Profile::built_in()?;
        let built = match self {
            Survey::Osm(coding) => from_osm(&profiles, coding, &bytes)?,
            Survey::Lines => from_lines(&profiles, lines(&bytes)?)?,
        };
        let orders = region::orders(&built);
        Ok((region::pack(&built, &orders)?, built.report))
    }
}

impl App {
    /// Builds the road network of a file and, but on a dry run, takes it into use, here and on every other server; gives what was read,
    /// and the `seq` of it. The one in use stays where the file is no good. Takes seconds to minutes.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] with what is wrong.
    pub async fn build_roads(&self, survey: Survey, bytes: Vec<u8>, dry_run: bool, viewer: &Viewer) -> Result<(Report, Option<u64>)> {
        let (packed, report) = tokio::task::spawn_blocking(move || survey.pack(bytes)).await.map_err(Error::internal)??;
        let seq = if dry_run { None } else { Some(self.store.put_roads(&packed, &viewer.name).await?) };
        Ok((report, seq))
    }
}

/// Lines of a GeoJSON file. Properties that are OSM's keys are taken as they are; `class`, `speed` (km/h) and a boolean `oneway` are what
/// district surveys tend to have.
fn lines(bytes: &[u8]) -> Result<Vec<Line>> {
    let invalid =
        |field: String, value: &dyn std::fmt::Display| Error::new(Code::InvalidFile, field, value, "GeoJSON lines / GeoJSON 线要素");
    let json: geojson::GeoJson = std::str::from_utf8(bytes)
        .map_err(|error| invalid("file".into(), &error))?
        .parse()
        .map_err(|error: geojson::Error| invalid("file".into(), &error))?;
    let features = geojson::FeatureCollection::try_from(json).map_err(|error| invalid("file".into(), &error))?.features;
    let mut lines = Vec::new();
    for (n, feature) in features.into_iter().enumerate() {
        let parts = match feature.geometry.map(|geometry| geometry.value) {
            Some(geojson::GeometryValue::LineString { coordinates }) => vec![coordinates],
            Some(geojson::GeometryValue::MultiLineString { coordinates }) => coordinates,
            _ => return Err(invalid(format!("features[{n}].geometry"), &"no line / 非线要素")),
        };
        let mut tags = Vec::new();
        for (key, value) in feature.properties.unwrap_or_default() {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => continue,
            };
            let key = match key.as_str() {
                "class" => "highway",
                "speed" => "maxspeed",
                other => other,
            };
            tags.push((key.to_owned(), text));
        }
        for coordinates in parts {
            let mut positions = Vec::with_capacity(coordinates.len());
            for position in &coordinates {
                let [lon, lat, ..] = position.as_slice() else { return Err(invalid(format!("features[{n}].geometry"), &"a position")) };
                crate::model::geometry::check_position(*lon, *lat).map_err(|error| error.within(&format!("features[{n}].geometry")))?;
                positions.push((*lon, *lat));
            }
            lines.push(Line { coordinates: positions, tags: tags.clone() });
        }
    }
    Ok(lines)
}
