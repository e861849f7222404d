//! The arguments of a build. Pure. No secret's value is ever among them.

use std::ffi::OsString;
use std::path::Path;

use super::{Job, provenance};
use crate::config::spec::{BuildCache, SecretSource};
use crate::image::source;

/// `docker buildx build --push …`.
pub(super) fn buildx(job: &Job<'_>, cache: BuildCache, metadata: &Path) -> Vec<OsString> {
    let mut all = words(&["buildx", "build", "--progress=plain", "--push"]);
    all.push(joined("--metadata-file=", metadata));
    // Without it, recent versions add an attestation, and the digest becomes that of an index.
    all.push(provenance(job.spec).into());
    match cache {
        BuildCache::Off => {}
        BuildCache::Registry => {
            let tag = "buildcache".parse().expect("a constant tag");
            let name = job.image.with_tag(tag);
            all.push(format!("--cache-from=type=registry,ref={name}").into());
            // ECR keeps a cache only in the form of an image (AWS "Announcing remote cache support in
            // Amazon ECR for BuildKit clients"); a cache that cannot be written must not fail a build.
            all.push(
                format!("--cache-to=type=registry,ref={name},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true")
                    .into(),
            );
        }
        BuildCache::Gha => {
            // Address and token are taken from ACTIONS_* by buildx itself.
            all.push(format!("--cache-from=type=gha,scope={}", job.scope).into());
            all.push(format!("--cache-to=type=gha,scope={},mode=max,ignore-error=true", job.scope).into());
        }
    }
    shared(job, &mut all);
    all
}

/// `docker buildx build --load …`: the image stays with the engine of this machine.
pub(super) fn load(job: &Job<'_>) -> Vec<OsString> {
    let mut all = words(&["buildx", "build", "--progress=plain", "--load"]);
    all.push(provenance(job.spec).into());
    shared(job, &mut all);
    all
}

/// `docker build …` for BuildKit inside the client and engine.
pub(super) fn docker(job: &Job<'_>) -> Vec<OsString> {
    let mut all = words(&["build", "--progress=plain"]);
    shared(job, &mut all);
    all
}

fn shared(job: &Job<'_>, all: &mut Vec<OsString>) {
    let spec = job.spec;
    all.push(joined("--file=", &source::dockerfile(spec)));
    all.push(format!("--tag={}", job.image).into());
    if let Some(target) = &spec.target {
        all.push(format!("--target={target}").into());
    }
    if !spec.platforms.is_empty() {
        all.push(format!("--platform={}", spec.platforms.join(",")).into());
    }
    all.extend(spec.args.iter().map(|(name, value)| format!("--build-arg={name}={value}").into()));
    all.extend(job.labels.iter().map(|(name, value)| format!("--label={name}={value}").into()));
    for secret in &spec.secrets {
        // Read as comma-separated values: a field with a comma or quote is quoted as a whole.
        let (kind, field) = match &secret.source {
            SecretSource::Env(name) => ("env", format!("env={name}")),
            SecretSource::File(path) => ("file", format!("src={}", job.root.join(path).display())),
        };
        let field = if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field };
        all.push(format!("--secret=id={},type={kind},{field}", secret.id).into());
    }
    // After `--`, a context called `-x` is a folder all the same.
    all.push("--".into());
    let context = spec.context.as_os_str();
    all.push(if context.is_empty() { ".".into() } else { context.to_owned() });
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut all = OsString::from(option);
    all.push(path);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::{BuildSecret, BuildSpec, Provenance};

    fn spec() -> BuildSpec {
        BuildSpec {
            context: "apps/api".into(),
            dockerfile: Some("docker/api".into()),
            target: Some("run".into()),
            platforms: vec!["linux/amd64".into()],
            args: [("A".into(), "1 $(x)".into())].into(),
            secrets: vec![
                BuildSecret { id: "npm".into(), source: SecretSource::Env("NPM_TOKEN".into()) },
                BuildSecret { id: "key".into(), source: SecretSource::File("secrets/a,b".into()) },
            ],
            cache: BuildCache::Registry,
            provenance: Provenance::Off,
        }
    }

    fn text(arguments: &[OsString]) -> String {
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_whole_build_is_on_the_command_line_but_no_secret() {
        let spec = spec();
        let image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:abc".parse().unwrap();
        let labels = [("org.opencontainers.image.revision".to_owned(), "abc".to_owned())];
        let job = Job { spec: &spec, root: Path::new("/src"), image: &image, labels: &labels, scope: "api" };
        insta::assert_snapshot!(text(&buildx(&job, BuildCache::Registry, Path::new("/tmp/m"))), @r#"
        buildx
        build
        --progress=plain
        --push
        --metadata-file=/tmp/m
        --provenance=false
        --cache-from=type=registry,ref=111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:buildcache
        --cache-to=type=registry,ref=111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:buildcache,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true
        --file=docker/api
        --tag=111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:abc
        --target=run
        --platform=linux/amd64
        --build-arg=A=1 $(x)
        --label=org.opencontainers.image.revision=abc
        --secret=id=npm,type=env,env=NPM_TOKEN
        --secret=id=key,type=file,"src=/src/secrets/a,b"
        --
        apps/api
        "#);
        let gha = text(&buildx(&job, BuildCache::Gha, Path::new("/tmp/m")));
        assert!(gha.contains("--cache-to=type=gha,scope=api,mode=max,ignore-error=true"), "{gha}");
        let plain = text(&docker(&job));
        assert!(plain.starts_with("build\n--progress=plain\n--file=docker/api"), "{plain}");
        assert!(!plain.contains("provenance") && !plain.contains("cache"), "{plain}");
    }
}
