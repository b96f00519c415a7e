//! Both real stores, one for each test, and a server over either.

use std::sync::Arc;

use biaotu::{
    app::App,
    model::{Catalog, Geometry},
    store::{self, Store},
};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

/// A store of a test's own, removed when dropped.
pub struct Place {
    /// What `--database` takes.
    pub url: String,
    pub kind: &'static str,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// A database that somebody else removes.
    pub fn postgis(url: String) -> Place {
        Place { url, kind: "borrowed", _folder: None }
    }

    /// Runs SQL as another program would.
    pub async fn externally(&self, sql: &str) -> sqlx::Result<()> {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        if self.url.starts_with("postgres") {
            PgConnection::connect(&self.url).await?.execute(sql).await.map(drop)
        } else {
            SqliteConnection::connect(&format!("sqlite://{}", self.url)).await?.execute(sql).await.map(drop)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((base, name)) = self.url.rsplit_once('/').filter(|_| self.kind == "postgis") else { return };
        let (base, name) = (format!("{base}/postgres"), name.to_owned());
        // A test that failed may still hold connections.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(mut connection) = PgConnection::connect(&base).await {
                    let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                        .execute(&mut connection)
                        .await;
                }
            });
        })
        .join();
    }
}

/// An empty store of each kind.
pub async fn both() -> [Place; 2] {
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&super::postgres_url()).await.expect("the PostgreSQL for tests");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let url = format!("{}/{name}", super::postgres_url().rsplit_once('/').unwrap().0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.gpkg").to_str().unwrap().to_owned();
    [Place { url, kind: "postgis", _folder: None }, Place { url: file, kind: "geopackage", _folder: Some(folder) }]
}

pub fn built_in() -> Arc<Catalog> {
    Arc::new(Catalog::parse(&biaotu::config::built_in()).unwrap())
}

pub async fn open(place: &Place, catalog: &Arc<Catalog>) -> Arc<dyn Store> {
    store::open(&place.url, catalog.clone()).await.unwrap_or_else(|error| panic!("{}: {error}", place.kind))
}

/// A server over a store, as `biaotu serve` runs it.
pub struct Server {
    pub url: String,
    pub app: Arc<App>,
    pub client: reqwest::Client,
}

pub async fn serve(place: &Place, demo: bool) -> Server {
    serve_in(place, demo, None).await
}

/// The same, of a bureau whose district is known.
pub async fn serve_in(place: &Place, demo: bool, district: Option<Geometry>) -> Server {
    serve_layers(place, built_in(), demo, district).await
}

/// The same, of a bureau with registers of its own.
pub async fn serve_layers(place: &Place, catalog: Arc<Catalog>, demo: bool, district: Option<Geometry>) -> Server {
    let store = open(place, &catalog).await;
    let app = App::start(catalog, store, district).await.unwrap();
    if demo {
        app.fill_demo().await.unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = biaotu::http::router(app.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { url, app, client: reqwest::Client::new() }
}

impl Server {
    /// Status and JSON of a GET.
    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }
    /// Status and JSON of a request with a body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> (u16, serde_json::Value) {
        let mut request =
            self.client.request(method.parse().unwrap(), format!("{}{path}", self.url)).header("content-type", "application/geo+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }
    /// Creates a feature; its id.
    pub async fn create(&self, layer: &str, place: Option<(f64, f64)>, properties: serde_json::Value) -> String {
        let geometry = place.map(|(lon, lat)| serde_json::json!({ "type": "Point", "coordinates": [lon, lat] }));
        let body = serde_json::json!({ "type": "Feature", "geometry": geometry, "properties": properties });
        let (status, answer) = self.send("POST", &format!("/collections/{layer}/items"), &[], body.to_string()).await;
        assert_eq!(status, 201, "{layer}: {answer}");
        answer["id"].as_str().unwrap().to_owned()
    }
}
