mod calls;
mod clock;
mod failures;
mod lists;
mod opening;
mod repeating;
mod server;
#[cfg(feature = "testing")]
mod simulated;
mod troubles;
