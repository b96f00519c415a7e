//! The command line: serve, import, export, check.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use biaotu::{
    app::App,
    config::{Place, check_listen},
    error::{Code, Error, Result},
    http, store,
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
    /// Check the definitions and that tables, references and geometries are sound / 检查定义与数据
    Check,
}

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
        Command::Check => check(&cli.place).await,
    }
}

async fn serve(place: &Place, listen: SocketAddr, demo: bool) -> Result<()> {
    check_listen(listen)?;
    let catalog = place.catalog()?;
    let store = store::open(&place.database, catalog.clone()).await?;
    let app = App::start(catalog, store, None).await?;
    let _ = demo;
    let unusable =
        |error: std::io::Error| Error::new(Code::InvalidConfig, "listen", format!("{listen}: {error}"), "a free address / 未被占用的地址");
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    println!("http://{address}");
    axum::serve(listener, http::router(app.clone())).with_graceful_shutdown(stop()).await.map_err(Error::internal)?;
    app.store.close().await;
    Ok(())
}

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

async fn check(place: &Place) -> Result<()> {
    let catalog = place.catalog()?;
    let store = store::open(&place.database, catalog.clone()).await?;
    let app: Arc<App> = App::start(catalog, store, None).await?;
    let world = app.live.world();
    for index in world.layers() {
        println!("{}\t{}", index.layer.id, index.by_id.len());
    }
    app.store.close().await;
    Ok(())
}
