use super::*;
use crate::config::spec::{ImageRepository, TargetSpec};

const IMAGE: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/pmis/web:v3";

fn service() -> Value {
    json!({
        "ServiceName": "Web-Front", "ServiceId": "8fe1",
        "ServiceArn": "arn:aws:apprunner:eu-west-1:111122223333:service/Web-Front/8fe1",
        "Status": "RUNNING",
        "SourceConfiguration": {
            "AutoDeploymentsEnabled": true,
            "AuthenticationConfiguration": {"AccessRoleArn": "arn:aws:iam::111122223333:role/access"},
            "ImageRepository": {
                "ImageIdentifier": IMAGE, "ImageRepositoryType": "ECR",
                "ImageConfiguration": {
                    "Port": "3000", "StartCommand": "node server.js --fast",
                    "RuntimeEnvironmentVariables": {"MOTTO": "it's fine"},
                    "RuntimeEnvironmentSecrets": {
                        "DB": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pmis/db-AbCdEf:url::",
                        "KEY": "/pmis/key",
                    },
                },
            },
        },
        "InstanceConfiguration": {"Cpu": "0.5 vCPU", "Memory": "1 GB", "InstanceRoleArn": "arn:aws:iam::111122223333:role/web"},
        "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/ready?deep=1"},
        "NetworkConfiguration": {
            "EgressConfiguration": {"EgressType": "VPC", "VpcConnectorArn": "arn:aws:apprunner:eu-west-1:111122223333:vpcconnector/c/1/2"},
            "IngressConfiguration": {"IsPubliclyAccessible": false},
        },
    })
}

fn scaling() -> Value {
    json!({"MinSize": 2, "MaxSize": 6, "MaxConcurrency": 80})
}

#[test]
fn every_setting_that_express_mode_has_is_brought_over() {
    let moved = equivalent(&service(), Some(&scaling())).unwrap();
    let expected = json!({
        "cluster": "default",
        "serviceName": "Web-Front",
        "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
        "infrastructureRoleArn": "arn:aws:iam::111122223333:role/ecsInfrastructureRoleForExpressServices",
        "primaryContainer": {
            "image": IMAGE, "containerPort": 3000,
            "environment": [{"name": "MOTTO", "value": "it's fine"}],
            "secrets": [
                {"name": "DB", "valueFrom": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pmis/db-AbCdEf:url::"},
                {"name": "KEY", "valueFrom": "/pmis/key"},
            ],
            "command": ["node", "server.js", "--fast"],
        },
        "cpu": "512", "memory": "1024", "healthCheckPath": "/ready?deep=1",
        "scalingTarget": {"minTaskCount": 2, "maxTaskCount": 6},
        "taskRoleArn": "arn:aws:iam::111122223333:role/web",
    });
    assert_eq!(Value::Object(moved.request.clone()), expected);
    assert!(moved.call.starts_with("aws ecs create-express-gateway-service --region eu-west-1 \\\n"), "{}", moved.call);
    assert!(moved.call.contains(r"it'\''s fine"), "{}", moved.call);
}

#[test]
fn the_configuration_it_writes_is_one_that_is_read_and_holds_no_value_of_a_variable() {
    let moved = equivalent(&service(), Some(&scaling())).unwrap();
    let text = moved.to_string();
    let (_, file) = text.split_once("# 3. .github/shipline.yml\n").unwrap();
    assert!(!file.contains("fine"), "{file}");
    let config = crate::config::parse("shipline.yml", &format!("version: 1\n{file}")).unwrap();
    let name: ServiceName = "web-front".parse().unwrap();
    let image = config.services[&name].image.as_ref().unwrap();
    assert_eq!(image.repository, ImageRepository::OwnEcr("pmis/web".parse().unwrap()));
    let environment = &config.environments[&"production".parse().unwrap()];
    let TargetSpec::Express(express) = &environment.services[&name] else { panic!("{environment:?}") };
    assert_eq!((express.cluster.as_str(), express.service.as_str()), ("default", "Web-Front"));
    assert_eq!((express.container_port, express.cpu, express.memory), (Some(3000), Some(512), Some(1024)));
    assert_eq!(express.health_check_path.as_deref(), Some("/ready?deep=1"));
    assert_eq!((express.scaling.least, express.scaling.most), (Some(2), Some(6)));
}

#[test]
fn the_role_that_starts_tasks_may_read_the_secrets_that_the_instance_role_read() {
    let moved = equivalent(&service(), None).unwrap();
    let commands = &moved.roles[0].commands;
    assert!(commands[0].contains("ecs-tasks.amazonaws.com"), "{commands:?}");
    let secrets = commands.iter().find(|command| command.contains("put-role-policy")).unwrap();
    assert!(secrets.contains("\"arn:aws:secretsmanager:eu-west-1:111122223333:secret:pmis/db-AbCdEf\""), "{secrets}");
    assert!(secrets.contains("\"arn:aws:ssm:*:111122223333:parameter/pmis/key\""), "{secrets}");
    let infrastructure = &moved.roles[1].commands;
    assert!(infrastructure[1].ends_with("AmazonECSInfrastructureRoleforExpressGatewayServices"), "{infrastructure:?}");
}

#[test]
fn what_has_no_equivalent_is_said() {
    let moved = equivalent(&service(), Some(&scaling())).unwrap();
    for word in [
        "vpcconnector/c/1/2",
        "is private",
        "80 requests at once",
        "deployed every push by itself",
        "role/web stays the role of the program",
        "custom domains have to move",
    ] {
        assert!(moved.notices.iter().any(|notice| notice.contains(word)), "{word}: {:#?}", moved.notices);
    }
}

#[test]
fn a_service_with_nothing_said_gets_the_defaults_of_app_runner() {
    let bare = json!({
        "ServiceName": "web", "ServiceArn": "arn:aws:apprunner:us-east-1:111122223333:service/web/1",
        "SourceConfiguration": {"ImageRepository": {"ImageIdentifier": "public.ecr.aws/nginx/nginx:1"}},
        "InstanceConfiguration": {"Cpu": "1024", "Memory": "2048"},
        "HealthCheckConfiguration": {"Protocol": "TCP", "Path": "/"},
    });
    let moved = equivalent(&bare, None).unwrap();
    assert_eq!(
        moved.request["primaryContainer"],
        json!({"image": "public.ecr.aws/nginx/nginx:1", "containerPort": 8080})
    );
    assert_eq!((&moved.request["cpu"], &moved.request["memory"]), (&json!("1024"), &json!("2048")));
    assert_eq!(moved.request["healthCheckPath"], json!("/"));
    assert!(moved.notices.iter().any(|notice| notice.contains("TCP connection")), "{:?}", moved.notices);
    assert!(moved.notices.iter().any(|notice| notice.contains("1 to 25")), "{:?}", moved.notices);
    assert_eq!(moved.image.as_deref(), Some("{ repository: public.ecr.aws/nginx/nginx }"));
}

#[test]
fn a_service_built_from_source_is_told_to_build_an_image_first() {
    let built = json!({
        "ServiceName": "web", "ServiceArn": "arn:aws:apprunner:us-east-1:111122223333:service/web/1",
        "SourceConfiguration": {"CodeRepository": {
            "RepositoryUrl": "https://github.com/acme/web", "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"},
            "CodeConfiguration": {"ConfigurationSource": "API", "CodeConfigurationValues": {
                "Runtime": "PYTHON_311", "BuildCommand": "pip install .", "StartCommand": "gunicorn app:app && true",
                "Port": "8000", "RuntimeEnvironmentVariables": {"A": "1"},
            }},
        }},
    });
    let moved = equivalent(&built, None).unwrap();
    let container = &moved.request["primaryContainer"];
    assert_eq!(container["image"], json!("111122223333.dkr.ecr.us-east-1.amazonaws.com/web:<tag>"));
    assert_eq!(container["containerPort"], json!(8000));
    assert_eq!(container["command"], json!(["sh", "-c", "gunicorn app:app && true"]));
    assert_eq!(container["environment"], json!([{"name": "A", "value": "1"}]));
    assert!(moved.notices.iter().any(|notice| notice.contains("built from source")), "{:?}", moved.notices);
    assert_eq!(moved.image, None);
}

#[test]
fn what_is_not_a_service_is_a_mistake() {
    for wrong in [json!({}), json!([]), json!({"ServiceName": ""})] {
        assert_eq!(equivalent(&wrong, None).unwrap_err().code, "not-a-service");
    }
}
