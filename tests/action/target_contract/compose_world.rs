//! A Compose project on this machine's real Docker Engine, arranged for the contract.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shipline::config::spec::Strategy;
use shipline::engine::{Target, Wish};

use super::{Arrange, Ends, Which};
use crate::compose::{Project, docker, image_of, pinned, service_name};
use crate::stage::pause;

/// What every image of the suite runs; how the new one behaves is read when it starts.
const SERVE: &str = r#"trap 'exit 0' TERM
case "$VERSION $(cat /behaviour/new)" in
    'new badly') echo "KeyError: 'X'" && exit 1 ;;
    'new never') ;;
    *) touch /tmp/ok ;;
esac
echo "serving $VERSION"
while :; do sleep 1 & wait $!; done
"#;

pub(crate) struct Compose {
    project: Project,
    /// `docker events`, which writes the image of every container that is made into `made`.
    watching: Child,
}

fn version(which: Which) -> &'static str {
    match which {
        Which::Old => "old",
        Which::New => "new",
        Which::Theirs => "theirs",
    }
}

impl Compose {
    pub(crate) fn new() -> Self {
        let old = image_of("contract", version(Which::Old));
        let file = format!(
            "services:\n  web:\n    image: \"{old}\"\n    command: [sh, /behaviour/serve]\n    restart: unless-stopped\n    \
             stop_grace_period: 1s\n    volumes: [\"./behaviour:/behaviour:ro\"]\n    healthcheck: {{ test: [CMD, test, \
             -e, /tmp/ok], interval: 300ms, retries: 100, start_period: 60s }}\n"
        );
        let project = Project::new(&file);
        project.write("behaviour/serve", SERVE);
        project.write("behaviour/new", "well");
        project.compose(&["up", "--detach", "--wait"]);
        let made = std::fs::File::create(project.path("made")).unwrap();
        let label = format!("label=com.docker.compose.project={}", project.name);
        #[expect(clippy::disallowed_methods, reason = "a test starts programs itself")]
        let watching = std::process::Command::new("docker")
            .args(["events", "--filter", "event=create", "--filter", &label])
            .args(["--format", "{{.Actor.Attributes.image}}"])
            .stdout(made)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it listens, a container that is made goes unseen: one is made until it is seen.
        for _ in 0..100 {
            docker(&["create", "--rm", "--label", &label["label=".len()..], "busybox:local", "true"]);
            pause(Duration::from_millis(50));
            if std::fs::read_to_string(project.path("made")).unwrap().contains("busybox:local") {
                break;
            }
        }
        docker_rm_probes(&label);
        Self { project, watching }
    }

    fn container(&self) -> String {
        self.project.containers("web").first().cloned().unwrap_or_default()
    }
}

fn docker_rm_probes(label: &str) {
    let ids =
        docker(&["ps", "-aq", "--filter", label, "--filter", "ancestor=busybox:local", "--filter", "status=created"]);
    for id in ids.split_whitespace() {
        docker(&["rm", "-f", id]);
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = self.watching.kill();
        let _ = self.watching.wait();
    }
}

#[async_trait]
impl Arrange for Compose {
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target> {
        Arc::new(self.project.target(&service_name("web"), strategy))
    }

    fn wish(&self, which: Which) -> Wish {
        Wish::Image { image: pinned("contract", version(which)), commit: None }
    }

    fn ends(&self, how: Ends) {
        let word = match how {
            Ends::Badly => "badly",
            Ends::Never => "never",
        };
        self.project.write("behaviour/new", word);
    }

    fn mutations(&self) -> usize {
        let asked = self.project.path(&format!(".shipline/{}/web/asked", self.project.name));
        std::fs::read_to_string(asked).unwrap_or_default().lines().count()
    }

    fn changes(&self) -> usize {
        let theirs = image_of("contract", version(Which::Theirs));
        // The event comes a moment after the container.
        pause(Duration::from_millis(100));
        let made = std::fs::read_to_string(self.project.path("made")).unwrap();
        made.lines().filter(|image| *image != theirs && *image != "busybox:local").count()
    }

    fn taken_over(&self) {
        let theirs = image_of("contract", version(Which::Theirs));
        self.project.write("theirs.yml", &format!("services:\n  web:\n    image: \"{theirs}\"\n"));
        self.project.compose(&["-f", "theirs.yml", "up", "--detach", "--no-deps", "web"]);
    }

    fn live(&self) -> String {
        docker(&["inspect", "--format", "{{.Config.Image}}", &self.container()])
    }
}
