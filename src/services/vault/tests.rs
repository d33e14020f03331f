use std::error::Error as _;

use serde_json::json;

use super::*;
use crate::backends::memory::MemoryFileBackend;
use crate::prelude::*;

fn memory() -> Arc<dyn AsyncFileBackend> {
    Arc::new(MemoryFileBackend::new())
}

/// A vault of the process, under a name that no other test uses.
struct Registered(&'static str);

impl Registered {
    fn new(name: &'static str) -> Self {
        register_vault(name, memory(), Value::Null).unwrap();
        Self(name)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _backend = unregister_vault(self.0);
    }
}

fn active() -> Option<String> {
    active_vault().map(|vault| vault.name().to_owned())
}

#[tokio::test]
async fn a_vault_is_found_until_it_is_unregistered() {
    let vaults = VaultRegistry::new();
    let backend = memory();
    vaults.register("a", Arc::clone(&backend), json!({ "n": 1 })).unwrap();
    assert!(vaults.exists("a"));
    assert!(Arc::ptr_eq(&vaults.get("a").unwrap(), &backend));
    assert_eq!(vaults.get_options("a").unwrap(), json!({ "n": 1 }));

    let context = vaults.context("a").unwrap();
    assert!(Arc::ptr_eq(&vaults.unregister("a").unwrap(), &backend));
    assert!(!vaults.exists("a"));
    context.create("x", "1").await.unwrap();
    assert_eq!(backend.read("x").await.unwrap(), "1");
    assert!(Arc::ptr_eq(context.backend(), &backend));
}

#[test]
fn vaults_are_listed_in_the_order_of_their_registration() {
    let vaults = VaultRegistry::new();
    for name in ["c", "a", "b", "A"] {
        vaults.register(name, memory(), json!(name)).unwrap();
    }
    assert_eq!(vaults.list(), ["c", "a", "b", "A"]);
    drop(vaults.unregister("a").unwrap());
    assert_eq!(vaults.list(), ["c", "b", "A"]);
    vaults.register("a", memory(), Value::Null).unwrap();
    assert_eq!(vaults.list(), ["c", "b", "A", "a"]);
    assert_eq!(vaults.get_options("b").unwrap(), "b");
}

#[test]
fn a_taken_name_is_rejected_and_keeps_its_vault() {
    let vaults = VaultRegistry::new();
    let backend = memory();
    vaults.register("a", Arc::clone(&backend), json!(1)).unwrap();
    let error = vaults.register("a", memory(), json!(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "cannot register the vault `a`: already exists");
    assert!(Arc::ptr_eq(&vaults.get("a").unwrap(), &backend));
    assert_eq!(vaults.get_options("a").unwrap(), 1);
    assert_eq!(vaults.list(), ["a"]);
}

#[test]
fn an_empty_name_is_rejected() {
    let vaults = VaultRegistry::new();
    let error = vaults.register("", memory(), json!(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(vaults.list(), [""; 0]);
}

#[tokio::test]
async fn the_error_of_a_missing_vault_names_only_that_vault() {
    let vaults = VaultRegistry::new();
    vaults.register("other", memory(), json!("s3cret")).unwrap();
    let global = "vault-tests-missing";
    for (error, text) in [
        (vaults.get("a").map(drop), "cannot open the vault `a`: not found"),
        (vaults.get_options("a").map(drop), "cannot open the vault `a`: not found"),
        (vaults.context("a").map(drop), "cannot open the vault `a`: not found"),
        (vaults.unregister("a").map(drop), "cannot unregister the vault `a`: not found"),
        (
            with_vault(global, async { panic!("the future must not run") }).await,
            "cannot open the vault `vault-tests-missing`: not found",
        ),
        (get_vault(global).map(drop), "cannot open the vault `vault-tests-missing`: not found"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
}

#[test]
fn options_are_never_shown() {
    let vaults = VaultRegistry::new();
    vaults.register("a", memory(), json!("s3cret")).unwrap();
    assert_eq!(format!("{vaults:?}"), r#"VaultRegistry { vaults: ["a"], .. }"#);
    let context = format!("{:?}", vaults.context("a").unwrap());
    assert!(context.starts_with(r#"VaultContext { name: "a", backend: "#), "{context}");
}

#[test]
fn exactly_one_of_several_racing_registrations_wins() {
    let vaults = VaultRegistry::new();
    let start = std::sync::Barrier::new(8);
    let won: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|index| {
                let (vaults, start) = (&vaults, &start);
                scope.spawn(move || {
                    start.wait();
                    usize::from(vaults.register("a", memory(), json!(index)).is_ok())
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    assert_eq!(vaults.list(), ["a"]);
}

#[tokio::test]
async fn the_active_vault_stays_across_awaits_and_ends_with_its_future() {
    let _outer = Registered::new("vault-tests-outer");
    let _inner = Registered::new("vault-tests-inner");
    assert_eq!(active(), None);
    let given = with_vault("vault-tests-outer", async {
        assert_eq!(active().unwrap(), "vault-tests-outer");
        tokio::task::yield_now().await;
        assert_eq!(active().unwrap(), "vault-tests-outer");
        with_vault("vault-tests-inner", async {
            tokio::task::yield_now().await;
            assert_eq!(active().unwrap(), "vault-tests-inner");
            // Unregistering a vault does not deactivate it.
            drop(unregister_vault("vault-tests-inner").unwrap());
            active_vault().unwrap().create("a", "1").await.unwrap();
        })
        .await
        .unwrap();
        assert_eq!(active().unwrap(), "vault-tests-outer");
        assert!(with_vault("vault-tests-inner", async {}).await.is_err());
        assert_eq!(active().unwrap(), "vault-tests-outer");
        7
    });
    assert_eq!(given.await.unwrap(), 7);
    assert_eq!(active(), None);
}

#[tokio::test]
async fn futures_of_one_task_have_their_own_active_vaults() {
    let _left = Registered::new("vault-tests-left");
    let _right = Registered::new("vault-tests-right");
    let watch = async |name: &str| {
        for _ in 0..10 {
            assert_eq!(active().unwrap(), name);
            tokio::task::yield_now().await;
        }
    };
    let outside = async {
        for _ in 0..10 {
            assert_eq!(active(), None);
            tokio::task::yield_now().await;
        }
    };
    let (left, right, ()) = tokio::join!(
        with_vault("vault-tests-left", watch("vault-tests-left")),
        with_vault("vault-tests-right", watch("vault-tests-right")),
        outside,
    );
    left.and(right).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_does_not_inherit_the_active_vault() {
    let _vault = Registered::new("vault-tests-spawn");
    let task =
        with_vault("vault-tests-spawn", async { tokio::spawn(async { active() }).await.unwrap() });
    let inherited = tokio::spawn(task).await.unwrap().unwrap();
    assert_eq!(inherited, None);
}
