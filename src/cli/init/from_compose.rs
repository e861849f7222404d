//! The services of a compose file, for a configuration that is written from it.
//!
//! What it is not: it takes no database over. What a project only uses (an image of a public
//! registry, without a `build`) is nobody's release, and is told instead.

use std::path::Path;

use super::super::host::Host;
use super::Wanted;
use super::write::{Draft, DraftBuild, DraftService, Runs};
use crate::aws::Session;
use crate::config::spec::ComposeHost;
use crate::problem::Problem;
use crate::targets::compose::discover::{self, FoundService};
use crate::types::{ImageRef, RegistryHost};

/// A compose file, and where Docker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct ComposeFile {
    /// Its path: in this folder, or whole on another machine.
    pub(in crate::cli) file: String,
    /// Where Docker runs.
    pub(in crate::cli) host: ComposeHost,
}

impl ComposeFile {
    /// From the words of the command line.
    pub(in crate::cli) fn of(file: String, host: Option<&str>) -> Result<Self, Problem> {
        let host = match host {
            None | Some("local") => ComposeHost::Local,
            Some(tag) if tag.contains('=') => {
                let (key, value) = tag.split_once('=').unwrap_or_default();
                ComposeHost::Tag { key: key.to_owned(), value: value.to_owned() }
            }
            Some(id) if id.starts_with("i-") || id.starts_with("mi-") => ComposeHost::Instance(id.to_owned()),
            Some(other) => {
                let what = format!("`--host {other}` is neither an instance nor a tag");
                let next = "Write i-0123456789abcdef0, or a tag such as Name=shop-production.";
                return Err(Problem::mistake("unknown-host", what, next));
            }
        };
        if host != ComposeHost::Local && !file.starts_with('/') {
            let what = format!("`{file}` is relative, and an instance has no repository it could be in");
            let next = "Write the whole path on the instance, such as /srv/shop/compose.yml.";
            return Err(Problem::mistake("relative-path", what, next));
        }
        Ok(Self { file, host })
    }
}

/// Adds the project's services to the draft.
pub(super) async fn add(
    from: &ComposeFile,
    wanted: &Wanted,
    session: Option<&Session>,
    host: &Host,
    draft: &mut Draft,
) -> Result<(), Problem> {
    let path = Path::new(&from.file);
    let found = match (&from.host, session) {
        (ComposeHost::Local, _) => discover::on_this_machine(&host.path(path), &host.variables).await?,
        (ComposeHost::Instance(_) | ComposeHost::Tag { .. }, Some(session)) => {
            discover::on_an_instance(session.sdk(), &from.host, path).await?
        }
        (ComposeHost::Instance(_) | ComposeHost::Tag { .. }, None) => {
            return Err(Problem::defect("no-session", "an instance is reached through a session"));
        }
    };
    let own = |service: &&FoundService| service.build.is_some() || service.image.as_deref().is_some_and(has_registry);
    let any = found.services.iter().any(|service| own(&service));
    for service in &found.services {
        if any && !own(&service) {
            let image = service.image.as_deref().unwrap_or("no image");
            draft.notes.push(format!(
                "{}: left out, {image} is built elsewhere; add it to {} by hand if releases of it are yours",
                service.name, wanted.environment
            ));
            continue;
        }
        let runs = Runs::Compose {
            project: found.name.clone(),
            service: service.name.clone(),
            file: from.file.clone(),
            host: from.host.clone(),
        };
        let image = image(service, &found.name, &from.host);
        let build = build(service, host, draft);
        draft.services.push(DraftService { name: service.name.clone(), image, build, runs });
    }
    Ok(())
}

/// An image with a registry of its own, which somebody pushed.
fn has_registry(image: &str) -> bool {
    image.parse::<ImageRef>().is_ok()
}

/// What is pushed or built: what compose builds on this machine stays with its engine.
fn image(service: &FoundService, project: &str, host: &ComposeHost) -> Option<String> {
    let named = service.image.clone().filter(|image| !image.starts_with("sha256:"));
    let named = named.or_else(|| service.build.is_some().then(|| format!("{project}-{}", service.name)))?;
    if has_registry(&named) {
        return Some(named);
    }
    let local = format!("{}/{named}", RegistryHost::ENGINE);
    (*host == ComposeHost::Local && service.build.is_some()).then_some(local)
}

fn build(service: &FoundService, host: &Host, draft: &mut Draft) -> Option<DraftBuild> {
    let build = service.build.as_ref()?;
    let root = host.root.canonicalize().unwrap_or_else(|_| host.root.clone());
    let context = build.context.canonicalize().unwrap_or_else(|_| build.context.clone());
    let Ok(inside) = context.strip_prefix(&root) else {
        draft.notes.push(format!(
            "{}: its build context {} is outside this repository, so nothing is written of it",
            service.name,
            build.context.display()
        ));
        return None;
    };
    let text = |path: &Path| if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() };
    let file = Path::new(&build.dockerfile);
    let file = file.strip_prefix(&context).unwrap_or(file);
    let dockerfile = (file != Path::new("Dockerfile")).then(|| text(&inside.join(file)));
    Some(DraftBuild { context: text(inside), dockerfile })
}
