//! Runs a program: arguments as a list, secrets over standard input or the environment, never
//! through a shell.
//!
//! What it is not: it does not know what the programs do. Invariants: the child gets exactly the
//! environment it is given; it leads a process group of its own, and that whole group ends with the
//! call, whether the call finishes, fails, is cancelled or is dropped; memory for output is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::engine::Cancel;

mod error;

pub use error::{Ending, ProcessError};

/// Lines kept for a failure's message.
const TAIL_LINES: usize = 40;
/// Longest line that is passed on whole; a longer one is cut into several.
const LINE_BYTES: usize = 16 * 1024;
/// Most standard output kept in [`Finished::out`].
const OUT_BYTES: usize = 4 * 1024 * 1024;
/// Between SIGTERM and SIGKILL: under the 7.5 s a cancelled action step has.
const GRACE: Duration = Duration::from_secs(3);
/// How long output may still arrive once the program itself has ended.
const LINGER: Duration = Duration::from_millis(500);

/// Names and values of an environment.
pub type Environment = BTreeMap<String, String>;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a program left when it ended with 0.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// Its standard output, at most 4 MiB of it.
    pub out: String,
    /// The last lines of both streams as they came.
    pub tail: Vec<String>,
}

/// A program with its arguments, ready to run.
#[derive(Debug)]
pub struct Program {
    name: OsString,
    args: Vec<OsString>,
    environment: Environment,
    directory: Option<PathBuf>,
    input: Option<SecretString>,
    limit: Option<Duration>,
    install: &'static str,
}

impl Program {
    /// A program found by `PATH` of `environment`, which is all the child gets. `install` says what
    /// to install when it is not there.
    pub fn new(name: impl AsRef<OsStr>, environment: &Environment, install: &'static str) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            args: Vec::new(),
            environment: environment.clone(),
            directory: None,
            input: None,
            limit: None,
            install,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn in_directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Writes this to its standard input, which is empty otherwise.
    #[must_use]
    pub fn input(mut self, input: SecretString) -> Self {
        self.input = Some(input);
        self
    }

    /// Ends it when it takes longer.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The arguments, for tests that look for secrets in them.
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// Runs it to its end. Every line is passed to `line` as it comes, with colour codes as the
    /// program wrote them.
    pub async fn run(
        &self,
        cancel: &Cancel,
        line: &(dyn Fn(Stream, &str) + Send + Sync),
    ) -> Result<Finished, ProcessError> {
        let mut child = self.start()?;
        let program = || self.name.to_string_lossy().into_owned();
        let unrunnable = |cause| ProcessError::Unrunnable { program: program(), cause };
        let group = Group(child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())));
        let output = Output::default();
        let input = child.stdin.take();
        let out = child.stdout.take().expect("standard output was asked for");
        let err = child.stderr.take().expect("standard error was asked for");
        let reading = async {
            let write = async {
                if let (Some(mut pipe), Some(text)) = (input, &self.input) {
                    // A program that ends without reading its input says so by its exit code.
                    let _ = pipe.write_all(text.expose_secret().as_bytes()).await;
                }
            };
            let (out, err, ()) =
                tokio::join!(output.read(Stream::Out, out, line), output.read(Stream::Err, err, line), write);
            out.and(err)
        };
        tokio::pin!(reading);
        let ended = async {
            let mut read = None;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status?,
                    result = &mut reading, if read.is_none() => { result?; read = Some(()); }
                }
            };
            if read.is_none() {
                // A grandchild may hold the pipe open for ever.
                let _ = tokio::time::timeout(LINGER, &mut reading).await;
            }
            Ok(status)
        };
        let limit = self.limit.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
        let status: Result<ExitStatus, io::Error> = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                group.end_of(&mut child).await;
                return Err(ProcessError::Cancelled { program: program() });
            }
            ended = tokio::time::timeout(limit, ended) => if let Ok(status) = ended {
                status
            } else {
                group.end_of(&mut child).await;
                return Err(ProcessError::TimedOut { program: program(), after: limit, tail: output.tail() });
            },
        };
        let status = status.map_err(unrunnable)?;
        match (status.success(), status.code(), status.signal()) {
            (true, ..) => Ok(output.finished()),
            (_, Some(code), _) => {
                Err(ProcessError::Failed { program: program(), ending: Ending::Code(code), tail: output.tail() })
            }
            (_, None, signal) => Err(ProcessError::Failed {
                program: program(),
                ending: Ending::Signal(signal.unwrap_or_default()),
                tail: output.tail(),
            }),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the shell that runs programs")]
    fn start(&self) -> Result<tokio::process::Child, ProcessError> {
        let mut command = tokio::process::Command::new(&self.name);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.environment)
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.spawn().map_err(|cause| {
            let program = self.name.to_string_lossy().into_owned();
            let folder_there = self.directory.as_deref().is_none_or(Path::is_dir);
            if cause.kind() == io::ErrorKind::NotFound && folder_there {
                ProcessError::NotFound { program, install: self.install }
            } else {
                ProcessError::Unrunnable { program, cause }
            }
        })
    }
}

/// A child's process group; what is left of it is killed when this is dropped.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(group) = self.0 {
            // Fails only when nothing of the group is left, which is what is wanted.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Asks the group to end, then makes it.
    async fn end_of(&self, child: &mut tokio::process::Child) {
        self.signal(rustix::process::Signal::TERM);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            self.signal(rustix::process::Signal::KILL);
            let _ = child.wait().await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
    }
}

#[derive(Default)]
struct Output(std::sync::Mutex<Collected>);

#[derive(Default)]
struct Collected {
    out: Vec<u8>,
    tail: VecDeque<String>,
}

impl Output {
    fn with<T>(&self, use_it: impl FnOnce(&mut Collected) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn tail(&self) -> Vec<String> {
        self.with(|collected| collected.tail.iter().cloned().collect())
    }

    fn finished(&self) -> Finished {
        let out = self.with(|collected| String::from_utf8_lossy(&collected.out).into_owned());
        Finished { out, tail: self.tail() }
    }

    fn line(&self, stream: Stream, bytes: &[u8], pass_on: &(dyn Fn(Stream, &str) + Send + Sync)) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        pass_on(stream, text);
        self.with(|collected| {
            if collected.tail.len() == TAIL_LINES {
                collected.tail.pop_front();
            }
            collected.tail.push_back(text.to_owned());
        });
    }

    async fn read(
        &self,
        stream: Stream,
        mut pipe: impl AsyncRead + Unpin,
        pass_on: &(dyn Fn(Stream, &str) + Send + Sync),
    ) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut chunk = vec![0; 8 * 1024];
        loop {
            let count = pipe.read(&mut chunk).await?;
            let new = &chunk[..count];
            if stream == Stream::Out {
                self.with(|collected| {
                    let room = OUT_BYTES.saturating_sub(collected.out.len());
                    collected.out.extend_from_slice(&new[..new.len().min(room)]);
                });
            }
            for byte in new {
                if *byte == b'\n' || *byte == b'\r' || pending.len() == LINE_BYTES {
                    self.line(stream, &pending, pass_on);
                    pending.clear();
                }
                if *byte != b'\n' && *byte != b'\r' {
                    pending.push(*byte);
                }
            }
            if count == 0 {
                self.line(stream, &pending, pass_on);
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
