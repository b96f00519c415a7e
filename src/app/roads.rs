//! Roads: from a file to what every server routes on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::App;
use crate::{
    error::{Code, Error, Result},
    exchange::{Crs, lines},
    model::Viewer,
    osm::Coding,
    roads::{
        Line, Profile,
        build::{Report, from_lines, from_osm},
        region,
    },
};

/// A file that roads are read from.
#[derive(Clone, Copy, Debug)]
pub enum Survey {
    Osm(Coding),
    /// Lines with OSM's tags as properties, or `name`, `class`, `oneway` and `speed`; their coordinate system.
    GeoJson(Crs),
    GeoPackage(Crs),
}

/// What is being done: told as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'a> {
    Reading,
    /// The hierarchy of a profile, which takes longest.
    Ordering(&'a str),
    Packing,
}

impl std::fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stage::Reading => f.write_str("reading the survey / 读取路网"),
            Stage::Ordering(profile) => write!(f, "ordering the roads of {profile} / 构建 {profile} 的层次"),
            Stage::Packing => f.write_str("packing / 打包"),
        }
    }
}

impl Survey {
    /// By a file's name.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] for another kind of file.
    pub fn of(name: &str, crs: Crs) -> Result<Survey> {
        match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "pbf" => Ok(Survey::Osm(Coding::Pbf)),
            "osm" => Ok(Survey::Osm(Coding::Xml)),
            "geojson" | "json" => Ok(Survey::GeoJson(crs)),
            "gpkg" => Ok(Survey::GeoPackage(crs)),
            _ => Err(Error::new(Code::InvalidFile, "file", name, ".osm.pbf, .osm, .geojson, .gpkg")),
        }
    }

    /// Builds the road network of a file: packed as stores keep it, and what was read. Takes seconds to minutes; ends with what
    /// `progress` fails with.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] with what is wrong.
    pub fn pack(self, bytes: &[u8], mut progress: impl FnMut(Stage<'_>) -> Result<()>) -> Result<(Vec<u8>, Report)> {
        progress(Stage::Reading)?;
        let profiles = Profile::built_in()?;
        let from = |lines: Vec<lines::Line>| {
            from_lines(&profiles, lines.into_iter().map(|(coordinates, tags)| Line { coordinates, tags }).collect())
        };
        let built = match self {
            Survey::Osm(coding) => from_osm(&profiles, coding, bytes)?,
            Survey::GeoJson(crs) => from(lines::geojson(bytes, crs)?)?,
            Survey::GeoPackage(crs) => from(lines::geopackage(bytes, crs)?)?,
        };
        let orders = region::orders(&built, |profile| progress(Stage::Ordering(profile)))?;
        progress(Stage::Packing)?;
        Ok((region::pack(&built, &orders)?, built.report))
    }
}

impl App {
    /// Builds the road network of a file and, but on a dry run, takes it into use, here and on every other server; gives what was read,
    /// and the `seq` of it. The one in use stays where the file is no good, and where nobody waits any more. Takes seconds to minutes.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] with what is wrong.
    pub async fn build_roads(&self, survey: Survey, bytes: Vec<u8>, dry_run: bool, viewer: &Viewer) -> Result<(Report, Option<u64>)> {
        let waiting = Waiting::default();
        let waits = waiting.0.clone();
        let progress = move |stage: Stage<'_>| {
            if !waits.load(Ordering::Relaxed) {
                return Err(Error::internal("given up: nobody waits for it"));
            }
            tracing::info!("roads: {stage}");
            Ok(())
        };
        let (packed, report) = tokio::task::spawn_blocking(move || survey.pack(&bytes, progress)).await.map_err(Error::internal)??;
        let seq = if dry_run { None } else { Some(self.store.put_roads(&packed, &viewer.name).await?) };
        Ok((report, seq))
    }
}

/// Whether somebody still waits: until it is dropped.
struct Waiting(Arc<AtomicBool>);

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
