use super::super::chain::verify;
use super::*;

contract! {
    audit_entries_make_a_chain,
    a_happening_is_written_once_however_often_it_is_told,
    writers_that_race_make_one_chain_without_gaps,
    the_database_refuses_to_change_or_remove_an_entry,
    a_forged_row_breaks_the_chain,
}

async fn audit_entries_make_a_chain(home: Arc<Home>) {
    let store = home.open().await;
    assert_eq!(store.audit_after(0, 10).await.unwrap(), []);
    for n in 0..5 {
        store.audit(&new_audit(&format!("k{n}")), at(n)).await.unwrap();
    }
    let all = store.audit_after(0, 100).await.unwrap();
    assert_eq!(verify(&all), Ok(()));
    assert_eq!(all.len(), 5);
    assert_eq!((all[4].entry.clone(), all[4].at, all[4].sequence), (new_audit("k4"), at(4), 5));
    assert_eq!(store.audit_after(2, 2).await.unwrap(), all[2..4]);
    assert_eq!(store.audit_after(5, 2).await.unwrap(), []);
}

async fn a_happening_is_written_once_however_often_it_is_told(home: Arc<Home>) {
    let store = home.open().await;
    store.audit(&new_audit("k"), at(0)).await.unwrap();
    let again = NewAudit { outcome: "denied".to_owned(), ..new_audit("k") };
    store.audit(&again, at(1)).await.unwrap();
    let all = store.audit_after(0, 10).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.entry.outcome.as_str()).collect::<Vec<_>>(), ["succeeded"]);
}

async fn writers_that_race_make_one_chain_without_gaps(home: Arc<Home>) {
    let replicas = [home.open().await, home.open().await];
    let tasks = (0..8_usize).map(|writer| {
        let store = replicas[writer % 2].clone();
        tokio::spawn(async move {
            for n in 0..10 {
                store.audit(&new_audit(&format!("{writer}/{n}")), at(n)).await.unwrap();
                store.audit(&new_audit(&format!("shared/{n}")), at(n)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let all = replicas[0].audit_after(0, 1_000).await.unwrap();
    assert_eq!(all.len(), 90);
    assert_eq!(verify(&all), Ok(()));
}

async fn the_database_refuses_to_change_or_remove_an_entry(home: Arc<Home>) {
    let store = home.open().await;
    store.audit(&new_audit("k"), at(0)).await.unwrap();
    let mut wishes = vec!["UPDATE audit SET entry = '{}'", "DELETE FROM audit"];
    if !home.is_sqlite() {
        wishes.push("TRUNCATE audit");
    }
    for wish in wishes {
        let error = home.raw(wish).await.err().unwrap().to_string();
        assert!(error.contains("the audit chain only grows"), "{wish}: {error}");
    }
    assert_eq!(store.audit_after(0, 10).await.unwrap().len(), 1);
}

async fn a_forged_row_breaks_the_chain(home: Arc<Home>) {
    let store = home.open().await;
    for n in 0..3 {
        store.audit(&new_audit(&format!("k{n}")), at(n)).await.unwrap();
    }
    // Who owns the database can take the trigger away; the chain tells it.
    let off = if home.is_sqlite() {
        "DROP TRIGGER audit_is_not_changed"
    } else {
        "DROP TRIGGER audit_is_not_changed ON audit"
    };
    home.raw(off).await.unwrap();
    home.raw("UPDATE audit SET entry = replace(entry, 'succeeded', 'failed') WHERE sequence = 2").await.unwrap();
    let broken = verify(&store.audit_after(0, 10).await.unwrap()).unwrap_err();
    assert_eq!(broken.sequence, 2);
}
