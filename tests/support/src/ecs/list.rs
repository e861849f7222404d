//! The reading operations.

use serde_json::{Value, json};

use super::Ecs;
use super::task::TaskStatus;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text, texts};

fn size(body: &Value, default: usize) -> usize {
    number(body, "maxResults").and_then(|size| usize::try_from(size).ok()).unwrap_or(default)
}

/// The bounds ECS sets on the number of things asked for at once.
fn limited(asked: &[String], what: &str, most: usize) -> Result<(), ApiError> {
    if asked.is_empty() {
        return Err(ApiError::bad("InvalidParameterException", format!("{what} cannot be empty.")));
    }
    if asked.len() > most {
        let message = format!("{what} can have at most {most} items.");
        return Err(ApiError::bad("InvalidParameterException", message));
    }
    Ok(())
}

impl Ecs {
    pub(crate) fn list_clusters(&self, body: &Value) -> Value {
        let arns = self.clusters.values().map(|cluster| cluster.arn.clone()).collect();
        let (arns, next) = page(arns, text(body, "nextToken"), size(body, 100));
        let mut answer = json!({ "clusterArns": arns });
        put(&mut answer, "nextToken", next);
        answer
    }

    pub(crate) fn list_services(&self, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let arns = self
            .services
            .iter()
            .filter(|service| service.cluster == cluster && service.status == "ACTIVE")
            .map(|service| service.arn.clone())
            .collect();
        let (arns, next) = page(arns, text(body, "nextToken"), size(body, 10));
        let mut answer = json!({ "serviceArns": arns });
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }

    pub(crate) fn describe_services(&self, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let asked = texts(body, "services");
        limited(&asked, "Services", 10)?;
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for name in asked {
            if let Some(index) = self.find(&cluster, &name) {
                services.push(self.services[index].document());
            } else {
                let arn = if name.starts_with("arn:") {
                    name
                } else {
                    let cluster = &self.clusters[&cluster].arn;
                    format!("{}/{name}", cluster.replacen(":cluster/", ":service/", 1))
                };
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
        Ok(json!({"services": services, "failures": failures}))
    }

    /// Newest first.
    pub(crate) fn list_service_deployments(&self, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let name = text(body, "service").unwrap_or_default();
        let index =
            self.find(&cluster, name).ok_or_else(|| ApiError::bad("ServiceNotFoundException", "Service not found."))?;
        let service = &self.services[index];
        let statuses = texts(body, "status");
        let bound = |member: &str| body["createdAt"][member].as_f64();
        #[expect(clippy::cast_precision_loss, reason = "instants stay far below 2^53 ms")]
        let within = |created: Millis| {
            let created = created as f64 / 1000.0;
            bound("after").is_none_or(|after| created >= after)
                && bound("before").is_none_or(|before| created <= before)
        };
        let all: Vec<Value> = service
            .deployments
            .iter()
            .filter(|known| statuses.is_empty() || statuses.iter().any(|status| status == known.status.name()))
            .filter(|known| within(known.created))
            .map(|known| {
                let mut brief = json!({
                    "serviceDeploymentArn": known.arn,
                    "serviceArn": service.arn,
                    "clusterArn": service.cluster_arn(),
                    "createdAt": seconds(known.created),
                    "targetServiceRevisionArn": known.target,
                    "status": known.status.name(),
                });
                put(&mut brief, "startedAt", known.started.map(seconds));
                put(&mut brief, "finishedAt", known.finished.map(seconds));
                put(&mut brief, "statusReason", known.reason.clone());
                brief
            })
            .collect();
        let (deployments, next) = page(all, text(body, "nextToken"), size(body, 20));
        let mut answer = json!({ "serviceDeployments": deployments });
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }

    pub(crate) fn describe_service_deployments(&self, body: &Value) -> Answer {
        let asked = texts(body, "serviceDeploymentArns");
        limited(&asked, "Service deployment ARNs", 20)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in asked {
            let known = self.services.iter().find_map(|service| {
                let deployment = service.deployments.iter().find(|known| known.arn == arn)?;
                Some(service.deployment_document(deployment))
            });
            match known {
                Some(document) => found.push(document),
                None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
            }
        }
        Ok(json!({"serviceDeployments": found, "failures": failures}))
    }

    pub(crate) fn describe_service_revisions(&self, body: &Value) -> Answer {
        let asked = texts(body, "serviceRevisionArns");
        limited(&asked, "Service revision ARNs", 20)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in asked {
            let known = self.services.iter().find_map(|service| {
                let revision = service.revisions.iter().find(|known| known.arn == arn)?;
                Some(service.revision_document(revision, &self.definitions))
            });
            match known {
                Some(document) => found.push(document),
                None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
            }
        }
        Ok(json!({"serviceRevisions": found, "failures": failures}))
    }

    /// Tasks ECS wants RUNNING by default; newest first.
    pub(crate) fn list_tasks(&self, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let group = match text(body, "serviceName") {
            Some(name) => {
                let index = self
                    .find(&cluster, name)
                    .ok_or_else(|| ApiError::bad("ServiceNotFoundException", "Service not found."))?;
                Some(format!("service:{}", self.services[index].name))
            }
            None => None,
        };
        let started_by = text(body, "startedBy");
        let others = ["serviceName", "family", "containerInstance", "launchType", "desiredStatus"];
        if started_by.is_some() && others.iter().any(|other| text(body, other).is_some()) {
            let message = "startedBy must be the only filter.";
            return Err(ApiError::bad("InvalidParameterException", message));
        }
        let family = text(body, "family");
        let status = text(body, "desiredStatus").unwrap_or("RUNNING");
        let mut tasks: Vec<_> = self
            .tasks()
            .filter(|task| task.cluster == cluster)
            .filter(|task| group.as_ref().is_none_or(|group| *group == task.group))
            .filter(|task| started_by.is_none_or(|wanted| task.started_by.as_deref() == Some(wanted)))
            .filter(|task| {
                family.is_none_or(|family| {
                    let name = task.definition.rsplit('/').next().unwrap_or_default();
                    name.rsplit_once(':').is_some_and(|(name, _)| name == family)
                })
            })
            .filter(|task| match status {
                "STOPPED" => task.status == TaskStatus::Stopped || task.ending.is_some(),
                "PENDING" => false,
                _ => task.status != TaskStatus::Stopped && task.ending.is_none(),
            })
            .collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.created));
        let arns = tasks.into_iter().map(|task| task.arn.clone()).collect();
        let (arns, next) = page(arns, text(body, "nextToken"), size(body, 100));
        let mut answer = json!({ "taskArns": arns });
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }

    pub(crate) fn describe_tasks(&self, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let asked = texts(body, "tasks");
        limited(&asked, "Tasks", 100)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for asked in asked {
            let id = asked.rsplit('/').next().unwrap_or(&asked);
            let known = self.tasks().find(|task| task.cluster == cluster && task.id == id);
            match known {
                Some(task) => found.push(task.document(self.definitions.find(&task.definition))),
                None => failures.push(json!({"arn": asked, "reason": "MISSING"})),
            }
        }
        Ok(json!({"tasks": found, "failures": failures}))
    }
}
