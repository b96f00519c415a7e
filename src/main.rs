//! The command line: serve, import, export, check.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use biaotu::{
    app::{
        App,
        import::{Format, Request},
        roads::Survey,
    },
    config::{Place, check_listen},
    error::{Code, Error, Result},
    http,
    model::Viewer,
    store,
};
use clap::{Parser, Subcommand};

/// Biaotu 标图: an emergency bureau's map server / 应急管理一张图服务
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the map and its API / 启动地图与接口服务
    Serve {
        /// Address to listen on; port 0 takes a free one / 监听地址
        #[arg(long, env = "BIAOTU_LISTEN", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Fill an empty store with the fictional demo county / 向空库写入虚构的演示县
        #[arg(long)]
        demo: bool,
    },
    /// Import files: rows match by code, so the same file twice changes nothing / 导入文件
    Import {
        /// CSV, GeoJSON, population grids (.tif, .asc), .osm.pbf or .osm files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Layer id; not for OSM / 图层
        #[arg(long)]
        layer: Option<String>,
        /// wgs84, cgcs2000, gcj02, bd09 or EPSG:n / 坐标系
        #[arg(long, default_value = "wgs84")]
        crs: String,
        /// Only say what would happen / 仅预览
        #[arg(long)]
        dry_run: bool,
        /// Create rows that have neither code nor natural key / 允许新增无编码的行
        #[arg(long)]
        allow_new: bool,
        /// Good rows go in though others are refused / 部分导入
        #[arg(long)]
        partial: bool,
        /// Create rows anew whose code belongs to a deleted feature; else they are only reported / 重新创建已删除的编码
        #[arg(long)]
        revive: bool,
    },
    /// Export a layer to standard output / 导出图层
    Export {
        layer: String,
        /// xlsx, csv or geojson
        #[arg(long, default_value = "geojson")]
        format: String,
    },
    /// The road network that trips, travel times and reach are worked out on / 路网
    #[command(subcommand)]
    Roads(Roads),
    /// Check the definitions and that tables, references and geometries are sound / 检查定义与数据
    Check,
}

#[derive(Subcommand)]
enum Roads {
    /// Build the network from a file and take it into use, on running servers too / 构建路网并启用
    Build {
        /// .osm.pbf, .osm, or lines (.geojson, .gpkg) with name, class (OSM's highway values, or 国道, 省道…), oneway, speed
        file: PathBuf,
        /// Coordinate system of lines: wgs84, cgcs2000, gcj02, bd09, EPSG:n; a GeoPackage's own goes first / 坐标系
        #[arg(long, default_value = "wgs84")]
        crs: String,
    },
}

// Millions of small values from many threads: the system's allocator takes more memory for them, and longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("BIAOTU_LOG").unwrap_or_else(|_| "info,sqlx=warn".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("biaotu: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve { listen, demo } => serve(&cli.place, listen, demo).await,
        Command::Import { files, layer, crs, dry_run, allow_new, partial, revive } => {
            let crs = crs.parse()?;
            let (app, viewer) = (open(&cli.place).await?, Viewer::local_admin());
            let mut refused = false;
            for file in files {
                let format = Format::of(&file.to_string_lossy())?;
                let unreadable = |error: std::io::Error| {
                    Error::new(Code::InvalidFile, file.display().to_string(), error, "a file that can be read / 可读文件")
                };
                let bytes = std::fs::read(&file).map_err(unreadable)?;
                let request = Request { layer: layer.clone(), format, crs, dry_run, allow_new, partial, revive };
                let report = app.import(&request, &bytes, &viewer).await.map_err(|error| error.within(&file.display().to_string()))?;
                refused |= report["committed"] == false && !dry_run;
                println!("{}", serde_json::to_string_pretty(&report).map_err(Error::internal)?);
            }
            app.close().await;
            if refused {
                Err(Error::new(
                    Code::InvalidFile,
                    "rows",
                    "some were refused; nothing was written / 有行被拒,未写入",
                    "corrected rows, or --partial / 请更正或使用 --partial",
                ))
            } else {
                Ok(())
            }
        }
        Command::Export { layer, format } => {
            let app = open(&cli.place).await?;
            let world = app.live.world();
            let (_, index) = world.find_layer(&layer)?;
            let bytes = biaotu::http::files::export_bytes(index, &format, &Viewer::local_admin())?;
            std::io::Write::write_all(&mut std::io::stdout(), &bytes).map_err(Error::internal)?;
            app.close().await;
            Ok(())
        }
        Command::Roads(Roads::Build { file, crs }) => {
            let unreadable = |error: std::io::Error| {
                Error::new(Code::InvalidFile, file.display().to_string(), error, "a file that can be read / 可读文件")
            };
            let (survey, bytes) = (Survey::of(&file.to_string_lossy(), crs.parse()?)?, std::fs::read(&file).map_err(unreadable)?);
            let app = open(&cli.place).await?;
            let (report, _) = app.build_roads(survey, bytes, false, &Viewer::local_admin()).await?;
            println!("{}", serde_json::to_string_pretty(&report).map_err(Error::internal)?);
            app.close().await;
            Ok(())
        }
        Command::Check => check(&cli.place).await,
    }
}

async fn serve(place: &Place, listen: SocketAddr, demo: bool) -> Result<()> {
    check_listen(listen)?;
    let app = open(place).await?;
    if demo {
        app.fill_demo().await?;
    }
    let unusable =
        |error: std::io::Error| Error::new(Code::InvalidConfig, "listen", format!("{listen}: {error}"), "a free address / 未被占用的地址");
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    println!("http://{address}");
    let serving = axum::serve(listener, http::router(app.clone())).with_graceful_shutdown(stop());
    // Requests under way are finished; a live stream never ends by itself, so it is cut.
    let cut = async {
        stop().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = serving.into_future() => done.map_err(Error::internal)?,
        () = cut => {}
    }
    app.close().await;
    Ok(())
}

/// How long requests under way may take after the order to stop.
const GRACE: std::time::Duration = std::time::Duration::from_secs(3);

/// Ends with Ctrl-C or SIGTERM.
async fn stop() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn open(place: &Place) -> Result<Arc<App>> {
    let (catalog, district) = (place.catalog()?, place.district()?);
    let store = store::open(&place.database, catalog.clone()).await?;
    App::start(catalog, store, district).await
}

async fn check(place: &Place) -> Result<()> {
    let app = open(place).await?;
    let world = app.live.world();
    for index in world.layers() {
        println!("{}\t{}", index.layer.id, index.by_id.len());
    }
    app.close().await;
    Ok(())
}
