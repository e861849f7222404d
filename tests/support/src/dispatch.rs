//! Tells which operation of which service a request means, decides about
//! faults, and writes the answer in that service's protocol.

use serde_json::{Value, json};

use crate::calls::Call;
use crate::faults::{self, FaultKind};
use crate::reply::{ApiError, text};
use crate::server::{Incoming, Reply, Shared};
use crate::state::{World, now};
use crate::{cbor, ecr, elbv2, github, logs, query};

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Json10,
    Json11,
    Cbor,
    Sts,
    Sns,
    Elbv2,
    GitHub,
}

/// What becomes of an answer on its way.
pub(crate) enum Fate {
    Written,
    Delayed(u64),
    Dropped(u64),
}

/// Service, operation, request document and protocol.
fn told(incoming: &Incoming) -> (String, String, Value, Protocol) {
    if let Some((prefix, operation)) = incoming.header("x-amz-target").and_then(|target| target.split_once('.')) {
        let (service, protocol) = match prefix {
            "AmazonEC2ContainerServiceV20141113" => ("ecs", Protocol::Json11),
            "AppRunner" => ("apprunner", Protocol::Json10),
            "Logs_20140328" => ("logs", Protocol::Json11),
            "AmazonEC2ContainerRegistry_V20150921" => ("ecr", Protocol::Json11),
            "secretsmanager" => ("secretsmanager", Protocol::Json11),
            "AmazonSSM" => ("ssm", Protocol::Json11),
            // It speaks JSON beside CBOR.
            "GraniteServiceVersion20100801" => ("cloudwatch", Protocol::Json10),
            "SpencerFrontendService" => ("ecr-public", Protocol::Json11),
            _ => ("unknown", Protocol::Json11),
        };
        let body = serde_json::from_slice(&incoming.body).unwrap_or(Value::Null);
        return (service.to_owned(), operation.to_owned(), body, protocol);
    }
    // Smithy RPC v2: `/service/<shape>/operation/<name>`.
    if let Some(("GraniteServiceVersion20100801", operation)) =
        incoming.path.strip_prefix("/service/").and_then(|path| path.split_once("/operation/"))
    {
        let body = cbor::read(&incoming.body).unwrap_or(Value::Null);
        return ("cloudwatch".to_owned(), operation.to_owned(), body, Protocol::Cbor);
    }
    if incoming.path == "/" {
        let text = String::from_utf8_lossy(&incoming.body);
        let form = query::parse(if text.is_empty() { &incoming.query } else { &text });
        let (service, protocol) = match form.get("Version").map(String::as_str) {
            Some("2015-12-01") => ("elbv2", Protocol::Elbv2),
            Some("2010-03-31") => ("sns", Protocol::Sns),
            _ => ("sts", Protocol::Sts),
        };
        let operation = form.get("Action").cloned().unwrap_or_default();
        return (service.to_owned(), operation, json!(form), protocol);
    }
    let service = match incoming.path.as_str() {
        path if path.starts_with("/blob/") => "blob",
        github::OIDC_PATH => "oidc",
        _ => "github",
    };
    let body = serde_json::from_slice(&incoming.body).unwrap_or(Value::Null);
    (service.to_owned(), format!("{} {}", incoming.method, incoming.path), body, Protocol::GitHub)
}

/// Records the call, applies the fault that is due, performs the operation.
pub(crate) fn answer(shared: &Shared, incoming: &Incoming) -> (Reply, Fate) {
    let mut world = shared.lock();
    let at = now();
    world.advance(at);
    let (service, operation, body, protocol) = told(incoming);
    let key = incoming.access_key();
    let fault = faults::due(&mut world.faults, &service, &operation);
    let (reply, fate) = match fault {
        Some(FaultKind::Hang { ms }) => (None, Fate::Dropped(ms)),
        Some(FaultKind::LoseResponse) => {
            perform(&mut world, incoming, &service, &operation, &body, protocol, at);
            (None, Fate::Dropped(0))
        }
        Some(FaultKind::Delay { ms }) => {
            (Some(perform(&mut world, incoming, &service, &operation, &body, protocol, at)), Fate::Delayed(ms))
        }
        Some(kind @ (FaultKind::SecondaryLimit { .. } | FaultKind::PrimaryLimit { .. })) => {
            (Some(limited(&kind, at)), Fate::Written)
        }
        Some(FaultKind::EmptyList) => {
            let reply = perform(&mut world, incoming, &service, &operation, &body, protocol, at);
            (Some(emptied(reply)), Fate::Written)
        }
        Some(kind) => {
            let caller = world.sts.caller(key.as_deref(), &world.env);
            let error = refusal(&kind, protocol, &service, &operation, &body, &caller, &world);
            (Some(error_reply(protocol, &error)), Fate::Written)
        }
        None => (Some(perform(&mut world, incoming, &service, &operation, &body, protocol, at)), Fate::Written),
    };
    world.calls.push(Call {
        at_ms: at,
        service,
        operation,
        query: incoming.query.clone(),
        body,
        access_key_id: key,
        status: reply.as_ref().map(|reply| reply.status),
    });
    (reply.unwrap_or_else(|| Reply::json(200, &Value::Null)), fate)
}

fn perform(
    world: &mut World,
    incoming: &Incoming,
    service: &str,
    operation: &str,
    body: &Value,
    protocol: Protocol,
    at: u64,
) -> Reply {
    let key = incoming.access_key();
    let World {
        env,
        ecs,
        apprunner,
        ecr,
        sts,
        cloudwatch,
        sns,
        secrets,
        target_health,
        deleted_target_groups,
        endpoint,
        ..
    } = world;
    match service {
        "github" | "oidc" => return world.github.answer(incoming, body, at),
        "blob" => {
            let found = incoming.path.strip_prefix("/blob/").and_then(|path| path.rsplit_once('/'));
            let blob = found.and_then(|(repository, digest)| ecr.blob(repository, digest));
            return blob.map_or_else(
                || Reply::json(404, &Value::Null),
                |body| Reply::of(200, "application/octet-stream", body),
            );
        }
        _ => {}
    }
    let unsigned = operation == "AssumeRoleWithWebIdentity";
    let allowed = if unsigned { Ok(()) } else { sts.check(key.as_deref(), at) };
    let permitted = || sts.permit(key.as_deref(), service, operation, body, env);
    let allowed = allowed.and_then(|()| if unsigned { Ok(()) } else { permitted() });
    let allowed = allowed.map_err(|error| if is_query(protocol) { in_query_words(error) } else { error });
    let answered = allowed.and_then(|()| match service {
        "ecs" => ecs.answer(operation, body, at, env).map(|body| body.to_string()),
        "apprunner" => apprunner.answer(operation, body, at, env).map(|body| body.to_string()),
        "logs" => logs::answer(env, operation, body).map(|body| body.to_string()),
        "ecr" => ecr.answer(operation, body, endpoint, at, env).map(|body| body.to_string()),
        "ecr-public" if operation == "GetAuthorizationToken" => Ok(ecr::public_authorization(at).to_string()),
        "sts" => sts.answer(operation, &form(body), key.as_deref(), at, env),
        "cloudwatch" => cloudwatch.answer(operation, body, at, env).map(|body| body.to_string()),
        "sns" => sns.answer(operation, &form(body), at, env),
        "secretsmanager" => secrets.in_manager(operation, body, env).map(|body| body.to_string()),
        "ssm" => secrets.in_store(operation, body).map(|body| body.to_string()),
        "elbv2" => elbv2::answer(ecs, target_health, deleted_target_groups, operation, &form(body)),
        _ => Err(ApiError::bad("UnknownOperationException", "")),
    });
    match (answered, protocol) {
        (Err(error), _) => error_reply(protocol, &error),
        (Ok(body), Protocol::Json10) => Reply::of(200, "application/x-amz-json-1.0", body.into_bytes()),
        (Ok(body), Protocol::Json11 | Protocol::GitHub) => {
            Reply::of(200, "application/x-amz-json-1.1", body.into_bytes())
        }
        (Ok(body), Protocol::Cbor) => {
            let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
            Reply::of(200, "application/cbor", cbor::write(&body)).with_header("smithy-protocol", "rpc-v2-cbor")
        }
        (Ok(inside), Protocol::Sts | Protocol::Sns | Protocol::Elbv2) => {
            let namespace = xml_namespace(protocol);
            let body = format!(
                "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{inside}</{operation}Result>\
                 <ResponseMetadata><RequestId>5a1f7c1e-0000-4000-a000-000000000000</RequestId></ResponseMetadata></{operation}Response>"
            );
            Reply::of(200, "text/xml", body.into_bytes())
        }
    }
}

const fn is_query(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Sts | Protocol::Sns | Protocol::Elbv2)
}

/// The Query protocol has other codes for credentials that are not good.
fn in_query_words(error: ApiError) -> ApiError {
    let code = match error.code.as_str() {
        "ExpiredTokenException" => "ExpiredToken",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        other => other,
    };
    ApiError { status: 403, code: code.to_owned(), ..error }
}

const fn xml_namespace(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Elbv2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        Protocol::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

fn form(body: &Value) -> query::Form {
    let members = body.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn error_reply(protocol: Protocol, error: &ApiError) -> Reply {
    match protocol {
        Protocol::GitHub => Reply::json(
            error.status,
            &json!({
                "message": error.message, "documentation_url": "https://docs.github.com/rest", "status": error.status.to_string(),
            }),
        ),
        Protocol::Json10 | Protocol::Json11 => {
            let kind =
                if protocol == Protocol::Json10 { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
            let body = json!({"__type": error.code, "message": error.message});
            Reply::of(error.status, kind, body.to_string().into_bytes())
        }
        Protocol::Cbor => {
            let fault = if error.status < 500 { "Sender" } else { "Receiver" };
            let body = json!({"__type": format!("com.amazonaws.cloudwatch#{}", error.code), "message": error.message});
            Reply::of(error.status, "application/cbor", cbor::write(&body))
                .with_header("smithy-protocol", "rpc-v2-cbor")
                .with_header("x-amzn-query-error", &format!("{};{fault}", error.code))
        }
        Protocol::Sts | Protocol::Sns | Protocol::Elbv2 => {
            let fault = if error.status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"{}\"><Error><Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
                 <RequestId>5a1f7c1e-0000-4000-a000-000000000000</RequestId></ErrorResponse>",
                xml_namespace(protocol),
                query::xml(&error.code),
                query::xml(&error.message),
            );
            Reply::of(error.status, "text/xml", body.into_bytes())
        }
    }
}

/// GitHub's refusal of somebody who asks too often.
fn limited(kind: &FaultKind, at: u64) -> Reply {
    let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let refused = |status: u16, message: &str| {
        Reply::json(
            status,
            &json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()}),
        )
    };
    match kind {
        FaultKind::SecondaryLimit { status, retry_after } => {
            let reply = refused(*status, secondary);
            match retry_after {
                Some(seconds) => reply.with_header("retry-after", &seconds.to_string()),
                None => reply.with_header("x-ratelimit-remaining", "4000"),
            }
        }
        FaultKind::PrimaryLimit { reset_ms } => refused(403, "API rate limit exceeded for installation ID 1.")
            .with_header("x-ratelimit-limit", "5000")
            .with_header("x-ratelimit-remaining", "0")
            .with_header("x-ratelimit-used", "5000")
            .with_header("x-ratelimit-reset", &(at + reset_ms).div_ceil(1000).to_string())
            .with_header("x-ratelimit-resource", "core"),
        _ => Reply::empty(500),
    }
}

/// The error of a fault that refuses.
fn refusal(
    kind: &FaultKind,
    protocol: Protocol,
    service: &str,
    operation: &str,
    body: &Value,
    caller: &str,
    world: &World,
) -> ApiError {
    let xml = is_query(protocol);
    let github = protocol == Protocol::GitHub;
    match kind {
        FaultKind::Throttle if github => ApiError::with(
            403,
            "",
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        ),
        FaultKind::Throttle => ApiError::bad(if xml { "Throttling" } else { "ThrottlingException" }, "Rate exceeded"),
        FaultKind::Deny if github => ApiError::with(403, "", "Resource not accessible by integration"),
        FaultKind::Deny => {
            let prefix = if service == "elbv2" { "elasticloadbalancing" } else { service };
            let resource = resource(service, body, world);
            let message = format!(
                "User: {caller} is not authorized to perform: {prefix}:{operation} on resource: {resource} \
                 because no identity-based policy allows the {prefix}:{operation} action"
            );
            if xml {
                ApiError::with(403, "AccessDenied", message)
            } else {
                ApiError::bad("AccessDeniedException", message)
            }
        }
        FaultKind::Unknown if github => ApiError::with(404, "", "Not Found"),
        FaultKind::Unknown if xml => ApiError::bad("InvalidAction", format!("Could not find operation {operation}")),
        FaultKind::ServerError { status } => {
            let code = match (xml, service) {
                (true, _) => "InternalFailure",
                (false, "apprunner") => "InternalServiceErrorException",
                _ => "ServerException",
            };
            ApiError::with(*status, code, "Service Unavailable. Please try again later.")
        }
        FaultKind::Error { code, message, status } => ApiError::with(*status, code, message.clone()),
        _ => ApiError::bad("UnknownOperationException", ""),
    }
}

/// The resource an authorization error names.
fn resource(service: &str, body: &Value, world: &World) -> String {
    let service_name = text(body, "service").or_else(|| text(body, "serviceName"));
    if let (true, Some(name)) = (service == "ecs", service_name) {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let cluster = text(body, "cluster").unwrap_or("default");
        let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
        return world.env.arn("ecs", &format!("service/{cluster}/{name}"));
    }
    if let (true, Some(name)) = (service == "ecr", text(body, "repositoryName")) {
        return world.env.arn("ecr", &format!("repository/{name}"));
    }
    let arn = ["ServiceArn", "serviceDeploymentArn", "RoleArn"].iter().find_map(|member| text(body, member));
    arn.unwrap_or("*").to_owned()
}

/// The answer with every list in it empty.
fn emptied(reply: Reply) -> Reply {
    let Ok(Value::Object(mut document)) = serde_json::from_slice(&reply.body) else {
        let body = if reply.body.starts_with(b"[") { b"[]".to_vec() } else { reply.body };
        return Reply { body, ..reply };
    };
    document.values_mut().filter(|value| value.is_array()).for_each(|value| *value = json!([]));
    document.remove("nextToken");
    document.remove("NextToken");
    Reply { body: Value::Object(document).to_string().into_bytes(), ..reply }
}
