//! The image pipeline against a real Docker Engine and a real registry.

pub(crate) mod world;

use std::collections::BTreeMap;

use shipline::config::spec::{
    BuildCache, BuildSecret, BuildSpec, ImageRepository, ImageSpec, Provenance, SecretSource, TagRule,
};
use shipline::image::{Ask, How};
use shipline::types::{ImageRef, ServiceName};

use world::{Checkout, Repository, World};

fn service() -> ServiceName {
    "api".parse().unwrap()
}

fn spec(repository: &ImageRef) -> ImageSpec {
    ImageSpec {
        repository: ImageRepository::At(repository.registry().clone(), repository.repository().clone()),
        build: Some(BuildSpec {
            context: "app".into(),
            dockerfile: None,
            target: None,
            platforms: Vec::new(),
            args: BTreeMap::new(),
            secrets: Vec::new(),
            cache: BuildCache::Off,
            provenance: Provenance::Off,
        }),
        tags: Vec::new(),
    }
}

fn building(spec: ImageSpec, change: impl FnOnce(&mut BuildSpec)) -> ImageSpec {
    let mut spec = spec;
    change(spec.build.as_mut().unwrap());
    spec
}

#[tokio::test]
async fn a_commit_is_built_once_and_the_digest_is_the_registrys() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let source = checkout.source().await;
    let users = world.users_docker_config();

    let pipeline = world.pipeline();
    let built = pipeline.ensure(&service(), &spec(&repository), &repository, &source).await.unwrap();
    assert_eq!(built.how, How::Built, "{:?}", world.lines());
    assert_eq!(built.image.reference().tag().unwrap().as_str(), source.commit.to_string());
    assert_eq!(world.digest(&repository, &source.commit.to_string()).await.unwrap(), built.image.digest().to_string());
    assert!(built.tags.iter().any(|tag| tag.as_str().starts_with("tree-")), "{:?}", built.tags);

    let folder = pipeline.docker_environment().await.unwrap()["DOCKER_CONFIG"].clone();
    assert!(std::path::Path::new(&folder).is_dir());
    drop(pipeline);
    assert!(!std::path::Path::new(&folder).exists());
    assert_eq!(world.users_docker_config(), users);

    // A re-run cannot build: there is no docker on its PATH.
    let again = world.pipeline_without_docker();
    let found = again.ensure(&service(), &spec(&repository), &repository, &source).await.unwrap();
    assert_eq!((found.how, &found.image), (How::FoundByCommit, &built.image));
    assert!(found.took.as_millis() < 1000, "{:?}", found.took);
    let (image, commit) =
        again.resolve_existing(&repository.with_tag(source.commit.into()), Ask::Commit).await.unwrap();
    assert_eq!((image, commit), (built.image.clone(), Some(source.commit)));
    assert!(world.masked().iter().any(|secret| secret == "ministack-auth-token"), "the password was not masked");
}

#[tokio::test]
async fn a_commit_with_the_same_source_gets_the_image_by_tag_alone() {
    let world = World::here().await;
    let repository = world.repository(Repository::Immutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let first = checkout.source().await;
    let built = world.pipeline().ensure(&service(), &spec(&repository), &repository, &first).await.unwrap();
    checkout.write("readme.md", "nothing of the service");
    checkout.commit().await;
    let second = checkout.source().await;
    assert_ne!(second.commit, first.commit);

    let found =
        world.pipeline_without_docker().ensure(&service(), &spec(&repository), &repository, &second).await.unwrap();
    assert_eq!(found.how, How::FoundBySource);
    assert_eq!(found.image.digest(), built.image.digest());
    for source in [&first, &second] {
        let tagged = world.digest(&repository, &source.commit.to_string()).await.unwrap();
        assert_eq!(tagged, built.image.digest().to_string());
    }
    // Its label says the first commit; the source's own tag proves it for the second all the same.
    let again =
        world.pipeline_without_docker().ensure(&service(), &spec(&repository), &repository, &second).await.unwrap();
    assert_eq!((again.how, again.image), (How::FoundByCommit, found.image));

    let other = building(spec(&repository), |build| drop(build.args.insert("MODE".into(), "debug".into())));
    checkout.write("readme.md", "still nothing of the service");
    checkout.commit().await;
    let third = checkout.source().await;
    let different = world.pipeline().ensure(&service(), &other, &repository, &third).await.unwrap();
    assert_eq!(different.how, How::Built, "other build arguments make another image");
}

#[tokio::test]
async fn a_tag_of_the_commit_on_a_foreign_image_is_not_believed() {
    let world = World::here().await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let first = checkout.source().await;
    for kind in [Repository::Mutable, Repository::Immutable] {
        let refused = matches!(kind, Repository::Immutable);
        let repository = world.repository(kind).await;
        world.pipeline().ensure(&service(), &spec(&repository), &repository, &first).await.unwrap();
        checkout.write("app/new", &format!("{repository}"));
        checkout.commit().await;
        let next = checkout.source().await;
        let foreign = repository.with_tag(first.commit.into()).to_string();
        let forged = repository.with_tag(next.commit.into()).to_string();
        world.run("docker", &["tag", &foreign, &forged]).await;
        world.run("docker", &["push", "-q", &forged]).await;

        let outcome = world.pipeline().ensure(&service(), &spec(&repository), &repository, &next).await;
        if refused {
            let problem = outcome.unwrap_err();
            assert_eq!((problem.code.as_str(), problem.exit_code()), ("commit-tag-taken", 3));
            assert!(problem.what.contains(&first.commit.short()), "{problem}");
        } else {
            let built = outcome.unwrap();
            assert_eq!(built.how, How::Built);
            assert!(built.warnings[0].contains(&first.commit.short()), "{:?}", built.warnings);
            assert_ne!(
                world.digest(&repository, &first.commit.to_string()).await.unwrap(),
                built.image.digest().to_string()
            );
        }
        checkout.git(&["reset", "-q", "--hard", &first.commit.to_string()]).await;
    }
}

#[tokio::test]
async fn in_an_immutable_repository_tags_that_are_taken_stay_and_are_no_error() {
    let world = World::here().await;
    let repository = world.repository(Repository::Immutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let with_latest = ImageSpec { tags: vec![TagRule::Latest, TagRule::Branch], ..spec(&repository) };
    let first = checkout.source().await;
    let built = world.pipeline().ensure(&service(), &with_latest, &repository, &first).await.unwrap();
    assert_eq!(built.warnings, Vec::<String>::new());
    assert_eq!(world.digest(&repository, "latest").await.unwrap(), built.image.digest().to_string());
    assert_eq!(world.digest(&repository, "main").await.unwrap(), built.image.digest().to_string());

    checkout.write("app/new", "2");
    checkout.commit().await;
    let second = checkout.source().await;
    let next = world.pipeline().ensure(&service(), &with_latest, &repository, &second).await.unwrap();
    assert_eq!(next.how, How::Built);
    assert_eq!(next.warnings.len(), 2, "{:?}", next.warnings);
    assert!(next.warnings[0].contains("latest"), "{:?}", next.warnings);
    assert_eq!(world.digest(&repository, "latest").await.unwrap(), built.image.digest().to_string());
    let again = world.pipeline_without_docker().ensure(&service(), &with_latest, &repository, &second).await.unwrap();
    assert_eq!((again.how, again.image), (How::FoundByCommit, next.image));
}

#[tokio::test]
async fn movable_tags_move_to_the_newest_image() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let with_latest = ImageSpec { tags: vec![TagRule::Latest], ..spec(&repository) };
    let source = checkout.source().await;
    world.pipeline().ensure(&service(), &with_latest, &repository, &source).await.unwrap();
    checkout.write("app/new", "2");
    checkout.commit().await;
    let source = checkout.source().await;
    let next = world.pipeline().ensure(&service(), &with_latest, &repository, &source).await.unwrap();
    assert_eq!(world.digest(&repository, "latest").await.unwrap(), next.image.digest().to_string());
    let (latest, commit) =
        world.pipeline().resolve_existing(&repository.with_tag("latest".parse().unwrap()), Ask::Commit).await.unwrap();
    assert_eq!((latest.digest(), commit), (next.image.digest(), Some(source.commit)));
}

#[tokio::test]
async fn a_build_secret_is_used_and_left_nowhere() {
    const CANARY: &str = "canary-7c1f-build-secret";
    const FILE_CANARY: &str = "canary-91ab-secret-file";
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new(concat!(
        "FROM busybox:local\nCOPY . /app\n",
        "RUN --mount=type=secret,id=token --mount=type=secret,id=file ",
        "sh -c 'wc -c < /run/secrets/token > /lengths && wc -c < /run/secrets/file >> /lengths && sleep 1'\n",
    ))
    .await;
    let outside = world.home().join("outside-secret");
    std::fs::write(&outside, FILE_CANARY).unwrap();
    let with_secret = building(spec(&repository), |build| {
        build.secrets = vec![
            BuildSecret { id: "token".into(), source: SecretSource::Env("BUILD_TOKEN".into()) },
            BuildSecret { id: "file".into(), source: SecretSource::File(outside.clone()) },
        ];
    });
    let mut environment = world.environment.clone();
    environment.insert("BUILD_TOKEN".into(), CANARY.into());
    let pipeline = world.pipeline_in(environment);
    let source = checkout.source().await;
    let service = service();
    let work = pipeline.ensure(&service, &with_secret, &repository, &source);
    let (built, looks) = looking_at_arguments(work, &[CANARY, FILE_CANARY, "ministack-auth-token"]).await;
    let built = built.unwrap();
    assert!(looks > 10, "the processes were looked at {looks} times only");

    let image = built.image.by_digest();
    world.run("docker", &["pull", "-q", &image]).await;
    let lengths = world.run("docker", &["run", "--rm", "--network=none", &image, "cat", "/lengths"]).await;
    let lengths: Vec<usize> = lengths.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(lengths, [CANARY.len(), FILE_CANARY.len()], "the build did not see the secrets");
    let history = world.run("docker", &["history", "--no-trunc", &image]).await;
    let saved = world.run("docker", &["image", "inspect", &image]).await;
    std::fs::remove_file(outside).unwrap();
    let folder = pipeline.docker_environment().await.unwrap()["DOCKER_CONFIG"].clone();
    let left = world::files(std::path::Path::new(&folder)).into_iter().chain(world::files(world.home()));
    let left: Vec<u8> = left.flat_map(|(_, content)| content).collect();
    for canary in [CANARY, FILE_CANARY] {
        assert!(!history.contains(canary) && !saved.contains(canary), "the image tells the secret");
        assert!(!contains(&left, canary), "the secret was left on disk");
        assert!(!world.lines().iter().any(|line| line.contains(canary)), "the secret was printed");
        assert!(world.masked().iter().any(|masked| masked == canary), "the secret was not masked");
    }
    drop(pipeline);
    assert!(!contains(
        &world::files(world.home()).into_iter().flat_map(|(_, content)| content).collect::<Vec<_>>(),
        "ministack-auth-token"
    ));
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Awaits `work` and meanwhile reads the arguments of every process of the machine, again and again.
async fn looking_at_arguments<T>(work: impl Future<Output = T>, secrets: &'static [&'static str]) -> (T, u32) {
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let until = std::sync::Arc::clone(&done);
    let watch = std::thread::spawn(move || {
        let mut looks = 0;
        while !until.load(std::sync::atomic::Ordering::Relaxed) {
            for process in std::fs::read_dir("/proc").unwrap().flatten() {
                let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                for secret in secrets {
                    assert!(!contains(&arguments, secret), "{}", String::from_utf8_lossy(&arguments));
                }
            }
            looks += 1;
            #[expect(clippy::disallowed_methods, reason = "a thread of its own that watches")]
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        looks
    });
    let result = work.await;
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    (result, watch.join().unwrap())
}

#[tokio::test]
async fn a_secret_without_a_value_is_refused_before_anything_is_built() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\n").await;
    let with_secret = building(spec(&repository), |build| {
        build.secrets = vec![BuildSecret { id: "token".into(), source: SecretSource::Env("NOBODY_SET_THIS".into()) }];
    });
    let problem =
        world.pipeline().ensure(&service(), &with_secret, &repository, &checkout.source().await).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("build-secret-missing", 2));
    assert!(problem.what.contains("NOBODY_SET_THIS"), "{problem}");
}

#[tokio::test]
async fn a_repository_that_does_not_exist_is_named_with_the_command_that_makes_it() {
    let world = World::here().await;
    let repository = world.reference(&world.free_name());
    let checkout = Checkout::new("FROM busybox:local\n").await;
    let source = checkout.source().await;
    let problem =
        world.pipeline_without_docker().ensure(&service(), &spec(&repository), &repository, &source).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("repository-missing", 4));
    assert!(
        problem.next.contains(&format!("create-repository --repository-name {}", repository.repository())),
        "{problem}"
    );
    assert!(problem.next.contains("ecr:CreateRepository"), "{problem}");
}

#[tokio::test]
async fn a_dockerfile_that_fails_tells_its_last_lines() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\nRUN echo the reason is here && exit 7\n").await;
    let source = checkout.source().await;
    let problem = world.pipeline().ensure(&service(), &spec(&repository), &repository, &source).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("build-failed", 2));
    assert!(problem.why[0].contains("the reason is here") && problem.why[0].contains("exit code: 7"), "{problem}");
    assert!(world.digest(&repository, &source.commit.to_string()).await.is_none());
}

#[tokio::test]
async fn a_missing_dockerfile_is_named() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\n").await;
    let elsewhere = building(spec(&repository), |build| build.dockerfile = Some("app/Containerfile".into()));
    let problem =
        world.pipeline().ensure(&service(), &elsewhere, &repository, &checkout.source().await).await.unwrap_err();
    assert_eq!(problem.code, "dockerfile-missing");
    assert!(problem.what.contains("app/Containerfile"), "{problem}");
}

#[tokio::test]
async fn a_cancel_in_the_middle_of_a_build_leaves_nothing_behind() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\nRUN echo it has begun; sleep 271828\n").await;
    let source = checkout.source().await;
    let pipeline = world.pipeline();
    let service = service();
    let spec = spec(&repository);
    let build = pipeline.ensure(&service, &spec, &repository, &source);
    let stop = async {
        let begun = world.seen("it has begun", std::time::Duration::from_mins(1)).await;
        world.cancel.cancel();
        begun
    };
    let started = shipline::engine::clock::instant();
    let (outcome, begun) = tokio::join!(build, stop);
    assert!(begun, "{:?}", world.lines());
    assert!(started.elapsed() < std::time::Duration::from_mins(1));
    assert_eq!(outcome.unwrap_err().code, "cancelled");
    drop(pipeline);
    let left: Vec<_> = std::fs::read_dir(world.home()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [".docker"], "something was left in the temporary folder");
    assert!(world.nobody_runs("271828").await, "the build goes on");
    assert!(world.digest(&repository, &source.commit.to_string()).await.is_none());
}

#[tokio::test]
async fn a_client_without_buildx_builds_with_buildkit_and_returns_what_it_pushed() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout =
        Checkout::new("FROM busybox:local\nRUN --mount=type=secret,id=token test -s /run/secrets/token\nCOPY . /app\n")
            .await;
    let mut environment = world.environment_without_buildx();
    environment.insert("BUILD_TOKEN".into(), "any value".into());
    let plain = building(spec(&repository), |build| {
        build.secrets = vec![BuildSecret { id: "token".into(), source: SecretSource::Env("BUILD_TOKEN".into()) }];
    });
    let source = checkout.source().await;
    let built = world.pipeline_in(environment.clone()).ensure(&service(), &plain, &repository, &source).await.unwrap();
    assert_eq!(built.how, How::Built);
    assert_eq!(world.digest(&repository, &source.commit.to_string()).await.unwrap(), built.image.digest().to_string());

    let several = building(plain, |build| build.platforms = vec!["linux/amd64".into(), "linux/arm64".into()]);
    let problem = world.pipeline_in(environment).ensure(&service(), &several, &repository, &source).await;
    assert_eq!(problem.unwrap().how, How::FoundByCommit, "the commit's image is there, whatever the platforms");
    checkout.write("app/new", "2");
    checkout.commit().await;
    let source = checkout.source().await;
    let mut with_buildx = world.environment.clone();
    with_buildx.insert("BUILD_TOKEN".into(), "any value".into());
    let pipeline = world.pipeline_in(with_buildx);
    let problem = pipeline.ensure(&service(), &several, &repository, &source).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("several-platforms", 2));
    assert!(problem.next.contains("setup-buildx-action"), "{problem}");
}

#[tokio::test]
async fn several_services_are_built_at_once_with_one_login() {
    let world = World::here().await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let source = checkout.source().await;
    let mut repositories = Vec::new();
    for _ in 0..3 {
        repositories.push(world.repository(Repository::Mutable).await);
    }
    let pipeline = world.pipeline();
    let specs: Vec<_> = repositories.iter().map(spec).collect();
    let names: Vec<ServiceName> = ["a", "b", "c"].iter().map(|name| name.parse().unwrap()).collect();
    let builds = repositories.iter().zip(&specs).zip(&names);
    let builds = builds.map(|((repository, spec), name)| pipeline.ensure(name, spec, repository, &source));
    for (built, repository) in futures_util::future::join_all(builds).await.into_iter().zip(&repositories) {
        let built = built.unwrap();
        assert_eq!(
            world.digest(repository, &source.commit.to_string()).await.unwrap(),
            built.image.digest().to_string()
        );
    }
    let passwords = world.masked().iter().filter(|masked| *masked == "ministack-auth-token").count();
    assert_eq!(passwords, 1, "one token serves all");
}

#[tokio::test]
async fn changes_that_are_not_committed_are_never_built_under_the_commits_name() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\n").await;
    checkout.write("app/Dockerfile", "FROM busybox:local\nRUN changed\n");
    let problem = world
        .pipeline()
        .ensure(&service(), &spec(&repository), &repository, &checkout.source().await)
        .await
        .unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("uncommitted-changes", 3));
}

#[tokio::test]
async fn an_image_is_promoted_with_its_digest_and_nothing_is_built() {
    let world = World::here().await;
    let (staging, production) =
        (world.repository(Repository::Mutable).await, world.repository(Repository::Immutable).await);
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let source = checkout.source().await;
    let built = world.pipeline().ensure(&service(), &spec(&staging), &staging, &source).await.unwrap();

    let pipeline = world.pipeline_without_docker();
    let tag: shipline::types::Tag = source.commit.into();
    let promoted = pipeline.promote(&pipeline, &built.image, &production, std::slice::from_ref(&tag)).await.unwrap();
    assert_eq!(promoted.image.digest(), built.image.digest());
    assert_eq!(world.digest(&production, tag.as_str()).await.unwrap(), built.image.digest().to_string());
    // What arrived really runs.
    let image = promoted.image.by_digest();
    world.run("docker", &["pull", "-q", &image]).await;
    world.run("docker", &["run", "--rm", "--network=none", &image, "test", "-f", "/app/unique"]).await;

    let again = pipeline.promote(&pipeline, &built.image, &production, std::slice::from_ref(&tag)).await.unwrap();
    assert_eq!((again.image, again.warnings), (promoted.image, Vec::new()));

    // The same registry under another name is a foreign one: layers are copied, not mounted.
    let foreign = world.repository(Repository::Mutable).await;
    let by_port = world.by_port(&foreign);
    let copied = pipeline.promote(&pipeline, &built.image, &by_port, std::slice::from_ref(&tag)).await.unwrap();
    assert_eq!(copied.image.digest(), built.image.digest());
    assert_eq!(world.digest(&foreign, tag.as_str()).await.unwrap(), built.image.digest().to_string());
    let (there, commit) = pipeline.resolve_existing(&by_port.with_tag(tag), Ask::Commit).await.unwrap();
    assert_eq!((there.digest(), commit), (built.image.digest(), Some(source.commit)));
}

#[tokio::test]
async fn an_existing_reference_is_bound_to_its_digest_and_one_that_is_not_there_is_a_mistake() {
    let world = World::here().await;
    let digest = format!("sha256:{}", "a".repeat(64));
    // Only ECR's word about a digest counts: it is asked with the credentials of the deployment.
    let nowhere: ImageRef = format!("registry.invalid/x/y@{digest}").parse().unwrap();
    let (image, commit) = world.pipeline().resolve_existing(&nowhere, Ask::Digest).await.unwrap();
    assert_eq!((image.digest().to_string(), commit), (digest.clone(), None));

    let repository = world.repository(Repository::Mutable).await;
    for missing in [
        repository.with_tag("absent".parse().unwrap()),
        world.by_port(&repository).with_tag("absent".parse().unwrap()),
        format!("{repository}@{digest}").parse().unwrap(),
    ] {
        let problem = world.pipeline().resolve_existing(&missing, Ask::Digest).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.exit_code()), ("image-missing", 2), "{problem}");
    }
    let absent = world.reference(&world.free_name());
    for absent in [world.by_port(&absent).with_tag("x".parse().unwrap()), format!("{absent}@{digest}").parse().unwrap()]
    {
        let problem = world.pipeline().resolve_existing(&absent, Ask::Digest).await.unwrap_err();
        assert_eq!(problem.code, "repository-missing", "{problem}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_ecr_does_all_of_it_through_the_distribution_api() {
    let world = World::here().await;
    for kind in [Repository::Mutable, Repository::Immutable] {
        let fixed = matches!(kind, Repository::Immutable);
        let by_name = world.repository(kind).await;
        let repository = world.by_port(&by_name);
        let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
        let with_latest = ImageSpec { tags: vec![TagRule::Latest], ..spec(&repository) };
        let source = checkout.source().await;
        let built = world.pipeline().ensure(&service(), &with_latest, &repository, &source).await.unwrap();
        assert_eq!(built.how, How::Built);
        assert_eq!(world.digest(&by_name, "latest").await.unwrap(), built.image.digest().to_string());

        checkout.write("readme.md", "nothing of the service");
        checkout.commit().await;
        let next = checkout.source().await;
        let pipeline = world.pipeline_without_docker();
        let found = pipeline.ensure(&service(), &with_latest, &repository, &next).await.unwrap();
        assert_eq!((found.how, found.image.digest()), (How::FoundBySource, built.image.digest()));
        assert_eq!(world.digest(&by_name, &next.commit.to_string()).await.unwrap(), built.image.digest().to_string());

        checkout.write("app/new", "2");
        checkout.commit().await;
        let third = checkout.source().await;
        let other = world.pipeline().ensure(&service(), &with_latest, &repository, &third).await.unwrap();
        let latest = world.digest(&by_name, "latest").await.unwrap();
        assert_eq!(latest == built.image.digest().to_string(), fixed);
        assert_eq!(other.warnings.len(), usize::from(fixed), "{:?}", other.warnings);
    }
}

#[tokio::test]
async fn files_git_does_not_keep_are_built_in_but_never_shared_with_other_commits() {
    let world = World::here().await;
    let repository = world.repository(Repository::Mutable).await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    checkout.write("app/generated", "by an earlier step");
    let source = checkout.source().await;
    let built = world.pipeline().ensure(&service(), &spec(&repository), &repository, &source).await.unwrap();
    assert!(built.warnings[0].contains("app/generated"), "{:?}", built.warnings);
    assert!(built.tags.iter().all(|tag| !tag.as_str().starts_with("tree-")), "{:?}", built.tags);
    let without_docker = world.pipeline_without_docker();
    let again = without_docker.ensure(&service(), &spec(&repository), &repository, &source).await;
    assert_eq!(again.unwrap().how, How::FoundByCommit);

    // Nor when the file is gone: the image has it in, and a commit of the same source gets its own.
    checkout.remove("app/generated");
    let again = without_docker.ensure(&service(), &spec(&repository), &repository, &source).await.unwrap();
    assert_eq!(again.how, How::FoundByCommit);
    assert!(again.tags.iter().all(|tag| !tag.as_str().starts_with("tree-")), "{:?}", again.tags);
    checkout.write("readme.md", "nothing of the service");
    checkout.commit().await;
    let next = checkout.source().await;
    let other = world.pipeline().ensure(&service(), &spec(&repository), &repository, &next).await.unwrap();
    assert_eq!(other.how, How::Built);
    assert_ne!(other.image.digest(), built.image.digest());
}

#[tokio::test]
async fn a_cache_the_builder_cannot_keep_is_a_warning_and_the_image_is_built() {
    let world = World::here().await;
    let checkout = Checkout::new("FROM busybox:local\nCOPY . /app\n").await;
    let source = checkout.source().await;
    for cache in [BuildCache::Registry, BuildCache::Gha] {
        let repository = world.repository(Repository::Mutable).await;
        let cached = building(spec(&repository), |build| build.cache = cache);
        let built = world.pipeline().ensure(&service(), &cached, &repository, &source).await.unwrap();
        assert_eq!(built.how, How::Built);
        assert!(built.warnings[0].contains("layer cache is not used"), "{:?}", built.warnings);
    }
}
