//! The layers of the crate, as its documentation shows them: a file imports from its own layer or a lower one, and no files import
//! each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree, Visibility};

/// The folders of `src` from the lowest to the highest.
const LAYERS: &[&str] =
    &["core", "sys", "net", "backend", "backends", "services", "blocking", "testing"];

/// The exceptions to [`is_allowed`]: a folder, and a folder that it may import.
const ALLOWED: &[(&str, &str)] = &[
    // git keeps the files of its working tree through the local backend.
    ("backends/git", "backends/local"),
    // Only the factory of URIs knows the backends.
    ("services/uri", "backends"),
];

type Module = Vec<String>;

/// The imports of a file, as absolute paths of items, and the names that it re-exports.
#[derive(Default)]
struct Imports {
    used: BTreeSet<Module>,
    reexports: BTreeMap<String, Module>,
}

struct SourceFiles {
    files: BTreeMap<Module, PathBuf>,
    imports: BTreeMap<Module, Imports>,
}

impl SourceFiles {
    fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(src, &mut Vec::new(), &mut files);
        let imports = files.iter().map(|(module, file)| (module.clone(), read(src, module, file)));
        Self { imports: imports.collect(), files: files.clone() }
    }

    /// Returns the module that defines the item at `path`, through all modules that only re-export it.
    fn owner(&self, path: &[String], depth: usize) -> Option<Module> {
        assert!(depth < 20, "{path:?} is re-exported in a circle");
        let length =
            (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let module = path[..length].to_vec();
        let Some(name) = path.get(length) else {
            return Some(module);
        };
        let imports = &self.imports[&module];
        // A file may re-export its own macro.
        if let Some(target) = imports.reexports.get(name).filter(|target| *target != path) {
            let mut target = target.clone();
            target.extend_from_slice(&path[length + 1..]);
            return self.owner(&target, depth + 1);
        }
        Some(module)
    }

    /// Returns the files that each file imports, without files that only re-export names.
    fn dependencies(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let dependencies = self.imports.iter().map(|(module, imports)| {
            let owners = imports.used.iter().filter_map(|path| self.owner(path, 0));
            (module.clone(), owners.filter(|owner| owner != module && !owner.is_empty()).collect())
        });
        dependencies.filter(|(module, _): &(Module, _)| !module.is_empty()).collect()
    }
}

fn collect(dir: &Path, module: &mut Module, files: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Tests may import from higher layers.
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module = module.clone();
            if name != "mod" && name != "lib" {
                module.push(name);
            }
            files.insert(module, path);
        }
    }
}

fn read(src: &Path, module: &Module, file: &Path) -> Imports {
    let text = fs::read_to_string(file).unwrap();
    let parsed = syn::parse_file(&text)
        .unwrap_or_else(|error| panic!("{}: {error}", file.strip_prefix(src).unwrap().display()));
    let mut imports = Imports::default();
    read_items(&parsed.items, module, &mut imports);
    imports
}

fn read_items(items: &[Item], module: &Module, imports: &mut Imports) {
    for item in items {
        match item {
            Item::Mod(inner) if is_test(&inner.attrs) => {}
            Item::Use(item) => {
                let is_reexport = !matches!(item.vis, Visibility::Inherited);
                expand(&item.tree, &mut Vec::new(), &mut |path, name| {
                    let Some(path) = absolute(path, module) else { return };
                    match name {
                        Some(name) if is_reexport => drop(imports.reexports.insert(name, path)),
                        _ => drop(imports.used.insert(path)),
                    }
                });
            }
            Item::Fn(item) if is_test(&item.attrs) => {}
            item => scan(item.to_token_stream(), module, imports),
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    let texts = attributes.iter().map(|attribute| attribute.to_token_stream().to_string());
    texts.into_iter().any(|text| text.contains("cfg (test)"))
}

/// Calls `found` with each path of a `use` and the name it gets here.
fn expand(tree: &UseTree, path: &mut Module, found: &mut impl FnMut(&[String], Option<String>)) {
    let mut with = |name: String, path: &mut Module, alias: Option<String>| {
        if name == "self" {
            let last = path.last().cloned();
            found(path, alias.or(last));
        } else {
            path.push(name.clone());
            found(path, alias.or(Some(name)));
            path.pop();
        }
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            expand(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Name(tree) => with(tree.ident.to_string(), path, None),
        UseTree::Rename(tree) => with(tree.ident.to_string(), path, Some(tree.rename.to_string())),
        UseTree::Glob(_) => found(path, None),
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| expand(tree, path, found)),
    }
}

/// Returns `path` from the root of the crate, or `None` if it has too many `super`.
fn absolute(path: &[String], module: &Module) -> Option<Module> {
    let mut absolute = module.clone();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate") => {
            absolute.clear();
            rest = &path[1..];
        }
        Some("self") => rest = &path[1..],
        Some("super") => {
            while rest.first().is_some_and(|name| name == "super") {
                absolute.pop()?;
                rest = &rest[1..];
            }
        }
        // A child module or another crate. Another crate has no file here, so its owner is this file.
        Some(_) => {}
        None => return None,
    }
    absolute.extend_from_slice(rest);
    Some(absolute)
}

/// Finds paths that begin with `crate`, `super` or `self` outside of `use`, also in macros.
fn scan(tokens: TokenStream, module: &Module, imports: &mut Imports) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // The path in `pub(in path)` is not an import.
            TokenTree::Ident(name) if name == "pub" => {
                at += usize::from(matches!(tokens.get(at + 1), Some(TokenTree::Group(_))));
            }
            TokenTree::Group(group) => scan(group.stream(), module, imports),
            TokenTree::Ident(first) if ["crate", "super"].iter().any(|root| first == root) => {
                let mut path = vec![first.to_string()];
                while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] =
                    &tokens[at + 1..]
                    && a.as_char() == ':'
                    && a.spacing() == Spacing::Joint
                    && b.as_char() == ':'
                {
                    path.push(next.to_string());
                    at += 3;
                }
                // `pub(crate)` is not an import.
                if path.len() > 1 {
                    imports.used.extend(absolute(&path, module));
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn layer(module: &[String]) -> usize {
    let found = LAYERS.iter().position(|layer| *layer == module[0]);
    found.unwrap_or_else(|| panic!("src/{} belongs to no layer", module[0]))
}

/// Whether `from` may import `to`. Backends do not import each other, and services do not import backends.
fn is_allowed(from: &[String], to: &[String]) -> bool {
    let allowed = |&(importer, imported): &(&str, &str)| {
        from.join("/").starts_with(importer) && to.join("/").starts_with(imported)
    };
    let other_folder = from.get(..2) != to.get(..2);
    let refused = match (from[0].as_str(), to[0].as_str()) {
        ("backends", "backends") => other_folder,
        ("services", "backends") => true,
        _ => layer(to) > layer(from),
    };
    !refused || ALLOWED.iter().any(allowed)
}

fn source() -> &'static SourceFiles {
    static SOURCE: LazyLock<SourceFiles> =
        LazyLock::new(|| SourceFiles::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    &SOURCE
}

#[test]
fn nothing_imports_from_a_higher_layer() {
    let dependencies = source().dependencies();
    assert!(
        dependencies.len() > 100 && dependencies.values().flatten().count() > 500,
        "hardly anything was read"
    );
    let mut upward = Vec::new();
    for (from, targets) in &dependencies {
        for to in targets.iter().filter(|to| !is_allowed(from, to)) {
            upward.push(format!("{} imports {}", from.join("::"), to.join("::")));
        }
    }
    assert!(upward.is_empty(), "imports from a higher layer:\n{}", upward.join("\n"));
}

/// A trait and the bodies of its provided methods need each other.
const CIRCLE: &str = "backend::contract, backend::provided";

#[test]
fn no_files_import_each_other_in_a_circle() {
    let dependencies = source().dependencies();
    let reached = |from: &Module| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            for next in dependencies.get(module).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<_, _> =
        dependencies.keys().map(|module| (module, reached(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, reached) in reach.iter().filter(|(module, reached)| reached.contains(*module)) {
        let circle = reached.iter().filter(|other| reach[*other].contains(*module));
        circles.insert(circle.map(|other| other.join("::")).collect::<Vec<_>>().join(", "));
    }
    let circles: Vec<_> = circles.into_iter().filter(|circle| circle != CIRCLE).collect();
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

#[test]
fn a_path_is_followed_to_the_file_that_defines_it() {
    let source = source();
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    for (path, owner) in [
        ("core::error::ErrorKind", "core::error::kind"),
        ("core::options::ReadOptions", "core::options::read"),
        ("core::error::Error", "core::error"),
        ("ReadOptions", "core::options::read"),
    ] {
        assert_eq!(source.owner(&module(path), 0), Some(module(owner)), "{path}");
    }
}
