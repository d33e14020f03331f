//! Backends under names, and the one that is active for a task.
//!
//! A vault is a backend with a name and options of the caller's. The registry never shows options: they may hold secrets.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::{AsyncFileBackend, Error, ErrorKind, Result};

tokio::task_local! {
    static ACTIVE: VaultContext;
}

static GLOBAL: LazyLock<VaultRegistry> = LazyLock::new(VaultRegistry::new);

/// Named backends, each with JSON options that mean something to the caller alone.
///
/// Most programs need none of their own: [`register_vault`], [`get_vault`] and the like work on one for the whole process.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use serde_json::json;
/// # fn main() -> f9::Result<()> {
/// let vaults = f9::VaultRegistry::new();
/// vaults.register("notes", Arc::new(f9::MemoryFileBackend::new()), json!({ "daily": true }))?;
/// vaults.register("archive", Arc::new(f9::MemoryFileBackend::new()), json!(null))?;
/// assert_eq!(vaults.list(), ["notes", "archive"]);
/// assert_eq!(vaults.get_options("notes")?["daily"], true);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct VaultRegistry {
    /// In the order of their registration.
    vaults: RwLock<Vec<Vault>>,
}

struct Vault {
    name: String,
    backend: Arc<dyn AsyncFileBackend>,
    options: Value,
}

impl VaultRegistry {
    /// A registry of its own, without vaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a vault.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if the name is taken; [`InvalidInput`](ErrorKind::InvalidInput) if it is empty.
    pub fn register(
        &self,
        name: &str,
        backend: Arc<dyn AsyncFileBackend>,
        options: Value,
    ) -> Result<()> {
        let failing = |kind| Error::new(kind).with_operation("register the vault");
        if name.is_empty() {
            return Err(failing(ErrorKind::InvalidInput).with_message("its name is empty"));
        }
        let mut vaults = self.write();
        if vaults.iter().any(|vault| vault.name == name) {
            return Err(failing(ErrorKind::AlreadyExists).with_path(name));
        }
        vaults.push(Vault { name: name.to_owned(), backend, options });
        Ok(())
    }

    /// Removes a vault and gives its backend back, which stays open wherever else it is in use.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn unregister(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        let mut vaults = self.write();
        let index = vaults.iter().position(|vault| vault.name == name);
        let index = index.ok_or_else(|| not_found("unregister the vault", name))?;
        Ok(vaults.remove(index).backend)
    }

    /// The backend of a vault.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn get(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        self.with(name, |vault| Arc::clone(&vault.backend))
    }

    /// The names of the vaults, in the order of their registration.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let vaults = self.read();
        vaults.iter().map(|vault| vault.name.clone()).collect()
    }

    /// The options that a vault was registered with.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn get_options(&self, name: &str) -> Result<Value> {
        self.with(name, |vault| vault.options.clone())
    }

    /// Whether there is a vault of this name.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.with(name, |_| ()).is_ok()
    }

    /// A vault's backend together with its name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn context(&self, name: &str) -> Result<VaultContext> {
        let backend = self.get(name)?;
        Ok(VaultContext { name: name.into(), backend })
    }

    fn with<T>(&self, name: &str, take: impl FnOnce(&Vault) -> T) -> Result<T> {
        let vaults = self.read();
        let vault = vaults.iter().find(|vault| vault.name == name);
        vault.map(take).ok_or_else(|| not_found("open the vault", name))
    }

    // A panic cannot leave the list half-changed: nothing of the caller's runs while it is locked but `Clone` of its options.
    fn read(&self) -> RwLockReadGuard<'_, Vec<Vault>> {
        self.vaults.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Vault>> {
        self.vaults.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VaultRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultRegistry").field("vaults", &self.list()).finish_non_exhaustive()
    }
}

fn not_found(operation: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::NotFound).with_operation(operation).with_path(name)
}

/// A vault that is in use: its backend, and what it is called. Goes on working when the vault is unregistered.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// # let backend = std::sync::Arc::new(f9::MemoryFileBackend::new());
/// # f9::register_vault("diary", backend, serde_json::json!({}))?;
/// let diary = f9::vault_context("diary")?;
/// diary.create("monday.txt", "rain").await?;
/// assert_eq!(diary.name(), "diary");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VaultContext {
    name: Arc<str>,
    backend: Arc<dyn AsyncFileBackend>,
}

impl VaultContext {
    /// The name of the vault.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The backend of the vault, to be kept.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn AsyncFileBackend> {
        &self.backend
    }
}

impl Deref for VaultContext {
    type Target = dyn AsyncFileBackend;

    fn deref(&self) -> &Self::Target {
        &*self.backend
    }
}

impl fmt::Debug for VaultContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultContext")
            .field("name", &self.name)
            .field("backend", &self.backend)
            .finish()
    }
}

/// Adds a vault for the whole process. See [`VaultRegistry::register`].
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists) if the name is taken; [`InvalidInput`](ErrorKind::InvalidInput) if it is empty.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::resolve_backend("memory://work").await?;
/// f9::register_vault("work", backend, json!({ "owner": "me" }))?;
/// f9::get_vault("work")?.create("a.txt", "hello").await?;
/// assert_eq!(f9::list_vaults(), ["work"]);
/// assert_eq!(f9::get_vault_options("work")?["owner"], "me");
/// f9::unregister_vault("work")?;
/// assert!(!f9::vault_exists("work"));
/// # Ok(())
/// # }
/// ```
pub fn register_vault(
    name: &str,
    backend: Arc<dyn AsyncFileBackend>,
    options: Value,
) -> Result<()> {
    GLOBAL.register(name, backend, options)
}

/// Removes a vault of the process and gives its backend back. See [`VaultRegistry::unregister`].
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn unregister_vault(name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.unregister(name)
}

/// The backend of a vault of the process.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn get_vault(name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.get(name)
}

/// The names of the vaults of the process, in the order of their registration.
#[must_use]
pub fn list_vaults() -> Vec<String> {
    GLOBAL.list()
}

/// The options that a vault of the process was registered with.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn get_vault_options(name: &str) -> Result<Value> {
    GLOBAL.get_options(name)
}

/// Whether the process has a vault of this name.
#[must_use]
pub fn vault_exists(name: &str) -> bool {
    GLOBAL.exists(name)
}

/// A vault of the process, for use in a scope.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn vault_context(name: &str) -> Result<VaultContext> {
    GLOBAL.context(name)
}

/// Runs `future` with a vault of the process as the [active](active_vault) one.
///
/// The vault is active wherever `future` goes, across every await, and nowhere else: not in another future of the same task, and
/// not in tasks that `future` spawns, which need a `with_vault` of their own. Within another `with_vault` the inner one counts;
/// the outer one counts again after it.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if there is no such vault; `future` is then not run.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
///
/// async fn log(line: &str) -> f9::Result<()> {
///     let vault = f9::active_vault().expect("called within a vault");
///     vault.create("log.txt", line.to_owned()).await?;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::resolve_backend("memory://logs").await?;
/// f9::register_vault("logs", backend.clone(), serde_json::json!({}))?;
/// f9::with_vault("logs", log("started")).await??;
/// assert_eq!(backend.read("log.txt").await?, "started");
/// assert!(f9::active_vault().is_none());
/// # Ok(())
/// # }
/// ```
pub async fn with_vault<F: Future>(name: &str, future: F) -> Result<F::Output> {
    let context = vault_context(name)?;
    Ok(ACTIVE.scope(context, future).await)
}

/// The vault of the innermost [`with_vault`] that this code runs in.
#[must_use]
pub fn active_vault() -> Option<VaultContext> {
    ACTIVE.try_with(VaultContext::clone).ok()
}

#[cfg(test)]
mod tests;
