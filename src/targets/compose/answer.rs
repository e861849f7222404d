//! What the program on the host said, in our own words. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::host::failed;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;
use crate::types::Timestamp;

/// An answer: every line that was in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// The host's clock.
    pub(super) now: Option<Timestamp>,
    /// Version of the compose plugin.
    pub(super) compose: Option<String>,
    /// Why there is no compose plugin.
    pub(super) no_compose: Option<String>,
    pub(super) curl: bool,
    pub(super) file_missing: bool,
    /// What compose says is wrong with the file.
    pub(super) wrong: Option<String>,
    pub(super) services: Vec<String>,
    /// What compose would start the service with now.
    pub(super) hash: Option<String>,
    pub(super) containers: Vec<Container>,
    pub(super) images: Vec<Image>,
    pub(super) job: Option<String>,
    /// When the job was begun, by the host's clock.
    pub(super) since: Option<Timestamp>,
    /// State of the job or task that the answer is about.
    pub(super) state: Option<State>,
    /// Its last lines.
    pub(super) log: Vec<String>,
    /// The service's own last lines.
    pub(super) lines: Vec<String>,
    /// Containers that ended lately, with their exit codes, oldest first.
    pub(super) died: Vec<(String, i32)>,
    pub(super) history: Vec<String>,
    pub(super) databases: Vec<Database>,
    /// What the HTTP check got: a status, or curl's words and `000`.
    pub(super) http: Option<String>,
    pub(super) begun: Option<Begun>,
    /// When changes were asked for, by their names, oldest first.
    pub(super) asked: Vec<(Timestamp, String)>,
    /// The project's name.
    pub(super) project: Option<String>,
    /// Services of a compose file: name, build context, Dockerfile, image; `-` for none.
    pub(super) found: Vec<Vec<String>>,
    /// Images that services run, by service.
    pub(super) runs: Vec<(String, String)>,
    /// What its engine runs: `linux/amd64`.
    pub(super) platform: Option<String>,
    pub(super) disk: Option<Disk>,
    /// Where the service's data is mounted.
    pub(super) mounts: Vec<String>,
    /// Named volumes of the service.
    pub(super) volumes: Vec<Volume>,
    /// Whether the compose file has a health check for the service.
    pub(super) checked: bool,
    /// The registry of the service's image, and whether the host can log in to it.
    pub(super) login: Option<(String, Login)>,
    /// What the service's containers wrote.
    pub(super) logged: Vec<Logged>,
    /// The driver of a log that cannot be read.
    pub(super) unlogged: Option<String>,
}

/// Room for images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    /// KiB that are free.
    pub(super) free: u64,
    pub(super) path: String,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) name: String,
    /// Whether somebody else makes it.
    pub(super) external: bool,
    /// Whether it is there.
    pub(super) held: bool,
}

/// Whether a host can log in to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    Possible,
    /// It was refused, in the registry's words.
    Refused(String),
    /// Nothing there can do it.
    Impossible,
    /// It holds no login; public images can be pulled.
    Unknown,
}

/// What a container wrote, with a time before each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) container: String,
    pub(super) lines: Vec<String>,
}

/// A container of the service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Container {
    pub(super) id: String,
    /// The image as compose was given it.
    pub(super) image: String,
    pub(super) image_id: String,
    pub(super) state: ContainerState,
    pub(super) restarts: u32,
    pub(super) hash: Option<String>,
}

/// `State` of the Docker Engine API, as far as it is used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerState {
    pub(super) status: String,
    pub(super) exit_code: i32,
    #[serde(rename = "OOMKilled", default)]
    pub(super) oom_killed: bool,
    #[serde(default)]
    pub(super) error: String,
    pub(super) started_at: Option<Timestamp>,
    pub(super) health: Option<Health>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Health {
    pub(super) status: String,
    #[serde(default)]
    pub(super) log: Option<Vec<Probe>>,
}

/// One run of a health check.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Probe {
    pub(super) exit_code: i32,
    #[serde(default)]
    pub(super) output: String,
}

/// An image that a container runs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Image {
    pub(super) id: String,
    /// What it is called in registries, by digest.
    pub(super) digests: Option<Vec<String>>,
    /// Its `revision` label.
    pub(super) commit: Option<String>,
}

/// How a job or task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Ended {
        code: i32,
        step: String,
    },
    /// It neither runs nor wrote down its end: it was killed, or the host was restarted.
    Lost,
    /// It was ended on request.
    Stopped,
    /// There is none.
    Unknown,
}

/// What asking for a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// It runs now.
    Now,
    /// It was begun before.
    Before,
    /// Another one is under way.
    Busy,
    /// Another one came between.
    Changed,
}

/// A database, and how a copy of it can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) path: String,
    pub(super) can: bool,
}

impl Answer {
    /// Reads the lines. What this version does not know is left out.
    pub(super) fn read(text: &str) -> Result<Self, ProviderFailure> {
        let mut answer = Self::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            answer.take(word, rest)?;
        }
        Ok(answer)
    }

    fn take(&mut self, word: &str, rest: &str) -> Result<(), ProviderFailure> {
        match word {
            "now" => self.now = rest.parse().ok(),
            "compose" => self.compose = Some(rest.trim().to_owned()),
            "no-compose" => self.no_compose = Some(plain(rest)),
            "curl" => self.curl = true,
            "file" => self.file_missing = rest == "missing",
            "wrong" => self.wrong = Some(plain(rest)),
            "service" => self.services.push(rest.to_owned()),
            "hash" => self.hash = Some(rest.trim().to_owned()),
            // One that vanished while it was asked for has no line worth reading.
            "container" if rest.is_empty() => {}
            "container" => self.containers.push(json(rest)?),
            "image" if !rest.is_empty() => self.images.push(json(rest)?),
            "job" => self.job = Some(rest.trim().to_owned()),
            "since" => self.since = rest.trim().parse().ok(),
            "state" => self.state = Some(state(rest)),
            "log" => self.log = lines(rest),
            "lines" => self.lines = lines(rest),
            "died" => {
                let one = |(id, code): (&str, &str)| Some((id.to_owned(), code.parse().ok()?));
                self.died.extend(rest.split_once(' ').and_then(one));
            }
            "history" => self.history.push(plain(rest)),
            "database" => {
                let (way, path) = rest.split_once(' ').unwrap_or((rest, ""));
                self.databases.push(Database { path: path.to_owned(), can: way != "none" });
            }
            "http" => self.http = Some(plain(rest).trim().to_owned()),
            "asked" => {
                let one = |(at, job): (&str, &str)| Some((at.parse().ok()?, job.to_owned()));
                self.asked.extend(rest.split_once(' ').and_then(one));
            }
            "project" => self.project = Some(rest.trim().to_owned()),
            "found" => self.found.push(rest.split('\t').map(str::to_owned).collect()),
            "runs" => self.runs.extend(rest.split_once(' ').map(|(one, image)| (one.to_owned(), image.to_owned()))),
            "platform" => self.platform = Some(rest.trim().to_owned()).filter(|known| known.contains('/')),
            "disk" | "mount" | "volume" | "checked" | "login" => self.take_fact(word, rest),
            "logged" => {
                let (container, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.logged.push(Logged { container: container.to_owned(), lines: plain_lines(text) });
            }
            "unlogged" => self.unlogged = Some(rest.to_owned()),
            "begun" => {
                self.begun = match rest {
                    "yes" => Some(Begun::Now),
                    "before" => Some(Begun::Before),
                    "busy" => Some(Begun::Busy),
                    _ => Some(Begun::Changed),
                }
            }
            "refused" => {
                return Err(failed(
                    FailureKind::Unavailable,
                    format!("Docker does not answer: {}", plain(rest).trim()),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// What only an examination asks for.
    fn take_fact(&mut self, word: &str, rest: &str) {
        let (first, last) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "disk" => self.disk = first.parse().ok().map(|free| Disk { free, path: last.to_owned() }),
            "mount" => self.mounts.push(rest.to_owned()),
            "checked" => self.checked = true,
            "volume" => {
                let (held, name) = last.split_once(' ').unwrap_or((last, ""));
                let (external, held) = (first == "external", held == "held");
                self.volumes.push(Volume { name: name.to_owned(), external, held });
            }
            _ => {
                let (registry, said) = last.split_once(' ').unwrap_or((last, ""));
                let login = match first {
                    "possible" => Login::Possible,
                    "refused" => Login::Refused(plain(said)),
                    "impossible" => Login::Impossible,
                    _ => Login::Unknown,
                };
                self.login = Some((registry.to_owned(), login));
            }
        }
    }

    /// The image of this id.
    pub(super) fn image(&self, id: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.id == id)
    }
}

fn plain(coded: &str) -> String {
    let bytes = STANDARD.decode(coded.trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lines(coded: &str) -> Vec<String> {
    // Compose writes this before a line even where nobody looks at a terminal.
    let clean = |line: &str| line.replace("\u{1b}[2K", "").trim_end().to_owned();
    plain(coded).lines().map(clean).filter(|line| !line.is_empty()).collect()
}

/// Every line as it was written.
fn plain_lines(coded: &str) -> Vec<String> {
    plain(coded).lines().map(str::to_owned).collect()
}

fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, ProviderFailure> {
    serde_json::from_str(text)
        .map_err(|error| failed(FailureKind::Rejected, format!("Docker's answer cannot be read: {error}")))
}

fn state(text: &str) -> State {
    let mut words = text.split_whitespace();
    match words.next() {
        Some("running") => State::Running,
        Some("ended") => State::Ended {
            code: words.next().and_then(|code| code.parse().ok()).unwrap_or(1),
            step: words.next().unwrap_or_default().to_owned(),
        },
        Some("lost") => State::Lost,
        Some("stopped") => State::Stopped,
        _ => State::Unknown,
    }
}
