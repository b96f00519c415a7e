//! A PostgreSQL of a test's own, that it may stop and start.

use std::{path::PathBuf, process::Command};

/// Stopped and removed when dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
}

/// The newest server programs on this machine.
fn bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL's server programs: make setup");
    versions.map(|entry| entry.unwrap().path().join("bin")).max().expect("PostgreSQL's server programs: make setup")
}

fn run(program: &str, args: &[&str]) -> bool {
    // They refuse to run as root.
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    let program = bin().join(program);
    let mut command = if root { Command::new("runuser") } else { Command::new(&program) };
    if root {
        command.args(["-u", "postgres", "--"]).arg(&program);
    }
    command.args(args).current_dir("/").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap().success()
}

impl Cluster {
    pub fn new() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Cluster { folder, port };
        let data = cluster.data();
        assert!(run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]));
        cluster.start();
        cluster
    }
    fn data(&self) -> String {
        self.folder.path().join("data").to_str().unwrap().to_owned()
    }
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
    pub fn start(&self) {
        let options = format!("-p {} -k {} -c listen_addresses=127.0.0.1", self.port, self.folder.path().display());
        let log = self.folder.path().join("data/log");
        assert!(run("pg_ctl", &["-D", &self.data(), "-w", "-t", "60", "-l", log.to_str().unwrap(), "-o", &options, "start"]));
    }
    /// As a power cut does: nobody is told.
    pub fn stop(&self) {
        assert!(run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}
