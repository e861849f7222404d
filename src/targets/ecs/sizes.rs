//! Whether a task definition's processor and memory fit: pure.
//!
//! The pairs are those of the ECS developer guide, "Task CPU and memory". A size that is not known
//! here is left to ECS.

use serde_json::{Map, Value};

use super::render::containers;

/// Why the sizes do not fit, one sentence each.
pub(super) fn misfits(content: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    let (cpu, memory) = (units(content.get("cpu")), units(content.get("memory")));
    if is_fargate(content) {
        match (cpu, memory) {
            (Some(cpu), Some(memory)) => wrong.extend(fargate(cpu, memory)),
            (None, _) => wrong.push("a Fargate task needs `cpu`".to_owned()),
            (_, None) => wrong.push("a Fargate task needs `memory`".to_owned()),
        }
    }
    let sum = |field: &str| containers(content).iter().filter_map(|known| units(known.get(field))).sum::<u64>();
    if let Some(cpu) = cpu.filter(|cpu| sum("cpu") > *cpu) {
        wrong.push(format!("the containers ask for {} CPU units together, the task has {cpu}", sum("cpu")));
    }
    // A soft limit is what is reserved; where there is none, the hard one is.
    let reserved = |known: &Value| units(known.get("memoryReservation")).or_else(|| units(known.get("memory")));
    let reserved: u64 = containers(content).iter().filter_map(reserved).sum();
    if let Some(memory) = memory.filter(|memory| reserved > *memory) {
        wrong.push(format!("the containers ask for {reserved} MiB together, the task has {memory}"));
    }
    wrong.extend(containers(content).iter().filter_map(|known| {
        let (hard, whole) = (units(known.get("memory"))?, memory?);
        let name = known.get("name")?.as_str()?;
        (hard > whole).then(|| format!("container `{name}` may use {hard} MiB, the task has {whole}"))
    }));
    wrong
}

/// Whether it is made for Fargate.
pub(super) fn is_fargate(content: &Map<String, Value>) -> bool {
    let list = content.get("requiresCompatibilities").and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|word| word == "FARGATE"))
}

/// Units are written `256`, `"256"`, `".25 vCPU"`, `"1 vCPU"`, `"2 GB"`.
fn units(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim();
            if text.ends_with("vcpu") || text.ends_with("gb") {
                let whole: f64 = number.parse().ok()?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "sizes are small and positive"
                )]
                return Some((whole * 1024.0) as u64);
            }
            number.parse().ok()
        }
        _ => None,
    }
}

fn fargate(cpu: u64, memory: u64) -> Option<String> {
    let gib = 1024;
    let (least, most, step) = match cpu {
        256 => (512, 2 * gib, 512),
        512 => (gib, 4 * gib, gib),
        1024 => (2 * gib, 8 * gib, gib),
        2048 => (4 * gib, 16 * gib, gib),
        4096 => (8 * gib, 30 * gib, gib),
        8192 => (16 * gib, 60 * gib, 4 * gib),
        16_384 => (32 * gib, 120 * gib, 8 * gib),
        other if other > 16_384 => return None,
        other => {
            return Some(format!(
                "Fargate has no size with {other} CPU units: 256, 512, 1024, 2048, 4096, 8192 or 16384"
            ));
        }
    };
    let fits =
        (least..=most).contains(&memory) && (memory - least).is_multiple_of(step) && !(cpu == 256 && memory == 1536);
    (!fits).then(|| {
        format!("Fargate has no size with {cpu} CPU units and {memory} MiB: {least} to {most} MiB in steps of {step}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Vec<String> {
        misfits(value.as_object().unwrap())
    }

    fn fargate_of(cpu: &str, memory: &str) -> Vec<String> {
        of(&json!({"requiresCompatibilities": ["FARGATE"], "cpu": cpu, "memory": memory}))
    }

    #[test]
    fn the_pairs_of_fargate_fit_and_others_do_not() {
        for (cpu, memory) in
            [("256", "512"), ("256", "2048"), (".25 vCPU", "1 GB"), ("1024", "8192"), ("8192", "20480")]
        {
            assert_eq!(fargate_of(cpu, memory), Vec::<String>::new(), "{cpu} {memory}");
        }
        for (cpu, memory) in
            [("256", "1536"), ("256", "4096"), ("512", "512"), ("1024", "2560"), ("8192", "18432"), ("300", "512")]
        {
            assert_eq!(fargate_of(cpu, memory).len(), 1, "{cpu} {memory}");
        }
        assert_eq!(fargate_of("32768", "61440"), Vec::<String>::new());
        assert_eq!(of(&json!({"requiresCompatibilities": ["FARGATE"], "memory": "512"})).len(), 1);
        assert_eq!(of(&json!({"cpu": "300", "memory": "300"})), Vec::<String>::new());
    }

    #[test]
    fn containers_must_fit_into_their_task_together() {
        let task = |containers: Value| of(&json!({"cpu": "512", "memory": "1024", "containerDefinitions": containers}));
        assert!(task(json!([{"name": "a", "cpu": 256, "memory": 512}, {"name": "b", "cpu": 256}])).is_empty());
        assert!(task(json!([{"name": "a", "cpu": 256}, {"name": "b", "cpu": 512}]))[0].contains("768 CPU"));
        assert!(
            task(json!([{"name": "a", "memory": 700}, {"name": "b", "memoryReservation": 600}]))[0]
                .contains("1300 MiB")
        );
        assert!(task(json!([{"name": "a", "memory": 2048, "memoryReservation": 128}]))[0].contains("`a`"));
    }
}
