//! The files that set-up leaves: settings, private key, webhook secret.
//!
//! Invariants: nothing is overwritten; only the owner reads them, from their first byte on; whether
//! they can be written is known before anything is asked of GitHub.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use shipline::problem::Problem;

use super::exchange::Credentials;
use super::manifest::Place;

/// Where the files will be.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) settings: PathBuf,
    key: PathBuf,
    secret: PathBuf,
}

impl Files {
    /// Sees to it that they can be written.
    pub(super) fn prepare(output: &Path) -> Result<Self, Problem> {
        let named = output.file_name().and_then(|name| name.to_str()).filter(|name| !name.is_empty());
        let name = named.ok_or_else(|| wrong(output, "it names no file"))?;
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The settings name the other files: from wherever the bot is started.
        let folder = fs::canonicalize(folder).map_err(|why| wrong(folder, &why.to_string()))?;
        let stem = name.strip_suffix(".env").unwrap_or(name);
        let files = Self {
            settings: folder.join(name),
            key: folder.join(format!("{stem}.private-key.pem")),
            secret: folder.join(format!("{stem}.webhook-secret")),
        };
        for path in [&files.settings, &files.key, &files.secret] {
            if path.symlink_metadata().is_ok() {
                let what = format!("{} is there already.", path.display());
                let next =
                    "Move it away, or choose another place with --output. It may belong to an App that is in use.";
                return Err(Problem::mistake("file-exists", what, next));
            }
        }
        let probe = folder.join(format!(".{stem}.probe-{}", uuid::Uuid::new_v4().simple()));
        create(&probe, "").map_err(|why| wrong(&folder, &why.to_string()))?;
        fs::remove_file(&probe).map_err(|why| wrong(&probe, &why.to_string()))?;
        Ok(files)
    }

    /// Writes them; the settings last, because they say that all is there.
    pub(super) fn write(&self, app: &Credentials, place: &Place) -> Result<(), Problem> {
        let written = create(&self.key, app.pem.expose_secret())
            .and_then(|()| create(&self.secret, app.webhook_secret.expose_secret()))
            .and_then(|()| create(&self.settings, &self.settings_of(app, place)));
        written.map_err(|why| {
            let folder = self.settings.parent().unwrap_or(&self.settings);
            let next = "The App was made, but its secrets are lost: delete it on GitHub, make room, and start again.";
            Problem { next: next.to_owned(), ..wrong(folder, &why.to_string()) }
        })
    }

    fn settings_of(&self, app: &Credentials, place: &Place) -> String {
        let mut text = String::from("# Written by `shipline-bot setup`. The secrets are in files of their own.\n");
        let _ = writeln!(text, "SHIPLINE_GITHUB_APP_ID={}", app.id);
        let _ = writeln!(text, "SHIPLINE_GITHUB_PRIVATE_KEY_FILE={}", self.key.display());
        let _ = writeln!(text, "SHIPLINE_WEBHOOK_SECRET_FILE={}", self.secret.display());
        let _ = writeln!(text, "SHIPLINE_PUBLIC_URL={}", place.public_url);
        if !place.is_usual() {
            let _ = writeln!(text, "SHIPLINE_GITHUB_API_URL={}", place.api_url);
            let _ = writeln!(text, "SHIPLINE_SERVER_URL={}", place.server_url);
        }
        text
    }
}

/// A new file that only its owner reads.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.sync_all()
}

fn wrong(path: &Path, why: &str) -> Problem {
    let what = format!("The settings cannot be written to {}.", path.display());
    Problem::mistake("file", what, "Choose another place with --output, or make the folder writable.").because(why)
}
