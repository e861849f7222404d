//! The same over Systems Manager: an instance of the world is a container with a shell, a Docker client
//! and compose, whose engine is this machine's.

use std::io::{Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use crate::brainwave::{compose_file, repository};
use crate::host::System;
use crate::programs::{docker, run};

/// Passes the engine's socket on at an address that containers reach.
fn engine_for_containers() -> String {
    let gateway = docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]).unwrap();
    let gateway = if gateway.is_empty() { "172.17.0.1".to_owned() } else { gateway };
    let listener = TcpListener::bind((gateway.as_str(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            thread::spawn(move || pass_on(client));
        }
    });
    format!("tcp://{address}")
}

fn pass_on(client: TcpStream) {
    let engine = UnixStream::connect("/var/run/docker.sock").unwrap();
    let (mut from_client, mut to_engine) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
    let there = thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    let (mut from_engine, mut to_client) = (engine, client);
    let _ = copy(&mut from_engine, &mut to_client);
    let _ = to_client.flush();
    let _ = to_client.shutdown(Shutdown::Both);
    let _ = there.join();
}

/// An instance of the world that has Docker's client and compose.
struct Booted {
    id: String,
    image: String,
}

impl Booted {
    fn new(system: &System, engine: &str) -> Self {
        let folder = system.path("instance");
        std::fs::create_dir_all(&folder).unwrap();
        let of = |program: &str| run(Path::new("/"), "sh", &["-c", program]);
        std::fs::copy(of("readlink -f \"$(command -v docker)\""), folder.join("docker")).unwrap();
        let plugin = of(
            "docker info --format '{{range .ClientInfo.Plugins}}{{if eq .Name \"compose\"}}{{.Path}}{{end}}{{end}}'",
        );
        std::fs::copy(plugin, folder.join("docker-compose")).unwrap();
        system.write("instance/compose.yml", &compose_file(system));
        system.write(
            "instance/Dockerfile",
            &format!(
                "FROM {}\nCOPY docker /usr/bin/docker\nCOPY docker-compose /usr/libexec/docker/cli-plugins/docker-compose\n\
                 COPY compose.yml /srv/brainwave/compose.yml\nENV DOCKER_HOST={engine}\n",
                crate::host::python_image()
            ),
        );
        run(&folder, "chmod", &["755", "docker", "docker-compose"]);
        let image = format!("{}-instance:1", system.name);
        docker(&["build", "--quiet", "--tag", &image, folder.to_str().unwrap()]).unwrap();
        let mut booted = Self { id: String::new(), image };
        let ami =
            ec2(&[("Action", "RegisterImage"), ("Name", &system.name), ("ImageLocation", &booted.image)], "imageId");
        booted.id = ec2(
            &[
                ("Action", "RunInstances"),
                ("ImageId", &ami),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("InstanceType", "t3.micro"),
            ],
            "instanceId",
        );
        booted
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if !self.id.is_empty() {
            ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &self.id)], "instanceId");
        }
        let _ = docker(&["image", "rm", "-f", &self.image]);
    }
}

/// Asks the world's EC2 and reads one element of the answer.
fn ec2(parameters: &[(&str, &str)], element: &str) -> String {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("the world is up: eval \"$(scripts/world env)\"");
    let scope = "Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
    let mut arguments = vec!["-sS".to_owned(), "-H".to_owned(), format!("Authorization: AWS4-HMAC-SHA256 {scope}")];
    for (name, value) in parameters.iter().chain(&[("Version", "2016-11-15")]) {
        arguments.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
    }
    arguments.push(endpoint);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = run(Path::new("/"), "curl", &arguments);
    let (_, rest) = answer.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("{answer}"));
    rest.split('<').next().unwrap().to_owned()
}

fn create_repository(name: &str) {
    let scope = "Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host, Signature=0";
    let headers = [
        "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.CreateRepository".to_owned(),
        "Content-Type: application/x-amz-json-1.1".to_owned(),
        format!("Authorization: AWS4-HMAC-SHA256 {scope}"),
    ];
    let body = format!("{{\"repositoryName\":\"{name}\"}}");
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let mut arguments = vec!["-sSf", "-o", "/dev/null", "-d", &body, &endpoint];
    arguments.extend(headers.iter().flat_map(|header| ["-H", header.as_str()]));
    run(Path::new("/"), "curl", &arguments);
}

#[test]
fn over_systems_manager_the_host_pulls_by_digest_goes_back_by_itself_and_on_command() {
    let system = System::new();
    let instance = Booted::new(&system, &engine_for_containers());
    let registry = std::env::var("SHIPLINE_WORLD_REGISTRY").unwrap();
    let host = format!("{{ instance: {} }}", instance.id);
    // The instance is a container: what its service publishes is not on its own 127.0.0.1, so that the
    // container's health check decides alone.
    repository(&system, &registry, "/srv/brainwave/compose.yml", &host, "");
    create_repository(&system.name);
    for version in ["v1", "v2"] {
        system.commit(version);
        let ran = system.deploy().must(0);
        println!("{version}: {} s", ran.took.as_secs_f32());
        system.assert_serves(version);
    }
    assert!(
        system.images().iter().all(|image| image.starts_with(&registry) && image.contains("@sha256:")),
        "{:?}",
        system.images()
    );
    let volume = system.volume();
    // What a person asks between two deployments comes the same way.
    system
        .shipline(&["verify", "production"])
        .must(0)
        .says("is online in Systems Manager")
        .says("which names the service");
    system.shipline(&["logs", "production", "--since", "1h"]).must(0).says("serving v2");
    let past = system.shipline(&["history", "production", "--json"]).must(0);
    assert_eq!(past.said().matches("\"since\":\"20").count(), 2, "both releases with their times: {}", past.said());
    let taken = ["init", "--print", "--compose", "/srv/brainwave/compose.yml", "--host", &instance.id];
    system.shipline(&taken).must(0).says(&format!("host: {{ instance: {} }}", instance.id)).says("service: backend");
    system.commit("broken-3");
    let ran = system.deploy().must(1);
    println!("{}", ran.said());
    ran.says("exited with code 1").says("KeyError: 'OPENAI_API_KEY'").says("serves again");
    system.assert_serves("v2");
    // The record of many deployments is longer than what one answer of Systems Manager can bring.
    let container = docker(&["ps", "-q", "--filter", &format!("label=instance_id={}", instance.id)]).unwrap();
    let file = format!("/srv/brainwave/.shipline/{}/backend/history", system.name);
    let many = format!(
        "h=$(tail -n 1 {file}); i=0; while [ $i -lt 150 ]; do echo \"$h\"; i=$((i+1)); done > /tmp/h; cat {file} >> /tmp/h; cp /tmp/h {file}; wc -c < {file}"
    );
    let length: usize = docker(&["exec", &container, "sh", "-c", &many]).unwrap().parse().unwrap();
    assert!(length > 24_000, "{length}");
    system.shipline(&["rollback", "production", "--yes"]).must(0);
    system.assert_serves("v1");
    assert_eq!(system.volume(), volume);
}
