//! Named backends, and the active backend of a task.
//!
//! A vault is a backend with a name and JSON options of the caller. `Debug` and errors never show the options, because they may
//! contain secrets. The functions of this module work on one [`VaultRegistry`] for the whole process. Registering a name twice is
//! an error.
//!
//! # Examples
//!
//! ```
//! use f9::prelude::*;
//! use serde_json::json;
//!
//! async fn log(line: String) -> f9::Result<()> {
//!     let vault = f9::vault::active_vault().expect("called within `with_vault`");
//!     vault.create("log.txt", line).await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! let backend = f9::resolve_backend("memory://guide").await?;
//! f9::vault::register_vault("guide", backend, json!({ "owner": "me" }))?;
//! f9::vault::with_vault("guide", log("started".to_owned())).await??;
//! assert_eq!(f9::vault::get_vault("guide")?.read("log.txt").await?, "started");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind, Result};

tokio::task_local! {
    static ACTIVE: VaultContext;
}

static GLOBAL: LazyLock<VaultRegistry> = LazyLock::new(VaultRegistry::new);

/// A set of named backends, each with JSON options of the caller.
///
/// Most programs use the functions of [`f9::vault`](self), which work on one registry for the whole process.
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
    /// Creates an empty registry.
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
            return Err(failing(ErrorKind::InvalidInput).with_message("the name is empty"));
        }
        let mut vaults = self.write();
        if vaults.iter().any(|vault| vault.name == name) {
            return Err(failing(ErrorKind::AlreadyExists).with_subject(name));
        }
        vaults.push(Vault { name: name.to_owned(), backend, options });
        Ok(())
    }

    /// Removes a vault and returns its backend. Other users of the backend are not affected.
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

    /// Returns the backend of a vault.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn get(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        self.with(name, |vault| Arc::clone(&vault.backend))
    }

    /// Returns the names of the vaults, in the order of their registration.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let vaults = self.read();
        vaults.iter().map(|vault| vault.name.clone()).collect()
    }

    /// Returns the options of a vault.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn get_options(&self, name: &str) -> Result<Value> {
        self.with(name, |vault| vault.options.clone())
    }

    /// Returns whether a vault of this name exists.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.with(name, |_| ()).is_ok()
    }

    /// Returns the backend and the name of a vault.
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

    // A panic cannot leave the list half-changed: the only code of the caller that runs under the lock is `Clone` of its options.
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
    Error::new(ErrorKind::NotFound).with_operation(operation).with_subject(name)
}

/// The backend and the name of a vault. Stays usable after the vault is unregistered.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// # let backend = std::sync::Arc::new(f9::MemoryFileBackend::new());
/// # f9::vault::register_vault("diary", backend, serde_json::json!({}))?;
/// let diary = f9::vault::vault_context("diary")?;
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
    /// Returns the name of the vault.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the backend of the vault.
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

/// Adds a vault to the process. See [`VaultRegistry::register`].
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
/// f9::vault::register_vault("work", backend, json!({ "owner": "me" }))?;
/// f9::vault::get_vault("work")?.create("a.txt", "hello").await?;
/// assert_eq!(f9::vault::list_vaults(), ["work"]);
/// assert_eq!(f9::vault::get_vault_options("work")?["owner"], "me");
/// f9::vault::unregister_vault("work")?;
/// assert!(!f9::vault::vault_exists("work"));
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

/// Removes a vault of the process and returns its backend. See [`VaultRegistry::unregister`].
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn unregister_vault(name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.unregister(name)
}

/// Returns the backend of a vault of the process.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn get_vault(name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
    GLOBAL.get(name)
}

/// Returns the names of the vaults of the process, in the order of their registration.
#[must_use]
pub fn list_vaults() -> Vec<String> {
    GLOBAL.list()
}

/// Returns the options of a vault of the process.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn get_vault_options(name: &str) -> Result<Value> {
    GLOBAL.get_options(name)
}

/// Returns whether the process has a vault of this name.
#[must_use]
pub fn vault_exists(name: &str) -> bool {
    GLOBAL.exists(name)
}

/// Returns the backend and the name of a vault of the process.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound).
pub fn vault_context(name: &str) -> Result<VaultContext> {
    GLOBAL.context(name)
}

/// Runs `future` with a vault of the process as the [active vault](active_vault).
///
/// The vault is active in `future` across every await. It is not active in other futures of the same task, nor in tasks that
/// `future` spawns; those need their own `with_vault`. Calls may be nested; the innermost vault is the active one.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if the vault does not exist. `future` does not run then.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
///
/// async fn log(line: &str) -> f9::Result<()> {
///     let vault = f9::vault::active_vault().expect("called within a vault");
///     vault.create("log.txt", line.to_owned()).await?;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::resolve_backend("memory://logs").await?;
/// f9::vault::register_vault("logs", backend.clone(), serde_json::json!({}))?;
/// f9::vault::with_vault("logs", log("started")).await??;
/// assert_eq!(backend.read("log.txt").await?, "started");
/// assert!(f9::vault::active_vault().is_none());
/// # Ok(())
/// # }
/// ```
pub async fn with_vault<F: Future>(name: &str, future: F) -> Result<F::Output> {
    let context = vault_context(name)?;
    Ok(ACTIVE.scope(context, future).await)
}

/// Returns the vault of the innermost enclosing [`with_vault`].
#[must_use]
pub fn active_vault() -> Option<VaultContext> {
    ACTIVE.try_with(VaultContext::clone).ok()
}

#[cfg(test)]
mod tests;
