//! A database of the world's PostgreSQL that containers reach, gone with the story.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Database {
    name: String,
    /// Of the world's own server, database `postgres`.
    server: String,
    /// Where containers find it.
    pub(crate) inside: String,
}

impl Database {
    /// Named after the story's own folder.
    #[expect(clippy::disallowed_methods, reason = "the world is described by the environment")]
    pub(crate) fn new(folder: &Path) -> Self {
        let server =
            std::env::var("SHIPLINE_POSTGRES").expect("`eval \"$(scripts/world env)\"` sets SHIPLINE_POSTGRES");
        let unique = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("story_{}_{unique}", std::process::id());
        // The server listens on this machine's own address alone; containers come in by their bridge.
        let gateway = output("docker", &["network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"]);
        let listener = TcpListener::bind((gateway.as_str(), 0)).unwrap();
        let door = listener.local_addr().unwrap();
        let inside = format!("postgres://shipline@{door}/{name}");
        let address = server.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        // Ends with the test's process; one thread a direction.
        std::thread::spawn(move || {
            for from in listener.incoming() {
                let (from, to) = (from.unwrap(), TcpStream::connect(&address).unwrap());
                through(from.try_clone().unwrap(), to.try_clone().unwrap());
                through(to, from);
            }
        });
        let made = Self { name, server, inside };
        made.ask_server(&format!("CREATE DATABASE {}", made.name));
        made
    }

    fn ask_server(&self, statement: &str) -> String {
        output(psql().to_str().unwrap(), &["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, &self.server])
    }

    pub(crate) fn ask(&self, statement: &str) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        let address = format!("{server}/{}", self.name);
        output(psql().to_str().unwrap(), &["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, &address])
    }

    /// The columns of a table in their order, none when there is no table.
    pub(crate) fn columns(&self, table: &str) -> String {
        self.ask(&format!(
            "SELECT coalesce(string_agg(column_name, ',' ORDER BY ordinal_position), '') \
             FROM information_schema.columns WHERE table_name = '{table}'",
        ))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.ask_server(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Copies one direction to its end.
fn through(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ended = std::io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Write);
    });
}

/// The program itself: what is in the PATH is a script that looks for it.
fn psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed by `scripts/world up`");
    let mut found: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin/psql")).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("PostgreSQL is installed by `scripts/world up`")
}

/// Puts PostgreSQL's client into a folder with all it needs; inside an image it is called as
/// `/psql/ld.so --library-path /psql /psql/psql`.
pub(crate) fn copy_client(folder: &Path) {
    let program = psql();
    let listed = output("ldd", &[program.to_str().unwrap()]);
    std::fs::create_dir_all(folder).unwrap();
    let copy = |from: &Path, name: &str| {
        std::fs::copy(from, folder.join(name)).unwrap();
    };
    copy(&program, "psql");
    for path in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        copy(Path::new(path), if name.starts_with("ld-linux") { "ld.so" } else { name });
    }
}

#[expect(clippy::disallowed_methods, reason = "the world is looked at with its own programs")]
fn output(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() || std::thread::panicking(), "{program} {arguments:?}: {said}");
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}
