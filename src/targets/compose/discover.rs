//! What a compose file names and what of it runs, for a configuration that is written from it.

use std::path::{Path, PathBuf};

use aws_types::SdkConfig;

use super::answer::Answer;
use super::host::{Host, Verb, Way};
use super::instance::Instance;
use super::local::Local;
use crate::config::spec::ComposeHost;
use crate::engine::ProviderFailure;
use crate::problem::Problem;
use crate::process::Environment;

/// A project that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProject {
    /// Its name: that of what runs, or the one compose would give it.
    pub name: String,
    /// Its services, in the order of compose.
    pub services: Vec<FoundService>,
}

/// One service of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundService {
    /// Its name in the compose file.
    pub name: String,
    /// The image that runs, or that the file names.
    pub image: Option<String>,
    /// How compose builds it, if it does.
    pub build: Option<FoundBuild>,
}

/// A `build` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBuild {
    /// The whole path of the context.
    pub context: PathBuf,
    /// The Dockerfile in it.
    pub dockerfile: String,
}

/// The project of a compose file on this machine.
pub async fn on_this_machine(file: &Path, environment: &Environment) -> Result<FoundProject, Problem> {
    let way = Way::Local(Local { environment: environment.clone() });
    look(way, file.to_string_lossy().into_owned(), "this machine").await
}

/// The project of a compose file on an instance.
pub async fn on_an_instance(config: &SdkConfig, host: &ComposeHost, file: &Path) -> Result<FoundProject, Problem> {
    look(Way::Instance(Instance::new(config, host)), file.to_string_lossy().into_owned(), "the instance").await
}

async fn look(way: Way, file: String, machine: &str) -> Result<FoundProject, Problem> {
    let host = Host { way, project: String::new(), file: file.clone() };
    let seen = host.ask(Verb::Discover, &[]).await.map_err(|failure: ProviderFailure| failure.problem())?;
    if let Some(said) = &seen.no_compose {
        let next = "Install Docker and its compose plugin there.";
        let what = format!("`docker compose` does not run on {machine}");
        return Err(Problem::refused("compose-missing", what, next).because(said.trim().to_owned()));
    }
    if seen.file_missing {
        let what = format!("there is no compose file {file} on {machine}");
        return Err(Problem::mistake("compose-file-missing", what, "Name it with `--compose <file>`."));
    }
    if let Some(said) = &seen.wrong {
        let what = format!("compose cannot read {file}");
        let next = "Mend what compose names, then run again.";
        return Err(Problem::mistake("compose-file-wrong", what, next).because(said.trim().to_owned()));
    }
    Ok(project(&seen))
}

fn project(seen: &Answer) -> FoundProject {
    let of = |found: Vec<String>| {
        let mut parts = found.into_iter();
        let mut part = || parts.next().filter(|part| !part.is_empty() && part != "-");
        let name = part().unwrap_or_default();
        let build = part().map(PathBuf::from).zip(part().or(Some("Dockerfile".to_owned())));
        let build = build.map(|(context, dockerfile)| FoundBuild { context, dockerfile });
        // Without a `build` section its Dockerfile is absent as well.
        let written = part();
        let runs = seen.runs.iter().find(|(service, _)| *service == name).map(|(_, image)| image.clone());
        FoundService { image: runs.or(written), build, name }
    };
    FoundProject {
        name: seen.project.clone().unwrap_or_default(),
        services: seen.found.iter().cloned().map(of).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_goes_before_what_is_written_and_a_service_may_have_neither() {
        let lines = "project shop\nfound web\t/srv/app\tDockerfile.prod\t-\nfound db\t-\t-\tpostgres:16\nfound x\t-\t-\t-\n\
                     runs web shop-web\nruns db postgres:15\n";
        let found = project(&Answer::read(lines).unwrap());
        assert_eq!(found.name, "shop");
        let build = FoundBuild { context: "/srv/app".into(), dockerfile: "Dockerfile.prod".to_owned() };
        let service = |name: &str, image: Option<&str>, build| FoundService {
            name: name.to_owned(),
            image: image.map(str::to_owned),
            build,
        };
        let expected = [
            service("web", Some("shop-web"), Some(build)),
            service("db", Some("postgres:15"), None),
            service("x", None, None),
        ];
        assert_eq!(found.services, expected);
    }
}
