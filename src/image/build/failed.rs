//! What a failed build or push means, read from the last lines. Pure.

use super::Job;
use crate::problem::Problem;
use crate::process::ProcessError;

/// The code of a push that met a tag which cannot be moved.
pub(in crate::image) const TAG_TAKEN: &str = "tag-taken";

/// The failure as a problem, with the lines that say why.
pub(super) fn problem(error: ProcessError, job: &Job<'_>) -> Problem {
    let ProcessError::Failed { tail, .. } = &error else { return error.into() };
    let text = tail.join("\n").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let why = telling(tail);
    let name = job.image.repository();
    let problem = if says(&["cannot connect to the docker daemon", "is the docker daemon running"]) {
        Problem::provider(
            "docker-down",
            "Docker does not answer.",
            "Start Docker, or give the container access to its socket (/var/run/docker.sock), then run again.",
        )
    } else if says(&["buildx component is missing", "legacy builder is deprecated"]) {
        Problem::mistake(
            "buildx-missing",
            "This Docker client cannot build without its buildx plugin.",
            "Install the package docker-buildx-plugin (Docker's) or docker-buildx (the distribution's).",
        )
    } else if says(&["immutable", "tag_invalid"]) {
        Problem::refused(
            TAG_TAKEN,
            format!("{} cannot be pushed: the tag is taken, and tags of this repository cannot be moved.", job.image),
            "Deploy the image that has the tag (`--image`), or commit again to get another tag.",
        )
    } else if says(&["name unknown", "name_unknown", "repository with name"]) {
        super::super::registry::no_repository(format!("the repository {name} does not exist"), job.image)
    } else if says(&["no space left on device"]) {
        Problem::provider(
            "disk-full",
            "The disk is full.",
            "Free some room: `docker system prune`, or a larger runner.",
        )
    } else if says(&[
        "403 forbidden",
        "401 unauthorized",
        "not authorized to perform",
        "no basic auth credentials",
        "access denied",
        "requested access to the resource is denied",
    ]) {
        Problem::provider(
            "push-denied",
            format!("{} refuses what the build asks for.", job.image.registry()),
            format!(
                "To push {name}, allow ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage on it; for a base image of another private registry, list that registry in `registries`."
            ),
        )
    } else {
        Problem::mistake(
            "build-failed",
            format!("The image {name} could not be built: {error}."),
            "Mend what the last lines name; `docker build` with the same Dockerfile and context shows the same.",
        )
    };
    problem.because(why)
}

/// The last lines, from the first that speaks of the failure if it is among them.
fn telling(tail: &[String]) -> String {
    let last = tail.len().saturating_sub(20);
    tail[last..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::{BuildCache, BuildSpec, Provenance};
    use crate::process::Ending;

    fn code(last: &str) -> String {
        let spec = BuildSpec {
            context: ".".into(),
            dockerfile: None,
            target: None,
            platforms: Vec::new(),
            args: std::collections::BTreeMap::new(),
            secrets: Vec::new(),
            cache: BuildCache::Off,
            provenance: Provenance::Off,
        };
        let image = "ghcr.io/acme/api:x".parse().unwrap();
        let job = Job { spec: &spec, root: std::path::Path::new("/"), image: &image, labels: &[], scope: "api" };
        let tail = vec!["#7 RUN make".to_owned(), last.to_owned()];
        let error = ProcessError::Failed { program: "docker".into(), ending: Ending::Code(1), tail };
        let problem = problem(error, &job);
        assert!(problem.why.iter().any(|why| why.contains(last)), "{problem}");
        problem.code
    }

    #[test]
    fn the_last_lines_decide_what_to_do_next() {
        for (line, expected) in [
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
                "docker-down",
            ),
            ("ERROR: BuildKit is enabled but the buildx component is missing or broken.", "buildx-missing"),
            (
                "tag invalid: The image tag 'x' already exists in the 'api' repository and cannot be overwritten because the tag is immutable.",
                "tag-taken",
            ),
            (
                "name unknown: The repository with name 'api' does not exist in the registry with id '111122223333'",
                "repository-missing",
            ),
            ("unexpected status from POST request to https://…: 403 Forbidden", "push-denied"),
            ("no basic auth credentials", "push-denied"),
            ("write /x: no space left on device", "disk-full"),
            ("process \"/bin/sh -c make\" did not complete successfully: exit code: 2", "build-failed"),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
    }
}
