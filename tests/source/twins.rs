//! Every verb of the async traits exists in the blocking facade and in `CompatibleFileBackend`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{File, ImplItem, Item, TraitItem, Visibility};

type Names = BTreeSet<String>;

/// Kinds of verbs in the table for which a facade has no method, or one that is written by hand.
const BY_HAND: &[&str] = &["source", "part", "store", "core", "opened"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn parse(file: &Path) -> File {
    syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Returns the methods of a trait of the contract.
fn methods(name: &str) -> Names {
    let files = ["contract.rs", "ext.rs"].map(|file| parse(&src().join("backend").join(file)));
    let traits = files.iter().flat_map(|file| &file.items).filter_map(|item| match item {
        Item::Trait(item) if item.ident == name => Some(item),
        _ => None,
    });
    let items: Vec<_> = traits.flat_map(|item| &item.items).collect();
    let methods = items.into_iter().filter_map(|item| match item {
        TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
        _ => None,
    });
    methods.collect()
}

/// Adds the verbs of the table that a macro turns into methods: lines such as `value exists[...] { ... }`.
fn add_generated(kinds_by_hand: &[&str], names: &mut Names) {
    let table = fs::read_to_string(src().join("backend/verbs.rs")).unwrap();
    for line in table.lines() {
        let Some((head, _)) = line.trim().split_once('[') else { continue };
        let Some((kind, verb)) = head.split_once(' ') else { continue };
        let is_name = verb.chars().all(|c| c == '_' || c.is_alphanumeric());
        if is_name && !kinds_by_hand.contains(&kind) {
            names.insert(verb.to_owned());
        }
    }
}

/// Adds the public methods that are written by hand.
fn add_written(files: &[PathBuf], names: &mut Names) {
    for file in files {
        for item in parse(file).items {
            let items = match item {
                Item::Impl(item) => item.items,
                _ => continue,
            };
            for item in items {
                if let ImplItem::Fn(method) = item {
                    let is_public = matches!(method.vis, Visibility::Public(_));
                    if is_public || method.sig.ident == "open" {
                        names.insert(method.sig.ident.to_string());
                    }
                }
            }
        }
    }
}

fn assert_complete(facade: &Names, without: &[&str]) {
    for name in ["AsyncFileBackend", "AsyncFileBackendExt", "AsyncSyncFileBackend"] {
        let methods = methods(name);
        assert!(methods.len() > 5, "{name} was not found");
        let missing: Vec<_> = methods
            .iter()
            .filter(|method| !facade.contains(*method) && !without.contains(&&***method))
            .collect();
        assert!(missing.is_empty(), "verbs of {name} without a twin: {missing:?}");
    }
}

#[test]
fn the_blocking_facade_has_every_verb() {
    let mut names = Names::new();
    add_generated(BY_HAND, &mut names);
    let files = fs::read_dir(src().join("blocking")).unwrap();
    let files: Vec<_> =
        files.map(|file| file.unwrap().path()).filter(|file| file.is_file()).collect();
    add_written(&files, &mut names);
    // Callers use `write_with`, which takes anything that converts into bytes.
    assert_complete(&names, &["write_bytes"]);
}

#[test]
fn the_compatible_backend_has_every_verb() {
    let mut names = Names::new();
    add_generated(&["source", "part", "core"], &mut names);
    add_written(&[src().join("services/compat/mod.rs")], &mut names);
    // A caller takes the sync verbs from a `CompatibleFileBackend` of a backend that has them.
    assert_complete(&names, &["write_bytes", "as_sync"]);
}
